// SPDX-License-Identifier: MIT
// Followers of tickets: one ticket, all tickets, late comers; and the manual test of ticket processing.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startHub } from '../lib/index.mjs';

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

// The message without what differs from run to run.
function shape({ timestamp, id, ...rest }) {
  assert.match(timestamp, TIME);
  return rest;
}

async function say(hub, id, body, verb = 'status') {
  const { status, text, json } = await hub.post(`/api/tickets/${id}/${verb}`, body);
  assert.ok(status === 200 || status === 202, text);
  return json;
}

async function start(hub, id) {
  const { status, text, json } = await hub.post('/api/tickets/processing/start', { ticket_id: id });
  assert.equal(status, 200, text);
  return json;
}

const number = (cursor) => Number(cursor.split('-').at(-1));

// The walk through of ticket processing: connect, start from another place, watch the steps go by.
test('ticket processing, step by step', async (t) => {
  const hub = await startHub({ t });
  const ws = await hub.ws('/ws/tickets/abc123');
  assert.deepEqual(await ws.next(), { type: 'connected', ticket_id: 'abc123' });
  const answer = await hub.request('POST', '/api/tickets/processing/start', {
    headers: { 'content-type': undefined, authorization: 'Bearer YOUR_TOKEN' }, body: '{"ticket_id": "abc123"}' });
  assert.equal(answer.status, 200);
  const { success, status, websocket_url: url } = answer.json;
  assert.deepEqual([success, status, url], [true, 'PENDING', '/ws/tickets/abc123']);
  const pending = await ws.next();
  assert.deepEqual({ ...shape(pending), message: '' },
    { type: 'status_update', ticket_id: 'abc123', status: 'PENDING', message: '', progress: 0, attempt: 1 });
  assert.equal(pending.id, answer.json.cursor);

  const steps = { check_iterations: 5, prepare_repository: 20, load_conversation: 30, call_llm: 50, commit_changes: 70, run_ci: 85,
    handle_ci_result: 95 };
  for (const [step, progress] of Object.entries(steps)) {
    await say(hub, 'abc123', { status: 'IN_PROGRESS', message: `Étape ${step}`, step, progress });
    assert.deepEqual(shape(await ws.next()), { type: 'status_update', ticket_id: 'abc123', status: 'IN_PROGRESS',
      message: `Étape ${step}`, step, progress, attempt: 1 });
  }
  await say(hub, 'abc123', { level: 'INFO', message: 'Clonage du repository https://example.com/user/repo...' }, 'log');
  assert.deepEqual(shape(await ws.next()), { type: 'log', ticket_id: 'abc123', level: 'INFO',
    message: 'Clonage du repository https://example.com/user/repo...', line: 1 });
  await say(hub, 'abc123', { status: 'COMPLETED', message: 'done', step: 'await_validation', progress: 100 });
  const end = shape(await ws.next());
  assert.deepEqual([end.status, end.step, end.progress], ['COMPLETED', 'await_validation', 100]);
  ws.send('ping');
  assert.deepEqual(await ws.next(), { type: 'pong' });
});

test('members that are absent are left out', async (t) => {
  const hub = await startHub({ t });
  const ws = await hub.ws('/ws/tickets/t-1');
  await ws.waitType('connected');
  await say(hub, 't-1', { status: 'FAILED', message: 'Échec', error: 'Repository not found' });
  assert.deepEqual(shape(await ws.next()),
    { type: 'status_update', ticket_id: 't-1', status: 'FAILED', message: 'Échec', error: 'Repository not found', attempt: 1 });
  await say(hub, 't-1', { message: 'a\nb', level: 'error' }, 'log');
  assert.deepEqual([await ws.next(), await ws.next()].map(shape), [
    { type: 'log', ticket_id: 't-1', level: 'ERROR', message: 'a', line: 1 },
    { type: 'log', ticket_id: 't-1', level: 'ERROR', message: 'b', line: 2 },
  ]);
});

test('starting again is refused while it runs, and opens the next attempt afterwards', async (t) => {
  const hub = await startHub({ t });
  await start(hub, 't-1');
  const again = await hub.post('/api/tickets/processing/start', { ticket_id: 't-1' });
  assert.deepEqual([again.status, again.json.error.code], [409, 'conflict']);
  await say(hub, 't-1', { status: 'FAILED' });
  assert.equal((await start(hub, 't-1')).attempt, 2);
  const old = await hub.post('/api/tickets/t-1/status', { status: 'IN_PROGRESS', attempt: 1 });
  assert.deepEqual([old.status, old.json.error.code], [409, 'conflict']);
});

test('late comers see the end of the log and where it stands', async (t) => {
  const hub = await startHub({ t });
  await start(hub, 't-1');
  await say(hub, 't-1', { lines: [{ message: 'one' }, { message: 'two', level: 'warning' }] }, 'log');
  await say(hub, 't-1', { status: 'IN_PROGRESS', step: 'call_llm', progress: 50, iteration: 2 });
  const ws = await hub.ws('/ws/tickets/t-1?tail=1');
  await ws.waitType('connected');
  const got = [await ws.next(), await ws.next(), ...await ws.drain()];
  const K = { ticket_id: 't-1', snapshot: true };
  assert.deepEqual(got.map(shape), [
    { type: 'log', ...K, level: 'WARNING', message: 'two', line: 2 },
    { type: 'status_update', ...K, status: 'IN_PROGRESS', message: 'Processing is starting', step: 'call_llm', progress: 50,
      iteration: 2, attempt: 1 },
  ]);
  const back = await hub.ws(`/ws/tickets/t-1?since=${got[1].id}`);
  await back.waitType('connected');
  assert.deepEqual(await back.drain(), []);
});

