// SPDX-License-Identifier: MIT
// Clients of Socket.IO that come back: with the same name and topics, and what they missed, also when the hub was away
// meanwhile; and those who can't.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startHub, until } from '../lib/index.mjs';
import { authConfig, token } from '../lib/jwt.mjs';
import { SioClient, sio } from '../lib/socketio.mjs';

const post = async (hub, path, body, options) => {
  const answer = await hub.post(path, body, options);
  assert.ok(answer.status < 300, `${path}: ${answer.status} ${answer.text}`);
  return answer.json;
};
const line = (hub, job, message) => post(hub, `/api/jobs/${job}/log`, { message });
const lines = (client) => client.heard.items.filter(([name]) => name === 'job:log').map(([, data]) => data.message);

// Without coming back by itself, so that the test says when; `back` connects it again.
const patient = (t, hub, options) => sio(t, hub, { reconnection: false, ...options });
async function back(client) {
  client.socket.connect();
  return client.connects.next({ what: 'connect' });
}

async function lost(hub, client, others = 0) {
  client.cut();
  await client.ends.next();
  await until(async () => (await hub.get('/health')).json.websocket.connected_clients === others, 'the hub knows');
}

for (const transports of [['websocket'], ['polling'], ['polling', 'websocket']]) {
  test(`what was missed comes, each once: ${transports}`, async (t) => {
    const hub = await startHub({ t });
    const client = await patient(t, hub, { transports });
    const { id } = client.connects.items[0];
    await client.ask('subscribe:job', 'a');
    await client.ask('subscribe:project', 'p');
    await line(hub, 'a', '1');
    await client.on('job:log');
    await lost(hub, client);
    await line(hub, 'a', '2');
    await post(hub, '/api/jobs/b/progress', { projectId: 'p', phase: 'building' });
    await line(hub, 'a', '3');
    await line(hub, 'other', 'x');
    assert.deepEqual(await back(client), { id, recovered: true });
    await line(hub, 'a', '4');
    await until(() => lines(client).includes('4'), 'the last line');
    assert.deepEqual(lines(client), ['1', '2', '3', '4']);
    assert.equal(client.heard.items.filter(([name]) => name === 'project:progress').length, 1);
    assert.equal(client.heard.items.filter(([name]) => name === 'connected').length, 1);
    assert.deepEqual([...client.offsets].sort((a, b) => a.split('-')[1] - b.split('-')[1]), client.offsets);
    // Again is once; what one is on is not shown again.
    const heard = client.heard.items.length;
    assert.equal((await client.ask('subscribe:job', 'a')).ok, true);
    assert.equal(client.heard.items.length, heard);
    await lost(hub, client);
    assert.deepEqual(await back(client), { id, recovered: true });
    await line(hub, 'a', '5');
    await until(() => lines(client).includes('5'), 'the last line');
    assert.deepEqual(lines(client), ['1', '2', '3', '4', '5']);
  });
}

test('with no event seen but the first', async (t) => {
  const hub = await startHub({ t });
  const client = await patient(t, hub);
  const [{ id }] = client.connects.items;
  await line(hub, 'a', '0');
  await client.ask('subscribe:job', 'a');
  await lost(hub, client);
  await line(hub, 'a', '1');
  assert.deepEqual(await back(client), { id, recovered: true });
  await until(() => lines(client).includes('1'), 'the missed line');
  // The first was in the snapshot when the topic was joined, and is not owed again.
  assert.deepEqual(lines(client), ['0', '1']);
});

