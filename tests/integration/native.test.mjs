// SPDX-License-Identifier: MIT
// The native dialect: connecting, subscribing, brackets, resuming, publishing from a socket, history, refusals.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startHub } from '../lib/index.mjs';

const number = (cursor) => Number(cursor.split('-').at(-1));
const types = (messages) => messages.map(({ type }) => type);
const foreign = (cursor) => `${'0123456789abcdef'}-${number(cursor)}`;

async function publish(hub, topic, data, type = 'HELLO') {
  const { status, json, text } = await hub.post('/api/v1/publish', { topic, type, data });
  assert.equal(status, 200, text);
  return json.id;
}

async function open(hub, path = '/ws') {
  const ws = await hub.ws(path);
  ws.hello = await ws.next();
  return ws;
}

test('connected comes first, on every spelling of the path', async (t) => {
  const hub = await startHub({ t });
  for (const path of ['/ws', '/ws/', '/api/v1/ws', '/api/v1/ws/', '/api/v1/ws?token=anything', '/ws?since=nonsense']) {
    const { hello } = await open(hub, path);
    assert.equal(hello.type, 'connected', path);
    const { connection_id: id, user_id: user, cursor, heartbeat } = hello.data;
    assert.match(id, /^[0-9a-f]{16}$/);
    assert.equal(user, null);
    assert.match(cursor, /^[0-9a-f]{16}-\d+$/);
    assert.equal(heartbeat, 25);
  }
});

test('a subprotocol is chosen among those offered', async (t) => {
  const hub = await startHub({ t });
  const chosen = async (protocols) => (await hub.ws('/ws', { protocols })).socket.protocol;
  assert.equal(await chosen(['bearer.abc', 'clairon.v1']), 'clairon.v1');
  assert.equal(await chosen(['bearer.abc']), 'bearer.abc');
});

test('pings in every spelling are answered', async (t) => {
  const hub = await startHub({ t });
  const ws = await open(hub);
  ws.send('ping');
  const pong = await ws.next();
  assert.deepEqual(Object.keys(pong).sort(), ['cursor', 'type']);
  assert.equal(pong.type, 'pong');
  ws.send({ type: 'ping', ref: 7 });
  assert.equal((await ws.next()).ref, 7);
  ws.send({ type: 'WEBSOCKET_PING', ref: 'r' });
  const answer = await ws.next();
  assert.equal(answer.type, 'WEBSOCKET_PONG');
  assert.equal(answer.ref, 'r');
  assert.ok(!Number.isNaN(Date.parse(answer.data.timestamp)));
  ws.send({ type: 'WEBSOCKET_PONG', data: {} });
  assert.deepEqual(await ws.drain(), [], 'an answer to no ping is swallowed');
});

test('the cursor of a pong moves on while the connection is idle', async (t) => {
  const hub = await startHub({ t });
  const ws = await open(hub);
  const id = await publish(hub, 'elsewhere', {});
  const another = await open(hub);
  await another.subscribe('elsewhere', { since: ws.hello.data.cursor });
  ws.send('ping');
  assert.ok(number((await ws.next()).cursor) >= number(id));
});

