// SPDX-License-Identifier: MIT
// `clairon run`, `watch` and `sub` while the hub is away, comes back, or is killed again and again.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { makeDir, runCli, spawnCli, startHub, until } from '../lib/index.mjs';

const sh = (script) => ['--', 'sh', '-c', script];
const numbered = (count) => Array.from({ length: count }, (_, i) => `line ${i + 1}`);
const COUNT = (count, pause) => `i=1; while [ $i -le ${count} ]; do echo "line $i"; i=$((i+1)); sleep ${pause}; done`;

async function log(hub, id) {
  const lines = [];
  for (let from = 1; ;) {
    const { json } = await hub.get(`/api/jobs/${id}/log?from=${from}`);
    lines.push(...json.lines);
    if (json.complete) {
      return lines;
    }
    from = json.next;
  }
}

test('without any hub CMD runs as ever', async () => {
  const env = { CLAIRON_SERVER: 'http://127.0.0.1:1' };
  for (const words of [[], ['--id', 'x']]) {
    const { code, stdout, stderr } = await runCli(['run', ...words, '--wait', '0', ...sh('echo out; exit 7')], { env });
    assert.deepEqual([code, stdout], [7, 'out\n']);
    assert.match(stderr, /no hub at 127\.0\.0\.1:1: Connection refused/);
    assert.match(stderr, /not everything was reported/);
  }
});

test('a hub that comes late gets all of it, in order', async (t) => {
  const hub = await startHub({ t });
  await hub.terminate();
  const mark = path.join(makeDir('mark'), 'mark');
  const script = `seq 1 30000; echo "progress 33 third" >&3; touch ${mark}; while [ -e ${mark} ]; do sleep 0.05; done; echo "step Last" >&3; echo end`;
  const child = spawnCli(['run', '--id', 'late', ...sh(script)], { hub, t });
  await until(() => fs.existsSync(mark), 'the command to get there without a hub');
  await hub.start();
  fs.rmSync(mark);
  assert.equal((await child.end()).code, 0);
  const { json: job } = await hub.get('/api/jobs/late');
  assert.deepEqual([job.status, job.step, job.message], ['completed', 'Last', 'third']);
  const lines = await log(hub, 'late');
  assert.equal(lines.length, 30001);
  lines.slice(0, 30000).forEach(({ line, message }, i) => assert.deepEqual([line, message], [i + 1, String(i + 1)]));
  assert.match(child.stderr, /the reports wait until the hub is back/);
  assert.doesNotMatch(child.stderr, /not everything/);
});

test('a hub that hangs does not hold CMD', async (t) => {
  const hub = await startHub({ t });
  const mark = path.join(makeDir('mark'), 'mark');
  hub.signal('SIGSTOP');
  const child = spawnCli(['run', '--id', 'h', ...sh(`seq 1 20000; touch ${mark}`)], { hub, t });
  await until(() => fs.existsSync(mark), 'the command to end without the hub');
  hub.signal('SIGCONT');
  assert.equal((await child.end()).code, 0);
  assert.equal((await log(hub, 'h')).length, 20000);
});

test('an id that turns out to be taken when the hub is back', async (t) => {
  const hub = await startHub({ t });
  await hub.post('/api/jobs', { projectId: 'p', jobId: 'taken' });
  await hub.terminate();
  const child = spawnCli(['run', '--id', 'taken', ...sh('echo started; read x; echo went on; exit 5')], { hub, t, input: 'open' });
  await child.out.waitFor((line) => line === 'started');
  await hub.start();
  await child.err.waitFor((line) => line.includes('reporting stops'));
  child.write('\n');
  assert.equal((await child.end()).code, 5);
  assert.match(child.stdout, /went on/);
  const { json: job } = await hub.get('/api/jobs/taken');
  assert.deepEqual([job.status, job.log], ['queued', []]);
});

test('a command that says nothing is cancelled at the next renewal of its lease', async (t) => {
  const hub = await startHub({ t });
  const ws = await hub.ws('/ws');
  await ws.waitType('connected');
  await ws.subscribe('job:lease');
  const child = spawnCli(['run', '--id', 'lease', '--', 'sleep', '600'], { hub, t });
  await ws.waitFor(({ data }) => data?.status === 'building');
  // With nothing to report, a cancel is learned by the renewal, at most 10 s later.
  await hub.post('/api/jobs/lease/cancel', {});
  await ws.waitType('JOB_ERROR');
  assert.equal((await child.end()).code, 143);
});

// Full of chance, but the same in each run of the test.
function chance(seed) {
  let state = seed + 1;
  return () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
}

const ROUNDS = 20;
const LINES = 60;

async function round(t, number) {
  const random = chance(number);
  for (let i = 0; i < 10; i++) {
    random();
  }
  const hub = await startHub({ t });
  const { json: { cursor } } = await hub.get('/api/jobs');
  const watch = spawnCli(['watch', 'build:r'], { hub, t });
  const sub = spawnCli(['sub', '--since', cursor, 'job:r'], { hub, t });
  const child = spawnCli(['run', '--id', 'r', ...sh(`${COUNT(LINES, 0.05)}; echo "step End" >&3`)], { hub, t });
  for (let kills = 1 + Math.floor(random() * 3); kills > 0; kills--) {
    await new Promise((resolve) => setTimeout(resolve, random() * 1500)); // the moment is the matter
    await hub.kill9();
    await new Promise((resolve) => setTimeout(resolve, random() * 500));
    await hub.start();
  }
  const [ran, watched] = await Promise.all([child.end(), watch.end()]);
  await sub.out.waitFor((line) => line.includes('"JOB_COMPLETED"'));
  sub.signal('SIGINT');
  const subbed = await sub.end();
  const about = `round ${number}`;
  assert.deepEqual([ran.code, watched.code, subbed.code], [0, 0, 0], `${about}\n${child.stderr}\n${watch.stderr}\n${sub.stderr}`);
  const wanted = numbered(LINES);
  assert.equal(child.stdout, wanted.map((line) => `${line}\n`).join(''), about);
  assert.deepEqual((await log(hub, 'r')).map(({ message }) => message), wanted, `${about}: the log`);
  assert.deepEqual(watch.stdout.trimEnd().split('\n'), wanted, `${about}: watch`);
  const events = sub.stdout.trimEnd().split('\n').map((line) => JSON.parse(line));
  const told = events.filter(({ type }) => type === 'JOB_LOG').flatMap(({ data }) => data.message.split('\n'));
  assert.deepEqual(told, wanted, `${about}: sub`);
  const ids = events.map(({ id }) => Number(id.split('-')[1]));
  assert.ok(ids.every((id, i) => i === 0 || id > ids[i - 1]), `${about}: ids rise`);
  assert.equal((await hub.get('/api/jobs/r')).json.status, 'completed');
}

test(`${ROUNDS} rounds of a hub killed at any moment: every line once and in order`, async (t) => {
  const numbers = Array.from({ length: ROUNDS }, (_, i) => i);
  await Promise.all(Array.from({ length: 4 }, async () => {
    while (numbers.length > 0) {
      await round(t, numbers.shift());
    }
  }));
});