test('who follows all tickets is told of the unfinished ones first', async (t) => {
  const hub = await startHub({ t });
  await start(hub, 'a');
  await start(hub, 'b');
  await say(hub, 'b', { status: 'IN_PROGRESS', progress: 20 });
  await start(hub, 'c');
  await say(hub, 'c', { status: 'COMPLETED' });
  await say(hub, 'd', { status: 'IDLE' });
  const ws = await hub.ws('/ws/tickets/');
  assert.deepEqual(await ws.next(), { type: 'connected' });
  const first = [await ws.next(), await ws.next(), await ws.next()];
  assert.deepEqual(first.map(({ type, ticket_id: id, status, snapshot }) => `${type} ${id} ${status} ${snapshot}`).sort(),
    ['status_update a PENDING true', 'status_update b IN_PROGRESS true', 'status_update d IDLE true']);
  const { id } = await say(hub, 'c', { message: 'afterwards' }, 'log');
  const log = await ws.next();
  assert.deepEqual([log.type, log.ticket_id, log.id], ['log', 'c', id]);
  const { json } = await hub.post('/api/v1/publish', { topic: 'tickets', type: 'HELLO', data: { n: 1 } });
  assert.deepEqual(await ws.next(), { type: 'HELLO', n: 1, id: json.id });
});

test('nothing is lost or told twice between the list and the stream', async (t) => {
  const hub = await startHub({ t });
  const ids = Array.from({ length: 30 }, (_, i) => `t-${i}`);
  await Promise.all(ids.map((id) => start(hub, id)));
  let running = true;
  const last = new Map();
  const work = async (mine) => {
    for (let n = 1; running; n = n % 90 + 1) {
      for (const id of mine) {
        const { status, json, text } = await hub.post(`/api/tickets/${id}/status`, { status: 'IN_PROGRESS', step: `s${n}`, progress: n });
        assert.equal(status, 200, text);
        last.set(id, json.id);
      }
    }
  };
  const workers = [work(ids.slice(0, 10)), work(ids.slice(10, 20))];
  const watchers = [];
  for (let i = 0; i < 5; i++) {
    const ws = await hub.ws('/ws/tickets');
    watchers.push(ws);
    await ws.waitFor(({ ticket_id: id, snapshot }) => id === 't-29' && snapshot);
    await ws.waitFor(({ snapshot }) => snapshot === undefined);
  }
  running = false;
  await Promise.all(workers);
  for (const ws of watchers) {
    const fence = await say(hub, 'fence', { message: 'x' }, 'log');
    await ws.waitFor(({ id }) => id === fence.id);
    const messages = ws.messages.filter(({ type }) => type === 'status_update');
    for (const id of ids) {
      const mine = messages.filter(({ ticket_id: ticket }) => ticket === id);
      assert.equal(mine.filter(({ snapshot }) => snapshot).length, 1, id);
      assert.equal(mine[0].snapshot, true, id);
      const steps = mine.filter(({ step }) => step).map(({ step }) => Number(step.slice(1)));
      steps.slice(1).forEach((step, i) => assert.equal(step, steps[i] % 90 + 1, `${id}: ${steps}`));
      if (last.has(id)) {
        assert.equal(number(mine.at(-1).id ?? last.get(id)), number(last.get(id)));
      }
    }
  }
});

test('with ?since= what was missed comes instead of the list', async (t) => {
  const hub = await startHub({ t });
  const { cursor } = await start(hub, 'a');
  await say(hub, 'a', { status: 'COMPLETED' });
  await start(hub, 'b');
  const ws = await hub.ws(`/ws/tickets?since=${cursor}`);
  await ws.waitType('connected');
  assert.deepEqual([await ws.next(), await ws.next()].map(({ ticket_id: id, status, snapshot }) => [id, status, snapshot]),
    [['a', 'COMPLETED', undefined], ['b', 'PENDING', undefined]]);

  const lost = await hub.ws('/ws/tickets?since=0123456789abcdef-1');
  await lost.waitType('connected');
  const gap = await lost.next();
  assert.deepEqual([gap.type, gap.level, gap.gap.reason, gap.gap.topic], ['log', 'WARNING', 'epoch', 'tickets']);
  const update = await lost.next();
  assert.deepEqual([update.ticket_id, update.snapshot], ['b', true]);
});

test('followers of all tickets survive their neighbours', async (t) => {
  const hub = await startHub({ t });
  for (let i = 0; i < 20; i++) {
    const gone = await hub.ws('/ws/tickets');
    gone.terminate();
  }
  const ws = await hub.ws('/ws/tickets');
  await ws.waitType('connected');
  ws.send({ type: 'subscribe', topic: 'x' });
  assert.equal((await ws.next()).data.code, 'unknown_type');
});
