// SPDX-License-Identifier: MIT
// Clients of Socket.IO, with the client that they have: builds in their own words by every transport, topics on request,
// answers and refusals, tokens, and other doors to the same paths.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startHub, until } from '../lib/index.mjs';
import { authConfig, token } from '../lib/jwt.mjs';
import { SioClient, sio, TRANSPORTS } from '../lib/socketio.mjs';

const P = 'project-id-456';
const CURSOR = /^[0-9a-f]{16}-\d+$/;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

async function post(hub, path, body, options) {
  const answer = await hub.post(path, body, options);
  assert.ok(answer.status < 300, `${path}: ${answer.status} ${answer.text}`);
  return answer.json;
}

// What is told without a moment of its own.
const timeless = ([name, { timestamp, ...rest }]) => {
  assert.ok(timestamp === undefined || TIME.test(timestamp));
  return [name, rest];
};

async function build(hub, id) {
  await post(hub, '/api/jobs', { projectId: P, jobId: id });
  await post(hub, `/api/jobs/${id}/progress`, { phase: 'preparing', message: 'Preparing' });
  await post(hub, `/api/jobs/${id}/progress`, { phase: 'building', message: 'Running build...' });
  await post(hub, `/api/jobs/${id}/log`, { lines: [{ message: 'one' }, { message: 'two', level: 'error' }] });
  await post(hub, `/api/jobs/${id}/completed`, { message: 'done', result: { files: 3 } });
}

const progress = (jobId, status, percent, message) => (
  { jobId, projectId: P, status, progress: percent, message, phase: status });
const completed = (jobId) => (
  { jobId, projectId: P, status: 'completed', progress: 100, message: 'done', result: { files: 3 } });
const line = (jobId, n, message, level) => ({ jobId, message, level, line: n });

// What is heard of such a build on its job.
const ofJob = (id) => [
  ['job:progress', progress(id, 'queued', 0, null)],
  ['job:progress', progress(id, 'preparing', 10, 'Preparing')],
  ['job:progress', progress(id, 'building', 50, 'Running build...')],
  ['job:log', line(id, 1, 'one', 'info')],
  ['job:log', line(id, 2, 'two', 'error')],
  ['job:completed', completed(id)],
];
const ofProject = (id) => ofJob(id).filter(([name]) => name !== 'job:log')
  .map(([name, data]) => [name.replace('job:', 'project:'), data]);

for (const transports of TRANSPORTS) {
  test(`a build is seen by ${transports}`, async (t) => {
    const hub = await startHub({ t });
    const [onJob, onProject, onBoth] = await Promise.all([1, 2, 3].map(() => sio(t, hub, { transports })));
    for (const client of [onJob, onProject, onBoth]) {
      const [, data] = await client.on('connected');
      assert.match(data.cursor, CURSOR);
      assert.equal(client.offsets[0], data.cursor);
      assert.notEqual(client.socket.id, client.socket.io.engine.id);
    }
    const joined = await onJob.ask('subscribe:job', 'b-1');
    assert.deepEqual(Object.keys(joined), ['ok', 'cursor']);
    assert.equal(joined.ok, true);
    await onProject.ask('subscribe:project', P);
    await onBoth.ask('subscribe:job', 'b-1');
    await onBoth.ask('subscribe:project', P);
    await build(hub, 'b-1');
    const end = (name) => ({ what: name });
    const ofFirst = await onJob.heard.collectUntil(([name]) => name === 'job:completed', end('job:completed'));
    assert.deepEqual(ofFirst.map(timeless), ofJob('b-1'));
    const ofSecond = await onProject.heard.collectUntil(([name]) => name === 'project:completed', end('project:completed'));
    assert.deepEqual(ofSecond.map(timeless), ofProject('b-1'));
    const ofBoth = await onBoth.heard.collectUntil(([name]) => name === 'project:completed', end('project:completed'));
    const each = (name, of) => of.filter((event) => event[0].startsWith(name));
    assert.deepEqual(each('job:', ofBoth.map(timeless)), ofJob('b-1'));
    assert.deepEqual(each('project:', ofBoth.map(timeless)), ofProject('b-1'));
    for (let i = 0; i < ofBoth.length; i++) { // both names back to back
      if (ofBoth[i][0].startsWith('project:')) {
        assert.equal(ofBoth[i][0].replace('project:', 'job:'), ofBoth[i - 1][0]);
      }
    }
    // One cursor for each event, rising, whatever its names.
    assert.equal(onBoth.offsets.length, 1 + 5);
    assert.deepEqual(onBoth.offsets, onJob.offsets);
    assert.equal(onProject.offsets.length, 1 + 4);
    assert.equal(onJob.transport, transports.at(-1));
    const listed = (await hub.get('/api/v1/connections')).json.items;
    assert.deepEqual(listed.map((c) => c.dialect), ['socketio', 'socketio', 'socketio']);
    assert.equal((await hub.get('/health')).json.websocket.connected_clients, 3);
    onJob.socket.disconnect();
    await until(async () => (await hub.get('/health')).json.websocket.connected_clients === 2, 'one is gone');
  });
}

