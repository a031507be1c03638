// SPDX-License-Identifier: MIT
// The same thing said twice: Idempotency-Key on POSTs, producer and seq on reports; also over a restart.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startHub } from '../lib/index.mjs';

const keyed = (key) => ({ headers: { 'idempotency-key': key } });

async function count(hub, topic) {
  return (await hub.get(`/api/v1/history?topic=${topic}`)).json.events.length;
}

test('a second POST with the same key answers as the first did and publishes nothing', async (t) => {
  const hub = await startHub({ t });
  const body = { topic: 'a', type: 'HELLO', data: { n: 1 } };
  const first = await hub.post('/api/v1/publish', body, keyed('k1'));
  assert.deepEqual([first.status, first.json.duplicate], [200, undefined]);
  for (let i = 0; i < 3; i++) {
    const again = await hub.post('/api/v1/publish', body, keyed('k1'));
    assert.deepEqual([again.status, again.json.id, again.json.duplicate], [200, first.json.id, true]);
  }
  assert.equal(await count(hub, 'a'), 1);
  const other = await hub.post('/api/v1/publish', { ...body, data: { n: 2 } }, keyed('k1'));
  assert.deepEqual([other.status, other.json.error.code], [409, 'conflict']);
  const fresh = await hub.post('/api/v1/publish', body, keyed('k2'));
  assert.notEqual(fresh.json.id, first.json.id);
  assert.equal(await count(hub, 'a'), 2);
});

test('it holds for batches, creates and starts, and over a restart', async (t) => {
  const hub = await startHub({ t });
  const calls = [
    ['/api/v1/publish', { events: [1, 2].map((n) => ({ topic: 'a', type: 'HELLO', data: { n } })) }],
    ['/api/v1/deployments', { stack_id: 's', target_id: 't' }],
    ['/api/tickets/processing/start', { ticket_id: 'k' }],
    ['/api/jobs', { projectId: 'p' }],
    ['/api/v1/deployments/d/logs', { message: 'x' }],
  ];
  const first = [];
  for (const [path, body] of calls) {
    first.push(await hub.post(path, body, keyed('same key, other paths')));
    assert.ok([200, 201].includes(first.at(-1).status), first.at(-1).text);
  }
  await hub.restart();
  for (const [i, [path, body]] of calls.entries()) {
    const again = await hub.post(path, body, keyed('same key, other paths'));
    const { durability, duplicate, ...answer } = again.json;
    const { durability: before, ...expected } = first[i].json;
    assert.equal(again.status, first[i].status);
    assert.deepEqual(answer, expected, path);
    assert.equal(duplicate, true);
    assert.ok(durability && before);
  }
  assert.equal(await count(hub, 'a'), 2);
  assert.equal((await hub.get('/api/v1/deployments/d')).json.log.length, 1);
  assert.equal((await hub.get('/api/jobs')).json.items.length, 1);
});

test('of many at the same time with one key, one is published', async (t) => {
  const hub = await startHub({ t });
  const body = { topic: 'a', type: 'HELLO', data: {} };
  const answers = await Promise.all(Array.from({ length: 20 }, () => hub.post('/api/v1/publish', body, keyed('k'))));
  assert.equal(new Set(answers.map(({ json }) => json.id)).size, 1);
  assert.equal(answers.filter(({ json }) => json.duplicate).length, 19);
  assert.equal(await count(hub, 'a'), 1);
});

test('a refused POST does not use up its key; a bad key is refused', async (t) => {
  const hub = await startHub({ t });
  const body = { status: 'deploying' };
  await hub.post('/api/v1/deployments/d/status', { status: 'success' });
  const refused = await hub.post('/api/v1/deployments/d/status', body, keyed('k'));
  assert.equal(refused.status, 409);
  await hub.post('/api/v1/deployments', { stack_id: 's', target_id: 't', id: 'd' });
  const taken = await hub.post('/api/v1/deployments/d/status', body, keyed('k'));
  assert.deepEqual([taken.status, taken.json.status, taken.json.duplicate], [200, 'deploying', undefined]);
  for (const key of ['x'.repeat(129), '']) {
    const { status, json } = await hub.post('/api/v1/publish', { topic: 'a', type: 'HELLO', data: {} }, keyed(key));
    assert.deepEqual([status, json.error.code], [400, 'bad_request']);
  }
  assert.equal((await hub.post('/api/v1/publish', { topic: 'a', type: 'HELLO', data: {} }, keyed('x'.repeat(128)))).status, 200);
});

test('a report at or below its producer\'s last number is a duplicate and changes nothing', async (t) => {
  const hub = await startHub({ t });
  const say = (seq, message, producer = 'w') => hub.post('/api/jobs/j/log', { message, producer, seq });
  const first = await say(1, 'one');
  assert.deepEqual([first.status, first.json.duplicate], [200, undefined]);
  const second = await say(5, 'two');
  for (const seq of [1, 4, 5]) {
    const again = await say(seq, 'something else');
    assert.deepEqual([again.status, again.json.id, again.json.duplicate], [200, second.json.id, true]);
    assert.deepEqual(Object.keys(again.json).filter((name) => ['id', 'status', 'durability', 'duplicate'].includes(name)).length, 4);
  }
  assert.equal((await say(1, 'three', 'another')).json.duplicate, undefined);
  await hub.kill9();
  await hub.start();
  assert.equal((await say(5, 'two')).json.duplicate, true);
  assert.equal((await say(6, 'four')).json.duplicate, undefined);
  const { json } = await hub.get('/api/jobs/j');
  assert.deepEqual(json.log.map(({ message }) => message), ['one', 'two', 'three', 'four']);

  // Refused reports don't use up their number.
  await hub.post('/api/jobs/j/completed', { message: 'done', producer: 'w', seq: 7 });
  const refused = await hub.post('/api/jobs/j/progress', { progress: 5, producer: 'w', seq: 8 });
  assert.equal(refused.status, 409);
  assert.equal((await say(8, 'five')).json.duplicate, undefined);
  const alone = await hub.post('/api/jobs/j/log', { message: 'x', producer: 'w' });
  assert.deepEqual([alone.status, alone.json.error.code], [400, 'bad_request']);
});

test('a create with a producer is the same create again', async (t) => {
  const hub = await startHub({ t });
  const body = { projectId: 'p', jobId: 'j', producer: 'run-1', seq: 0 };
  const first = await hub.post('/api/jobs', body);
  assert.equal(first.status, 201);
  const again = await hub.post('/api/jobs', body);
  assert.deepEqual([again.status, again.json.jobId, again.json.duplicate], [201, 'j', true]);
  const other = await hub.post('/api/jobs', { ...body, producer: 'run-2' });
  assert.equal(other.status, 409, 'the attempt is open');
});
