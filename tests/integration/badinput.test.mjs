// SPDX-License-Identifier: MIT
// Bad input, each with its exact answer; and after all of it the hub still serves everyone else.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Refused, startHub } from '../lib/index.mjs';

const HOST = 'Host: 127.0.0.1';
const UPGRADE = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='];
const request = (...lines) => `${lines.join('\r\n')}\r\n\r\n`;

// What the hub answers to these bytes, on a connection of its own.
async function answer(hub, bytes) {
  const raw = await hub.raw();
  raw.write(bytes);
  const response = await raw.readResponse();
  raw.close();
  return response;
}

// An open WebSocket on raw bytes, past its `connected`.
async function rawSocket(hub, path = '/ws') {
  const raw = await hub.raw();
  raw.write(request(`GET ${path} HTTP/1.1`, HOST, ...UPGRADE));
  assert.equal((await raw.readResponse()).status, 101);
  await readFrame(raw);
  return raw;
}

async function readFrame(raw) {
  const [first, second] = await raw.read(2);
  let size = second & 0x7f;
  if (size === 126) {
    size = (await raw.read(2)).readUInt16BE();
  }
  const payload = await raw.read(size);
  return { opcode: first & 15, payload, code: (first & 15) === 8 ? payload.readUInt16BE() : undefined };
}

// A masked frame with a mask of zeros.
function frame(first, payload, { mask = true, head } = {}) {
  const bytes = Buffer.from(payload);
  return Buffer.concat([Buffer.from([first, ...(head ?? [(mask ? 0x80 : 0) | bytes.length])]), Buffer.alloc(mask ? 4 : 0), bytes]);
}

async function assertAlive(hub) {
  const ws = await hub.ws('/ws');
  await ws.waitType('connected');
  await ws.subscribe('alive');
  const { status, json } = await hub.post('/api/v1/publish', { topic: 'alive', type: 'ALIVE', data: {} });
  assert.equal(status, 200);
  assert.equal((await ws.waitType('ALIVE')).id, json.id);
  await ws.close();
}

test('broken JSON is refused with the byte where it breaks', async (t) => {
  const hub = await startHub({ t });
  const cases = [['{"topic":"a",}', 13], ['', 0], ['{"a":1', 6], ['{"a":01}', 6], ['nul', 3], ['{"a":"\n"}', 6], ['{"a":"\\u12"}', 10],
    ['\ufeff{}', 0], ['{} {}', 3], ['{"a":1e}', 7], ["{'a':1}", 1], ['[1,]', 3], [Buffer.from([0x22, 0xff, 0x22]), 1], ['{"a":NaN}', 5],
    ['['.repeat(33) + ']'.repeat(33), 32], [`${'{"a":'.repeat(33)}1${'}'.repeat(33)}`, 160]];
  for (const [body, offset] of cases) {
    const { status, json } = await hub.post('/api/v1/publish', body);
    assert.deepEqual([status, json.error.code, json.error.offset], [400, 'bad_json', offset], String(body));
    assert.ok(json.error.message.includes(`byte ${offset}`));
  }
  const deep = (n) => `{"topic":"a","type":"HELLO","data":{"x":${'['.repeat(n)}${']'.repeat(n)}}}`;
  assert.equal((await hub.post('/api/v1/publish', deep(30))).status, 200, '32 levels');
  assert.equal((await hub.post('/api/v1/publish', deep(31))).json.error.code, 'bad_json', '33 levels');
  await assertAlive(hub);
});

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

