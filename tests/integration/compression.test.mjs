// SPDX-License-Identifier: MIT
// permessage-deflate with real clients: what is agreed with each, that everyone is shown the same, whether live, late or
// slow, and what can be configured. The protocol itself is in websocket-conformance-deflate.test.mjs.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { startHub } from '../lib/index.mjs';
import { ask, readFrame, say, UPGRADE } from '../lib/frames.mjs';
import { inflate, RSV1 } from '../lib/echo.mjs';
import { Child } from '../lib/process.mjs';
import { until, within } from '../lib/wait.mjs';

const NONE = 'permessage-deflate; server_no_context_takeover; client_no_context_takeover';
const LOW = { websocket: { compression_threshold: 100 } };
const SHARED = { websocket: { compression_threshold: 100, compression_shared: true } };
const offering = { perMessageDeflate: true };
const event = (i, size = 600) => ({ topic: 'tickets', type: 'X', data: { i, text: `number ${i}, `.repeat(size / 10) } });

async function metric(hub, name) {
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec((await hub.get('/metrics')).text)[1]);
}

// Open ones would keep a hub from its end.
const raws = [];
const closeRaws = () => raws.splice(0).forEach((raw) => raw.close());

// A raw native socket that offers: the answer's extensions, and frames as they come.
async function rawClient(hub, offer, path = '/ws') {
  const raw = await hub.raw();
  raws.push(raw);
  raw.write(ask(`GET ${path} HTTP/1.1`, [...UPGRADE, ...(offer ? [`Sec-WebSocket-Extensions: ${offer}`] : [])]));
  const response = await raw.readResponse();
  assert.equal(response.status, 101);
  const read = async (windowBits = 15) => {
    const { first, payload } = await readFrame(raw);
    const compressed = (first & RSV1) !== 0;
    return { compressed, bytes: payload.length, json: JSON.parse(compressed ? inflate(payload, { windowBits }) : payload) };
  };
  const readType = async (type, windowBits) => {
    for (;;) {
      const message = await read(windowBits);
      if (message.json.type === type) {
        return message;
      }
    }
  };
  return { raw, agreed: response.headers['sec-websocket-extensions'], read, readType };
}

async function subscribed(hub, offer, path) {
  const client = await rawClient(hub, offer, path);
  client.raw.write(say({ type: 'subscribe', topic: 'tickets' }));
  await client.readType('caught_up');
  return client;
}

test('all see the same, compressed once for all who agreed', async (t) => {
  const hub = await startHub({ t, config: { ...LOW, server: { workers: 1 } } });
  const offers = [undefined, ...[8, 9, 11, 12, 15].map((bits) => `permessage-deflate; server_max_window_bits=${bits}`),
    'permessage-deflate', 'permessage-deflate; client_max_window_bits'];
  const clients = await Promise.all([...offers, ...offers].map((offer) => subscribed(hub, offer)));
  const before = await metric(hub, 'clairon_ws_compressed_total');
  const { json } = await hub.post('/api/v1/publish', event(1, 6000));
  for (const [i, client] of clients.entries()) {
    const offer = offers[i % offers.length];
    const bits = Number(/server_max_window_bits=(\d+)/.exec(client.agreed)?.[1] ?? 15);
    const got = await client.readType('X', bits);
    assert.equal(got.compressed, offer !== undefined);
    assert.equal(got.json.id, json.id);
    assert.deepEqual(got.json.data, event(1, 6000).data);
    assert.ok(!got.compressed || got.bytes < 600, `${got.bytes} bytes`);
  }
  await until(async () => await metric(hub, 'clairon_ws_compressed_total') - before >= 2, 'the count of compressed messages');
  // For windows of 4 KiB and more, and for smaller ones.
  assert.equal(await metric(hub, 'clairon_ws_compressed_total') - before, 2);
  assert.ok(await metric(hub, 'clairon_ws_compressed_saved_bytes_total') > 5000);
  closeRaws();
});

test('messages below the threshold, and those that are no events', async (t) => {
  const hub = await startHub({ t, config: { websocket: { compression_threshold: 500 } } });
  const client = await subscribed(hub, 'permessage-deflate');
  assert.equal(client.agreed, NONE);
  await hub.post('/api/v1/publish', { topic: 'tickets', type: 'X', data: { text: 'a'.repeat(300) } });
  assert.equal((await client.readType('X')).compressed, false);
  await hub.post('/api/v1/publish', { topic: 'tickets', type: 'X', data: { text: 'a'.repeat(500) } });
  assert.equal((await client.readType('X')).compressed, true);
  client.raw.write(say({ type: 'history', topic: 'tickets' }));
  const { compressed, json } = await client.readType('history');
  assert.ok(compressed);
  assert.equal(json.events.length, 2);
  closeRaws();
});

