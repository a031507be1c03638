// SPDX-License-Identifier: MIT
// Bad input, each with its exact answer; and after all of it the hub still serves everyone else.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { frame, HOST, rawSocket, say } from '../lib/frames.mjs';
import { Refused, startHub } from '../lib/index.mjs';

async function assertAlive(hub) {
  const ws = await hub.ws('/ws');
  await ws.waitType('connected');
  await ws.subscribe('alive');
  const { status, json } = await hub.post('/api/v1/publish', { topic: 'alive', type: 'ALIVE', data: {} });
  assert.equal(status, 200);
  assert.equal((await ws.waitType('ALIVE')).id, json.id);
  await ws.close();
}

test('numbers and escapes inside data are kept as they came, by every door and on every way out', async (t) => {
  const hub = await startHub({ t });
  const data = '{"a":1.10,"b":18446744073709551616,"c":"\\u0000","d":-0.0,"e":1E+2,"f":"\\/é\\u00e9"}';
  const native = await hub.ws('/ws');
  await native.waitType('connected');
  await native.subscribe('deployment:d');
  const flat = await hub.ws('/ws/deployment/d');
  await flat.waitType('connected');
  await hub.post('/api/v1/publish', `{"topic":"deployment:d","type":"HELLO","data":${data}}`);
  await native.waitType('HELLO');
  assert.ok(native.texts.at(-1).includes(data));
  await flat.waitType('HELLO');
  assert.ok(flat.texts.at(-1).includes(data.slice(1, -1)));
  assert.ok((await hub.get('/api/v1/history?topic=deployment:d')).text.includes(data));

  await hub.post('/api/v1/deployments/d/status', `{"status":"deploying","own":${data}}`);
  await native.waitType('DEPLOYMENT_STATUS_CHANGED');
  assert.ok(native.texts.at(-1).includes(`"own":${data}`));
  await hub.post('/api/v1/deployments/d/complete', `{"status":"success","result":${data}}`);
  await flat.waitType('complete');
  assert.ok(flat.texts.at(-1).includes(`"result":${data}`));
  assert.ok((await hub.get('/api/v1/deployments/d')).text.includes(`"result":${data}`));
  native.send(`{"channel":"c","echo":true,"data": ${data} }`);
  native.send({ type: 'subscribe', channel: 'c', since: native.messages[0].data.cursor });
  await native.waitType('message');
  assert.ok(native.texts.some((text) => text.startsWith('{"type":"message"') && text.includes(`"data":${data}`)));
  await hub.restart();
  assert.ok((await hub.get('/api/v1/history?topic=deployment:d')).text.includes(`"own":${data}`));
});

// RFC 8259 leaves open which one counts. Here it is the last, as in JavaScript; and what the hub makes has each name once.
test('of a name given twice the last counts, by every door', async (t) => {
  const hub = await startHub({ t });
  const flat = await hub.ws('/ws/deployment/d');
  await flat.waitType('connected');
  await hub.post('/api/v1/deployments/d/status', '{"status":"pending","message":"one","status":"deploying","message":"two"}');
  assert.deepEqual((({ status, message }) => [status, message])(await flat.waitType('status')), ['deploying', 'two']);
  await hub.post('/api/v1/publish', '{"topic":"a","topic":"b","type":"X","type":"Y","data":{"n":1},"data":{"n":2}}');
  assert.deepEqual((await hub.get('/api/v1/history?topic=a')).json.events, []);
  const [event] = (await hub.get('/api/v1/history?topic=b')).json.events;
  assert.deepEqual([event.type, event.topic, event.data], ['Y', 'b', { n: 2 }]);
  const ws = await hub.ws('/ws');
  await ws.waitType('connected');
  ws.send('{"type":"ping","type":"subscribe","topic":"a","topic":"c","ref":1,"ref":2}');
  const { topic, ref } = await ws.waitType('subscribed');
  assert.deepEqual([topic, ref], ['c', 2]);
  const { text } = await hub.get('/api/v1/history?topic=deployment:d');
  for (const name of ['status', 'message']) {
    assert.equal(text.split(`"${name}":`).length, 2, `${name} comes once`);
  }
});

