// SPDX-License-Identifier: MIT
// `clairon pub`, `sub` and `watch` against a hub that stays.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { binary, runCli, spawnCli, startHub } from '../lib/index.mjs';

const CURSOR = /^[0-9a-f]{16}-\d+\n$/;
const last = (text) => text.trimEnd().split('\n').at(-1);

test('pub: the id, the data, and what the hub refuses', async (t) => {
  const hub = await startHub({ t });
  const ws = await hub.ws('/ws');
  await ws.waitType('connected');
  await ws.subscribe('news');
  const plain = await runCli(['pub', 'news', 'HELLO', '{"n": 1.10, "s": "\\u0000"}'], { hub });
  assert.equal(plain.code, 0);
  assert.match(plain.stdout, CURSOR);
  await ws.waitType('HELLO');
  assert.ok(ws.texts.at(-1).includes('"data":{"n":1.10,"s":"\\u0000"}'), ws.texts.at(-1));
  assert.equal(JSON.parse(ws.texts.at(-1)).id, plain.stdout.trim());
  assert.equal((await runCli(['pub', 'news', 'EMPTY'], { hub })).code, 0);
  assert.deepEqual((await ws.waitType('EMPTY')).data, {});
  assert.equal((await runCli(['pub', '--server', hub.url, 'news', 'PIPED', '-'], { input: '{"a":[1,2]}\n' })).code, 0);
  assert.deepEqual((await ws.waitType('PIPED')).data, { a: [1, 2] });
  const refused = await runCli(['pub', 'news', 'bad type'], { hub });
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /^clairon pub: [^\n]+ \([a-z_]+\)\n$/);
  const nobody = await runCli(['pub', '--server', 'http://127.0.0.1:1', 'a', 'B']);
  assert.equal(nobody.code, 1);
  assert.match(nobody.stderr, /no hub at 127\.0\.0\.1:1/);
});

test('over IPv6 and by name', async (t) => {
  const six = await startHub({ t, listen: ['[::1]:0'] });
  const four = await startHub({ t });
  for (const server of [six.url, `${six.url}/`, `http://localhost:${four.port}`]) {
    const { code, stderr } = await runCli(['pub', '--server', server, 'a', 'B']);
    assert.equal(code, 0, stderr);
  }
});

test('sub: exactly what came, from a cursor, several topics, a number of events', async (t) => {
  const hub = await startHub({ t });
  const first = (await runCli(['pub', 'a', 'ONE', '{"x":"\\u00e9"}'], { hub })).stdout.trim();
  const sub = spawnCli(['sub', '--since', first, '--count', '3', 'a', 'b'], { hub, t });
  await runCli(['pub', 'b', 'TWO'], { hub });
  await runCli(['pub', 'c', 'NOT'], { hub });
  await runCli(['pub', 'a', 'THREE'], { hub });
  await hub.post('/api/v1/publish', { topics: ['a', 'b'], type: 'FOUR', data: {} });
  assert.equal((await sub.end()).code, 0);
  const events = sub.stdout.trimEnd().split('\n');
  assert.deepEqual(events.map((line) => JSON.parse(line).type), ['TWO', 'THREE', 'FOUR']);
  const { json } = await hub.get('/api/v1/history?topic=a');
  assert.equal(events[1], JSON.stringify(json.events[1]));
  assert.equal(sub.stderr, '');
});

test('sub: gaps and refusals are told, and it ends when nobody listens', async (t) => {
  const hub = await startHub({ t });
  await runCli(['pub', 'a', 'ONE'], { hub });
  const other = await runCli(['sub', '--since', '0123456789abcdef-1', '--count', '1', 'a'], { hub });
  assert.deepEqual([other.code, JSON.parse(other.stdout).type], [0, 'ONE']);
  assert.match(other.stderr, /a: .*missing.*\(epoch\)/);
  const refused = await runCli(['sub', 'x\u0001'], { hub });
  assert.deepEqual([refused.code, refused.stdout], [1, '']);
  assert.match(refused.stderr, /^clairon sub: [^\n]+\n$/);
  const head = spawnCli(['-c', `"${binary()}" sub a | head -n 1; echo over`], { hub, t, bin: '/bin/sh' });
  const interrupted = spawnCli(['sub', 'a'], { hub, t });
  const publish = setInterval(() => runCli(['pub', 'a', 'AGAIN'], { hub }).catch(() => {}), 500);
  t.after(() => clearInterval(publish));
  await head.out.waitFor((line) => line === 'over');
  await interrupted.out.waitFor((line) => line.includes('AGAIN'));
  clearInterval(publish);
  interrupted.signal('SIGINT');
  assert.equal((await interrupted.end()).code, 0);
});

async function report(hub, kind, id, steps) {
  const base = { build: '/api/jobs', deployment: '/api/v1/deployments', ticket: '/api/tickets' }[kind];
  for (const [verb, body] of steps) {
    const { status, text } = await hub.post(`${base}/${id}/${verb}`, body);
    assert.equal(status, 200, text);
  }
}