test('an event comes as the event object, and its data byte for byte', async (t) => {
  const hub = await startHub({ t });
  const ws = await open(hub);
  const [subscribed, caughtUp] = await ws.subscribe('news', { ref: { a: [1.5] } });
  assert.deepEqual({ ...subscribed, cursor: 0 },
    { type: 'subscribed', topic: 'news', cursor: 0, recovered: false, ref: { a: [1.5] } });
  assert.deepEqual(caughtUp, { type: 'caught_up', topic: 'news', cursor: subscribed.cursor, ref: { a: [1.5] } });

  const data = '{"a":1.10,"b":18446744073709551616,"c":"x\\u0000\\ud800y","d":[1e999],"a":2}';
  const { json, status } = await hub.post('/api/v1/publish', `{"topic":"news","type":"HELLO","data": ${data} }`);
  assert.equal(status, 200);
  const event = await ws.waitType('HELLO');
  assert.deepEqual(Object.keys(event), ['type', 'id', 'timestamp', 'topic', 'data']);
  assert.equal(event.id, json.id);
  assert.equal(event.topic, 'news');
  assert.match(event.timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.ok(ws.texts.at(-1).includes(`"data":${data}`), ws.texts.at(-1));
});

test('several topics are one bracket, and an event on two of them comes once', async (t) => {
  const hub = await startHub({ t });
  const first = await open(hub);
  const start = first.hello.data.cursor;
  await publish(hub, 'a', { n: 1 });
  await publish(hub, 'b', { n: 2 });
  const both = await hub.post('/api/v1/publish', { topics: ['b', 'a'], type: 'HELLO', data: { n: 3 } });
  assert.equal(both.status, 200);

  const ws = await open(hub);
  ws.send({ type: 'subscribe', topics: ['a', 'b', 'a\n', 'b'], since: start, ref: 1 });
  const got = await ws.collectUntil(({ type, topic }) => type === 'caught_up' && topic === 'b');
  got.push(...await ws.drain());
  assert.deepEqual(types(got), ['WEBSOCKET_ERROR', 'subscribed', 'subscribed', 'subscribed', 'HELLO', 'HELLO', 'HELLO',
    'caught_up', 'caught_up', 'caught_up']);
  assert.deepEqual(got.filter(({ type }) => type === 'HELLO').map(({ data }) => data.n), [1, 2, 3]);
  assert.equal(got.find(({ type }) => type === 'HELLO').topic, 'a');
  const refused = got[0];
  assert.equal(refused.data.code, 'bad_request');
  assert.equal(refused.topic, 'a\n');
  assert.ok(got.filter(({ ref }) => ref !== undefined).every(({ ref }) => ref === 1));
  assert.ok(got.filter(({ type }) => type === 'subscribed').every(({ recovered }) => recovered === true));

  const live = await hub.post('/api/v1/publish', { topics: ['a', 'b'], type: 'HELLO', data: { n: 4 } });
  assert.equal((await ws.waitType('HELLO')).id, live.json.id);
  assert.deepEqual(await ws.drain(), []);
});

test('an event type can be followed by its name', async (t) => {
  const hub = await startHub({ t });
  const ws = await open(hub);
  ws.send({ type: 'subscribe', event: 'DEPLOYMENT_STATUS_CHANGED', ref: 'x' });
  const subscribed = await ws.waitType('subscribed');
  assert.equal(subscribed.topic, 'event:DEPLOYMENT_STATUS_CHANGED');
  assert.equal(subscribed.event, 'DEPLOYMENT_STATUS_CHANGED');
  assert.equal((await ws.waitType('caught_up')).event, 'DEPLOYMENT_STATUS_CHANGED');
  const { status } = await hub.post('/api/v1/deployments/d-1/status', { status: 'deploying' });
  assert.equal(status, 200);
  assert.equal((await ws.waitType('DEPLOYMENT_STATUS_CHANGED')).data.deploymentId, 'd-1');
  ws.send({ type: 'unsubscribe', event: 'DEPLOYMENT_STATUS_CHANGED' });
  assert.deepEqual(await ws.next(),
    { type: 'unsubscribed', topic: 'event:DEPLOYMENT_STATUS_CHANGED', event: 'DEPLOYMENT_STATUS_CHANGED' });
});

test('subscribing again is answered and sends nothing more; unsubscribing ends it', async (t) => {
  const hub = await startHub({ t });
  const ws = await open(hub);
  const start = ws.hello.data.cursor;
  await publish(hub, 'news', { n: 1 });
  assert.equal((await ws.subscribe('news', { since: start })).length, 3);
  assert.deepEqual(types(await ws.subscribe('news', { since: start })), ['subscribed', 'caught_up']);
  // Said in one breath: the answers come in the order of the questions.
  ws.send({ type: 'subscribe', topic: 'other', ref: 1 });
  ws.send({ type: 'unsubscribe', topic: 'other', ref: 2 });
  ws.send({ type: 'unsubscribe', topic: 'news', ref: 3 });
  ws.send({ type: 'unsubscribe', topic: 'never joined', ref: 4 });
  const got = await ws.collectUntil(({ ref }) => ref === 4);
  assert.deepEqual(got.map(({ type, ref }) => `${type} ${ref}`),
    ['subscribed 1', 'caught_up 1', 'unsubscribed 2', 'unsubscribed 3', 'unsubscribed 4']);
  await publish(hub, 'news', { n: 2 });
  await publish(hub, 'other', { n: 3 });
  const fence = await open(hub);
  await fence.subscribe('news', { since: start });
  assert.deepEqual(await ws.drain(), []);
});

test('who comes back with a cursor gets what it missed, once', async (t) => {
  const hub = await startHub({ t });
  const ws = await open(hub);
  await ws.subscribe('news');
  await publish(hub, 'news', { n: 1 });
  const { id } = await ws.waitType('HELLO');
  await ws.close();
  await publish(hub, 'news', { n: 2 });
  await publish(hub, 'elsewhere', { n: 3 });
  await publish(hub, 'news', { n: 4 });
  const again = await open(hub);
  const got = await again.subscribe('news', { since: id });
  assert.equal(got[0].recovered, true);
  assert.deepEqual(got.slice(1, -1).map(({ data }) => data.n), [2, 4]);
  assert.ok(number(got.at(-1).cursor) >= number(got.at(-2).id));
});

test('what was acknowledged before the question is in the bracket', async (t) => {
  const hub = await startHub({ t });
  const sockets = await Promise.all(Array.from({ length: 4 }, () => open(hub)));
  for (let n = 0; n < 40; n++) {
    const since = sockets[0].hello.data.cursor;
    const id = await publish(hub, `t${n}`, { n });
    const brackets = await Promise.all(sockets.map((ws) => ws.subscribe(`t${n}`, { since })));
    for (const got of brackets) {
      assert.deepEqual(got.map(({ type, id: own }) => own ?? type), ['subscribed', id, 'caught_up']);
    }
  }
});

test('a restart of the hub in between loses nothing', async (t) => {
  const hub = await startHub({ t });
  const ws = await open(hub);
  await ws.subscribe('news');
  await publish(hub, 'news', { n: 1 });
  const { id } = await ws.waitType('HELLO');
  await publish(hub, 'news', { n: 2 });
  const end = hub.restart();
  assert.equal((await ws.waitClosed()).code, 1001);
  await end;
  const after = await publish(hub, 'news', { n: 3 });
  assert.ok(number(after) > number(id));
  const again = await open(hub);
  const got = await again.subscribe('news', { since: id });
  assert.equal(got[0].recovered, true);
  assert.deepEqual(got.slice(1, -1).map(({ data }) => data.n), [2, 3]);
});

test('a kill in between takes back nothing that was acknowledged', async (t) => {
  const hub = await startHub({ t });
  const ws = await open(hub);
  const start = ws.hello.data.cursor;
  for (let n = 1; n <= 20; n++) {
    await publish(hub, 'news', { n });
  }
  await hub.kill9();
  await hub.start();
  const again = await open(hub);
  const got = await again.subscribe('news', { since: start });
  assert.equal(got[0].recovered, true);
  assert.deepEqual(got.slice(1, -1).map(({ data }) => data.n), Array.from({ length: 20 }, (_, i) => i + 1));
});

test('a cursor that is not of this log is answered by a gap', async (t) => {
  const hub = await startHub({ t });
  await publish(hub, 'news', { n: 1 });
  await hub.post('/api/jobs', { projectId: 'p', jobId: 'j' });
  const { data: { cursor } } = (await open(hub)).hello;
  const future = `${cursor.split('-')[0]}-9000000000000000`;
  for (const since of [foreign(cursor), future, 'nonsense', '']) {
    const ws = await open(hub);
    const got = await ws.subscribe('news', { since });
    assert.deepEqual(types(got), ['subscribed', 'gap', 'HELLO', 'caught_up'], since);
    assert.equal(got[0].recovered, false);
    assert.equal(got[1].topic, 'news');
    assert.equal(got[1].reason, 'epoch');
    const job = await ws.subscribe('job:j', { since });
    assert.deepEqual(types(job), ['subscribed', 'gap', 'snapshot', 'caught_up'], since);
    assert.equal(job[2].data.jobId, 'j');
  }
});

test('a job\'s topic opens with its snapshot, or null when nobody knows it', async (t) => {
  const hub = await startHub({ t });
  const ws = await open(hub);
  const unknown = await ws.subscribe('deployment:d-1');
  assert.deepEqual(types(unknown), ['subscribed', 'snapshot', 'caught_up']);
  assert.equal(unknown[1].data, null);
  assert.equal(unknown[1].cursor, unknown[0].cursor);

  assert.equal((await hub.post('/api/v1/deployments/d-1/status', { status: 'deploying', logs: 'one\ntwo\n' })).status, 200);
  await hub.post('/api/v1/deployments/d-1/progress', { progress: 40, step: 'pull', current_step: 4, total_steps: 10 });
  const live = await ws.collectUntil(({ type }) => type === 'DEPLOYMENT_PROGRESS');
  assert.deepEqual(types(live), ['DEPLOYMENT_STATUS_CHANGED', 'DEPLOYMENT_LOGS_UPDATE', 'DEPLOYMENT_PROGRESS']);

  const late = await open(hub);
  const [, { data }] = await late.subscribe('deployment:d-1');
  assert.deepEqual({ kind: data.kind, id: data.id, deployment_id: data.deployment_id, status: data.status, progress: data.progress },
    { kind: 'deployment', id: 'd-1', deployment_id: 'd-1', status: 'deploying', progress: 40 });
  assert.deepEqual(data.log.map(({ line, level, message }) => [line, level, message]),
    [[1, 'info', 'one'], [2, 'info', 'two']]);
  assert.equal(data.cursor, live.at(-1).id);

  // With a cursor, what was missed comes instead of a snapshot; of mere progress, the last.
  await hub.post('/api/v1/deployments/d-1/progress', { progress: 50 });
  assert.equal((await ws.waitType('DEPLOYMENT_PROGRESS')).data.progress, 50);
  const third = await open(hub);
  const missed = await third.subscribe('deployment:d-1', { since: unknown[0].cursor });
  assert.equal(missed[0].recovered, true);
  assert.deepEqual(types(missed), ['subscribed', 'DEPLOYMENT_STATUS_CHANGED', 'DEPLOYMENT_LOGS_UPDATE', 'DEPLOYMENT_PROGRESS',
    'DEPLOYMENT_PROGRESS', 'caught_up']);
  assert.deepEqual(missed.filter(({ data }) => data).map(({ id }) => id), [...live.map(({ id }) => id), missed.at(-2).id]);
});

test('messages on a channel go to all but their sender, unless it asks for an echo', async (t) => {
  const hub = await startHub({ t });
  const [ann, bob] = [await open(hub), await open(hub)];
  for (const ws of [ann, bob]) {
    ws.send({ type: 'subscribe', channel: 'chat' });
    assert.equal((await ws.waitType('subscribed')).topic, 'channel:chat');
    await ws.waitType('caught_up');
  }
  ann.send({ channel: 'chat', data: { text: 'hi' }, ref: 5 });
  const published = await ann.waitType('published');
  assert.equal(published.ref, 5);
  const message = await bob.next();
  assert.deepEqual({ ...message, timestamp: 0 }, { type: 'message', id: published.id, timestamp: 0, topic: 'channel:chat',
    data: { text: 'hi' }, channel: 'chat' });
  ann.send({ channel: 'chat', data: [1, 'any JSON'], echo: true });
  assert.deepEqual((await bob.next()).data, [1, 'any JSON']);
  assert.deepEqual((await ann.next()).data, [1, 'any JSON'], 'no copy of the first, and no answer without ref');
  ann.send({ type: 'message', channel: 'chat', data: null, ref: 6 });
  assert.equal((await bob.next()).data, null);
  assert.equal((await ann.next()).ref, 6);
});

test('a client\'s own events and reports are events like any other', async (t) => {
  const hub = await startHub({ t });
  const [ann, bob] = [await open(hub), await open(hub)];
  await bob.subscribe('event:CLICK');
  await ann.subscribe('event:CLICK');
  ann.send({ type: 'CLICK', data: { n: 1.50 }, ref: 'c' });
  assert.equal((await bob.waitType('CLICK')).data.n, 1.5);
  await ann.collectUntil(({ type }) => type === 'published');

  await bob.subscribe('deployment:d-9');
  ann.send({ type: 'DEPLOYMENT_STATUS_CHANGED', data: { deploymentId: 'd-9', status: 'Running' }, ref: 1 });
  const event = await bob.waitType('DEPLOYMENT_STATUS_CHANGED');
  assert.equal(event.data.status, 'running');
  assert.equal((await ann.waitType('published')).id, event.id);
  ann.send({ type: 'DEPLOYMENT_STATUS_CHANGED', data: { deploymentId: 'd-9', status: 'pending' }, ref: 2 });
  const refused = await ann.waitType('WEBSOCKET_ERROR');
  assert.deepEqual([refused.data.code, refused.ref], ['conflict', 2]);
});

test('history comes by the same socket', async (t) => {
  const hub = await startHub({ t });
  const ws = await open(hub);
  const ids = [];
  for (let n = 1; n <= 5; n++) {
    ids.push(await publish(hub, 'news', { n }));
  }
  const ask = async (more) => {
    ws.send({ type: 'history', topic: 'news', ref: 'h', ...more });
    return ws.next();
  };
  const all = await ask({});
  assert.deepEqual(Object.keys(all).sort(), ['complete', 'cursor', 'events', 'ref', 'topic', 'type']);
  assert.deepEqual([all.type, all.topic, all.ref, all.complete], ['history', 'news', 'h', true]);
  assert.deepEqual(all.events.map(({ id }) => id), ids);
  const page = await ask({ since: ids[0], limit: 2 });
  assert.deepEqual([page.events.map(({ data }) => data.n), page.complete, page.cursor], [[2, 3], false, ids[2]]);
  const back = await ask({ before: ids[3], limit: 2 });
  assert.deepEqual([back.events.map(({ data }) => data.n), back.complete], [[2, 3], false]);
  assert.equal((await ask({ since: foreign(ids[0]) })).gap.reason, 'epoch');
  for (const bad of [{ topic: undefined }, { topic: 5 }, { topic: '' }, { limit: 0 }, { limit: 'x' }, { since: 'x' }, { before: 3 }]) {
    const refused = await ask(bad);
    assert.deepEqual([refused.type, refused.data.code, refused.ref], ['WEBSOCKET_ERROR', 'bad_request', 'h'], JSON.stringify(bad));
  }
});

test('each refusal has its code and leaves the connection open', async (t) => {
  const hub = await startHub({ t });
  const cases = [
    ['{"type":"ping"', 'bad_json'], ['', 'bad_json'], ['pong', 'bad_json'], ['{"type":"ping"} x', 'bad_json'],
    ['{"a":"\\x"}', 'bad_json'], ['['.repeat(33), 'bad_json'], [`{"type":"X","data":${'['.repeat(32)}${']'.repeat(32)}}`, 'bad_json'],
    ['5', 'unknown_type'], ['[]', 'unknown_type'], ['{}', 'unknown_type'], ['{"data":{}}', 'unknown_type'],
    ['{"type":5,"data":{}}', 'unknown_type'], ['{"type":"HELLO"}', 'unknown_type'], ['{"type":"not a name","data":{}}', 'unknown_type'],
    ['{"type":"","data":{}}', 'unknown_type'], [`{"type":"${'A'.repeat(65)}","data":{}}`, 'unknown_type'],
    ['{"type":"connected","data":{}}', 'unknown_type'], ['{"type":"SESSION_EXPIRED","data":{}}', 'unknown_type'],
    ['{"type":"presence","topic":1}', 'bad_request'],
    ['{"type":"HELLO","data":5}', 'bad_request'], ['{"type":"subscribe"}', 'bad_request'], ['{"type":"subscribe","topic":5}', 'bad_request'],
    ['{"type":"subscribe","topics":"a"}', 'bad_request'], ['{"type":"subscribe","topics":[]}', 'bad_request'],
    ['{"type":"subscribe","topics":[5]}', 'bad_request'], ['{"type":"subscribe","topic":""}', 'bad_request'],
    [`{"type":"subscribe","topic":"${'t'.repeat(256)}"}`, 'bad_request'], ['{"type":"subscribe","topic":"a\\u0007"}', 'bad_request'],
    ['{"type":"subscribe","topic":"a","since":5}', 'bad_request'], ['{"type":"unsubscribe"}', 'bad_request'],
    ['{"channel":5,"data":1}', 'bad_request'], ['{"channel":"","data":1}', 'bad_request'], ['{"channel":"c"}', 'unknown_type'],
    ['{"type":"AUTH_TOKEN_REFRESH","data":{"token":"x"}}', 'bad_request'],
    [`{"type":"ping","ref":"${'r'.repeat(300)}"}`, 'bad_request'],
    ['{"type":"DEPLOYMENT_STATUS_CHANGED","data":{"deployment_id":"d","status":"flying"}}', 'bad_request'],
  ];
  let ws;
  for (const [i, [text, code]] of cases.entries()) {
    ws = i % 20 === 0 ? await open(hub) : ws; // below 100 messages in a second
    ws.send(text);
    const refused = await ws.next();
    assert.equal(refused.type, 'WEBSOCKET_ERROR', text);
    assert.equal(refused.data.code, code, `${text}: ${refused.data.message}`);
    assert.ok(refused.data.message.length > 10);
    assert.deepEqual(await ws.drain(), [], text);
  }
  ws = await open(hub);
  ws.send('{"type":"ping","x":tru}');
  assert.match((await ws.next()).data.message, /byte 22/);
  ws.send({ type: 'HELLO', ref: 'r' });
  assert.equal((await ws.next()).ref, 'r');
});

test('a connection is on at most 100 topics', async (t) => {
  const hub = await startHub({ t });
  const ws = await open(hub);
  ws.send({ type: 'subscribe', topics: Array.from({ length: 101 }, (_, i) => `t${i}`) });
  const got = await ws.collectUntil(({ type, topic }) => type === 'caught_up' && topic === 't99');
  const refused = got.filter(({ type }) => type === 'WEBSOCKET_ERROR');
  assert.deepEqual(refused.map(({ topic, data }) => [topic, data.code]), [['t100', 'limit_reached']]);
  assert.equal(got.filter(({ type }) => type === 'subscribed').length, 100);
  assert.equal((await ws.subscribe('one more'))[0].data.code, 'limit_reached');
  ws.send({ type: 'unsubscribe', topic: 't5' });
  await ws.waitType('unsubscribed');
  assert.equal((await ws.subscribe('one more'))[0].type, 'subscribed');
});

test('more than 100 messages in a second are refused, not punished', async (t) => {
  const hub = await startHub({ t });
  const ws = await open(hub);
  for (let ref = 1; ref <= 160; ref++) {
    ws.send({ type: 'ping', ref });
  }
  const answers = [];
  while (answers.length < 160) {
    answers.push(await ws.next());
  }
  assert.deepEqual(answers.map(({ ref }) => ref), Array.from({ length: 160 }, (_, i) => i + 1));
  assert.equal(answers.slice(0, 100).every(({ type }) => type === 'pong'), true);
  const refused = answers.filter(({ type }) => type === 'WEBSOCKET_ERROR');
  assert.ok(refused.length > 0 && refused.every(({ data }) => data.code === 'rate_limited'));
  assert.equal(ws.socket.readyState, 1);
});

test('a hundred snapshots at once come whole, also to who reads slowly', async (t) => {
  const hub = await startHub({ t });
  const lines = Array.from({ length: 200 }, (_, n) => ({ message: `${n} ${'x'.repeat(200)}` }));
  const ids = Array.from({ length: 100 }, (_, i) => `j${i}`);
  for (const id of ids) {
    assert.equal((await hub.post(`/api/jobs/${id}/log`, { lines })).status, 200);
  }
  const ws = await open(hub);
  const topics = ids.map((id) => `job:${id}`);
  ws.send({ type: 'subscribe', topics });
  await ws.waitFor(({ type, topic }) => type === 'caught_up' && topic === 'job:j99');
  ws.send({ type: 'unsubscribe', topics });
  ws.send({ type: 'subscribe', topics, ref: 2 });
  ws.socket.pause();
  await hub.post('/api/jobs/j99/log', { message: 'the last line' });
  ws.socket.resume();
  const last = await ws.waitFor(({ type, topic, ref }) => type === 'caught_up' && topic === 'job:j99' && ref === 2);
  const snapshots = ws.messages.filter(({ type }) => type === 'snapshot');
  assert.deepEqual(snapshots.map(({ topic }) => topic), [...topics, ...topics]);
  assert.ok(snapshots.every(({ data }) => data.log.length >= 190));
  assert.equal(ws.messages.filter(({ type }) => type === 'unsubscribed').length, 100);
  if (snapshots.at(-1).data.log.at(-1).message !== 'the last line') {
    assert.equal((await ws.waitType('JOB_LOG')).data.message, 'the last line');
  }
  assert.ok(last.cursor);
});

test('what is said together with the handshake is heard after connected', async (t) => {
  const hub = await startHub({ t });
  const raw = await hub.raw();
  const ping = Buffer.concat([Buffer.from([0x81, 0x84, 0, 0, 0, 0]), Buffer.from('ping')]);
  raw.write(Buffer.concat([Buffer.from('GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n'
    + 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'), ping]));
  await raw.readUntil('\r\n\r\n');
  const text = (await raw.readUntil('"pong"')).toString();
  assert.ok(text.indexOf('"connected"') > 0 && text.indexOf('"connected"') < text.indexOf('"pong"'));
});

test('a binary message closes with 1003, one too large with 1009', async (t) => {
  const hub = await startHub({ t });
  const one = await open(hub);
  one.send(Buffer.from('{"type":"ping"}'));
  assert.equal((await one.waitClosed()).code, 1003);
  const two = await open(hub);
  two.send(`{"type":"HELLO","data":{"x":"${'x'.repeat(65536)}"}}`);
  assert.equal((await two.waitClosed()).code, 1009);
});

test('connections see the same order, however they read', async (t) => {
  const hub = await startHub({ t });
  const [fast, slow] = [await open(hub), await open(hub)];
  await fast.subscribe('flood');
  await slow.subscribe('flood');
  slow.socket.pause();
  const filler = 'x'.repeat(1000);
  const total = 3000;
  for (let from = 0; from < total; from += 100) {
    const events = Array.from({ length: 100 }, (_, i) => ({ topic: 'flood', type: 'F', data: { n: from + i, filler } }));
    const { status, text } = await hub.post('/api/v1/publish', { events });
    assert.equal(status, 200, text);
  }
  const seen = [];
  while (seen.length < total) {
    seen.push((await fast.waitType('F')).data.n);
  }
  assert.deepEqual(seen, Array.from({ length: total }, (_, i) => i));
  slow.socket.resume();
  const late = [];
  while (late.length < total) {
    late.push((await slow.waitType('F')).data.n);
  }
  assert.deepEqual(late, seen, 'the slow reader missed nothing');
});
