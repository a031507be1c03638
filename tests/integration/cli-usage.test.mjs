// SPDX-License-Identifier: MIT
// Commands without a hub: help, version, and what is said to wrong words.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runCli } from '../lib/index.mjs';

const COMMANDS = ['serve', 'run', 'progress', 'step', 'pub', 'sub', 'watch', 'conformance', 'bench'];

test('version and help', async () => {
  const version = await runCli(['--version']);
  assert.match(version.stdout, /^clairon \d+\.\d+\.\d+\n$/);
  assert.equal(version.code, 0);
  const help = await runCli(['--help']);
  assert.equal(help.code, 0);
  for (const name of COMMANDS) {
    assert.match(help.stdout, new RegExp(`^  ${name} `, 'm'));
    const own = await runCli([name, '--help']);
    assert.deepEqual([own.code, own.stderr], [0, ''], name);
    assert.match(own.stdout, new RegExp(`^Usage: clairon ${name}`), name);
  }
});

const WRONG = [
  ['frobnicate'], ['--frobnicate'], ['run'], ['run', '--frobnicate', '--', 'true'], ['run', '--wait', 'x', 'true'], ['run', '--id'],
  ['run', '--pty=yes', 'true'], ['run', '--kind', 'cake', 'true'], ['run', '--id', 'a/b', 'true'], ['run', '--id', '', 'true'],
  ['run', '--project', 'a b', 'true'], ['progress'], ['progress', '101'], ['progress', 'x'], ['progress', '-1'], ['progress', '1', '2', '3'],
  ['step'], ['step', ''], ['pub', 'a'], ['pub', 'a', 'B', '{'], ['pub', 'a', 'B', '{}', 'more'], ['sub'], ['sub', '--count', '-1', 'a'],
  ['sub', ''], ['watch'], ['watch', 'w1'], ['watch', 'cake:w1'], ['watch', 'build:'], ['watch', 'build:a/b'], ['watch', 'build:a', 'build:b'],
  ['serve', 'now'], ['serve', '--listen'],
];

test('a wrong word is one clear line and exit 2', async () => {
  for (const words of WRONG) {
    const { code, stdout, stderr } = await runCli(words);
    assert.deepEqual([code, stdout], [2, ''], words.join(' '));
    assert.match(stderr, /^clairon[^\n]*\n$/, words.join(' '));
  }
  assert.equal((await runCli([])).code, 2);
});

test('a server that can not be one is said so', async () => {
  for (const command of [['pub', 'a', 'B'], ['sub', 'a'], ['watch', 'build:a'], ['run', 'true']]) {
    for (const [server, what] of [['wss://127.0.0.1:1', /not the URL/], ['ftp://x', /not the URL/], ['nonsense', /not the URL/],
      ['http://127.0.0.1:1/path', /no path/], ['http://[::1', /not the URL/]]) {
      const { code, stderr } = await runCli([command[0], '--server', server, ...command.slice(1)]);
      assert.equal(code, 2, server);
      assert.match(stderr, what);
      assert.match(stderr, /^[^\n]*\n$/);
    }
  }
});

test('progress and step outside a job', async () => {
  for (const words of [['progress', '5'], ['step', 'a']]) {
    const { code, stderr } = await runCli(words);
    assert.equal(code, 1);
    assert.match(stderr, /not inside a job/);
    const closed = await runCli(words, { env: { CLAIRON_FD: '97' } });
    assert.equal(closed.code, 1);
    assert.match(closed.stderr, /CLAIRON_FD=97/);
  }
});
