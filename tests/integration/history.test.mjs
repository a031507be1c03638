// SPDX-License-Identifier: MIT
// A topic's past over HTTP: forward, backward, to the end, over restarts; progress is never in it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startHub } from '../lib/index.mjs';

async function fill(hub, topic, count) {
  const events = Array.from({ length: count }, (_, i) => ({ topic, type: 'H', data: { n: i + 1 } }));
  const { status, json, text } = await hub.post('/api/v1/publish', { events });
  assert.equal(status, 200, text);
  return json.ids;
}

const ns = ({ json }) => json.events.map(({ data }) => data.n);
const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

test('pages forward, backward and between', async (t) => {
  const hub = await startHub({ t });
  const ids = await fill(hub, 'a', 10);
  await fill(hub, 'other', 3);
  const ask = (query) => hub.get(`/api/v1/history?topic=a${query}`);
  const all = await ask('');
  assert.equal(all.status, 200);
  assert.deepEqual(Object.keys(all.json), ['events', 'cursor', 'complete']);
  assert.deepEqual(Object.keys(all.json.events[0]), ['type', 'id', 'timestamp', 'topic', 'data']);
  assert.deepEqual([ns(all), all.json.complete], [range(1, 10), true]);
  const cases = [
    ['&limit=10', range(1, 10), true], ['&limit=3', range(1, 3), false], [`&since=${ids[2]}`, range(4, 10), true],
    [`&since=${ids[2]}&limit=2`, [4, 5], false], [`&since=${ids[9]}`, [], true], [`&before=${ids[4]}&limit=2`, [3, 4], false],
    [`&before=${ids[4]}&limit=4`, range(1, 4), true], [`&before=${ids[0]}`, [], true],
    [`&since=${ids[1]}&before=${ids[5]}`, range(3, 5), true], [`&since=${ids[1]}&before=${ids[5]}&limit=1`, [3], false],
  ];
  for (const [query, events, complete] of cases) {
    const answer = await ask(query);
    assert.deepEqual([ns(answer), answer.json.complete], [events, complete], query);
    assert.match(answer.json.cursor, /^[0-9a-f]{16}-\d+$/);
  }
  assert.deepEqual(ns(await hub.get('/api/v1/history?topic=nobody')), []);
});

test('paging by the cursor visits everything once, also over a restart', async (t) => {
  const hub = await startHub({ t });
  const ids = await fill(hub, 'a', 700);
  const seen = [];
  let since = '';
  for (let complete = false; !complete;) {
    const answer = await hub.get(`/api/v1/history?topic=a&limit=1000${since}`);
    assert.ok(answer.json.events.length <= 300);
    seen.push(...ns(answer));
    since = `&since=${answer.json.cursor}`;
    complete = answer.json.complete;
    if (seen.length === 300) {
      await hub.restart();
    }
  }
  assert.deepEqual(seen, range(1, 700));
  const back = [];
  for (let before = ids.at(-1), complete = false; !complete;) {
    const answer = await hub.get(`/api/v1/history?topic=a&limit=250&before=${before}`);
    back.unshift(...ns(answer));
    before = answer.json.events[0].id;
    complete = answer.json.complete;
  }
  assert.deepEqual(back, range(1, 699), 'all below the last one');
});

test('a job\'s events are on all their topics, and mere progress on none', async (t) => {
  const hub = await startHub({ t });
  await hub.post('/api/v1/deployments/d/status', { status: 'deploying', user_id: 'u', logs: 'x' });
  await hub.post('/api/v1/deployments/d/progress', { progress: 10 });
  await hub.post('/api/v1/deployments/d/complete', { status: 'success' });
  const types = async (topic) => (await hub.get(`/api/v1/history?topic=${topic}`)).json.events.map(({ type }) => type.slice(11));
  const all = ['STATUS_CHANGED', 'LOGS_UPDATE', 'STATUS_CHANGED', 'COMPLETE'];
  for (const topic of ['deployment:d', 'deployment_events', 'user:u']) {
    assert.deepEqual(await types(topic), all, topic);
  }
  assert.deepEqual(await types('deployment_logs_d'), ['LOGS_UPDATE']);
  assert.deepEqual(await types('deployment_progress_d'), []);
  assert.deepEqual(await types('event:DEPLOYMENT_COMPLETE'), ['COMPLETE']);
  const { json } = await hub.get('/api/v1/history?topic=deployment_logs_d');
  assert.equal(json.events[0].topic, 'deployment:d');
});

test('a cursor that is not of this log is answered by all that is kept, behind a gap', async (t) => {
  const hub = await startHub({ t });
  const ids = await fill(hub, 'a', 3);
  const [epoch] = ids[0].split('-');
  for (const since of ['0123456789abcdef-1', `${epoch}-9000000000000000`]) {
    const { json } = await hub.get(`/api/v1/history?topic=a&since=${since}`);
    assert.equal(json.events.length, 3);
    assert.deepEqual([json.gap.type, json.gap.topic, json.gap.reason], ['gap', 'a', 'epoch']);
  }
});

test('questions that make no sense are refused', async (t) => {
  const hub = await startHub({ t });
  for (const query of ['', 'topic=', 'topic=a%0a', `topic=${'t'.repeat(256)}`, 'topic=a&since=x', 'topic=a&since=', 'topic=a&before=1',
    'topic=a&before=0123456789abcdef-1', 'topic=a&limit=0', 'topic=a&limit=-1', 'topic=a&limit=x', 'topic=%ff', 'topic=a&limit=1.5']) {
    const { status, json } = await hub.get(`/api/v1/history?${query}`);
    assert.deepEqual([status, json.error.code], [400, 'bad_request'], query);
  }
  const { status, headers } = await hub.post('/api/v1/history?topic=a', {});
  assert.deepEqual([status, headers.allow.includes('GET')], [405, true]);
});
