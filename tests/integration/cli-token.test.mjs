// SPDX-License-Identifier: MIT
// The commands against a hub that wants tokens: with one, without, with one that is not enough, and with one that ends
// while they run.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { runCli, spawnCli, startHub, until } from '../lib/index.mjs';
import { authConfig, token } from '../lib/jwt.mjs';

const seconds = () => Math.floor(Date.now() / 1000);
const root = { token: token({ role: 'admin', sub: 'root' }) };
const NONE = /the hub wants a token, and none was given \(CLAIRON_TOKEN\)/;
const BAD = /the hub does not take the token: it may have expired or been revoked/;
const bad = token({ sub: 'ann' }, { key: 'a secret that is not the one of this hub' });

async function oneLine(says, args, options) {
  const { code, stdout, stderr } = await runCli(args, options);
  assert.equal(stdout, '');
  assert.match(stderr, says);
  assert.equal(stderr.trim().split('\n').length, 1, stderr);
  return code;
}

describe('a hub that wants tokens', () => {
  let hub;
  before(async () => {
    hub = await startHub({ config: authConfig() });
  });
  after(() => hub.stop());

  test('by --token, and by CLAIRON_TOKEN', async (t) => {
    const mine = token({ sub: 'ann', subscribe: ['t', 'job:*'], publish: ['t', 'job:*'] });
    for (const [words, env] of [[['--token', mine], {}], [[`--token=${mine}`], { CLAIRON_TOKEN: bad }], [[], { CLAIRON_TOKEN: mine }]]) {
      const sub = spawnCli(['sub', ...words, '--count', '1', 't'], { hub, env, t });
      await until(async () => (await hub.get('/api/v1/connections?user=ann', root)).json.items.some(({ topics }) => topics.includes('t')), 'the subscription');
      assert.equal((await runCli(['pub', ...words, 't', 'X', '{"n":1}'], { hub, env })).code, 0);
      assert.equal((await sub.end()).code, 0);
      assert.deepEqual(JSON.parse(sub.stdout).data, { n: 1 });
      const { code, stdout } = await runCli(['run', ...words, '--id', 'j', '--', 'sh', '-c', 'echo out; exit 3'], { hub, env });
      assert.deepEqual([code, stdout], [3, 'out\n']);
      const watch = await runCli(['watch', ...words, 'build:j'], { hub, env });
      assert.equal(watch.code, 1);
      assert.match(watch.stdout, /out/);
      await until(async () => (await hub.get('/api/v1/connections?user=ann', root)).json.items.length === 0, 'the sessions to end');
    }
  });

  test('without a token, and with one that is not taken: one clear line', async () => {
    for (const [says, env] of [[NONE, {}], [BAD, { CLAIRON_TOKEN: bad }]]) {
      assert.equal(await oneLine(says, ['pub', 't', 'X'], { hub, env }), 1);
      assert.equal(await oneLine(says, ['sub', 't'], { hub, env }), 1);
      assert.equal(await oneLine(says, ['watch', 'build:j'], { hub, env }), 4); // 1 says that the job failed
      // The command runs all the same, and its status counts.
      const { code, stdout, stderr } = await runCli(['run', '--id', 'nobody', '--', 'sh', '-c', 'echo out; exit 4'], { hub, env });
      assert.deepEqual([code, stdout], [4, 'out\n']);
      assert.match(stderr, says);
      assert.match(stderr, /not everything was reported/);
    }
    assert.equal((await hub.get('/api/jobs/nobody', root)).status, 404);
  });

  test('with a token that does not allow it', async () => {
    const env = { CLAIRON_TOKEN: token({ sub: 'ann', subscribe: ['a'] }) };
    assert.equal(await oneLine(/Not allowed\. \(forbidden\)/, ['pub', 'a', 'X'], { hub, env }), 1);
    assert.equal(await oneLine(/b: Not allowed/, ['sub', 'b'], { hub, env }), 1);
    assert.equal(await oneLine(/build:k: Not allowed/, ['watch', 'build:k'], { hub, env }), 4);
    const { code, stderr } = await runCli(['run', '--id', 'nobody', '--', 'true'], { hub, env });
    assert.equal(code, 0);
    assert.match(stderr, /reporting stops: Not allowed/);
  });

  test('a token that is nonsense is not sent', async () => {
    for (const args of [['pub', 't', 'X'], ['sub', 't'], ['watch', 'build:j'], ['run', '--', 'true']]) {
      assert.equal(await oneLine(/the token holds a blank or a control character/, args, { hub, env: { CLAIRON_TOKEN: 'a b' } }), 2);
      assert.equal(await oneLine(/too long: --/, [args[0], '--token', 'x'.repeat(8193), ...args.slice(1)], { hub }), 2);
    }
  });

  test('a token given as a word does not stay in the list of processes, nor reach the command', async (t) => {
    const mine = token({ sub: 'ann', subscribe: ['job:*'], publish: ['job:*'] });
    const script = 'env; cat /proc/$PPID/cmdline | tr "\\0" " "; echo; read x';
    const child = spawnCli(['run', '--token', mine, '--id', 'hidden', '--', 'sh', '-c', script], { hub, t, input: 'open' });
    await child.out.waitFor((line) => line.startsWith('CLAIRON_JOB='));
    await child.out.waitFor((line) => line.includes(' --id hidden '));
    child.write('\n');
    assert.equal((await child.end()).code, 0);
    assert.equal(child.stdout.includes(mine), false);
    assert.equal(child.stderr.includes(mine), false);
    assert.match(child.stdout, /--token \*+ --id hidden/);
    const { json } = await hub.get('/api/jobs/hidden/log?limit=1000', root);
    assert.equal(JSON.stringify(json).includes(mine), false);
  });

  test('a token that ends during a long run: the command goes on, and it is said', async (t) => {
    const brief = token({ sub: 'ann', publish: ['job:*'], exp: seconds() + 7 });
    const script = 'echo one; read x; echo two; exit 5';
    const child = spawnCli(['run', '--id', 'long', '--', 'sh', '-c', script], { hub, t, env: { CLAIRON_TOKEN: brief }, input: 'open' });
    await child.out.waitFor((line) => line === 'one');
    const lines = async () => (await hub.get('/api/jobs/long/log', root)).json.lines?.map(({ message }) => message);
    await until(async () => (await lines())?.includes('one'), 'the first line to be reported');
    await until(async () => (await hub.get('/api/jobs/long', { token: brief })).status === 401, 'the token to end', 30_000);
    child.write('\n');
    assert.equal((await child.end()).code, 5);
    assert.equal(child.stdout, 'one\ntwo\n');
    assert.match(child.stderr, /reporting stops: the hub does not take the token/);
    assert.match(child.stderr, /not everything was reported: the hub does not take the token/);
    assert.deepEqual(await lines(), ['one']);
    // For the hub the job has fallen silent: its lease will end it.
    assert.equal((await hub.get('/api/jobs/long', root)).json.status, 'building');
  });

  test('a session that ends is not asked for again with the same token', async (t) => {
    const brief = spawnCli(['sub', 'x'], { hub, t, env: { CLAIRON_TOKEN: token({ sub: 'ben', subscribe: ['x'], exp: seconds() + 5 }) } });
    assert.equal((await brief.end()).code, 1);
    assert.match(brief.stderr, /the token has expired: a new one is needed/);
    const sub = spawnCli(['sub', 'x'], { hub, t, env: { CLAIRON_TOKEN: token({ sub: 'ben', subscribe: ['x'], jti: 'gone' }) } });
    await until(async () => (await hub.get('/api/v1/connections?user=ben', root)).json.items.length === 1, 'the session');
    await hub.post('/api/v1/revocations', { jti: 'gone' }, root);
    assert.equal((await sub.end()).code, 1);
    assert.equal(sub.stderr, 'clairon sub: the hub ended the session: the token was revoked\n');
  });
});

test('`clairon token` needs nothing of a hub, and what it signs is taken', async (t) => {
  const config = authConfig();
  const env = { CLAIRON_SERVER: 'http://127.0.0.1:1' };
  const signed = await runCli(['token', '--sub', 'ann', '--role', 'admin', '--key', config.auth.secret_file], { env });
  assert.deepEqual([signed.code, signed.stderr], [0, '']);
  const hub = await startHub({ t, config });
  assert.equal((await runCli(['pub', 't', 'X'], { hub, env: { CLAIRON_TOKEN: signed.stdout.trim() } })).code, 0);
  assert.equal(fs.existsSync(config.auth.secret_file), true);
});
