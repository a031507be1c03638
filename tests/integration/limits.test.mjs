// SPDX-License-Identifier: MIT
// Each limit of the table that stops somebody, set low and hit: the answer, its counter, and a connection that did
// nothing wrong and notices nothing.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RawSocket, Refused, startHub, until } from '../lib/index.mjs';
import { makeAuthority } from '../lib/tls.mjs';

const HOST = 'Host: 127.0.0.1';
const UPGRADE = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='];
const request = (...lines) => `${lines.join('\r\n')}\r\n\r\n`;

async function hits(hub, name) {
  const { text } = await hub.get('/metrics');
  const match = new RegExp(`^clairon_limit_hits_total\\{limit="${name}"\\} (\\d+)$`, 'm').exec(text);
  assert.ok(match, `${name} in /metrics`);
  return Number(match[1]);
}

// A hub with one low limit, and a bystander.
async function withLimit(t, name, limits, hit, config = {}, options = {}) {
  const hub = await startHub({ t, config: { ...config, limits }, ...options });
  const control = await hub.ws('/ws');
  await control.waitType('connected');
  await control.subscribe('control');
  assert.equal(await hits(hub, name), 0);
  await hit(hub);
  await until(async () => await hits(hub, name) > 0, `${name} is counted`);
  const { status, json } = await hub.post('/api/v1/publish', { topic: 'control', type: 'ALIVE', data: {} });
  assert.equal(status, 200);
  assert.equal((await control.waitType('ALIVE')).id, json.id);
  await control.close();
}

async function answer(hub, bytes) {
  const raw = await hub.raw();
  raw.write(bytes);
  const response = await raw.readResponse();
  raw.close();
  return response;
}

// An open WebSocket on raw bytes, past its `connected`.
async function rawSocket(hub) {
  const raw = await hub.raw();
  raw.write(request('GET /ws HTTP/1.1', HOST, ...UPGRADE));
  assert.equal((await raw.readResponse()).status, 101);
  await readFrame(raw);
  return raw;
}

async function readFrame(raw) {
  const [first, second] = await raw.read(2);
  const size = (second & 0x7f) === 126 ? (await raw.read(2)).readUInt16BE() : second & 0x7f;
  const payload = await raw.read(size);
  return { opcode: first & 15, payload, code: (first & 15) === 8 ? payload.readUInt16BE() : undefined };
}

async function closeCode(raw) {
  for (;;) {
    const { code } = await readFrame(raw);
    if (code) {
      raw.close();
      return code;
    }
  }
}

// Masked with zeros.
const frame = (first, text) => Buffer.concat([Buffer.from([first, 0x80 | text.length]), Buffer.alloc(4), Buffer.from(text)]);
const FIN_PING = 0x89;
const TEXT_START = 0x01;
const CONTINUE = 0x00;

const status = (bytes, expected, code) => async (hub) => {
  const response = await answer(hub, bytes);
  assert.equal(response.status, expected);
  assert.equal(response.json.error.code, code);
};

