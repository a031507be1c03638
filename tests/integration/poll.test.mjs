// SPDX-License-Identifier: MIT
// Long polling: answers at once, answers later, time-outs, and that a chain of polls misses nothing.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startHub, until } from '../lib/index.mjs';
import { authConfig, token } from '../lib/jwt.mjs';

async function publish(hub, body) {
  const { status, json, text } = await hub.post('/api/v1/publish', { type: 'X', data: {}, ...body });
  assert.equal(status, 200, text);
  return json.id;
}

async function poll(hub, query, options) {
  const { status, json, text } = await hub.get(`/api/poll?${query}`, options);
  assert.equal(status, 200, text);
  assert.deepEqual(Object.keys(json), ['events', 'cursor', 'recovered']);
  return json;
}

test('without since: at once, with snapshots', async (t) => {
  const hub = await startHub({ t });
  const nothing = await poll(hub, 'topic=a');
  assert.deepEqual([nothing.events, nothing.recovered], [[], false]);
  await hub.post('/api/jobs', { projectId: 'p', jobId: 'j' });
  const { events, cursor } = await poll(hub, 'topic=job:j&topic=a');
  assert.deepEqual(events.map(({ type, topic }) => [type, topic]), [['snapshot', 'job:j']]);
  assert.equal(events[0].data.status, 'queued');
  assert.equal(events[0].cursor, cursor);
});

test('with since: what was missed, at once and in order', async (t) => {
  const hub = await startHub({ t });
  const { cursor } = await poll(hub, 'topic=a&topic=b');
  const ids = [];
  for (let i = 0; i < 10; i++) {
    ids.push(await publish(hub, { topic: i % 2 ? 'a' : 'b', data: { i } }));
  }
  const missed = await poll(hub, `topic=a&topic=b&since=${cursor}`);
  assert.deepEqual([missed.events.map(({ id }) => id), missed.recovered], [ids, true]);
  const some = await poll(hub, `topic=a&topic=b&since=${ids[5]}`);
  assert.deepEqual(some.events.map(({ id }) => id), ids.slice(6));
});

test('nothing missed: it waits for the next event, or says after the time-out that there is none', async (t) => {
  const hub = await startHub({ t });
  const { cursor } = await poll(hub, 'topic=a');
  const waiting = poll(hub, `topic=a&since=${cursor}`);
  const ws = await hub.ws('/ws');
  await ws.subscribe('a');
  const id = await publish(hub, { topic: 'a' });
  const answer = await waiting;
  assert.deepEqual(answer.events.map((event) => event.id), [id]);
  assert.deepEqual(await poll(hub, `topic=a&since=${id}&timeout=1`), { events: [], cursor: id, recovered: true });
  assert.deepEqual(await poll(hub, `topic=a&since=${id}&timeout=0`), { events: [], cursor: id, recovered: true });
});

test('a chain of polls has every event once, however much there is', async (t) => {
  const hub = await startHub({ t });
  const total = 400;
  let { cursor } = await poll(hub, 'topic=a');
  const filler = 'x'.repeat(10_000);
  const publishing = (async () => {
    for (let n = 0; n < total; n += 10) {
      const events = Array.from({ length: 10 }, (_, k) => ({ topic: 'a', type: 'X', data: { n: n + k, filler } }));
      assert.equal((await hub.post('/api/v1/publish', { events })).status, 200);
    }
  })();
  const seen = [];
  while (seen.length < total) {
    const answer = await poll(hub, `topic=a&since=${cursor}`);
    assert.ok(JSON.stringify(answer).length < 2 << 20);
    seen.push(...answer.events.map(({ data }) => data.n));
    cursor = answer.cursor;
  }
  await publishing;
  assert.deepEqual(seen, Array.from({ length: total }, (_, i) => i));
});

test('a cursor that is not ours: a gap, a snapshot, what is kept', async (t) => {
  const hub = await startHub({ t });
  await hub.post('/api/jobs', { projectId: 'p', jobId: 'j' });
  const id = await publish(hub, { topic: 'a' });
  for (const since of ['nonsense', '0123456789abcdef-1', id.replace(/-\d+$/, '-900000000000')]) {
    const { events, recovered, cursor } = await poll(hub, `topic=job:j&topic=a&since=${since}`);
    assert.equal(recovered, false);
    assert.deepEqual(events.map(({ type }) => type).sort(), ['X', 'gap', 'gap', 'snapshot']);
    assert.deepEqual((await poll(hub, `topic=job:j&topic=a&since=${cursor}&timeout=0`)).events, []);
  }
});

test('refusals', async (t) => {
  const hub = await startHub({ t });
  for (const [query, status] of [['topic=', 400], ['topic=a&timeout=x', 400], ['topic=a&timeout=-1', 400],
    [Array.from({ length: 102 }, (_, i) => `topic=${i}`).join('&'), 429]]) {
    assert.equal((await hub.get(`/api/poll?${query}`)).status, status, query);
  }
  const guarded = await startHub({ t, config: authConfig({}, { channels: { default: ['open', 'shut'] } }) });
  const reader = { token: token({ sub: 'ann', subscribe: ['channel:open'] }) };
  assert.equal((await guarded.get('/api/poll?topic=a')).status, 401);
  assert.equal((await guarded.get('/api/poll?topic=a', reader)).status, 403);
  assert.equal((await guarded.get('/api/poll', reader)).status, 200);
});

test('polls that are waiting are answered when the hub goes away, and given up when their client is', async (t) => {
  const hub = await startHub({ t });
  const { cursor } = await poll(hub, 'topic=a');
  const gone = await hub.raw();
  gone.write(`GET /api/poll?topic=a&since=${cursor} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  const waiting = hub.raw().then(async (client) => {
    client.write(`GET /api/poll?topic=a&since=${cursor}&timeout=60 HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    return client.readResponse();
  });
  const sessions = async (count) => new RegExp(`^clairon_sessions ${count}$`, 'm').test((await hub.get('/metrics')).text);
  await until(() => sessions(2), 'both polls to wait');
  gone.close();
  await until(() => sessions(1), 'one to be given up');
  await hub.terminate();
  const { status, json } = await waiting;
  assert.deepEqual([status, json], [200, { events: [], cursor, recovered: true }]);
});