for (const end of ['kill9', 'terminate']) {
  test(`over the end of the hub: ${end}`, async (t) => {
    const hub = await startHub({ t });
    const client = await patient(t, hub);
    const silent = await patient(t, hub);
    const [{ id }] = client.connects.items;
    await client.ask('subscribe:job', 'a');
    await client.ask('subscribe:project', 'p');
    await client.ask('unsubscribe:project', 'p');
    await line(hub, 'a', '1');
    await client.on('job:log');
    await hub[end]();
    await client.ends.next();
    await hub.start();
    await line(hub, 'a', '2');
    await post(hub, '/api/jobs/b/progress', { projectId: 'p', phase: 'building' });
    assert.deepEqual(await back(client), { id, recovered: true });
    await line(hub, 'a', '3');
    await until(() => lines(client).includes('3'), 'the last line');
    assert.deepEqual(lines(client), ['1', '2', '3']);
    assert.equal(client.heard.items.some(([name]) => name.startsWith('project:')), false);
    await silent.ends.next();
    assert.equal((await back(silent)).recovered, true);
  });
}

test('what was taken away meanwhile is told, with where things stand', async (t) => {
  const hub = await startHub({ t, config: { store: { job_log_mb: 1 } } });
  const client = await patient(t, hub);
  const other = await patient(t, hub); // joins only after what is taken away
  await client.ask('subscribe:job', 'a');
  await line(hub, 'a', 'first');
  await client.on('job:log');
  await lost(hub, client, 1);
  for (let i = 0; i < 40; i++) {
    const many = Array.from({ length: 60 }, (_, n) => ({ message: `${i}.${n} ${'x'.repeat(1000)}` }));
    await post(hub, '/api/jobs/a/log', { lines: many });
  }
  await until(async () => (await hub.get('/api/jobs/a/log?limit=1')).json.first > 1, 'the oldest lines go');
  await other.ask('subscribe:job', 'a');
  await lost(hub, other);
  client.heard.position = client.heard.items.length;
  assert.equal((await back(client)).recovered, true);
  const [, { gap, level, jobId }] = await client.heard.next();
  assert.deepEqual([gap.topic, gap.reason, level, jobId], ['job:a', 'quota', 'warning', 'a']);
  assert.equal((await client.heard.next())[1].snapshot, true);
  await client.on('job:progress'); // the end of the snapshot
  other.heard.position = other.heard.items.length;
  assert.equal((await back(other)).recovered, true);
  await line(hub, 'a', 'last');
  assert.equal((await other.heard.next())[1].message, 'last'); // nothing is missing for that one
  assert.equal((await client.heard.next())[1].message, 'last');
});

test('who left by itself begins anew', async (t) => {
  const hub = await startHub({ t });
  const client = await patient(t, hub);
  const [{ id }] = client.connects.items;
  await client.ask('subscribe:job', 'a');
  client.socket.disconnect();
  const again = await back(client);
  assert.notEqual(again.id, id);
  assert.equal(again.recovered, false);
  await line(hub, 'a', '1');
  await post(hub, '/api/v1/publish', { topic: 'tickets', type: 'X', data: {} });
  assert.equal((await client.ask('subscribe', 'tickets')).ok, true);
  assert.deepEqual(lines(client), []);
});

test('too late, a wrong secret, an offset that is none, one of another log', async (t) => {
  const hub = await startHub({ t, config: { limits: { recovery_ms: 100 } } });
  const client = await patient(t, hub);
  await lost(hub, client);
  await new Promise((resolve) => setTimeout(resolve, 150)); // what is waited for is time itself
  assert.equal((await back(client)).recovered, false);
  const pid = client.socket._pid;
  const [offset] = client.offsets;
  for (const auth of [
    { pid: 'no', offset }, { pid: 'x'.repeat(500), offset }, { pid, offset: 'x' }, { pid, offset: '' },
    { pid, offset: '0123456789abcdef-0' }, { pid, offset: `${offset.split('-')[0]}-99999999999` }, { pid }, { pid: 5, offset: 5 },
  ]) {
    const other = await patient(t, hub, { auth });
    assert.notEqual(other.socket.id, client.socket.id, JSON.stringify(auth));
    assert.notEqual(other.socket._pid, pid);
    other.socket.disconnect();
  }
  assert.equal(client.ends.items.length, 1); // none of them drove it away
});

