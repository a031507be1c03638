// SPDX-License-Identifier: MIT
// Requests cut at every byte, sent byte by byte, and connections given up at every step: nobody else notices, answers
// stay the same to the byte, and nothing is left behind.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';
import { ask, closing, frame, HOST, head, rawSocket, readClose, readFrame, say, UPGRADE } from '../lib/frames.mjs';
import { until } from '../lib/wait.mjs';
import { Watch } from '../lib/watch.mjs';

const EVENT = '{"topic":"a","type":"HELLO","data":{"x":1}}';
const CHUNKS = `10;ext="a"\r\n${EVENT.slice(0, 16)}\r\n${(EVENT.length - 16).toString(16)}\r\n${EVENT.slice(16)}\r\n0\r\nX-Sum: 1\r\n\r\n`;
const JOB = '{"projectId":"p","jobId":"j"}';

// Requests that are whole with their last byte only.
const WHOLE = {
  'a GET': ask('GET /api/v1/history?topic=a&limit=3 HTTP/1.1', ['Accept: */*', 'Cookie: a=b']),
  'a GET of a page': ask('GET /jobs/build/%c3%a4 HTTP/1.1', ['Accept-Encoding: gzip']),
  'a POST': ask('POST /api/v1/publish HTTP/1.1', [`Content-Length: ${EVENT.length}`, 'Content-Type: application/json'], EVENT),
  'a POST in chunks': ask('POST /api/v1/publish HTTP/1.1', ['Transfer-Encoding: chunked'], CHUNKS),
  'a POST that starts a job': ask('POST /api/jobs HTTP/1.1', [`Content-Length: ${JOB.length}`, 'Idempotency-Key: k'], JOB),
  'a handshake': ask('GET /ws/tickets?tail=1 HTTP/1.1', [...UPGRADE, 'Sec-WebSocket-Protocol: clairon.v1']),
};
const OPENING = ask('GET /ws HTTP/1.1', UPGRADE);
const TALK = [frame(0x01, '{"type":'), frame(0x89, 'x'), frame(0x80, '"ping"}'), say('['), closing(1000, 'bye')];
const CONVERSATION = Buffer.concat([OPENING, say({ type: 'subscribe', topic: 'a' }), ...TALK]);

// What the hub holds for connections: descriptors, connections and sessions; with `bytes` their memory too.
async function holdings(watch, bytes = false) {
  const names = bytes ? /^clairon_(connections|sessions|memory_(session|connection|buffer|http|websocket)_bytes)$/ : /^clairon_(connections|sessions)$/;
  const gauges = Object.entries(await watch.metrics()).filter(([name]) => names.test(name));
  return { fds: fs.readdirSync(`/proc/${watch.pid}/fd`).length, ...Object.fromEntries(gauges) };
}

const SLABS_BYTES = 131072; // which slab of a pool can be given back is a matter of chance; a sixth of 10,000 records fill this

async function settles(watch, base, bytes) {
  let now;
  await until(async () => {
    now = await holdings(watch, bytes);
    return Object.keys(base).every((name) => now[name] <= base[name] + (/_bytes$/.test(name) ? SLABS_BYTES : 0));
  }, 'all is given back').catch((error) => {
    throw new Error(`${error.message}: ${JSON.stringify(now)} instead of ${JSON.stringify(base)}`);
  });
}

// Runs `work` for each item, so many at a time.
async function inParallel(items, width, work) {
  const queue = items[Symbol.iterator]();
  await Promise.all(Array.from({ length: width }, async () => {
    for (const item of queue) {
      await work(item);
    }
  }));
}

const lengths = (bytes) => Array.from({ length: bytes.length }, (_, i) => i);

test('requests cut at every byte are not answered, and do nothing', async (t) => {
  const watch = await Watch.start(t);
  const { hub } = watch;
  const base = await holdings(watch);
  await watch.rows({ events: 0, http_refused: 0 }, Object.entries(WHOLE), async ([, bytes]) => {
    const requests = (await watch.metrics()).clairon_http_requests_total;
    await inParallel(lengths(bytes), 32, async (cut) => {
      const raw = await hub.raw();
      raw.write(bytes.subarray(0, cut));
      raw.end();
      assert.equal((await raw.readAll()).toString('latin1'), '', `cut at byte ${cut}`);
    });
    await inParallel(lengths(bytes), 32, async (cut) => {
      const raw = await hub.raw();
      raw.socket.write(bytes.subarray(0, cut), () => raw.socket.resetAndDestroy());
      await raw.closed();
    });
    assert.equal((await watch.metrics()).clairon_http_requests_total, requests + 1, 'only our own question is counted');
    await settles(watch, base);
  });
  await watch.rows({ ws_errors: 0, events: 0 }, [['a conversation on a WebSocket']], async () => {
    await inParallel(lengths(CONVERSATION), 32, async (cut) => {
      for (const leave of ['end', 'reset']) {
        const raw = await hub.raw();
        raw.socket.write(CONVERSATION.subarray(0, cut), () => (leave === 'end' ? raw.end() : raw.socket.resetAndDestroy()));
        await raw.closed();
      }
    });
    await settles(watch, base);
  });
  watch.report();
});

