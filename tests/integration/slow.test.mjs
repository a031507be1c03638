// SPDX-License-Identifier: MIT
// Readers that are slower than what is published: they cost a place in the log, not a queue, and miss nothing.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startHub, until } from '../lib/index.mjs';

const SLOW = 8;
const EVENTS = 400;
const FILLER = 'x'.repeat(40_000); // so that the events exceed by far what the kernel holds for a connection

async function open(hub, topics) {
  const ws = await hub.ws('/ws');
  ws.send({ type: 'subscribe', topics });
  for (const topic of topics) {
    await ws.waitFor((m) => m.type === 'caught_up' && m.topic === topic);
  }
  return ws;
}

async function metric(hub, name) {
  const { text } = await hub.get('/metrics');
  const match = new RegExp(`^${name} (\\d+)$`, 'm').exec(text);
  assert.ok(match, `${name} in /metrics`);
  return Number(match[1]);
}

async function publish(hub, from, to) {
  for (let n = from; n < to; n += 20) {
    const events = Array.from({ length: 20 }, (_, i) =>
      ({ topics: (n + i) % 2 ? ['flood', 'odd'] : ['flood'], type: 'F', data: { n: n + i, filler: FILLER } }));
    const { status, text } = await hub.post('/api/v1/publish', { events });
    assert.equal(status, 200, text);
  }
}

async function numbers(ws, count) {
  const seen = [];
  while (seen.length < count) {
    seen.push((await ws.waitType('F')).data.n);
  }
  return seen;
}

const ALL = Array.from({ length: EVENTS }, (_, i) => i);

for (const send of ['plain', 'auto']) {
  test(`a crowd that does not read holds up nobody, and completes when it reads on (${send})`, async (t) => {
    const hub = await startHub({ t, env: { CLAIRON__SERVER__SEND: send } });
    const quick = await open(hub, ['flood', 'odd']);
    const slow = await Promise.all(Array.from({ length: SLOW }, () => open(hub, ['flood', 'odd'])));
    slow.forEach((ws) => ws.socket.pause());
    await publish(hub, 0, EVENTS);
    assert.deepEqual(await numbers(quick, EVENTS), ALL, 'in order, once, though it is on two topics');
    await until(async () => await metric(hub, 'clairon_sessions_behind') === SLOW, 'all slow ones are behind');
    slow.forEach((ws) => ws.socket.resume());
    for (const ws of slow) {
      assert.deepEqual(await numbers(ws, EVENTS), ALL);
    }
    await until(async () => await metric(hub, 'clairon_sessions_behind') === 0, 'nobody is behind');
    await until(async () => await metric(hub, 'clairon_memory_frame_bytes') < 1_000_000, 'frames are given back');
    await publish(hub, EVENTS, EVENTS + 20);
    for (const ws of [quick, ...slow]) {
      assert.deepEqual(await numbers(ws, 20), Array.from({ length: 20 }, (_, i) => EVENTS + i));
      const rest = await ws.drain();
      assert.equal(rest.length, 0, 'nothing comes twice');
    }
  });
}

test('a reader that leaves a topic while it is behind gets no more of it', async (t) => {
  const hub = await startHub({ t });
  const ws = await open(hub, ['flood', 'odd']);
  ws.socket.pause();
  await publish(hub, 0, EVENTS);
  await until(async () => await metric(hub, 'clairon_sessions_behind') === 1, 'it is behind');
  ws.send({ type: 'unsubscribe', topic: 'flood', ref: 1 });
  ws.socket.resume();
  await ws.waitFor(({ type, ref }) => type === 'unsubscribed' && ref === 1);
  const fence = await hub.post('/api/v1/publish', { topic: 'odd', type: 'FENCE', data: {} });
  assert.equal(fence.status, 200);
  await ws.waitType('FENCE');
  const seen = ws.messages.filter(({ type }) => type === 'F').map(({ data }) => data.n);
  assert.ok(ALL.filter((n) => n % 2).every((n) => seen.includes(n)), 'it stayed on the other one');
  assert.equal(new Set(seen).size, seen.length);
  assert.ok(seen.length < EVENTS, 'of the one it left, not all came');
});