test('types, topics and ids that are none', async (t) => {
  const hub = await startHub({ t });
  const publish = (body) => hub.post('/api/v1/publish', body);
  const cases = [
    [publish({ topic: 'a', type: '1x', data: {} }), 400, 'unknown_type'],
    [publish({ topic: 'a', type: '', data: {} }), 400, 'unknown_type'],
    [publish({ topic: 't'.repeat(256), type: 'HELLO', data: {} }), 400, 'bad_request'],
    [publish({ topic: 'a\u0085b', type: 'HELLO', data: {} }), 400, 'bad_request'],
    [publish(Buffer.from('{"topic":"a\xff","type":"HELLO","data":{}}', 'latin1')), 400, 'bad_json'],
    [publish('{"topic":"\\u0000","type":"HELLO","data":{}}'), 400, 'bad_request'],
    [hub.get('/api/v1/history?topic=%c3%28'), 400, 'bad_request'],
    [hub.post('/api/v1/deployments/d/status', { status: 'flying' }), 400, 'bad_request'],
    [hub.post('/api/jobs/j/progress', { phase: 'done' }), 400, 'bad_request'],
  ];
  for (const [promise, status, code] of cases) {
    const { status: got, json } = await promise;
    assert.deepEqual([got, json.error.code], [status, code]);
  }
  // Long in characters or in bytes: 255 bytes are the most.
  assert.equal((await publish({ topic: 'é'.repeat(127), type: 'HELLO', data: {} })).status, 200);
  assert.equal((await publish({ topic: 'é'.repeat(128), type: 'HELLO', data: {} })).status, 400);
  const ws = await hub.ws('/ws');
  await ws.waitType('connected');
  assert.equal((await ws.subscribe('é'.repeat(128)))[0].data.code, 'bad_request');
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

test('bodies over the limit are refused before they are read', async (t) => {
  const hub = await startHub({ t });
  const declared = await answer(hub, request('POST /api/v1/publish HTTP/1.1', HOST, 'Content-Length: 1048577'));
  assert.deepEqual([declared.status, declared.json.error.code], [413, 'too_large']);
  const huge = await answer(hub, request('POST /api/v1/publish HTTP/1.1', HOST, 'Content-Length: 18446744073709551616'));
  assert.ok([400, 413].includes(huge.status));
  const raw = await hub.raw();
  raw.write(request('POST /api/v1/publish HTTP/1.1', HOST, 'Transfer-Encoding: chunked'));
  for (let i = 0; i < 17; i++) {
    raw.write(`10000\r\n${'x'.repeat(65536)}\r\n`);
  }
  assert.equal((await raw.readResponse()).status, 413);
  const most = JSON.stringify({ topic: 'a', type: 'HELLO', data: {} }).padEnd(1048576);
  assert.equal((await hub.post('/api/v1/publish', most)).status, 200);
  const data = await hub.post('/api/v1/publish', { topic: 'a', type: 'HELLO', data: { x: 'x'.repeat(65530) } });
  assert.deepEqual([data.status, data.json.error.code], [413, 'too_large']);
  await assertAlive(hub);
});

test('frames that break the protocol close with their code', async (t) => {
  const hub = await startHub({ t });
  const cases = [
    ['64-bit length with the top bit set', frame(0x81, '', { head: [0xff, 0x80, 0, 0, 0, 0, 0, 0, 1] }), 1002],
    ['64-bit length over the limit', frame(0x81, '', { head: [0xff, 0, 0, 0, 0, 0x7f, 0, 0, 0] }), 1009],
    ['unmasked', frame(0x81, 'ping', { mask: false }), 1002],
    ['reserved bit', frame(0xc1, 'ping'), 1002],
    ['unknown opcode', frame(0x83, 'ping'), 1002],
    ['fragmented ping', frame(0x09, 'x'), 1002],
    ['long ping', frame(0x89, 'x'.repeat(126), { head: [0xfe, 0, 126] }), 1002],
    ['continuation of nothing', frame(0x80, 'x'), 1002],
    ['not UTF-8', frame(0x81, Buffer.from([0x22, 0xc3, 0x28, 0x22])), 1007],
    ['binary', frame(0x82, 'x'), 1003],
    ['close with one byte', frame(0x88, 'x'), 1002],
    ['close with a forbidden code', frame(0x88, Buffer.from([0x03, 0xed])), 1002],
    ['length not in its shortest form', frame(0x81, 'x', { head: [0xfe, 0, 1] }), 1002],
  ];
  const control = await hub.ws('/ws');
  await control.waitType('connected');
  for (const path of ['/ws', '/ws/deployment/d', '/ws/tickets']) {
    for (const [name, bytes, code] of cases) {
      const raw = await rawSocket(hub, path);
      raw.write(bytes);
      const last = await readFrame(raw);
      assert.deepEqual([last.opcode, last.code], [8, code], `${path}: ${name}`);
      await raw.closed();
    }
  }
  assert.deepEqual(await control.drain(), []);
  const { text } = await hub.get('/metrics');
  assert.ok(Number(/clairon_ws_errors_total(?:\{\})? (\d+)/.exec(text)[1]) >= cases.length);
});

test('handshakes that are none', async (t) => {
  const hub = await startHub({ t });
  const without = (name) => UPGRADE.filter((line) => !line.startsWith(name));
  const cases = [
    [without('Sec-WebSocket-Key'), 400], [[...without('Sec-WebSocket-Key'), 'Sec-WebSocket-Key: short'], 400],
    [[...without('Sec-WebSocket-Version'), 'Sec-WebSocket-Version: 12'], 426], [without('Upgrade'), 426], [[...UPGRADE, 'Content-Length: 1'], 400],
  ];
  for (const [fields, status] of cases) {
    const got = await answer(hub, `${request('GET /ws HTTP/1.1', HOST, ...fields)}x`);
    assert.equal(got.status, status, fields.join(' '));
  }
  await assertAlive(hub);
});

test('half a handshake left hanging is answered by 408, and the connection closed', async (t) => {
  const hub = await startHub({ t });
  const [head, silent] = [await hub.raw(), await hub.raw()];
  head.write(`GET /ws HTTP/1.1\r\n${HOST}\r\nUpgrade: webso`);
  const { status, json } = await head.readResponse();
  assert.deepEqual([status, json.error.code], [408, 'timeout']);
  await head.closed();
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
  const say = (text) => (text.length < 126 ? frame(0x81, text) : frame(0x81, text, { head: [0xfe, text.length >> 8, text.length & 255] }));
  const scripts = [
    say('{"type":"subscribe","topic":"job:j"}'),
    Buffer.concat([say('{"type":"subscribe","topics":["job:j","a","b"],"since":"x"}'), say('{"type":"unsubscribe","topic":"job:j"}')]),
    Buffer.concat([say('{"type":"history","topic":"job:j"}'), say('{"channel":"c","data":1,"ref":1}'), say('{"type":"HELLO","data":{}}')]),
    say('{"type":"subscribe","topic":"job:j"').subarray(0, 20),
    Buffer.concat([say('{"type":"JOB_LOG","data":{"jobId":"j","message":"x"},"ref":1}'), frame(0x88, '')]),
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