test('switched off, and a threshold that is no number', async (t) => {
  const hub = await startHub({ t, config: { websocket: { compression: false } } });
  assert.equal((await rawClient(hub, 'permessage-deflate')).agreed, undefined);
  const { socket } = await hub.ws('/ws', offering);
  assert.equal(socket.extensions, '');
  closeRaws();
  await assert.rejects(startHub({ config: { websocket: { compression_threshold: 'much' } } }));
});

test('flat sockets', async (t) => {
  const hub = await startHub({ t, config: LOW });
  for (const [path, topic] of [['/ws/deployment/d1', 'deployment:d1'], ['/ws/tickets/T1', 'ticket:T1'], ['/ws/tickets', 'tickets']]) {
    const plain = await rawClient(hub, undefined, path);
    const client = await rawClient(hub, 'permessage-deflate', path);
    await client.readType('connected');
    const { status, text } = await hub.post('/api/v1/publish', { events: [{ ...event(1), topic }, { ...event(2, 10), topic }] });
    assert.equal(status, 200, text);
    const long = await client.readType('X');
    assert.ok(long.compressed && long.bytes < 250, `${long.bytes}`);
    assert.equal(long.json.i, 1);
    assert.deepEqual(long.json, (await plain.readType('X')).json);
    const short = await client.readType('X');
    assert.deepEqual(short, await plain.readType('X'));
  }
  closeRaws();
});

for (const [mode, config] of Object.entries({ alone: LOW, shared: SHARED })) {
  test(`late comers and slow ones, ${mode}`, (t) => lateAndSlow(t, config));
  test(`ws of npm, both ways, ${mode}`, (t) => npm(t, config));
}

async function lateAndSlow(t, config) {
  const hub = await startHub({ t, config });
  const slow = await hub.ws('/ws', offering);
  await slow.subscribe('tickets');
  const since = (await slow.drain(), slow.messages.find((message) => message.type === 'caught_up').cursor);
  slow.socket.pause();
  const noise = (i) => Array.from({ length: 4000 }, (_, k) => String.fromCharCode(97 + ((i * 7919 + k * k * 31 + (k >> 3)) % 26))).join('');
  const COUNT = 600;
  for (let i = 0; i < COUNT; i += 100) {
    const batch = Array.from({ length: 100 }, (_, k) => ({ topic: 'tickets', type: 'X', data: { i: i + k, text: noise(i + k) } }));
    assert.equal((await hub.post('/api/v1/publish', { events: batch })).status, 200);
  }
  slow.socket.resume();
  const late = await hub.ws('/ws', offering);
  late.send({ type: 'subscribe', topic: 'tickets', since });
  for (const ws of [slow, late]) {
    await ws.waitFor((message) => message.data?.i === COUNT - 1);
    const seen = ws.messages.filter((message) => message.type === 'X');
    assert.deepEqual(seen.map((message) => message.data.i), Array.from({ length: COUNT }, (_, i) => i));
    assert.ok(seen.every((message) => message.data.text === noise(message.data.i)));
  }
}

test('an idle connection holds no more than a plain one', async (t) => {
  const hub = await startHub({ t, config: { ...LOW, server: { workers: 1 } } });
  const held = async () => {
    let sum;
    await until(async () => {
      const before = sum;
      const names = ['session', 'websocket', 'connection', 'buffer', 'http'];
      sum = (await Promise.all(names.map((name) => metric(hub, `clairon_memory_${name}_bytes`)))).reduce((a, b) => a + b);
      await new Promise((resolve) => setTimeout(resolve, 1100));
      return sum === before;
    }, 'memory to settle');
    return sum;
  };
  const open = async (options) => {
    const sockets = await Promise.all(Array.from({ length: 100 }, () => hub.ws('/ws', options)));
    for (const ws of sockets) {
      await ws.subscribe('tickets');
    }
    await hub.post('/api/v1/publish', event(1));
    await Promise.all(sockets.map((ws) => ws.waitType('X')));
    await Promise.all(sockets.map((ws) => (ws.send({ type: 'ping', ref: 'r'.repeat(200) }), ws.waitType('pong'))));
    const sum = await held();
    await Promise.all(sockets.map((ws) => ws.close()));
    return sum;
  };
  const plain = await open({});
  const compressed = await open(offering);
  assert.ok(compressed - plain <= 64 * 100, `${compressed} bytes, plain ${plain}`);
});

async function npm(t, config) {
  const hub = await startHub({ t, config });
  const options = [true, { serverNoContextTakeover: true }, { clientNoContextTakeover: true }, { serverMaxWindowBits: 9 },
    { clientMaxWindowBits: 9 }, { threshold: 0 }].map((perMessageDeflate) => ({ perMessageDeflate }));
  for (const option of options) {
    const ws = await hub.ws('/ws', option);
    assert.equal(ws.socket.extensions, 'permessage-deflate');
    await ws.subscribe('tickets');
    for (let i = 0; i < 5; i++) {
      await hub.post('/api/v1/publish', event(i));
      assert.deepEqual((await ws.waitType('X')).data, event(i).data);
      ws.send({ type: 'ping', ref: `${i}`.repeat(250) });
      assert.equal((await ws.waitType('pong')).ref, `${i}`.repeat(250));
    }
    await ws.close();
  }
}

