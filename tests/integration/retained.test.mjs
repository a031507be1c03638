// SPDX-License-Identifier: MIT
// Channels that keep their last message: who comes later is handed it once, marked, without a gap or a copy where the live
// stream begins, by whatever door, and also after a restart.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startHub } from '../lib/index.mjs';
import { authConfig, token } from '../lib/jwt.mjs';

const config = { channels: { default: ['chat', 'playqueue', 'scores'], retained: ['playqueue', 'scores'] } };

async function publish(hub, channel, data, options) {
  const { status, json, text } = await hub.post('/api/v1/publish', { channel, type: 'message', data }, options);
  assert.equal(status, 200, text);
  return json.id;
}

async function open(hub, path, options) {
  const ws = await hub.ws(path, options);
  await ws.waitType('connected');
  return ws;
}

// What came on channels: [channel, data, retained?]
const shown = (messages) => messages.filter(({ channel }) => channel).map(({ channel, data, retained }) => [channel, data, retained]);

test('sockets: the last message of those that keep it, in the order of ids, and none of the others', async (t) => {
  const hub = await startHub({ t, config });
  await publish(hub, 'chat', 'gone');
  await publish(hub, 'scores', 1);
  const scores = await publish(hub, 'scores', 2);
  const queue = await publish(hub, 'playqueue', { tracks: [1.10, null] });
  const ws = await open(hub, '/ws/chat');
  const late = await ws.collectUntil(({ channel }) => channel === 'playqueue');
  assert.deepEqual(shown(late), [['scores', 2, true], ['playqueue', { tracks: [1.10, null] }, true]]);
  assert.deepEqual(late.filter(({ channel }) => channel).map(({ id, type }) => [id, type]), [[scores, 'message'], [queue, 'message']]);
  await publish(hub, 'playqueue', 'next');
  await ws.waitFor(({ data }) => data === 'next');
  assert.deepEqual(shown(ws.messages).slice(2), [['playqueue', 'next', undefined]]);
  const native = await open(hub, '/ws');
  native.send({ type: 'subscribe', channel: 'playqueue', ref: 7 });
  const bracket = await native.collectUntil(({ type }) => type === 'caught_up');
  assert.deepEqual(bracket.map(({ type, retained }) => [type, retained]), [['subscribed', undefined], ['message', true], ['caught_up', undefined]]);
  assert.equal(bracket[0].recovered, false);
  native.send({ type: 'subscribe', channel: 'playqueue' }); // is on it
  const again = await native.collectUntil(({ type }) => type === 'caught_up');
  assert.deepEqual(shown(again), []);
});

test('a channel on which nothing was said has nothing to hand out', async (t) => {
  const hub = await startHub({ t });
  const ws = await open(hub, '/ws/chat');
  await ws.drain();
  assert.deepEqual(shown(ws.messages), []);
  await publish(hub, 'playqueue', 'first');
  await ws.waitFor(({ data }) => data === 'first');
  assert.deepEqual(shown(ws.messages), [['playqueue', 'first', undefined]]);
  // `playqueue` keeps its last message unless the configuration says otherwise.
  const late = await open(hub, '/ws/chat');
  assert.deepEqual(shown([await late.waitFor(({ channel }) => channel)]), [['playqueue', 'first', true]]);
});

test('with a cursor it comes once: as what was missed, or not at all', async (t) => {
  const hub = await startHub({ t, config });
  const before = await publish(hub, 'chat', 'before');
  const last = await publish(hub, 'playqueue', 'last');
  const missed = await open(hub, `/ws/chat?since=${before}`);
  const one = await missed.collectUntil(({ type, topic }) => type === 'caught_up' && topic === 'channel:scores');
  assert.deepEqual(shown(one), [['playqueue', 'last', undefined]]);
  const known = await open(hub, `/ws/chat?since=${last}`);
  const none = await known.collectUntil(({ type, topic }) => type === 'caught_up' && topic === 'channel:scores');
  assert.deepEqual([shown(none), none.find(({ type }) => type === 'subscribed').recovered], [[], true]);
  const foreign = await open(hub, '/ws/chat?since=12345-1');
  const kept = await foreign.collectUntil(({ type, topic }) => type === 'caught_up' && topic === 'channel:scores');
  assert.deepEqual(shown(kept).filter(([channel]) => channel === 'playqueue'), [['playqueue', 'last', undefined]]);
});