test('no more than may be kept', async (t) => {
  const hub = await startHub({ t, config: { limits: { recoveries: 1 } } });
  const first = await patient(t, hub);
  const second = await patient(t, hub); // which can't come back
  assert.deepEqual([typeof first.socket._pid, typeof second.socket._pid], ['string', 'undefined']);
  assert.equal((await second.ask('subscribe:job', 'a')).ok, true);
  first.socket.disconnect();
  await lost(hub, second);
  assert.equal((await back(second)).recovered, false);
  assert.equal(typeof second.socket._pid, 'string'); // there is room now
});

test('one at a time: who comes second has it', async (t) => {
  const hub = await startHub({ t });
  const first = await patient(t, hub);
  await first.ask('subscribe:job', 'a');
  const auth = { pid: first.socket._pid, offset: first.offsets[0] };
  const second = await patient(t, hub, { auth });
  assert.equal(second.socket.id, first.connects.items[0].id);
  assert.equal(await first.ends.next(), 'io server disconnect');
  await until(async () => (await hub.get('/health')).json.websocket.connected_clients === 1, 'the first is gone');
  await line(hub, 'a', '1');
  await until(() => lines(second).includes('1'), 'the second hears it');
  assert.deepEqual(lines(first), []);
  await lost(hub, second);
  const again = await back(second);
  assert.equal(again.id, first.connects.items[0].id);
});

test('another user, and a token that is no good any more', async (t) => {
  const hub = await startHub({ t, config: authConfig() });
  const may = { subscribe: ['*'], publish: ['*'] };
  const admin = { token: token({ sub: 'root', role: 'admin' }) };
  const tokens = { alice: token({ sub: 'alice', ...may }), bob: token({ sub: 'bob', ...may }) };
  let auth = { token: tokens.alice };
  const client = new SioClient(t, hub.url, { reconnection: false, auth: (give) => give(auth) });
  const { id } = await client.connects.next();
  await client.ask('subscribe:job', 'a');
  const cut = async () => {
    client.cut();
    await client.ends.next();
  };
  await cut();
  auth = { token: 'no' };
  client.socket.connect();
  assert.equal(await client.refusals.next(), 'Authentication error');
  auth = { token: tokens.alice };
  assert.deepEqual(await back(client), { id, recovered: true }); // the refusal took nothing from it
  await post(hub, '/api/v1/publish', { user: 'alice', type: 'Hello', data: {} }, admin);
  await client.on('Hello'); // the topic of its own, too
  await cut();
  auth = { token: tokens.bob };
  const bob = await back(client);
  assert.equal(bob.recovered, false);
  assert.notEqual(bob.id, id);
  // With fewer rights than before: what it may not follow any more is told.
  client.socket.disconnect();
  auth = { token: tokens.alice };
  await back(client);
  await client.ask('subscribe:job', 'a');
  await cut();
  auth = { token: token({ sub: 'alice', subscribe: [] }) };
  assert.equal((await back(client)).recovered, true);
  const [, told] = await client.on('WEBSOCKET_ERROR');
  assert.deepEqual([told.code, told.topic], ['forbidden', 'job:a']);
});

test('events of the last seconds, over and over, while the connection is cut', async (t) => {
  const hub = await startHub({ t });
  const clients = await Promise.all([['websocket'], ['polling'], ['polling', 'websocket']]
    .map((transports) => sio(t, hub, { transports })));
  await Promise.all(clients.map((client) => client.ask('subscribe:job', 'a')));
  for (let i = 0; i < 60; i++) {
    await line(hub, 'a', `${i}`);
    if (i % 7 === 3) {
      clients[i % 3].cut();
    }
    if (i % 20 === 19) {
      await hub.kill9();
      await hub.start();
    }
  }
  for (const client of clients) {
    await until(() => lines(client).includes('59'), 'the last line');
    assert.deepEqual(lines(client), Array.from({ length: 60 }, (_, i) => `${i}`));
    assert.ok(client.connects.items.slice(1).every((c) => c.recovered));
    assert.equal(new Set(client.connects.items.map((c) => c.id)).size, 1);
  }
});