test('watch: its exit status says how the job ended', async (t) => {
  const hub = await startHub({ t });
  const cases = [
    ['build', 'a', 'completed', {}, 0], ['job', 'b', 'error', { error: 'broke' }, 1], ['build', 'c', 'error', { status: 'cancelled' }, 3],
    ['deployment', 'a', 'complete', { status: 'success' }, 0], ['deployment', 'b', 'complete', { status: 'failed', message: 'no' }, 1],
    ['ticket', 'a', 'status', { status: 'COMPLETED' }, 0], ['ticket', 'b', 'status', { status: 'FAILED', error: 'x' }, 1],
    ['ticket', 'c', 'status', { status: 'CANCELLED' }, 3],
  ];
  for (const [word, id, verb, body, code] of cases) {
    const kind = word === 'job' ? 'build' : word;
    const live = spawnCli(['watch', `${word}:${id}`], { hub, t });
    await live.err.waitFor((line) => line.includes('waiting'));
    await report(hub, kind, id, [[kind === 'deployment' ? 'logs' : 'log', { message: 'one\ntwo', level: 'info' }], [verb, body]]);
    assert.equal((await live.end()).code, code, `${kind} ${id}`);
    assert.equal(live.stdout, 'one\ntwo\n');
    assert.match(last(live.stderr), new RegExp(`${kind}:${id} (completed|success|failed|cancelled)`, 'i'));
    const late = await runCli(['watch', `${word}:${id}`], { hub });
    assert.deepEqual([late.code, late.stdout], [code, 'one\ntwo\n'], `${kind} ${id}, late`);
  }
  const settled = spawnCli(['watch', 'deployment:s'], { hub, t });
  await settled.err.waitFor((line) => line.includes('waiting'));
  await report(hub, 'deployment', 's', [['status', { status: 'deploying' }], ['status', { status: 'running' }]]);
  assert.equal((await settled.end()).code, 0);
  assert.equal((await runCli(['watch', 'deployment:s'], { hub })).code, 0);
});

test('watch: a long log, for one who comes late, and steps on standard error', async (t) => {
  const hub = await startHub({ t });
  const texts = Array.from({ length: 2500 }, (_, i) => `line ${i + 1}`);
  for (let i = 0; i < texts.length; i += 500) {
    await report(hub, 'build', 'long', [['log', { lines: texts.slice(i, i + 500).map((message) => ({ message })) }]]);
  }
  const watch = spawnCli(['watch', 'build:long'], { hub, t });
  await watch.out.waitFor((line) => line === 'line 2500');
  await report(hub, 'build', 'long', [['progress', { progress: 60, step: 'pack', message: 'soon' }], ['log', { message: 'more' }], ['completed', {}]]);
  assert.equal((await watch.end()).code, 0);
  assert.deepEqual(watch.stdout.trimEnd().split('\n'), [...texts, 'more']);
  assert.match(watch.stderr, /clairon watch: build:long building 60% pack - soon\n/);
});

test('watch: without a hub it is lost, and an interrupt ends it', async (t) => {
  const { code, stderr } = await runCli(['watch', '--server', 'http://127.0.0.1:1', '--wait', '1', 'build:x']);
  assert.equal(code, 4);
  assert.match(stderr, /the hub is lost: no hub at 127\.0\.0\.1:1/);
  const hub = await startHub({ t });
  const watch = spawnCli(['watch', 'build:x'], { hub, t });
  await watch.err.waitFor((line) => line.includes('waiting'));
  watch.signal('SIGINT');
  assert.equal((await watch.end()).code, 130);
});

test('watch on a terminal: the log above, a bar below, colours kept and nothing worse', async (t) => {
  const hub = await startHub({ t });
  const watch = spawnCli(['-qefc', `stty cols 60; "${binary()}" watch build:t`, '/dev/null'], { hub, t, bin: '/usr/bin/script', input: 'open' });
  await watch.out.waitFor((line) => line.includes('waiting'));
  await report(hub, 'build', 't', [['progress', { progress: 50, step: 'compile' }], ['log', { message: '\x1b[32mgreen\x1b[0m \x1b[2J\x1b]0;title\x07plain' }],
    ['log', { message: 'second' }], ['completed', {}]]);
  assert.equal((await watch.end()).code, 0);
  const screen = watch.stdout;
  assert.match(screen, /\[#{10}-{10}\] {2}50% build:t building: compile/);
  assert.ok(screen.includes('\x1b[32mgreen\x1b[0m '), 'colours stay');
  assert.equal(screen.includes('\x1b[2J'), false, 'nothing clears the screen');
  assert.equal(screen.includes('\x1b]'), false, 'nothing sets the title');
  const rows = screen.split('\n').map((row) => row.replace(/\r+$/, '').split('\r\x1b[K').at(-1));
  assert.ok(rows.includes('second') && rows.includes('\x1b[32mgreen\x1b[0m plain\x1b[0m'), 'each line is alone on its row');
  assert.match(last(screen), /build:t completed after 0:0\d/);
  const bars = screen.split('\r').filter((part) => part.includes('%')).map((part) => part.replace(/\x1b\[[0-9;]*[A-Za-z]/g, '').split('\n')[0]);
  assert.ok(bars.every((bar) => bar.length < 60), 'a bar never wraps');
});