test('an old attempt, and a step back', async (t) => {
  const hub = await startHub({ t });
  const create = () => hub.post('/api/v1/deployments', { stack_id: 's', target_id: 't', id: 'd' });
  await create();
  await hub.post('/api/v1/deployments/d/status', { status: 'failed' });
  await create();
  for (const [verb, body] of [['status', { status: 'running', attempt: 1 }], ['logs', { message: 'x', attempt: 1 }],
    ['progress', { progress: 1, attempt: 1 }], ['complete', { status: 'success', attempt: 1 }], ['status', { status: 'running', attempt: 3 }]]) {
    const { status, json } = await hub.post(`/api/v1/deployments/d/${verb}`, body);
    assert.deepEqual([status, json.error.code], [409, 'conflict'], verb);
  }
  const { json } = await hub.get('/api/v1/deployments/d');
  assert.deepEqual([json.attempt, json.status, json.log], [2, 'pending', []]);
});

test('JSON of 32 levels, bodies of 1 MiB and topics of 255 bytes are taken', async (t) => {
  const hub = await startHub({ t });
  const nested = (n) => `{"topic":"a","type":"HELLO","data":{"x":${'['.repeat(n)}${']'.repeat(n)}}}`;
  assert.equal((await hub.post('/api/v1/publish', nested(30))).status, 200, '32 levels');
  assert.equal((await hub.post('/api/v1/publish', nested(31))).json.error.code, 'bad_json', '33 levels');
  const most = JSON.stringify({ topic: 'a', type: 'HELLO', data: {} }).padEnd(1048576);
  assert.equal((await hub.post('/api/v1/publish', most)).status, 200);
  assert.equal((await hub.post('/api/v1/publish', { topic: 'é'.repeat(127), type: 'HELLO', data: {} })).status, 200);
});

test('half a handshake left hanging is answered by 408, and the connection closed', async (t) => {
  const hub = await startHub({ t });
  const [half, silent] = [await hub.raw(), await hub.raw()];
  half.write(`GET /ws HTTP/1.1\r\n${HOST}\r\nUpgrade: webso`);
  const { status, json } = await half.readResponse();
  assert.deepEqual([status, json.error.code], [408, 'timeout']);
  await half.closed();
  await silent.closed();
  await assertAlive(hub);
});

test('a foreign Origin or Host is refused on every door', async (t) => {
  const hub = await startHub({ t });
  const body = JSON.stringify({ topic: 'a', type: 'HELLO', data: {} });
  for (const origin of ['https://evil.example', 'null', 'http://localhost.evil.example', 'http://127.0.0.1.evil.example', 'x']) {
    const { status, json } = await hub.post('/api/v1/publish', body, { headers: { origin } });
    assert.deepEqual([status, json.error.code], [403, 'forbidden'], origin);
    for (const path of ['/ws', '/ws/deployment/d', '/ws/tickets', '/ws/tickets/k']) {
      await assert.rejects(hub.ws(path, { headers: { origin } }), (error) => error instanceof Refused && error.status === 403, path + origin);
    }
  }
  for (const host of ['evil.example', '127.0.0.1.evil.example', 'localhost.evil.example:8000']) {
    const { status, json } = await hub.get('/api/v1/deployments', { headers: { host } });
    assert.deepEqual([status, json.error.code], [403, 'forbidden'], host);
  }
  for (const origin of ['http://localhost:3000', 'http://127.0.0.1:5173', 'http://[::1]:1']) {
    assert.equal((await hub.post('/api/v1/publish', body, { headers: { origin } })).status, 200, origin);
    const ws = await hub.ws('/ws', { headers: { origin } });
    await ws.waitType('connected');
  }
  assert.equal((await hub.get('/api/v1/history?topic=a')).json.events.length, 3);
});

test('sockets that break off in the middle of anything harm nobody', async (t) => {
  const hub = await startHub({ t });
  await hub.post('/api/jobs', { projectId: 'p', jobId: 'j' });
  await hub.post('/api/jobs/j/log', { lines: Array.from({ length: 200 }, (_, n) => ({ message: `line ${n}` })) });
  const scripts = [
    say('{"type":"subscribe","topic":"job:j"}'),
    Buffer.concat([say('{"type":"subscribe","topics":["job:j","a","b"],"since":"x"}'), say('{"type":"unsubscribe","topic":"job:j"}')]),
    Buffer.concat([say('{"type":"history","topic":"job:j"}'), say('{"channel":"c","data":1,"ref":1}'), say('{"type":"HELLO","data":{}}')]),
    say('{"type":"subscribe","topic":"job:j"').subarray(0, 20),
    Buffer.concat([say('{"type":"JOB_LOG","data":{"jobId":"j","message":"x"},"ref":1}'), frame(0x88)]),
  ];
  for (let round = 0; round < 6; round++) {
    for (const script of scripts) {
      const raw = await rawSocket(hub);
      raw.write(script);
      if (round % 2) {
        raw.end();
      } else {
        raw.close();
      }
    }
  }
  await assertAlive(hub);
});