test('server-sent events and polls', async (t) => {
  const hub = await startHub({ t, config });
  const id = await publish(hub, 'playqueue', [1]);
  const sse = await hub.sse('/api/events?channel=playqueue&channel=chat');
  const first = await sse.waitFor(({ data }) => data);
  assert.deepEqual([first.json.data, first.json.retained, first.json.id, first.event], [[1], true, id, undefined]);
  const { id: cursor } = await sse.waitFor((block) => block.id && !('data' in block));
  const next = await publish(hub, 'playqueue', [2]);
  const second = await sse.waitFor(({ data }) => data);
  assert.deepEqual([second.id, second.json.data, second.json.retained], [next, [2], undefined]);
  const resumed = await hub.sse('/api/events?channel=playqueue', { lastEventId: cursor });
  const missed = await resumed.waitFor(({ data }) => data);
  assert.deepEqual([missed.json.data, missed.json.retained], [[2], undefined]);
  const { json } = await hub.get('/api/poll?channel=playqueue');
  assert.deepEqual([json.events.map(({ data, retained }) => [data, retained]), json.recovered], [[[[2], true]], false]);
  const { json: rest } = await hub.get(`/api/poll?channel=playqueue&since=${json.cursor}&timeout=0`);
  assert.deepEqual([rest.events, rest.recovered], [[], true]);
});

test('it survives the end of the hub, a good one and a bad one', async (t) => {
  const hub = await startHub({ t, config });
  await publish(hub, 'playqueue', 'kept');
  for (const end of [() => hub.restart(), async () => { await hub.kill9(); await hub.start(); }]) {
    await end();
    const ws = await open(hub, '/ws/chat');
    const message = await ws.waitFor(({ channel }) => channel);
    assert.deepEqual([message.data, message.retained], ['kept', true]);
  }
});

test('who joins by speaking gets what was there before, and not its own words', async (t) => {
  const hub = await startHub({ t, config: { channels: { default: [], retained: ['list'] } } });
  const one = await open(hub, '/ws/chat');
  one.send({ channel: 'list', data: 'mine', ref: 1 });
  await one.waitType('published');
  await one.drain();
  assert.deepEqual(shown(one.messages), []);
  const two = await open(hub, '/ws/chat');
  two.send({ channel: 'list', data: 'yours', ref: 1 });
  await one.waitFor(({ data }) => data === 'yours');
  await two.drain();
  assert.ok(!shown(two.messages).some(([, data]) => data === 'yours'));
  const three = await open(hub, '/ws');
  three.send({ channel: 'list', data: 'asked', ref: 1 });
  await three.waitType('published');
  three.send({ type: 'subscribe', channel: 'list' });
  assert.deepEqual(shown(await three.collectUntil(({ type }) => type === 'caught_up')), [['list', 'asked', true]]);
});

test('at the edge of the live stream nothing is missing and nothing comes twice', async (t) => {
  const hub = await startHub({ t, config, env: { CLAIRON__SERVER__WORKERS: '2' } });
  const total = 300;
  const sockets = [];
  for (let i = 0; i < total; i++) {
    const sent = publish(hub, 'playqueue', i);
    if (i % 10 === 0) {
      sockets.push(hub.ws('/ws/chat'));
    }
    await sent;
  }
  for (const ws of await Promise.all(sockets)) {
    await ws.waitFor(({ data, channel }) => channel === 'playqueue' && data === total - 1);
    const got = shown(ws.messages);
    got.forEach(([, data, retained], i) => {
      assert.equal(data, got[0][1] + i, 'rising by one');
      assert.ok(!retained || i === 0, 'only the first');
    });
  }
});

test('only for whom may read the channel', async (t) => {
  const hub = await startHub({ t, config: { ...authConfig(), ...config } });
  await publish(hub, 'playqueue', 'secret', { token: token({ role: 'admin' }) });
  const ws = await open(hub, '/ws/chat', { token: token({ sub: 'ann', subscribe: ['channel:chat'] }) });
  await ws.drain();
  assert.deepEqual(shown(ws.messages), []);
  const { status } = await hub.get('/api/poll?channel=playqueue', { token: token({ sub: 'ann', subscribe: ['channel:chat'] }) });
  assert.equal(status, 403);
});
