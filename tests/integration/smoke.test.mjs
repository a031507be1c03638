// SPDX-License-Identifier: MIT
// Everything at once: clients of every kind, publishers side by side, comings and goings. Runs under ASan like all
// tests, and once more under TSan with 1, 2 and 8 workers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startHub } from '../lib/index.mjs';

const number = (cursor) => Number(cursor.split('-').at(-1));
const key = ({ data }) => `${data.publisher}/${data.n}`;

// Publishes `count` events, one request after the other, as publisher `name`.
async function publish(hub, topic, name, count) {
  for (let n = 1; n <= count; n++) {
    const { status, text } = await hub.post('/api/v1/publish', { topic, type: 'SMOKE', data: { publisher: name, n } });
    assert.equal(status, 200, text);
  }
}

function assertInOrder(events, publishers, count) {
  const ids = events.map(({ id }) => number(id));
  assert.deepEqual(ids, [...ids].sort((a, b) => a - b), 'in the order of their ids');
  assert.equal(new Set(ids).size, ids.length, 'each at most once');
  for (const name of publishers) {
    const seen = events.filter(({ data }) => data.publisher === name).map(({ data }) => data.n);
    assert.deepEqual(seen, Array.from({ length: count }, (_, i) => i + 1), `all of publisher ${name}`);
  }
}

test('clients of every kind see the same events in the same order', async (t) => {
  const hub = await startHub({ t });
  const publishers = ['a', 'b', 'c'];
  const [count, total] = [30, 90];

  const sockets = await Promise.all(Array.from({ length: 8 }, async () => {
    const ws = await hub.ws('/ws');
    await ws.subscribe('smoke');
    return ws;
  }));
  const readHistory = async () => {
    const events = [];
    for (let since = ''; events.length < total;) {
      const { json } = await hub.get(`/api/v1/history?topic=smoke${since && `&since=${since}`}&limit=7`);
      events.push(...json.events);
      since = json.cursor;
    }
    return events;
  };
  const readSocket = async (ws) => {
    const events = [];
    while (events.length < total) {
      events.push(await ws.waitType('SMOKE'));
    }
    return events;
  };
  const published = publishers.map((name) => publish(hub, 'smoke', name, count));
  const views = await Promise.all([...sockets.map(readSocket), readHistory()]);
  await Promise.all(published);
  views.forEach((events) => assertInOrder(events, publishers, count));
  views.forEach((events) => assert.deepEqual(events.map(key), views[0].map(key)));
});

test('clients come, catch up and go while events flow', async (t) => {
  const hub = await startHub({ t });
  const first = await hub.ws('/ws');
  const start = (await first.waitType('connected')).data;
  let flowing = true;
  const flow = publish(hub, 'smoke', 'a', 120).finally(() => { flowing = false; });

  const guest = async (polite) => {
    while (flowing) {
      const ws = await hub.ws('/ws');
      const caught = await ws.subscribe('smoke', { since: start.cursor });
      assert.equal(caught.find(({ type }) => type === 'subscribed').recovered, true);
      const more = await ws.drain();
      const numbers = [...caught, ...more].filter(({ type }) => type === 'SMOKE').map(({ data }) => data.n);
      assert.deepEqual(numbers, numbers.map((_, i) => i + 1), 'from the first event on, without a hole');
      if (polite) {
        await ws.close();
      } else {
        ws.terminate();
      }
    }
  };
  await Promise.all([flow, guest(true), guest(true), guest(false), guest(false)]);
});

test('whoever joins a job, whenever, has all of it in the end', async (t) => {
  const hub = await startHub({ t });
  const lines = 60;
  const { status } = await hub.post('/api/jobs', { projectId: 'smoke', jobId: 'j1' });
  assert.equal(status, 201);

  const work = async () => {
    for (let n = 1; n <= lines; n++) {
      const log = await hub.post('/api/jobs/j1/log', { message: `line ${n}` });
      assert.equal(log.status, 200, log.text);
      const progress = await hub.post('/api/jobs/j1/progress', { progress: n, phase: 'building' });
      assert.ok([200, 202].includes(progress.status), progress.text);
    }
    const end = await hub.post('/api/jobs/j1/completed', { message: 'done' });
    assert.equal(end.status, 200, end.text);
  };
  const follow = async () => {
    const ws = await hub.ws('/ws');
    const messages = await ws.subscribe('job:j1');
    const snapshot = messages.find(({ type }) => type === 'snapshot').data;
    const seen = snapshot.log.map(({ line }) => line);
    let progress = snapshot.progress;
    const ended = snapshot.status === 'completed';
    for (let message = null; !ended && message?.type !== 'JOB_COMPLETED';) {
      message = await ws.next();
      if (message.type === 'JOB_LOG') {
        seen.push(message.data.line);
      } else if (message.type === 'JOB_PROGRESS') {
        assert.ok(message.data.progress >= progress, 'progress never steps back');
        progress = message.data.progress;
      }
    }
    assert.deepEqual(seen, Array.from({ length: lines }, (_, i) => i + 1));
    await ws.close();
    return ended;
  };
  const followAgain = async () => {
    while (!await follow());
  };
  await Promise.all([work(), followAgain(), followAgain(), followAgain()]);
});

test('what was acknowledged survives a kill, and ids go on rising', async (t) => {
  const hub = await startHub({ t });
  await publish(hub, 'smoke', 'a', 20);
  const before = await hub.get('/api/v1/history?topic=smoke');
  await hub.kill9();
  await hub.start();
  await publish(hub, 'smoke', 'b', 5);
  const after = await hub.get('/api/v1/history?topic=smoke');
  assert.deepEqual(after.json.events.slice(0, 20), before.json.events);
  assertInOrder(after.json.events.slice(0, 20), ['a'], 20);
  assertInOrder(after.json.events.slice(20), ['b'], 5);
});
