// SPDX-License-Identifier: MIT
// The publish API: one event, many, lines; where they go, what is answered, what is refused.
import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';
import { startHub } from '../lib/index.mjs';

const CURSOR = /^[0-9a-f]{16}-\d+$/;
const number = (cursor) => Number(cursor.split('-').at(-1));
const NDJSON = { headers: { 'content-type': 'application/x-ndjson' } };

async function history(hub, topic) {
  const { json } = await hub.get(`/api/v1/history?topic=${encodeURIComponent(topic)}`);
  return json.events;
}

test('one event goes to the topic, the topics, the channel or the user it names', async (t) => {
  const hub = await startHub({ t });
  const cases = [
    [{ topic: 'a' }, ['a'], 'a', 'process'],
    [{ topics: ['a', 'b'] }, ['a', 'b'], 'a', 'process'],
    [{ topic: 'b', topics: ['a', 'b'] }, ['a', 'b'], 'b', 'process'],
    [{ channel: 'c' }, ['channel:c'], 'channel:c', 'process'],
    [{ user: 'u' }, ['user:u', 'event:HELLO'], 'user:u', 'disk'],
  ];
  for (const [where, topics, first, durability] of cases) {
    const { status, json } = await hub.post('/api/v1/publish', { ...where, type: 'HELLO', data: { where } });
    assert.equal(status, 200, JSON.stringify(where));
    assert.deepEqual(Object.keys(json), ['id', 'durability']);
    assert.match(json.id, CURSOR);
    assert.equal(json.durability, durability, JSON.stringify(where));
    for (const topic of topics) {
      const event = (await history(hub, topic)).at(-1);
      assert.deepEqual([event.id, event.topic, event.data], [json.id, first, { where }]);
      assert.deepEqual([event.type, event.channel], where.channel ? ['message', 'c'] : ['HELLO', undefined]);
    }
  }
});

test('durability can be asked for and is named', async (t) => {
  const hub = await startHub({ t });
  for (const durability of ['disk', 'process', 'memory']) {
    const { json } = await hub.post(`/api/v1/publish?durability=${durability}`, { topic: 'a', type: 'HELLO', data: {} });
    assert.equal(json.durability, durability === 'disk' ? 'disk' : 'process', 'at least what was asked');
  }
  const { status, json } = await hub.post('/api/v1/publish?durability=forever', { topic: 'a', type: 'HELLO', data: {} });
  assert.deepEqual([status, json.error.code], [400, 'bad_request']);
});

test('many at once are one: all their ids, or nothing and the index of the first bad one', async (t) => {
  const hub = await startHub({ t });
  const events = [1, 2, 3].map((n) => ({ topic: 'a', type: 'HELLO', data: { n } }));
  const { status, json } = await hub.post('/api/v1/publish', { events });
  assert.equal(status, 200);
  assert.deepEqual(Object.keys(json), ['ids', 'durability']);
  assert.deepEqual((await history(hub, 'a')).map(({ id }) => id), json.ids);

  const refused = await hub.post('/api/v1/publish', { events: [...events, { topic: 'a', type: 'not a type', data: {} }, ...events] });
  assert.deepEqual([refused.status, refused.json.error.code, refused.json.error.index], [400, 'unknown_type', 3]);
  const report = await hub.post('/api/v1/publish', { events: [...events,
    { type: 'TICKET_STATUS_CHANGED', data: { ticket_id: 'k', status: 'COMPLETED' } },
    { type: 'TICKET_STATUS_CHANGED', data: { ticket_id: 'k', status: 'PENDING' } }] });
  assert.deepEqual([report.status, report.json.error.code, report.json.error.index], [409, 'conflict', 4]);
  assert.equal((await history(hub, 'a')).length, 3);
  assert.equal((await hub.get('/api/tickets/k')).status, 404, 'the first report was taken back with the second');

  const full = Array.from({ length: 1000 }, (_, n) => ({ topic: 'b', type: 'HELLO', data: { n } }));
  assert.equal((await hub.post('/api/v1/publish', { events: full })).json.ids.length, 1000);
  const over = await hub.post('/api/v1/publish', { events: [...full, full[0]] });
  assert.deepEqual([over.status, over.json.error.code, over.json.error.index], [413, 'too_large', 1000]);
  for (const bad of [[], 5, 'x', null, {}, [5]]) {
    const { status: answer, json: { error } } = await hub.post('/api/v1/publish', { events: bad });
    assert.deepEqual([answer, error.code], [400, 'bad_request'], JSON.stringify(bad));
  }
});

