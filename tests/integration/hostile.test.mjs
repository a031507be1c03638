// SPDX-License-Identifier: MIT
// The attacks beside honest clients: that wrong words are told before anything is started. What they measure takes a
// quiet machine.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';
import { binary, REPO } from '../lib/paths.mjs';

function hostile(...words) {
  return spawnSync(process.execPath, [path.join(REPO, 'bench/hostile.mjs'), '--clairon', binary(), ...words], { encoding: 'utf8' });
}

test('wrong words are one line and the usage', () => {
  for (const [words, line] of [[['--only', 'kindness'], 'no attack named kindness'], [['--seconds', '0'], '--seconds is a number from 1 on'],
    [['--seconds', '3601'], '--seconds and --quiet go up to 3600'], [['--quiet', 'x'], '--quiet is a number from 1 on'],
    [['--hostile', '/nonexistent/attacker'], '/nonexistent/attacker is not built'], [['--frobnicate'], "Unknown option '--frobnicate'"]]) {
    const { status, stderr } = hostile(...words);
    assert.equal(status, 2, words.join(' '));
    assert.equal(stderr.split('\n')[0].startsWith(`hostile: ${line}`), true, stderr);
    assert.match(stderr, /^usage: /m);
  }
  const help = hostile('--help', '--hostile', '/nonexistent/attacker');
  assert.equal(help.status, 0, help.stderr);
  assert.match(help.stdout, /--only ATTACK,... {2}of: slow-head .* all$/m);
});
