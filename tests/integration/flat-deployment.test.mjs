// SPDX-License-Identifier: MIT
// One deployment's page: flat messages, late comers, resuming; and the manual test of deployment notifications.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startHub, Refused } from '../lib/index.mjs';

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const PATHS = ['/api/v1/ws/deployment/d-1', '/ws/deployment/d-1', '/ws/deployment/d-1/'];

// The message without what differs from run to run.
function shape({ timestamp, id, ...rest }) {
  assert.match(timestamp, TIME);
  return rest;
}

async function report(hub, verb, body, id = 'd-1') {
  const { status, text, json } = await hub.post(`/api/v1/deployments/${id}/${verb}`, body);
  assert.ok(status === 200 || status === 202, text);
  return json;
}

test('connected, then each report in its flat shape', async (t) => {
  const hub = await startHub({ t });
  const sockets = await Promise.all(PATHS.map((path) => hub.ws(path)));
  for (const ws of sockets) {
    assert.deepEqual(await ws.next(), { type: 'connected', deployment_id: 'd-1' });
  }
  const status = await report(hub, 'status', { status: 'deploying', message: 'Starting', user_id: 'u', own: 1.10 });
  const logs = await report(hub, 'logs', { lines: [{ message: 'one' }, { message: 'two', level: 'ERROR' }] });
  const progress = await report(hub, 'progress', { progress: 50, step: 'Installing dependencies', current_step: 5, total_steps: 10 });
  await report(hub, 'complete', { status: 'success', message: 'Deployment completed', result: { containers: ['web', 'db'] } });
  const D = { deployment_id: 'd-1' };
  for (const ws of sockets) {
    const got = [];
    while (got.length < 6) {
      got.push(await ws.next());
    }
    assert.deepEqual(got.map(shape), [
      { type: 'status', ...D, status: 'deploying', message: 'Starting', old_status: null, attempt: 1 },
      { type: 'log', ...D, level: 'info', message: 'one', line: 1 },
      { type: 'log', ...D, level: 'error', message: 'two', line: 2 },
      { type: 'progress', ...D, progress: 50, step: 'Installing dependencies', current_step: 5, total_steps: 10, message: 'Starting', attempt: 1 },
      { type: 'status', ...D, status: 'success', message: 'Deployment completed', old_status: 'deploying', attempt: 1 },
      { type: 'complete', ...D, status: 'success', message: 'Deployment completed', result: { containers: ['web', 'db'] }, attempt: 1 },
    ]);
    assert.deepEqual(got.slice(0, 4).map(({ id }) => id), [status.id, undefined, logs.id, progress.id],
      'the last message made from an event carries its id');
  }
});

test('any other event on the topic is its data, with type and id', async (t) => {
  const hub = await startHub({ t });
  const ws = await hub.ws('/ws/deployment/d-1');
  const { json } = await hub.post('/api/v1/publish', { topic: 'deployment:d-1', type: 'HELLO', data: { type: 'x', id: 5, n: 1.5 } });
  assert.deepEqual((await ws.collectUntil(({ type }) => type === 'HELLO')).at(-1), { type: 'HELLO', n: 1.5, id: json.id });
  const created = await hub.post('/api/v1/deployments', { stack_id: 's', target_id: 't', id: 'd-1', name: 'shop' });
  assert.equal(created.status, 201);
  const event = await ws.waitType('DEPLOYMENT_CREATED');
  assert.deepEqual([event.deployment_id, event.name, event.status, event.stack_id], ['d-1', 'shop', 'pending', 's']);
  await report(hub, 'status', { status: 'failed', error_message: 'disk' }, 'd-1');
  assert.equal((await ws.waitType('status')).error_message, 'disk');
  assert.equal((await hub.delete('/api/v1/deployments/d-1')).status, 204);
  assert.equal((await ws.waitType('DEPLOYMENT_DELETED')).deployment_id, 'd-1');
});