test('late comers see the log, the progress and the end', async (t) => {
  const hub = await startHub({ t });
  const client = await sio(t, hub);
  await client.on('connected');
  await build(hub, 'b-1');
  await post(hub, '/api/jobs/b-2/error', { error: 'no disk', message: 'stopped', projectId: P });
  const [known] = client.offsets;
  await client.ask('subscribe:job', 'b-1');
  const marked = (events) => events.map(([name, data]) => [name, { ...data, snapshot: true }]);
  assert.deepEqual(client.heard.unread().map(timeless), marked([
    ['job:log', line('b-1', 1, 'one', 'info')],
    ['job:log', line('b-1', 2, 'two', 'error')],
    ['job:progress', { ...progress('b-1', 'completed', 100, 'done') }],
    ['job:completed', completed('b-1')],
  ]));
  client.heard.position = client.heard.items.length;
  assert.equal((await client.ask('subscribe:job', 'b-1')).ok, true); // again: nothing comes
  await client.ask('subscribe:job', 'b-2');
  assert.deepEqual(client.heard.unread().map(timeless), marked([
    ['job:progress', { jobId: 'b-2', projectId: P, status: 'failed', progress: 0, message: 'stopped', phase: null }],
    ['job:error', { jobId: 'b-2', projectId: P, status: 'failed', error: 'no disk', message: 'stopped' }],
  ]).map(([name, data]) => [name, { ...data, ...(name === 'job:progress' ? { phase: client.heard.unread()[0][1].phase } : {}) }]));
  assert.deepEqual(client.offsets, [known]); // none of that moves the cursor
  client.heard.position = client.heard.items.length;
  await client.ask('subscribe:project', P); // projects have no snapshot
  await client.ask('subscribe:job', 'nobody-knows');
  assert.deepEqual(client.heard.unread(), []);
});

test('native topics, leaving, and a message to nobody in particular', async (t) => {
  const hub = await startHub({ t });
  const client = await sio(t, hub);
  await client.on('connected');
  for (const topic of ['tickets', 'channel:chat', 'deployment:d', 'jobs']) {
    assert.equal((await client.ask('subscribe', topic)).ok, true);
  }
  assert.deepEqual((await client.on('snapshot'))[1], { ...client.heard.items.at(-1)[1], topic: 'deployment:d', data: null });
  const { id } = await post(hub, '/api/v1/publish', { topic: 'tickets', type: 'Note', data: { n: 1 } });
  const [, note] = await client.on('Note');
  assert.deepEqual({ ...note, timestamp: 0 }, { type: 'Note', id, timestamp: 0, topic: 'tickets', data: { n: 1 } });
  assert.equal(client.offsets.at(-1), id);
  await post(hub, '/api/v1/publish', { channel: 'chat', data: 'hello' });
  assert.equal((await client.on('message'))[1].data, 'hello');
  await post(hub, '/api/v1/publish', { topic: 'tickets', type: 'disconnect', data: {} });
  assert.equal((await client.on('event'))[1].type, 'disconnect'); // a name that clients keep for themselves
  await post(hub, '/api/jobs', { projectId: P, jobId: 7 });
  assert.equal((await client.on('JOB_PROGRESS'))[1].topic, 'job:7');
  assert.equal((await client.ask('subscribe:job', 7)).ok, true); // a number is an id, too
  assert.equal((await client.on('job:progress'))[1].jobId, '7');
  assert.equal((await client.ask('unsubscribe:job', '7')).ok, true);
  assert.equal((await client.ask('unsubscribe', 'jobs')).ok, true);
  client.socket.emit('unsubscribe:project', 'other');
  await post(hub, '/api/jobs/7/completed', { message: 'x' });
  await post(hub, '/api/v1/publish', { topic: 'tickets', type: 'Last', data: {} });
  assert.equal((await client.heard.next())[0], 'Last'); // nothing of what was left
});

