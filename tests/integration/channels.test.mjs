// SPDX-License-Identifier: MIT
// Channel sockets: on the default channels without asking, on whatever channel they speak, each event once.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startHub } from '../lib/index.mjs';
import { authConfig, token } from '../lib/jwt.mjs';

const PATHS = ['/ws/chat', '/ws/chat/', '/api/ws', '/'];

async function open(hub, path, options) {
  const ws = await hub.ws(path, options);
  await ws.waitType('connected');
  await ws.drain();
  return ws;
}

const said = (ws) => ws.messages.filter(({ channel }) => channel).map(({ type, channel, data }) => [type, channel, data]);

test('every channel socket hears the default channels, and no other', async (t) => {
  const hub = await startHub({ t });
  const sockets = await Promise.all(PATHS.map((path) => open(hub, path)));
  const plain = await open(hub, '/ws');
  const speaker = await open(hub, '/ws/chat');
  speaker.send({ channel: 'elsewhere', data: 0 });
  for (const channel of ['chat', 'playqueue', 'system', 'progress']) {
    speaker.send({ channel, data: { text: channel }, ref: channel });
    await speaker.waitFor(({ type, ref }) => type === 'published' && ref === channel);
  }
  const expected = ['chat', 'playqueue', 'system', 'progress'].map((channel) => ['message', channel, { text: channel }]);
  for (const ws of sockets) {
    await ws.waitFor(({ channel }) => channel === 'progress');
    assert.deepEqual(said(ws), expected);
  }
  await plain.drain();
  assert.deepEqual(said(plain), []);
  assert.deepEqual(said(speaker), [], 'no copy of its own');
});

test('who speaks on a channel hears it from then on, but not its own words unless it asks', async (t) => {
  const hub = await startHub({ t });
  const [one, two] = [await open(hub, '/ws/chat'), await open(hub, '/ws/chat')];
  two.send({ channel: 'room', data: 'before', ref: 0 });
  await two.waitType('published');
  one.send({ channel: 'room', data: 'hello', ref: 1 });
  await one.waitType('published');
  await one.drain();
  two.send({ channel: 'room', data: 'answer', echo: true });
  await one.waitFor(({ data }) => data === 'answer');
  await two.waitFor(({ data }) => data === 'answer');
  assert.deepEqual(said(one).map(([, , data]) => data), ['answer']);
  assert.deepEqual(said(two).map(([, , data]) => data), ['hello', 'answer']);
  assert.equal(one.messages.some(({ type }) => type === 'subscribed'), false);
});

test('with since: one bracket for all, right after connected', async (t) => {
  const hub = await startHub({ t, config: { channels: { default: ['a', 'b'] } } });
  const ws = await open(hub, '/ws/chat');
  const { cursor } = ws.messages[0].data;
  await hub.post('/api/v1/publish', { channel: 'b', type: 'message', data: 1 });
  await hub.post('/api/v1/publish', { channel: 'a', type: 'message', data: 2 });
  const again = await hub.ws(`/ws/chat?since=${cursor}`);
  const messages = await again.collectUntil(({ type, topic }) => type === 'caught_up' && topic === 'channel:b');
  assert.deepEqual(messages.map(({ type, topic, data }) => [type, type === 'message' ? data : topic]).slice(1),
    [['subscribed', 'channel:a'], ['subscribed', 'channel:b'], ['message', 1], ['message', 2], ['caught_up', 'channel:a'], ['caught_up', 'channel:b']]);
});

test('rights: only the channels one may read, and only those one may write', async (t) => {
  const hub = await startHub({ t, config: authConfig() });
  const ws = await open(hub, '/ws/chat', { token: token({ sub: 'ann', subscribe: ['channel:chat', 'channel:in*'], publish: ['channel:out', 'channel:in1'] }) });
  const admin = { token: token({ role: 'admin' }) };
  const publish = (channel) => hub.post('/api/v1/publish', { channel, type: 'message', data: channel }, admin);
  ws.send({ channel: 'chat', data: 1 });
  assert.equal((await ws.waitType('WEBSOCKET_ERROR')).data.code, 'forbidden');
  for (const channel of ['out', 'in1']) {
    ws.send({ channel, data: 1, ref: channel });
    await ws.waitType('published');
  }
  await ws.drain();
  for (const channel of ['system', 'out', 'in1', 'chat']) {
    assert.equal((await publish(channel)).status, 200);
  }
  await ws.waitFor(({ channel }) => channel === 'chat');
  assert.deepEqual(said(ws).map(([, channel]) => channel), ['in1', 'chat']);
  assert.equal(ws.messages.filter(({ type }) => type === 'WEBSOCKET_ERROR').length, 1);
});
