// SPDX-License-Identifier: MIT
// Server-sent events: what an EventSource gets, where it goes on after a cut, and that it always gets a 200.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startHub, until } from '../lib/index.mjs';
import { authConfig, token } from '../lib/jwt.mjs';

const number = (cursor) => Number(cursor.split('-').at(-1));

async function publish(hub, body, options) {
  const { status, json, text } = await hub.post('/api/v1/publish', { type: 'X', data: {}, ...body }, options);
  assert.equal(status, 200, text);
  return json.id;
}

// The block that says where the stream begins: an id without data.
const caughtUp = (sse) => sse.waitFor((event) => event.id && !('data' in event));

test('the head, the first block, and events as they come', async (t) => {
  const hub = await startHub({ t });
  const sse = await hub.sse('/api/events?topic=a&topic=b&channel=c');
  assert.equal(sse.status, 200);
  assert.equal(sse.headers['content-type'], 'text/event-stream');
  assert.equal(sse.headers['cache-control'], 'no-cache, no-transform');
  assert.equal(sse.headers['x-accel-buffering'], 'no');
  assert.equal(sse.headers['content-length'], undefined);
  const retry = Number((await sse.next()).retry);
  assert.ok(retry >= 2000 && retry < 4000);
  await caughtUp(sse);
  const ids = [await publish(hub, { topic: 'b', data: { s: 'one\ntwo\u2028' } }), await publish(hub, { channel: 'c', type: 'message', data: [1] })];
  const [first, second] = [await sse.next(), await sse.next()];
  assert.deepEqual([first.id, first.event, first.json.topic, first.json.data.s], [ids[0], 'X', 'b', 'one\ntwo\u2028']);
  assert.deepEqual([second.id, second.event, second.json.channel, second.json.data], [ids[1], undefined, 'c', [1]]);
  const unnamed = await hub.sse('/api/events?topic=a&named=0');
  await caughtUp(unnamed);
  await publish(hub, { topic: 'a' });
  const event = await unnamed.next();
  assert.deepEqual([event.event, event.json.type], [undefined, 'X']);
});

test('without a topic: the default channels', async (t) => {
  const hub = await startHub({ t, config: { channels: { default: ['chat', 'news'] } } });
  const sse = await hub.sse('/api/events');
  await caughtUp(sse);
  await publish(hub, { channel: 'other', type: 'message' });
  await publish(hub, { channel: 'news', type: 'message', data: 'hello' });
  assert.equal((await sse.next()).json.data, 'hello');
});

test('going on from an id, by header or parameter, misses nothing and repeats nothing', async (t) => {
  const hub = await startHub({ t });
  const sse = await hub.sse('/api/events?topic=a&topic=b');
  await caughtUp(sse);
  const all = [];
  for (let i = 0; i < 20; i++) {
    all.push(await publish(hub, { topic: i % 2 ? 'a' : 'b', data: { i } }));
  }
  await sse.waitFor(({ id }) => id === all[4]);
  sse.close();
  const header = await hub.sse('/api/events?topic=a&topic=b', { lastEventId: all[4] });
  const parameter = await hub.sse(`/api/events?topic=a&topic=b&lastEventId=${all[4]}`);
  const both = await hub.sse(`/api/events?topic=a&topic=b&lastEventId=${all[0]}`, { lastEventId: all[4] });
  for (const again of [header, parameter, both]) {
    await caughtUp(again);
    assert.deepEqual(again.events.filter(({ data }) => data).map(({ id }) => id), all.slice(5));
  }
  await hub.restart();
  const later = await hub.sse('/api/events?topic=a&topic=b', { lastEventId: all[18] });
  await caughtUp(later);
  assert.deepEqual(later.events.filter(({ data }) => data).map(({ id }) => id), [all[19]]);
});

test('whatever the cursor: 200, a gap or a snapshot, then the stream', async (t) => {
  const hub = await startHub({ t });
  await hub.post('/api/jobs', { projectId: 'p', jobId: 'j' });
  await hub.post('/api/jobs/j/log', { message: 'a line' });
  const own = (await hub.get('/api/v1/history?topic=job:j')).json.cursor;
  const future = own.replace(/-\d+$/, '-900000000000');
  for (const lastEventId of ['nonsense', '0123456789abcdef-1', future, `${own}x`, '-', '1'.repeat(3000)]) {
    const sse = await hub.sse('/api/events?topic=job:j&topic=x', { lastEventId });
    assert.equal(sse.status, 200, lastEventId);
    assert.deepEqual((await sse.waitFor(({ event }) => event === 'gap')).json.reason, 'epoch');
    const snapshot = await sse.waitFor(({ event }) => event === 'snapshot');
    assert.equal(snapshot.json.data.log[0].message, 'a line');
    await caughtUp(sse);
    const id = await publish(hub, { topic: 'x' });
    assert.equal((await sse.next()).id, id);
    sse.close();
  }
});

test('a job: snapshot first, then every event with nothing between', async (t) => {
  const hub = await startHub({ t });
  await hub.post('/api/jobs', { projectId: 'p', jobId: 'j' });
  const sse = await hub.sse('/api/events?topic=job:j');
  const snapshot = await sse.waitFor(({ event }) => event === 'snapshot');
  assert.equal(snapshot.json.data.status, 'queued');
  for (let i = 0; i < 50; i++) {
    await hub.post('/api/jobs/j/log', { message: `line ${i}` });
  }
  await sse.waitFor(({ json }) => json?.data?.message === 'line 49');
  const lines = sse.events.filter(({ event }) => event === 'JOB_LOG').map(({ json }) => json.data.message);
  assert.deepEqual(lines, Array.from({ length: 50 }, (_, i) => `line ${i}`));
});