const progress = (i) => ({ topic: 'tickets', type: 'STEP', data: {
  jobId: `build-${(i * 7919) % 100003}`, projectId: 'shop-frontend', phase: ['fetch', 'build', 'test'][i % 3], progress: (i * 13) % 101,
  message: `module ${(i * 31337) % 9973} of 9973 compiled in ${(i * 104729) % 3571} ms`, worker: `runner-${(i * 17) % 29}`,
  commit: ((i * 2654435761) >>> 0).toString(16) + ((i * 40503 * 65599) >>> 0).toString(16), at: new Date(1.7e12 + i * 1237).toISOString() } });

test('a shared stream: one for all in step, and every message whole for everyone', async (t) => {
  const hub = await startHub({ t, config: { websocket: { compression_shared: true }, server: { workers: 1 } } });
  const raw = await rawClient(hub, 'permessage-deflate; client_max_window_bits');
  assert.equal(raw.agreed, 'permessage-deflate; client_no_context_takeover');
  closeRaws();
  const sockets = [];
  const COUNT = 330;
  const before = await metric(hub, 'clairon_ws_compressed_total');
  for (let i = 0; i < COUNT; i++) {
    if (i % 50 === 0) {
      // In the middle of runs, too; those with narrow windows or without a context are never on the stream.
      const some = [offering, {}, { perMessageDeflate: { serverMaxWindowBits: 9 } }, { perMessageDeflate: { serverNoContextTakeover: true } }];
      for (const options of some) {
        const ws = await hub.ws('/ws', options);
        await ws.subscribe('tickets');
        sockets.push({ ws, from: i });
      }
    }
    await hub.post('/api/v1/publish', progress(i));
    await Promise.all(sockets.map(({ ws }) => ws.waitFor((message) => message.type === 'STEP')));
  }
  for (const { ws, from } of sockets) {
    const seen = ws.messages.filter((message) => message.type === 'STEP').map((message) => message.data);
    assert.deepEqual(seen, Array.from({ length: COUNT - from }, (_, i) => progress(from + i).data));
  }
  const plain = sockets[1].ws.socket._socket.bytesRead;
  const wire = sockets[0].ws.socket._socket.bytesRead;
  assert.ok(wire < 0.5 * plain, `${wire} of ${plain} bytes`);
  await until(async () => await metric(hub, 'clairon_ws_compressed_total') - before >= COUNT, 'the count');
  assert.equal(await metric(hub, 'clairon_ws_compressed_total') - before, COUNT);
  t.diagnostic(`on the stream from the begin: ${(wire / plain).toFixed(3)} of the bytes`);
});

const PYTHON = `
import asyncio, json, sys, websockets
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
async def main():
    bits = int(sys.argv[2])
    windows = {'server_max_window_bits': bits, 'client_max_window_bits': bits}
    how = {'extensions': [ClientPerMessageDeflateFactory(**windows)], 'compression': None} if bits else {}
    async with websockets.connect(sys.argv[1], **how) as socket:
        await socket.send(json.dumps({'type': 'subscribe', 'topic': 'tickets'}))
        while json.loads(await socket.recv())['type'] != 'caught_up':
            pass
        print(json.dumps([[e.name, e.remote_max_window_bits] for e in socket.extensions]), flush=True)
        for i in range(20):
            event = json.loads(await socket.recv())
            await socket.send(json.dumps({'type': 'ping', 'ref': event['data']['text'][:200]}))
            pong = json.loads(await socket.recv())
            print(json.dumps([event['data']['i'], pong['ref'] == event['data']['text'][:200]]), flush=True)
asyncio.run(main())
`;

for (const [mode, config] of Object.entries({ alone: LOW, shared: SHARED })) {
  test(`Debian's python3-websockets, also with smaller windows, ${mode}`, (t) => python(t, config));
}

async function python(t, config) {
  const bin = ['/usr/bin/python3', 'python3'].find((name) => spawnSync(name, ['-c', 'import websockets']).status === 0);
  assert.ok(bin, 'python3-websockets is missing: scripts/install.sh test installs it');
  const hub = await startHub({ t, config });
  for (const [asked, got] of [[0, 15], [12, 12], [9, 9]]) {
    const child = new Child(bin, ['-c', PYTHON, `${hub.url.replace('http', 'ws')}/ws`, `${asked}`]);
    assert.deepEqual(JSON.parse(await child.out.next()), [['permessage-deflate', got]], child.err.items.join());
    for (let i = 0; i < 20; i++) {
      await hub.post('/api/v1/publish', event(i, 6000));
      assert.deepEqual(JSON.parse(await child.out.next()), [i, true]);
    }
    assert.deepEqual(await within(child.exit, 'python to end'), { code: 0, signal: null });
  }
}