test('late comers see the end of the log, the last progress and where it stands', async (t) => {
  const hub = await startHub({ t });
  await report(hub, 'status', { status: 'deploying' });
  await report(hub, 'logs', { logs: 'one\ntwo\nthree\n' });
  await report(hub, 'progress', { progress: 33.25, step: 'pull', current_step: 1, total_steps: 3 });
  await report(hub, 'status', { status: 'failed', message: 'over', error_message: 'disk' });
  const D = { deployment_id: 'd-1', snapshot: true };
  const expected = [
    { type: 'log', ...D, level: 'info', message: 'one', line: 1 },
    { type: 'log', ...D, level: 'info', message: 'two', line: 2 },
    { type: 'log', ...D, level: 'info', message: 'three', line: 3 },
    { type: 'progress', ...D, progress: 33.25, step: 'pull', current_step: 1, total_steps: 3 },
    { type: 'status', ...D, status: 'failed', message: 'over', old_status: null, error_message: 'disk', attempt: 1 },
  ];
  for (const [query, from] of [['', 0], ['?tail=2', 1], ['?tail=0', 3], ['?tail=1000', 0]]) {
    const ws = await hub.ws(`/ws/deployment/d-1${query}`);
    await ws.waitType('connected');
    const got = await ws.collectUntil(({ type }) => type === 'status');
    got.push(...await ws.drain());
    assert.deepEqual(got.map(shape), expected.slice(from), query);
    assert.deepEqual(got.filter(({ id }) => id !== undefined).map(({ type }) => type), ['status'], 'from which one may go on');
  }
});

test('a late comer loses nothing between snapshot and stream, and gets nothing twice', async (t) => {
  const hub = await startHub({ t });
  const total = 120;
  const work = (async () => {
    for (let n = 1; n <= total; n++) {
      await report(hub, 'logs', { message: `line ${n}` });
    }
    await report(hub, 'complete', { status: 'success' });
  })();
  const follow = async () => {
    const ws = await hub.ws('/ws/deployment/d-1');
    const got = await ws.collectUntil(({ type, status }) => type === 'complete' || (type === 'status' && status === 'success'));
    const lines = got.filter(({ type }) => type === 'log').map(({ line }) => line);
    assert.deepEqual(lines, Array.from({ length: total }, (_, i) => i + 1));
  };
  for (let i = 0; i < 8; i++) {
    await follow();
  }
  await work;
});

test('with ?since= what was missed comes instead', async (t) => {
  const hub = await startHub({ t });
  const first = await report(hub, 'status', { status: 'deploying' });
  await report(hub, 'logs', { logs: 'one\ntwo\n' });
  await report(hub, 'status', { status: 'running' });
  const ws = await hub.ws(`/ws/deployment/d-1?since=${first.id}`);
  await ws.waitType('connected');
  const got = await ws.collectUntil(({ type }) => type === 'status');
  assert.deepEqual(got.map(({ type, snapshot, id }) => [type, snapshot, id !== undefined]),
    [['log', undefined, false], ['log', undefined, true], ['status', undefined, true]]);

  const again = await hub.ws(`/ws/deployment/d-1?since=${got[1].id}`);
  await again.waitType('connected');
  assert.equal((await again.next()).type, 'status');

  const lost = await hub.ws('/ws/deployment/d-1?since=0123456789abcdef-3');
  await lost.waitType('connected');
  const gap = await lost.next();
  assert.deepEqual([gap.type, gap.level, gap.deployment_id], ['log', 'warning', 'd-1']);
  assert.deepEqual([gap.gap.type, gap.gap.topic, gap.gap.reason], ['gap', 'deployment:d-1', 'epoch']);
  assert.deepEqual((await lost.collectUntil(({ type }) => type === 'status')).map(({ type, snapshot }) => [type, snapshot]),
    [['log', true], ['log', true], ['status', true]]);
});

test('it hears pings and nothing else', async (t) => {
  const hub = await startHub({ t });
  const ws = await hub.ws('/ws/deployment/d-1');
  await ws.waitType('connected');
  ws.send('ping');
  assert.deepEqual(await ws.next(), { type: 'pong' });
  ws.send({ type: 'ping' });
  assert.deepEqual(await ws.next(), { type: 'pong' });
  ws.send('{"type"');
  assert.equal((await ws.next()).data.code, 'bad_json');
  ws.send({ type: 'subscribe', topic: 'news' });
  assert.equal((await ws.next()).data.code, 'unknown_type');
  ws.send(Buffer.from('x'));
  assert.equal((await ws.waitClosed()).code, 1003);
});

test('what cannot be followed is refused before the socket opens', async (t) => {
  const hub = await startHub({ t });
  const cases = [['/ws/deployment/a%20b', 400], ['/ws/deployment/a*', 400], [`/ws/deployment/${'x'.repeat(129)}`, 400],
    ['/ws/deployment/d-1?tail=x', 400], ['/ws/deployment/d-1?tail=-1', 400], ['/ws/deployment', 404], ['/ws/deployment/a%2Fb', 404]];
  for (const [path, status] of cases) {
    await assert.rejects(hub.ws(path), (error) => error instanceof Refused && error.status === status, path);
  }
  const plain = await hub.get('/ws/deployment/d-1');
  assert.equal(plain.status, 426);
});