test('a reader that stops and goes on has all of it, in order', async (t) => {
  const hub = await startHub({ t });
  const sse = await hub.sse('/api/events?topic=a');
  await caughtUp(sse);
  sse.call.socket.pause();
  const data = { filler: 'x'.repeat(20_000) };
  for (let i = 0; i < 300; i++) {
    await hub.post('/api/v1/publish', { events: Array.from({ length: 5 }, (_, k) => ({ topic: 'a', type: 'X', data: { n: 5 * i + k, ...data } })) });
  }
  sse.call.socket.resume();
  await sse.waitFor(({ json }) => json?.data.n === 1499);
  assert.deepEqual(sse.events.filter(({ json }) => json).map(({ json }) => json.data.n), Array.from({ length: 1500 }, (_, i) => i));
});

test('HEAD, too many topics, bad topics, other methods', async (t) => {
  const hub = await startHub({ t });
  const head = await hub.request('HEAD', '/api/events?topic=a');
  assert.deepEqual([head.status, head.headers['content-type'], head.text], [200, 'text/event-stream', '']);
  const many = Array.from({ length: 102 }, (_, i) => `topic=t${i}`).join('&');
  const refusals = [[`?${many}`, 429, 'limit_reached'], [`?${many.replace('topic=t0&', '')}`, 429, 'limit_reached'], ['?topic=', 400, 'bad_request'],
    [`?topic=${'x'.repeat(256)}`, 400, 'bad_request'], ['?topic=a%0a', 400, 'bad_request']];
  for (const [query, status, code] of refusals) {
    const answer = await hub.get(`/api/events${query}`);
    assert.deepEqual([query, answer.status, answer.json?.error.code], [query, status, code]);
  }
  assert.equal((await hub.post('/api/events', {})).status, 405);
});

test('rights: a topic that is not granted refuses the request; the end of the token ends the stream', async (t) => {
  const hub = await startHub({ t, config: authConfig() });
  const admin = { token: token({ role: 'admin' }) };
  await hub.post('/api/v1/deployments', { id: 'd', stack_id: 's', target_id: 't', user_id: 'ann' }, admin);
  const rights = { sub: 'ann', subscribe: ['a'] };
  assert.equal((await hub.get('/api/events?topic=a')).status, 401);
  assert.equal((await hub.get(`/api/events?topic=a&topic=b&token=${token(rights)}`)).status, 403);
  assert.equal((await hub.get('/api/events?topic=deployment:d', { token: token({ sub: 'bob' }) })).status, 403);
  const owner = await hub.sse('/api/events?topic=deployment:d', { token: token({ sub: 'ann' }) });
  await owner.waitFor(({ event }) => event === 'snapshot');
  const exp = Math.floor(Date.now() / 1000) + 2;
  const sse = await hub.sse('/api/events?topic=a', { token: token({ ...rights, exp }) });
  await caughtUp(sse);
  await publish(hub, { topic: 'a' }, admin);
  await sse.waitFor(({ event }) => event === 'X');
  await sse.waitClosed();
  assert.ok(Date.now() >= exp * 1000);
});

test('streams end when the hub goes away, and are not counted as sockets', async (t) => {
  const hub = await startHub({ t });
  const sse = await hub.sse('/api/events?topic=a');
  await caughtUp(sse);
  assert.equal((await hub.get('/health')).json.websocket.connected_clients, 0);
  const ws = await hub.ws('/ws');
  await ws.waitType('connected');
  await until(async () => (await hub.get('/health')).json.websocket.connected_clients === 1, 'the socket to be counted');
  await hub.terminate();
  await sse.waitClosed();
});

test('administrators see streams and polls among the connections, and end them', async (t) => {
  const hub = await startHub({ t, config: authConfig() });
  const admin = { token: token({ role: 'admin' }) };
  const rights = { token: token({ sub: 'ann', subscribe: ['a'] }) };
  const sse = await hub.sse('/api/events?topic=a', rights);
  const { cursor } = (await hub.get('/api/poll?topic=a', rights)).json;
  const poll = hub.get(`/api/poll?topic=a&since=${cursor}`, rights);
  const list = async () => (await hub.get('/api/v1/connections', admin)).json.items;
  await until(async () => (await list()).length === 2, 'both to be there');
  assert.deepEqual((await list()).map(({ user_id: user, dialect, address }) => [user, dialect, address]).sort(),
    [['ann', 'poll', '127.0.0.1'], ['ann', 'sse', '127.0.0.1']]);
  await hub.post('/api/v1/users/ann/disconnect', {}, admin);
  await sse.waitClosed();
  assert.equal((await poll).status, 401);
});

test('the same cursor by every door', async (t) => {
  const hub = await startHub({ t });
  const ids = [];
  for (let i = 0; i < 10; i++) {
    ids.push(await publish(hub, { topic: 'a', data: { i } }));
  }
  const sse = await hub.sse('/api/events?topic=a', { lastEventId: ids[0] });
  await sse.waitFor(({ id }) => id === ids[3]);
  const poll = await hub.get(`/api/poll?topic=a&since=${ids[3]}`);
  assert.deepEqual(poll.json.events.map(({ id }) => id), ids.slice(4));
  const ws = await hub.ws('/ws');
  const messages = await ws.subscribe('a', { since: ids[6] });
  assert.deepEqual(messages.filter(({ type }) => type === 'X').map(({ id }) => id), ids.slice(7));
  assert.ok(number(poll.json.cursor) >= number(ids[9]));
});
