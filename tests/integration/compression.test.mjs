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

test('late comers and slow ones', async (t) => {
  const hub = await startHub({ t, config: LOW });
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
});

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

test('ws of npm, both ways', async (t) => {
  const hub = await startHub({ t, config: LOW });
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

test("Debian's python3-websockets, also with smaller windows", async (t) => {
  const bin = ['/usr/bin/python3', 'python3'].find((name) => spawnSync(name, ['-c', 'import websockets']).status === 0);
  assert.ok(bin, 'python3-websockets is missing: scripts/install.sh test installs it');
  const hub = await startHub({ t, config: LOW });
  for (const [asked, got] of [[0, 15], [12, 12], [9, 9]]) {
    const child = new Child(bin, ['-c', PYTHON, `${hub.url.replace('http', 'ws')}/ws`, `${asked}`]);
    assert.deepEqual(JSON.parse(await child.out.next()), [['permessage-deflate', got]], child.err.items.join());
    for (let i = 0; i < 20; i++) {
      await hub.post('/api/v1/publish', event(i, 6000));
      assert.deepEqual(JSON.parse(await child.out.next()), [i, true]);
    }
    assert.deepEqual(await within(child.exit, 'python to end'), { code: 0, signal: null });
  }
});