test('byte by byte, each request is answered as it is in one piece', async (t) => {
  const watch = await Watch.start(t);
  const { hub } = watch;
  const bad = {
    'two lengths': ask('POST /api/v1/publish HTTP/1.1', ['Content-Length: 1', 'Content-Length: 1'], 'x'),
    'a folded line': ask('GET /health HTTP/1.1', ['X: 1\r\n 2']),
    'a bad chunk': ask('POST /api/v1/publish HTTP/1.1', ['Transfer-Encoding: chunked'], '5x\r\n'),
    'bad JSON in chunks': ask('POST /api/v1/publish HTTP/1.1', ['Transfer-Encoding: chunked'], '3\r\n{"a\r\n2\r\n":\r\n0\r\n\r\n'),
    'a bad escape': ask('GET /api/v1/history?topic=%4g HTTP/1.1'),
    'no such path': ask('GET /%2e%2e/x HTTP/1.1'),
    'an old version': head('GET /ws HTTP/1.1', HOST, ...UPGRADE.map((line) => line.replace('13', '8'))),
    'two requests and a broken one': Buffer.concat([ask('GET /api/jobs HTTP/1.1'), ask('HEAD / HTTP/1.1'), Buffer.from('\0')]),
  };
  // Until the connection closes; what time, chance and the order of ids put into it is taken out.
  const hear = async (bytes, send) => {
    const raw = await hub.raw();
    await send(raw, bytes);
    raw.end();
    return (await raw.readAll()).toString('latin1').replace(/Date: [^\r]+/g, 'Date').replace(/[0-9a-f]{16}-\d+/g, 'CURSOR').replace(/"connection_id":"[^"]+"/, 'CONNECTION');
  };
  const atOnce = async (raw, bytes) => raw.write(bytes);
  const slowly = async (raw, bytes) => {
    for (const byte of bytes) {
      await new Promise((resolve) => raw.socket.write(Buffer.from([byte]), resolve));
    }
  };
  const once = Object.entries(WHOLE).filter(([name]) => !/starts a job|GET$/.test(name));
  await watch.rows({}, [...once, ...Object.entries(bad), ['a conversation on a WebSocket', Buffer.concat([OPENING, ...TALK])]], async ([, bytes]) => {
    const whole = await hear(bytes, atOnce);
    assert.match(whole, /^HTTP\/1\.1 \d{3} /);
    assert.equal(await hear(bytes, slowly), whole);
  });
  watch.report();
});