test('a log that was started anew begins there for late comers', async (t) => {
  const hub = await startHub({ t });
  const ws = await hub.ws('/ws/deployment/d-1');
  await ws.waitType('connected');
  await report(hub, 'logs', { logs: 'old\n' });
  await report(hub, 'logs', { logs: 'new\n', append: false });
  assert.deepEqual((await ws.collectUntil(({ message }) => message === 'new')).filter(({ type }) => type === 'log')
    .map(({ message, line }) => [message, line]), [['old', 1], ['new', 2]]);
  const { json } = await hub.get('/api/v1/deployments/d-1');
  assert.deepEqual(json.log.map(({ message }) => message), ['new']);
  const late = await hub.ws('/ws/deployment/d-1');
  const got = await late.collectUntil(({ type }) => type === 'status');
  assert.deepEqual(got.filter(({ type }) => type === 'log').map(({ message }) => message), ['new']);
});

test('a line over 16 KiB goes on in the next', async (t) => {
  const hub = await startHub({ t });
  const ws = await hub.ws('/ws/deployment/d-1');
  await report(hub, 'logs', { message: 'é'.repeat(10000), level: 'warning' });
  const got = await ws.collectUntil(({ cont }) => cont === true);
  const lines = got.filter(({ type }) => type === 'log');
  assert.equal(lines.map(({ message }) => message).join(''), 'é'.repeat(10000));
  assert.deepEqual(lines.map(({ line, level, cont }) => [line, level, cont]), [[1, 'warning', undefined], [2, 'warning', true]]);
});

// The walk through of the notification system: a client on /ws, a deployment created and reported by a worker.
test('deployment notifications, step by step', async (t) => {
  const hub = await startHub({ t });
  const ws = await hub.ws('/ws');
  await ws.waitType('connected');
  await ws.subscribe('deployment_events');
  const created = await hub.post('/api/v1/deployments', { stack_id: 'stack-uuid', target_id: 'target-uuid', variables: { PORT: '8080' } },
    { headers: { authorization: 'Bearer TOKEN' } });
  assert.equal(created.status, 201);
  const { id, status, websocket_url: url } = created.json;
  assert.equal(status, 'pending');
  assert.equal(url, `/api/v1/ws/deployment/${id}`);
  const event = await ws.waitType('DEPLOYMENT_CREATED');
  assert.equal(event.data.variables, undefined, 'they may hold secrets');
  const page = await hub.ws(url);
  await page.waitType('connected');
  await ws.subscribe(`deployment_logs_${id}`);
  await ws.subscribe(`deployment_progress_${id}`);

  await report(hub, 'status', { status: 'DEPLOYING', user_id: 'user-uuid', name: 'my-deployment' }, id);
  await report(hub, 'logs', { logs: '[INFO] Container started successfully\n' }, id);
  await report(hub, 'progress', { progress: 75, current_step: 'Starting containers', total_steps: 100 }, id);
  await report(hub, 'status', { status: 'RUNNING', old_status: 'DEPLOYING', user_id: 'user-uuid', logs: '[INFO] up' }, id);

  const seen = await ws.collectUntil(({ data }) => data?.logs === '[INFO] up\n');
  assert.deepEqual(seen.map(({ type }) => type), ['DEPLOYMENT_STATUS_CHANGED', 'DEPLOYMENT_LOGS_UPDATE', 'DEPLOYMENT_PROGRESS',
    'DEPLOYMENT_STATUS_CHANGED', 'DEPLOYMENT_LOGS_UPDATE']);
  const [deploying, logs, progress, running] = seen.map(({ data }) => data);
  assert.deepEqual([deploying.deployment_id, deploying.deploymentId, deploying.status, deploying.old_status, deploying.user_id, deploying.name,
    deploying.error_message], [id, id, 'deploying', 'pending', 'user-uuid', 'my-deployment', null]);
  assert.deepEqual([logs.logs, logs.append, logs.level, logs.line, logs.lines],
    ['[INFO] Container started successfully\n', true, 'info', 1, 1]);
  assert.deepEqual([progress.progress, progress.current_step, progress.total_steps], [75, 'Starting containers', 100]);
  assert.deepEqual([running.status, running.old_status], ['running', 'deploying']);
  assert.equal((await page.collectUntil(({ status: now }) => now === 'running')).at(-1).type, 'status');
});
