// SPDX-License-Identifier: MIT
// Each limit of the table that stops somebody, set low and hit: the answer, its counter, and a connection that did
// nothing wrong and notices nothing.
import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';
import { RawSocket, Refused, startHub, until, within } from '../lib/index.mjs';
import { hole, Polling, Socket } from '../lib/engineio.mjs';
import { sio } from '../lib/socketio.mjs';
import { makeAuthority } from '../lib/tls.mjs';
import { authConfig, token } from '../lib/jwt.mjs';
import { startResponder } from '../lib/responder.mjs';

const HOST = 'Host: 127.0.0.1';
const ENGINE = '/socket.io/';
const UPGRADE = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='];
const ADMIN = token({ sub: 'root', role: 'admin' });
const request = (...lines) => `${lines.join('\r\n')}\r\n\r\n`;

async function hits(hub, name) {
  const { text } = await hub.get('/metrics', { token: ADMIN });
  const match = new RegExp(`^clairon_limit_hits_total\\{limit="${name}"\\} (\\d+)$`, 'm').exec(text);
  assert.ok(match, `${name} in /metrics`);
  return Number(match[1]);
}

// A hub with one low limit, and a bystander.
async function withLimit(t, name, limits, hit, config = {}, options = {}) {
  const hub = await startHub({ t, config: { ...config, limits }, ...options });
  const control = await hub.ws('/ws', { token: ADMIN });
  await control.waitType('connected');
  await control.subscribe('control');
  assert.equal(await hits(hub, name), 0);
  await hit(hub);
  await until(async () => await hits(hub, name) > 0, `${name} is counted`);
  const { status, json } = await hub.post('/api/v1/publish', { topic: 'control', type: 'ALIVE', data: {} }, { token: ADMIN });
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

// Of these the bystander is exempt, whose address is 127.0.0.1.
const EXEMPT = ['127.0.0.1'];

// A connection from another address of this machine.
function visit(hub, from = '127.0.0.2') {
  return new RawSocket(net.connect({ port: hub.port, host: '127.0.0.1', localAddress: from, allowHalfOpen: true }));
}

// In or out? Who is not let in is told so without having asked anything.
async function ask(raw, path = '/health', fields = []) {
  raw.write(request(`GET ${path} HTTP/1.1`, HOST, ...fields));
  return raw.readResponse();
}

function assertRefused(response, [status, code, retry]) {
  assert.deepEqual([response.status, response.json.error.code, response.headers['retry-after']], [status, code, retry]);
}

async function fill(hub, topic) {
  const events = Array.from({ length: 24 }, () => ({ topic, type: 'F', data: { filler: 'x'.repeat(40_000) } }));
  assert.equal((await hub.post('/api/v1/publish', { events })).status, 200);
}

// name, configured limits, what hits it, further configuration.
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
  ['eio_pong_ms', { eio_ping_ms: 100, eio_pong_ms: 100 }, async (hub) => {
    const link = await Polling.open(hub.url, ENGINE);
    assert.equal((await link.get()).text, '2');
    const { status: got, text } = await link.get();
    assert.ok(text === '1' || got === 400, text); // held until then, or too late
    assert.equal((await link.get()).json.code, 1);
  }],
  ['eio_upgrade_ms', { eio_upgrade_ms: 100 }, async (hub) => {
    const link = await Polling.open(hub.url, ENGINE);
    const ws = await Socket.dial(link.url.replace('http', 'ws').replace('polling', 'websocket'));
    assert.equal(await ws.closed, 1000);
    assert.equal((await link.post('40')).text, 'ok');
    assert.match(await link.next(), /^40/);
  }],
  ['eio_payload_bytes', { eio_payload_bytes: 1024 }, async (hub) => {
    const link = await Polling.open(hub.url, ENGINE);
    assert.equal(link.open.maxPayload, 1024);
    assert.equal((await link.post(`4${'x'.repeat(1024)}`)).status, 413);
    assert.equal((await link.post('40')).text, 'ok');
    const ws = await Socket.open(hub.url, ENGINE);
    ws.send(`4${'x'.repeat(1024)}`);
    assert.equal(await ws.closed, 1009);
  }],
  ['eio_packets', { eio_packets: 2 }, async (hub) => {
    const link = await Polling.open(hub.url, ENGINE);
    assert.equal((await link.post('6', '6')).text, 'ok');
    assert.equal((await link.post('6', '6', '6')).status, 400);
    assert.equal((await link.get()).json.code, 1);
  }],
  ['eio_unsent_bytes', { eio_unsent_bytes: 1024 }, async (hub) => {
    const link = await Polling.open(hub.url, ENGINE);
    assert.equal((await link.post('40')).text, 'ok');
    assert.match(await link.next(), /^40/);
    await link.send(...Array.from({ length: 60 }, (_, i) => `42${i}["subscribe",""]`)); // each is answered, and nobody polls
    await until(async () => await hits(hub, 'eio_unsent_bytes') > 0, 'it is too much');
    assert.equal((await link.get()).json.code, 1);
  }],
  ['eio_polling_per_address', { eio_polling_per_address: 1, exempt: [] }, async (hub) => {
    const link = await Polling.open(hub.url, ENGINE);
    const { status: got, json } = await hub.get(`${ENGINE}?EIO=4&transport=polling`);
    assert.deepEqual([got, json.error.code], [429, 'rate_limited']);
    await link.leave();
    await Polling.open(hub.url, ENGINE);
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
  ['outbox_bytes', { outbox_bytes: 65536 }, async (hub) => {
    await fill(hub, 'h');
    const raw = await hub.raw();
    raw.write(request('GET /api/v1/history?topic=h HTTP/1.1', HOST));
    assert.equal((await raw.readAll()).length, 0);
  }],
  ['outboxes_bytes', { outboxes_bytes: 65536 }, async (hub) => {
    await fill(hub, 'h');
    const raw = await hub.raw();
    raw.pause();
    const page = request('GET /api/v1/history?topic=h HTTP/1.1', HOST);
    await until(async () => {
      raw.write(page);
      return await hits(hub, 'outboxes_bytes') > 0;
    }, 'the reader is closed');
    raw.resume();
    await raw.closed();
  }],
  ['connections_per_address', { exempt: EXEMPT, connections_per_address: 2, connects_per_address: 1000 }, async (hub) => {
    const first = visit(hub);
    assert.equal((await ask(first)).status, 200);
    assert.equal((await ask(visit(hub))).status, 200);
    const third = visit(hub);
    assertRefused(await third.readResponse(), [429, 'limit_reached', '10']);
    await third.closed();
    assert.equal((await ask(visit(hub, '127.0.0.3'))).status, 200, 'another address has its own');
    first.close();
    await until(async () => (await ask(visit(hub))).status === 200, 'a place is free again');
  }],
  ['newcomers_per_address', { exempt: EXEMPT, newcomers_per_address: 1, connects_per_address: 1000 }, async (hub) => {
    const first = visit(hub);
    first.write('GET /hea');
    const second = visit(hub);
    assertRefused(await second.readResponse(), [429, 'limit_reached', '10']);
    first.write(`${request('lth HTTP/1.1', HOST)}`);
    assert.equal((await first.readResponse()).status, 200);
    assert.equal((await ask(visit(hub))).status, 200, 'who has asked is no newcomer');
  }],
  ['connects_per_address', { exempt: EXEMPT, connects_per_address: 1 }, async (hub) => {
    const all = await Promise.all(Array.from({ length: 20 }, () => ask(visit(hub)).catch(() => null)));
    const refused = all.filter((response) => response?.status === 429);
    assert.ok(refused.length > 0);
    refused.forEach((response) => assertRefused(response, [429, 'rate_limited', '1']));
    assert.ok(all.filter((response) => response?.status === 200).length >= 5, 'five at once may come');
    assert.equal((await ask(visit(hub, '127.0.0.3'))).status, 200, 'another address has its own');
  }],
  ['connects_per_second', { exempt: EXEMPT, connects_per_second: 1 }, async (hub) => {
    const all = await Promise.all(Array.from({ length: 20 }, (_, i) => ask(visit(hub, `127.0.1.${i + 1}`)).catch(() => null)));
    const refused = all.filter((response) => response?.status === 503);
    assert.ok(refused.length > 0);
    refused.forEach((response) => assertRefused(response, [503, 'unavailable', '1']));
  }],
  ['visitors', { exempt: EXEMPT, visitors: 2 }, async (hub) => { // one address, and the count of all
    assert.equal((await ask(visit(hub))).status, 200);
    assertRefused(await visit(hub, '127.0.0.3').readResponse(), [503, 'unavailable', '1']);
  }],
  ['connections_per_user', { connections_per_user: 2 }, async (hub) => {
    const ann = { token: token({ sub: 'ann' }) };
    const first = await hub.ws('/ws', ann);
    const second = await hub.ws('/ws/deployment/1', { token: token({ sub: 'ann', subscribe: '*' }) });
    await assert.rejects(hub.ws('/ws', ann), (error) => error instanceof Refused && error.status === 429 && error.headers['retry-after'] === '1');
    await (await hub.ws('/ws', { token: token({ sub: 'bob' }) })).close();
    await first.close();
    await until(() => hub.ws('/ws', ann).then((ws) => ws.close().then(() => true), () => false), 'a place is free again');
    await second.close();
  }, authConfig()],
  ['presence_topics', { presence_topics: 2, presence_grace_ms: 60000 }, async (hub) => {
    const ws = await hub.ws('/ws', { token: ADMIN });
    const ask = (message) => {
      ws.send(message);
      return ws.waitFor(({ type }) => type === 'presence' || type === 'WEBSOCKET_ERROR');
    };
    await ask({ type: 'subscribe', topic: 'one', presence: true });
    for (const topic of ['two', 'three', 'four']) { // each pushes out the one before
      assert.equal((await ask({ type: 'presence', topic })).topic, topic);
    }
    await ask({ type: 'subscribe', topic: 'five', presence: true });
    assert.equal((await ask({ type: 'presence', topic: 'six' })).data.code, 'limit_reached');
  }, authConfig()],
  ['presence_users', { presence_users: 2, presence_grace_ms: 60000 }, async (hub) => {
    const ws = await hub.ws('/ws', { token: ADMIN });
    ws.send({ type: 'subscribe', topic: 'hall', presence: true });
    await ws.waitType('presence');
    for (const sub of ['ann', 'bob', 'cid']) {
      await (await hub.ws('/ws', { token: token({ sub, subscribe: '*' }) })).subscribe('hall');
    }
    await until(async () => {
      ws.send({ type: 'presence', topic: 'hall' });
      const { users, connections, crowded } = await ws.waitType('presence');
      return crowded && connections === 4 && users.length === 0;
    }, 'users are not named any more');
  }, authConfig()],
  ['publishes_per_token', { publishes_per_token: 1 }, async (hub) => {
    const event = { topic: 't', type: 'T', data: {} };
    const ann = { token: token({ sub: 'ann', publish: '*' }) };
    await until(async () => {
      const { status: got, json, headers } = await hub.post('/api/v1/publish', event, ann);
      assert.ok(got === 200 || (json.error.code === 'rate_limited' && headers['retry-after'] === '1'));
      return got === 429;
    }, '429');
    const ws = await hub.ws('/ws', ann);
    await until(async () => {
      ws.send({ type: 'T', data: {}, ref: 1 });
      const reply = await ws.waitFor((m) => m.type === 'published' || m.type === 'WEBSOCKET_ERROR');
      return reply.data?.code === 'rate_limited';
    }, 'rate_limited');
    await ws.close();
    for (const role of ['worker', 'admin']) {
      for (let i = 0; i < 12; i++) {
        assert.equal((await hub.post('/api/v1/publish', event, { token: token({ sub: 'backend', role, publish: '*' }) })).status, 200);
      }
    }
  }, authConfig()],
];

test('clients of a trusted proxy are counted by their own address, and nobody by what a stranger says', async (t) => {
  const config = { server: { trusted_proxies: ['127.0.0.9'] }, limits: { exempt: EXEMPT, connections_per_address: 2, connects_per_address: 1000 } };
  const hub = await startHub({ t, config });
  const open = (from, client) => ask(visit(hub, from), '/ws', [...UPGRADE, `X-Forwarded-For: ${client}`]);
  for (const status of [101, 101, 429]) {
    assert.equal((await open('127.0.0.9', '203.0.113.1')).status, status);
  }
  assert.equal((await open('127.0.0.9', '198.51.100.1, 203.0.113.1')).status, 429);
  assert.equal((await open('127.0.0.9', '203.0.113.2')).status, 101);
  assert.equal((await open('127.0.0.9', '2001:db8::1')).status, 101);
  assert.equal((await open('127.0.0.9', '2001:db8::2')).status, 101);
  assert.equal((await open('127.0.0.9', '2001:db8::3')).status, 429, 'a /64 is one');
  const stream = visit(hub, '127.0.0.9');
  stream.write(request('GET /api/events?topic=t HTTP/1.1', HOST, 'X-Forwarded-For: 203.0.113.2'));
  await stream.readUntil('text/event-stream');
  assert.equal((await open('127.0.0.9', '203.0.113.2')).status, 429, 'a stream counts too');
  for (const status of [101, 101, 429]) {
    assert.equal((await open('127.0.0.8', `203.0.113.${status}`)).status, status);
  }
  await until(async () => await hits(hub, 'connections_per_address') === 5, 'all are counted');
});

test('clients named by a PROXY header are counted by their own address', async (t) => {
  const config = { server: { trusted_proxies: ['127.0.0.9'], proxy_protocol: true }, limits: { exempt: EXEMPT, connections_per_address: 2, connects_per_address: 1000 } };
  const hub = await startHub({ t, config });
  const open = (client) => {
    const raw = visit(hub, '127.0.0.9');
    raw.write(`PROXY TCP4 ${client} 127.0.0.1 4711 ${hub.port}\r\n`);
    return raw;
  };
  const first = open('203.0.113.1');
  assert.equal((await ask(first)).status, 200);
  assert.equal((await ask(open('203.0.113.1'))).status, 200);
  assertRefused(await open('203.0.113.1').readResponse(), [429, 'limit_reached', '10']);
  assert.equal((await ask(open('203.0.113.2'))).status, 200);
  first.close();
  await until(async () => (await ask(open('203.0.113.1'))).status === 200, 'a place is free again');
});

// A client of Socket.IO that has said `packets` and is closed for it; `enters` the main namespace first.
const socketio = (enters, ...packets) => async (hub) => {
  const link = await Socket.open(hub.url, '/socket.io/');
  if (enters) {
    await link.send('40');
    assert.match(await link.next(), /^40/);
  }
  await link.send(...packets);
  await within(link.closed, 'the connection to close');
};
const ATTACHED = `451-["x",${hole(0)}]`;
CASES.push(
  ['namespaces', { namespaces: 2 }, socketio(true, '40/a,', '40/b,', '40/c,')],
  ['namespace_ms', { namespace_ms: 100 }, socketio(false)],
  ['attachments_bytes', { attachments_bytes: 1024 }, socketio(true, ATTACHED, Buffer.alloc(1025))],
  ['attachments_ms', { attachments_ms: 100 }, socketio(true, ATTACHED)],
);

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

test('snapshots and heartbeats are as large and as frequent as they are set', async (t) => {
  const limits = { snapshot_lines: 3, snapshot_bytes: 1024, heartbeat_ms: 100 };
  const hub = await startHub({ t, config: { limits } });
  const lines = ['a', 'b', 'c', 'd'].map((message) => ({ message }));
  await hub.post('/api/v1/deployments/few/logs', { lines });
  await hub.post('/api/v1/deployments/large/logs', { lines: lines.map(() => ({ message: 'x'.repeat(600) })) });
  const tailOf = async (id) => (await hub.get(`/api/v1/deployments/${id}`)).json.log.map((line) => line.line);
  assert.deepEqual([await tailOf('few'), await tailOf('large')], [[2, 3, 4], [4]]);
  const ws = await hub.ws('/ws');
  ws.send({ type: 'subscribe', topics: ['deployment:few', 'deployment:large'] });
  const snapshots = [await ws.waitType('snapshot'), await ws.waitType('snapshot')];
  assert.deepEqual(snapshots.map((one) => one.data.log.map((line) => line.line)), [[2, 3, 4], [4]]);
  const flat = await hub.ws('/ws/deployment/few?tail=100');
  await flat.waitType('connected');
  assert.deepEqual([(await flat.waitType('log')).message, (await flat.waitType('log')).message], ['b', 'c']);
  const sse = await hub.raw();
  sse.write(request('GET /api/events?topic=quiet HTTP/1.1', HOST));
  await sse.readUntil('id: ');
  sse.close();
});

test('clients of Socket.IO that may come back', (t) => withLimit(t, 'recoveries', { recoveries: 1 }, async (hub) => {
  const [first, second] = [await sio(t, hub), await sio(t, hub)];
  assert.deepEqual([typeof first.socket._pid, typeof second.socket._pid], ['string', 'undefined']);
}));

test('questions to responders', async (t) => {
  const events = { 'content-type': 'text/event-stream' };
  const responder = await startResponder(t, {
    '/never': () => {},
    '/silent': (response) => response.writeHead(200, events).write('data: 1\n\n'),
    '/slow': (response) => {
      response.writeHead(200, events);
      const timer = setInterval(() => response.write('data: 1\n\n'), 20);
      response.on('close', () => clearInterval(timer));
    },
    '/gigabyte': (response) => {
      response.writeHead(200, events);
      const block = `data: ${'x'.repeat(990)}\n\n`.repeat(1000); // a thousand times
      const go = (left) => response.write(block, (error) => error || !left || go(left - 1));
      go(1000);
    },
    '/wide': (response) => {
      response.writeHead(200, events);
      const go = () => response.write('data: no end '.repeat(1000), (error) => error || go());
      go();
    },
  });
  const deaf = net.createServer((socket) => socket.on('error', () => {}).resume()).listen(0, '127.0.0.1');
  await new Promise((resolve) => { deaf.once('listening', resolve); });
  t.after(() => deaf.close());
  const responders = [...responder.entries, `deaf=https://127.0.0.1:${deaf.address().port}/`];
  const ask = async (hub, channel, count = 1, sub = 'ann') => {
    const ws = await hub.ws('/ws', { token: token({ sub, publish: '*', subscribe: '*' }) });
    await ws.waitType('connected');
    for (let i = 0; i < count; i++) {
      ws.send({ channel, data: i, ref: i });
    }
    return ws;
  };
  const under = (name, limits, hit) => withLimit(t, name, limits, hit, { ...authConfig(), channels: { responders } });
  const ends = (name, limits, channel, code) => under(name, limits, async (hub) => {
    const ws = await ask(hub, channel);
    assert.equal((await ws.waitType('stream_end')).error.code, code, name);
    await responder.seen.at(-1)?.closed;
    await ws.close();
  });
  await under('responders_per_connection', { responders_per_connection: 2 }, async (hub) => {
    const ws = await ask(hub, 'never', 3);
    const { data, ref } = await ws.waitType('WEBSOCKET_ERROR');
    assert.deepEqual([data.code, ref], ['limit_reached', 2]);
  });
  await under('responders_per_user', { responders_per_user: 2 }, async (hub) => {
    await ask(hub, 'silent', 1, 'bob');
    const [one, two] = [await ask(hub, 'silent'), await ask(hub, 'silent')];
    await Promise.all([one.waitType('stream'), two.waitType('stream')]);
    const three = await ask(hub, 'silent');
    assert.equal((await three.waitType('stream_end')).error.code, 'limit_reached');
  });
  await under('responders', { responders: 2 }, async (hub) => {
    const [one, two] = [await ask(hub, 'silent', 1, 'bob'), await ask(hub, 'silent', 1, 'cid')];
    await Promise.all([one.waitType('stream'), two.waitType('stream')]);
    const three = await ask(hub, 'silent');
    assert.equal((await three.waitType('stream_end')).error.code, 'limit_reached');
  });
  await ends('responder_connect_ms', { responder_connect_ms: 100 }, 'deaf', 'unavailable');
  await ends('responder_first_ms', { responder_first_ms: 100 }, 'never', 'unavailable');
  await ends('responder_idle_ms', { responder_idle_ms: 100 }, 'silent', 'unavailable');
  await ends('responder_total_ms', { responder_total_ms: 300 }, 'slow', 'unavailable');
  await ends('responder_bytes', {}, 'gigabyte', 'too_large');
  await ends('responder_piece_bytes', {}, 'wide', 'too_large');
});