// The end of the stream may be seen between an answer and the next look at what waited behind its request.
test('requests that came before the end of a stream are all answered', async (t) => {
  const watch = await Watch.start(t);
  const bytes = Buffer.concat([ask('GET /api/jobs HTTP/1.1'), ask('POST /api/v1/publish HTTP/1.1', [`Content-Length: ${EVENT.length}`], EVENT), ask('HEAD / HTTP/1.1'), Buffer.from('\0')]);
  await watch.rows({ http_refused: 300, events: 300 }, [['300 times']], () => inParallel(lengths({ length: 300 }), 4, async () => {
    const raw = await watch.hub.raw();
    raw.write(bytes);
    raw.end();
    assert.deepEqual((await raw.readAll()).toString('latin1').match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 200', 'HTTP/1.1 200', 'HTTP/1.1 400']);
  }));
  watch.report();
});

// Each step of a WebSocket's life, from which the peer goes without a word.
const STEPS = {
  'nothing said': async (hub) => hub.raw(),
  'half a handshake': async (hub) => {
    const raw = await hub.raw();
    raw.write(ask('GET /ws HTTP/1.1', UPGRADE).subarray(0, 60));
    return raw;
  },
  'a handshake whose answer is not read': async (hub) => {
    const raw = await hub.raw();
    raw.pause();
    raw.write(ask('GET /ws HTTP/1.1', UPGRADE));
    return raw;
  },
  'an open socket': (hub) => rawSocket(hub),
  'a subscription under way': async (hub) => {
    const raw = await rawSocket(hub);
    raw.write(say({ type: 'subscribe', topics: ['control', 'job:x', 'jobs'], since: '0' }));
    return raw;
  },
  'a publish whose answer is not read': async (hub) => {
    const raw = await rawSocket(hub);
    raw.write(say({ type: 'HELLO', data: {}, ref: 1 }));
    return raw;
  },
  'half a head of a frame': async (hub) => {
    const raw = await rawSocket(hub);
    raw.write(frame(0x81, 'x'.repeat(300)).subarray(0, 3));
    return raw;
  },
  'half a frame': async (hub) => {
    const raw = await rawSocket(hub);
    raw.write(frame(0x81, 'x'.repeat(300)).subarray(0, 200));
    return raw;
  },
  'half a message': async (hub) => {
    const raw = await rawSocket(hub);
    raw.write(frame(0x01, 'x'.repeat(300)));
    return raw;
  },
  'half a close': async (hub) => {
    const raw = await rawSocket(hub);
    raw.write(closing(1000).subarray(0, 7));
    return raw;
  },
  'a close whose answer is not read': async (hub) => {
    const raw = await rawSocket(hub);
    raw.pause();
    raw.write(closing(1000));
    return raw;
  },
  'a close that was answered': async (hub) => {
    const raw = await rawSocket(hub);
    raw.write(closing(1000));
    await readClose(raw);
    return raw;
  },
  'a close of the hub, not read': async (hub) => {
    const raw = await rawSocket(hub);
    raw.pause();
    raw.write(frame(0x83));
    return raw;
  },
  'a close of the hub, read': async (hub) => {
    const raw = await rawSocket(hub);
    raw.write(frame(0x83));
    await readClose(raw);
    return raw;
  },
  'a close of the hub, and more sent': async (hub) => {
    const raw = await rawSocket(hub);
    raw.write(Buffer.concat([frame(0x83), say({ type: 'subscribe', topic: 'a' })]));
    await readClose(raw);
    raw.write(say({ type: 'ping' }));
    return raw;
  },
  'a close and a request': async (hub) => {
    const raw = await rawSocket(hub);
    raw.write(Buffer.concat([closing(1000), ask('GET /health HTTP/1.1')]));
    return raw;
  },
  'a refused handshake': async (hub) => {
    const raw = await hub.raw();
    raw.write(ask('GET /ws HTTP/1.1', UPGRADE.slice(1)));
    await raw.readResponse();
    return raw;
  },
  'a pong behind a ping': async (hub) => {
    const raw = await rawSocket(hub);
    raw.write(frame(0x89, 'x'));
    await readFrame(raw);
    return raw;
  },
};

const LEAVES = { closed: (raw) => raw.close(), 'shut down': (raw) => raw.end(), reset: (raw) => raw.socket.resetAndDestroy() };

test('peers that go at any step leave nothing behind', async (t) => {
  const watch = await Watch.start(t);
  const base = await holdings(watch);
  const rows = Object.entries(STEPS).flatMap(([step, come]) => Object.entries(LEAVES).map(([how, leave]) => [`${step}, ${how}`, come, leave]));
  await watch.rows({}, rows, async ([, come, leave]) => {
    await inParallel(lengths({ length: 12 }), 6, async () => {
      const raw = await come(watch.hub);
      leave(raw);
      raw.resume();
      await raw.closed();
    });
    await settles(watch, base);
  });
  watch.report();
});

test('10,000 connections that come and break off leave nothing behind', async (t) => {
  const watch = await Watch.start(t);
  const { hub } = watch;
  const half = ask('POST /api/v1/publish HTTP/1.1', ['Content-Length: 1000'], '{"topic":');
  const bytes = [null, half.subarray(0, 30), half, ask('GET /metrics HTTP/1.1'), OPENING, CONVERSATION.subarray(0, -3)];
  const go = (count) => inParallel(lengths({ length: count }), 64, async (i) => {
    const raw = await hub.raw();
    const send = bytes[i % bytes.length];
    await new Promise((resolve) => (send ? raw.socket.write(send, resolve) : resolve()));
    raw.socket.resetAndDestroy();
    await raw.closed();
    hub.clients.length = 0;
  });
  const { fds, clairon_connections, clairon_sessions } = await holdings(watch);
  await go(500); // from now on there is what is kept for those to come
  await settles(watch, { fds, clairon_connections, clairon_sessions });
  const base = await holdings(watch, true);
  await watch.rows({}, [['10,000']], async () => {
    const accepted = (await watch.metrics()).clairon_accepted_total;
    await go(10000);
    await settles(watch, base, true);
    assert.ok((await watch.metrics()).clairon_accepted_total - accepted >= 10000);
  });
  watch.report();
});