test('lines are events too', async (t) => {
  const hub = await startHub({ t });
  const lines = [1, 2, 3].map((n) => JSON.stringify({ topic: 'a', type: 'HELLO', data: { n } }));
  for (const body of [lines.join('\n'), `${lines.join('\r\n')}\r\n`, `\n${lines.join('\n\n')}\n\n`]) {
    const { status, json, text } = await hub.post('/api/v1/publish', body, NDJSON);
    assert.equal(status, 200, text);
    assert.equal(json.ids.length, 3);
  }
  assert.equal((await history(hub, 'a')).length, 9);
  const bad = await hub.post('/api/v1/publish', `${lines[0]}\n{"topic":}\n`, NDJSON);
  assert.deepEqual([bad.status, bad.json.error.code, bad.json.error.index, bad.json.error.offset],
    [400, 'bad_json', 1, lines[0].length + 10]);
  const empty = await hub.post('/api/v1/publish', '\n \n', NDJSON);
  assert.deepEqual([empty.status, empty.json.error.code], [400, 'bad_request']);
  const plain = await hub.post('/api/v1/publish', lines.join('\n'));
  assert.deepEqual([plain.status, plain.json.error.code], [400, 'bad_json'], 'without its type it is not one JSON text');
});

test('an event that names its job is a report, merged or not', async (t) => {
  const hub = await startHub({ t });
  const progress = (n) => ({ type: 'JOB_PROGRESS', data: { jobId: 'j', projectId: 'p', progress: n } });
  const first = await hub.post('/api/v1/publish', { ...progress(1), topic: 'ignored' });
  assert.deepEqual([first.status, first.json.status], [200, 'building']);
  const { json } = await hub.post('/api/v1/publish', { events: [progress(2), progress(3), { topic: 'a', type: 'HELLO', data: {} }, progress(4)] });
  assert.equal(json.ids.length, 4);
  assert.match(json.ids[2], CURSOR);
  assert.ok(json.ids.includes(null), 'the place of a merged one');
  const merged = await hub.post('/api/v1/publish', progress(5));
  assert.ok(merged.status === 202 ? merged.json.merged : merged.json.id);
  assert.equal((await hub.get('/api/jobs/j')).json.progress, 5);
  const plain = await hub.post('/api/v1/publish', { topic: 'a', type: 'JOB_PROGRESS', data: { no: 'id' } });
  assert.equal(plain.status, 200);
  assert.equal((await history(hub, 'a')).at(-1).type, 'JOB_PROGRESS');
  assert.equal((await history(hub, 'ignored')).length, 0);
});

test('each refusal has its status and code, and publishes nothing', async (t) => {
  const hub = await startHub({ t });
  const ok = { topic: 'a', type: 'HELLO', data: {} };
  const without = (name) => Object.fromEntries(Object.entries(ok).filter(([key]) => key !== name));
  const cases = [
    [without('topic'), 400, 'bad_request'], [without('type'), 400, 'unknown_type'], [without('data'), 400, 'bad_request'],
    [{ ...ok, topic: 5 }, 400, 'bad_request'], [{ ...ok, topic: '' }, 400, 'bad_request'],
    [{ ...ok, topic: 't'.repeat(256) }, 400, 'bad_request'], [{ ...ok, topic: 'a\nb' }, 400, 'bad_request'],
    [{ ...ok, topics: 'a' }, 400, 'bad_request'], [{ ...ok, topics: [5] }, 400, 'bad_request'],
    [{ ...ok, topics: Array.from({ length: 9 }, (_, i) => `t${i}`) }, 400, 'bad_request'],
    [{ ...ok, topics: ['channel:a', 'channel:b'] }, 400, 'bad_request'],
    [{ ...ok, type: 'A'.repeat(65) }, 400, 'unknown_type'], [{ ...ok, type: 'subscribed' }, 400, 'unknown_type'],
    [{ ...ok, type: 5 }, 400, 'unknown_type'], [{ ...ok, data: 5 }, 400, 'bad_request'],
    [{ ...ok, data: { x: 'x'.repeat(65536) } }, 413, 'too_large'],
    [{ type: 'TICKET_LOG', data: { ticket_id: 'a/b', message: 'x' } }, 400, 'bad_request'],
    [5, 400, 'bad_request'], [[ok], 400, 'bad_request'], ['"x"', 400, 'bad_request'],
  ];
  for (const [body, status, code] of cases) {
    const answer = await hub.post('/api/v1/publish', typeof body === 'number' ? String(body) : body);
    assert.deepEqual([answer.status, answer.json.error.code], [status, code], JSON.stringify(body).slice(0, 100));
    assert.ok(answer.json.error.message.length > 10);
  }
  assert.equal((await history(hub, 'a')).length, 0);
  const method = await hub.get('/api/v1/publish');
  assert.deepEqual([method.status, method.json.error.code], [405, 'method_not_allowed']);
  assert.match(method.headers.allow, /\bPOST\b/);
});