// name, configured limits, what hits it.
const CASES = [
  ['head_bytes', { head_bytes: 1024 }, status(request('GET /health HTTP/1.1', HOST, `X-Long: ${'x'.repeat(2000)}`), 431, 'head_too_large')],
  ['head_fields', { head_fields: 10 }, status(request('GET /health HTTP/1.1', HOST, ...Array(10).fill('X: y')), 431, 'head_too_large')],
  ['uri_bytes', { uri_bytes: 256 }, status(request(`GET /${'x'.repeat(300)} HTTP/1.1`, HOST), 414, 'uri_too_long')],
  ['body_bytes', { body_bytes: 1024 }, status(request('POST /api/v1/publish HTTP/1.1', HOST, 'Content-Length: 1025'), 413, 'too_large')],
  ['head_ms', { head_ms: 100 }, status('GET /health HT', 408, 'timeout')],
  ['body_stall_ms', { body_stall_ms: 100 }, status(`${request('POST /api/v1/publish HTTP/1.1', HOST, 'Content-Length: 10')}{`, 408, 'timeout')],
  ['keepalive_ms', { keepalive_ms: 100 }, async (hub) => {
    const raw = await hub.raw();
    raw.write(request('GET /health HTTP/1.1', HOST));
    assert.equal((await raw.readResponse()).status, 200);
    await raw.closed();
  }],
  ['submit_queue_bytes', { submit_queue_bytes: 65536 }, async (hub) => {
    const events = Array.from({ length: 50 }, () => ({ topic: 't', type: 'T', data: { filler: 'x'.repeat(10_000) } }));
    const { status: got, json, headers } = await hub.post('/api/v1/publish', { events });
    assert.deepEqual([got, json.error.code, headers['retry-after']], [503, 'unavailable', '1']);
  }],
  ['message_bytes', { message_bytes: 1024 }, async (hub) => {
    const ws = await hub.ws('/ws');
    ws.send(`{"type":"ping","filler":"${'x'.repeat(2000)}"}`);
    assert.equal((await ws.waitClosed()).code, 1009);
  }],
  ['fragments', {}, async (hub) => {
    const raw = await rawSocket(hub);
    raw.write(Buffer.concat([frame(TEXT_START, 'a'), ...Array(1000).fill(frame(CONTINUE, 'a'))]));
    assert.equal(await closeCode(raw), 1008);
  }],
  ['messages_per_second', { messages_per_second: 2 }, async (hub) => {
    const ws = await hub.ws('/ws');
    const seen = async () => (await ws.waitFor((m) => m.type === 'WEBSOCKET_ERROR' || m.type === 'pong'));
    let refused;
    while (refused?.type !== 'WEBSOCKET_ERROR') { // three within one second, sooner or later
      Array.from({ length: 3 }, () => ws.send('{"type":"ping"}'));
      for (let i = 0; i < 3 && refused?.type !== 'WEBSOCKET_ERROR'; i++) {
        refused = await seen();
      }
    }
    assert.equal(refused.data.code, 'rate_limited');
    Array.from({ length: 60 }, () => ws.send('{"type":"ping"}'));
    assert.equal((await ws.waitClosed()).code, 1008);
  }],
  ['message_bytes_per_second', { message_bytes_per_second: 1024 }, async (hub) => {
    const ws = await hub.ws('/ws');
    const big = JSON.stringify({ type: 'ping', filler: 'x'.repeat(20_000) });
    let refused;
    while (refused?.type !== 'WEBSOCKET_ERROR') {
      ws.send('{"type":"ping"}');
      Array.from({ length: 5 }, () => ws.send(`{"type":"ping","filler":"${'x'.repeat(300)}"}`));
      for (let i = 0; i < 6 && refused?.type !== 'WEBSOCKET_ERROR'; i++) {
        refused = await ws.waitFor((m) => m.type === 'WEBSOCKET_ERROR' || m.type === 'pong');
      }
    }
    assert.equal(refused.data.code, 'rate_limited');
    ws.send(big);
    ws.send(big);
    assert.equal((await ws.waitClosed()).code, 1008);
  }],
  ['pong_ms', { ping_ms: 100, pong_ms: 100 }, async (hub) => {
    const raw = await rawSocket(hub);
    assert.equal(await closeCode(raw), 1008); // past the ping that it leaves without an answer
  }],
  ['topics_per_session', { topics_per_session: 2 }, async (hub) => {
    const ws = await hub.ws('/ws');
    ws.send({ type: 'subscribe', topics: ['a', 'b', 'c'] });
    const refused = await ws.waitType('WEBSOCKET_ERROR');
    assert.deepEqual([refused.data.code, refused.topic ?? refused.data.topic], ['limit_reached', 'c']);
    await ws.close();
  }],
  ['slow_ms', { slow_ms: 200 }, async (hub) => {
    const ws = await hub.ws('/ws');
    await ws.subscribe('flood');
    ws.socket.pause();
    const events = Array.from({ length: 20 }, () => ({ topic: 'flood', type: 'F', data: { filler: 'x'.repeat(40_000) } }));
    await until(async () => {
      assert.equal((await hub.post('/api/v1/publish', { events })).status, 200);
      return await hits(hub, 'slow_ms') > 0;
    }, 'the reader is closed');
    ws.terminate();
  }],
];

for (const [name, limits, hit, config] of CASES) {
  test(`limits.${name}`, (t) => withLimit(t, name, limits, hit, config));
}

test('a page of history is as long as it is set', async (t) => {
  const hub = await startHub({ t, config: { limits: { history_default: 3, history_max: 5 } } });
  const events = Array.from({ length: 9 }, (_, n) => ({ topic: 'h', type: 'H', data: { n } }));
  assert.equal((await hub.post('/api/v1/publish', { events })).status, 200);
  assert.equal((await hub.get('/api/v1/history?topic=h')).json.events.length, 3);
  assert.equal((await hub.get('/api/v1/history?topic=h&limit=9')).json.events.length, 5);
});

test('TLS handshakes, and those that wait for theirs', async (t) => {
  const { certificate, key } = makeAuthority(t).issue('hub');
  const config = { tls: { listen: ['127.0.0.1:0'], certificate_file: certificate, key_file: key } };
  const begin = async (hub, bytes) => {
    const raw = await RawSocket.connect(new URL(hub.tlsUrl).port);
    hub.clients.push(() => raw.close());
    raw.write(bytes);
    return raw;
  };
  const hello = Buffer.from('1603010200010001fc0303', 'hex'); // the first bytes of one
  const tls = (name, limits, hit) => withLimit(t, name, limits, hit, config, { tls: 1 });
  await tls('reception_ms', { reception_ms: 100 }, async (hub) => (await begin(hub, hello)).closed());
  await tls('handshakes', { handshakes: 1 }, async (hub) => {
    await begin(hub, hello);
    await begin(hub, hello);
  });
  await tls('reception', { reception: 1 }, async (hub) => {
    const both = [await begin(hub, hello), await begin(hub, hello)];
    await Promise.race(both.map((raw) => raw.closed()));
  });
  await tls('handshake_bytes', {}, async (hub) => {
    const record = Buffer.alloc(5 + 16384);
    record.write('1603014000', 'hex');
    const first = Buffer.from(record);
    first.write('010186a00303', 5, 'hex'); // says that it has 100,000 bytes
    await (await begin(hub, Buffer.concat([first, record, record]))).closed();
  });
});