test('what makes no sense is answered, or told', async (t) => {
  const hub = await startHub({ t });
  const client = await sio(t, hub);
  await client.on('connected');
  const rows = [
    ['subscribe:job', []], ['subscribe:job', [{}]], ['subscribe:job', [null]], ['subscribe:job', ['']], ['subscribe:job', ['a b']],
    ['subscribe:job', ['a/b']], ['subscribe:job', ['a*']], ['subscribe:job', ['x'.repeat(129)]], ['subscribe:project', [['p']]],
    ['subscribe', ['']], ['subscribe', ['x'.repeat(256)]], ['subscribe', [true]], ['subscribe', ['a\nb']],
    ['unsubscribe:job', [{}]], ['AUTH_TOKEN_REFRESH', [{ token: 'x' }]], ['AUTH_TOKEN_REFRESH', [5]],
  ];
  for (const [name, args] of rows) {
    const answer = await client.ask(name, ...args);
    assert.equal(answer.ok, false, `${name} ${JSON.stringify(args)}`);
    assert.equal(answer.error.code, 'bad_request', `${name} ${JSON.stringify(args)}`);
    assert.equal(typeof answer.error.message, 'string');
    client.socket.emit(name, ...args);
    const [, told] = await client.on('WEBSOCKET_ERROR');
    assert.equal(told.data.code, 'bad_request');
    assert.equal(told.code, 'bad_request');
  }
  assert.equal((await client.ask('subscribe:everything', 1)).error.code, 'unknown_type');
  client.socket.emit('message', 'hello');
  assert.equal((await client.on('WEBSOCKET_ERROR'))[1].code, 'unknown_type');
  const many = [];
  for (let i = 0; i <= 100; i++) {
    many.push(client.ask('subscribe:job', `j-${i}`));
    if (i % 40 === 39) { // not faster than one may speak
      await Promise.all(many);
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
  const answers = await Promise.all(many);
  assert.equal(answers.filter((a) => a.ok).length, 100);
  assert.equal(answers.at(-1).error.code, 'limit_reached');
  const other = new SioClient(t, `${hub.url}/admin`);
  assert.equal(await other.refusals.next(), 'Invalid namespace');
});

test('compressed, for clients that agreed to it', async (t) => {
  const hub = await startHub({ t });
  const data = { text: 'compressed once for all of them '.repeat(100) };
  const sent = async () => Number(/^clairon_bytes_out_total (\d+)$/m.exec((await hub.get('/metrics')).text)[1]);
  for (const transports of [['websocket'], ['polling', 'websocket']]) {
    const client = await sio(t, hub, { transports });
    await until(() => client.transport === 'websocket', 'it is on a WebSocket');
    assert.match(client.socket.io.engine.transport.ws.extensions.toString(), /permessage-deflate/);
    await client.ask('subscribe', 'tickets');
    const before = await sent();
    for (let n = 0; n < 20; n++) {
      await post(hub, '/api/v1/publish', { topic: 'tickets', type: 'Long', data: { n, ...data } });
    }
    for (let n = 0; n < 20; n++) {
      assert.deepEqual((await client.on('Long'))[1].data, { n, ...data });
    }
    assert.ok(await sent() - before < 20 * data.text.length);
    client.socket.disconnect();
  }
});

test('tokens', async (t) => {
  const hub = await startHub({ t, config: authConfig() });
  const may = { subscribe: ['job:*', 'tickets'], publish: ['*'] };
  const admin = token({ sub: 'root', role: 'admin' });
  for (const auth of [{}, { token: 'no' }, { token: 5 }, { token: token({ sub: 'a' }, { ttl: -10 }) }]) {
    const refused = new SioClient(t, hub.url, { auth });
    assert.equal(await refused.refusals.next(), 'Authentication error');
    refused.socket.disconnect();
  }
  const alice = await sio(t, hub, { auth: { token: token({ sub: 'alice', ...may }) } });
  await alice.on('connected');
  assert.equal((await alice.ask('subscribe:job', 'b')).ok, true);
  const refused = await alice.ask('subscribe:project', 'p');
  assert.deepEqual([refused.ok, refused.error.code], [false, 'forbidden']);
  alice.socket.emit('subscribe', 'secrets');
  assert.equal((await alice.on('WEBSOCKET_ERROR'))[1].topic, 'secrets');
  await post(hub, '/api/v1/publish', { user: 'alice', type: 'Hello', data: { n: 1 } }, { token: admin });
  assert.equal((await alice.on('Hello'))[1].topic, 'user:alice'); // without asking
  const [mine] = (await hub.get('/api/v1/connections', { token: admin })).json.items;
  assert.deepEqual([mine.dialect, mine.user_id], ['socketio', 'alice']);
  // Another token: as good, another's, and with less.
  const renewed = await alice.ask('AUTH_TOKEN_REFRESH', { token: token({ sub: 'alice', ...may }) });
  assert.deepEqual([renewed.ok, TIME.test(renewed.expires_at)], [true, true]);
  assert.equal((await alice.ask('AUTH_TOKEN_REFRESH', { token: token({ sub: 'bob', ...may }) })).error.code, 'forbidden');
  assert.equal((await alice.ask('AUTH_TOKEN_REFRESH', { token: 'x' })).error.code, 'unauthorized');
  alice.socket.emit('AUTH_TOKEN_REFRESH', { token: token({ sub: 'alice', subscribe: ['tickets'] }) });
  const [, changed] = await alice.on('SESSION_PERMISSION_CHANGED');
  assert.deepEqual(changed.data.topics, ['job:b']);
  await alice.on('AUTH_TOKEN_REFRESH');
  // An administrator ends it: it does not come back by itself.
  const { status } = await hub.post('/api/v1/users/alice/disconnect', {}, { token: admin });
  assert.equal(status, 200);
  assert.equal((await alice.on('SESSION_AUTH_REQUIRED'))[1].data.code, 4403);
  assert.equal(await alice.ends.next(), 'io server disconnect');
  // By the header of the first request, and by its address.
  const extraHeaders = { Authorization: `Bearer ${token({ sub: 'carol' })}` };
  await sio(t, hub, { extraHeaders, transports: ['polling'] });
  await sio(t, hub, { query: { token: token({ sub: 'dave' }) } });
});

test('a token that ends', async (t) => {
  const hub = await startHub({ t, config: authConfig() });
  const client = await sio(t, hub, { auth: { token: token({ sub: 'alice' }, { ttl: 2 }) } });
  await client.on('SESSION_EXPIRED');
  assert.equal((await client.on('SESSION_AUTH_REQUIRED'))[1].data.code, 4401);
  assert.equal(await client.ends.next(), 'io server disconnect');
});

test('which path is whose', async (t) => {
  const hub = await startHub({ t, config: { server: { workers: 1 } } });
  for (const path of ['/ws/', '/ws', '/socket.io/', '/socket.io']) {
    const { status, text } = await hub.get(`${path}?EIO=4&transport=polling`);
    assert.equal(status, 200);
    assert.equal(text[0], '0');
    assert.equal((await hub.get(`${path}?EIO=4&transport=pigeon`)).json.code, 0);
  }
  assert.equal((await hub.get('/ws')).status, 426);
  assert.equal((await hub.get('/socket.io/')).status, 404);
  const ws = await hub.ws('/ws');
  await ws.waitType('connected'); // a native one
  await sio(t, hub, { path: '/socket.io' });
  const allowed = await hub.get('/ws/?EIO=4&transport=polling', { headers: { Origin: 'http://localhost:5173' } });
  assert.equal(allowed.headers['access-control-allow-origin'], 'http://localhost:5173');
  const { status } = await hub.get('/ws/?EIO=4&transport=polling', { headers: { Origin: 'http://evil.example' } });
  assert.equal(status, 403);
});

test('switched off', async (t) => {
  const hub = await startHub({ t, env: { WEBSOCKET_ENABLED: 'false' } });
  for (const path of ['/ws/', '/socket.io/']) {
    assert.equal((await hub.get(`${path}?EIO=4&transport=polling`)).status, 503);
    assert.equal((await hub.post(`${path}?EIO=4&transport=polling&sid=x`, '40')).status, 503);
  }
  const client = new SioClient(t, hub.url, { transports: ['websocket'] });
  await client.refusals.next();
});

test('clients come back by themselves when the hub does', async (t) => {
  const hub = await startHub({ t });
  const clients = await Promise.all(TRANSPORTS.map((transports) => sio(t, hub, { transports })));
  await Promise.all(clients.map((client) => client.ask('subscribe:project', P)));
  await post(hub, '/api/jobs', { projectId: P, jobId: 'b' });
  await hub.restart();
  await post(hub, '/api/jobs/b/completed', { message: 'done' });
  for (const client of clients) {
    await client.on('project:progress');
    await client.on('project:completed');
    assert.equal(client.connects.items.length, 2);
    assert.equal((await client.connects.next()).recovered, true);
  }
});