test('the body is read as JSON whatever it calls itself', async (t) => {
  const hub = await startHub({ t });
  const body = JSON.stringify({ topic: 'a', type: 'HELLO', data: {} });
  const send = async (type) => (await hub.post('/api/v1/publish', body, { headers: { 'content-type': type } })).status;
  for (const type of [undefined, 'text/plain', 'application/x-www-form-urlencoded', 'application/json; charset=utf-8',
    'application/json;charset="UTF-8"', 'nonsense', 'application/json; x=y']) {
    assert.equal(await send(type), 200, type);
  }
  for (const type of ['multipart/form-data; boundary=x', 'Multipart/Mixed', 'application/json; charset=iso-8859-1', 'text/plain;charset=utf-16']) {
    assert.equal(await send(type), 415, type);
  }
});

test('many publishers on kept connections: every answer is right, and ids rise', async (t) => {
  const hub = await startHub({ t });
  const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });
  t.after(() => agent.destroy());
  const post = (body, headers = {}) => new Promise((resolve, reject) => {
    const call = http.request(`${hub.url}/api/v1/publish`, { method: 'POST', agent, headers }, async (response) => {
      let text = '';
      for await (const chunk of response) {
        text += chunk;
      }
      resolve({ status: response.statusCode, json: JSON.parse(text) });
    });
    call.on('error', reject);
    call.end(body);
  });
  const publisher = async (who) => {
    let last = 0;
    for (let n = 0; n < 20; n++) {
      const { status, json } = await post(JSON.stringify({ topic: 'a', type: 'P', data: { who, n } }));
      assert.equal(status, 200);
      assert.ok(number(json.id) > last);
      last = number(json.id);
    }
    const lines = Array.from({ length: 100 }, (_, n) => JSON.stringify({ topic: 'b', type: 'P', data: { who, n } }));
    const { json } = await post(lines.join('\n'), NDJSON.headers);
    assert.equal(json.ids.length, 100);
  };
  await Promise.all(Array.from({ length: 64 }, (_, who) => publisher(who)));
  const events = [];
  for (let since = '', complete = false; !complete;) {
    const { json } = await hub.get(`/api/v1/history?topic=a&limit=300${since}`);
    events.push(...json.events);
    since = `&since=${json.cursor}`;
    complete = json.complete;
  }
  assert.equal(events.length, 64 * 20);
  for (let who = 0; who < 64; who++) {
    assert.deepEqual(events.filter(({ data }) => data.who === who).map(({ data }) => data.n), Array.from({ length: 20 }, (_, n) => n));
  }
});

test('who leaves before the answer harms nobody', async (t) => {
  const hub = await startHub({ t });
  const body = JSON.stringify({ topic: 'a', type: 'HELLO', data: {} });
  const head = `POST /api/v1/publish?durability=disk HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${body.length}\r\n\r\n`;
  for (let i = 0; i < 30; i++) {
    const raw = await hub.raw();
    raw.write(head + body);
    raw.close();
  }
  const { status } = await hub.post('/api/v1/publish', body);
  assert.equal(status, 200);
});
