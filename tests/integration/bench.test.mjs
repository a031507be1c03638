// SPDX-License-Identifier: MIT
// The load generator: against the hub in every mode, against hubs of a few lines for the transports, and against hubs
// that lose, double and swap, which it must tell. How long anything takes is nobody's affair here.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { binary, makeDir, removeDir, runCli, spawnCli, startHub, until } from '../lib/index.mjs';
import { httpServer, pollHub, socketioHub, sseHub, wsHub } from '../lib/loadpeers.mjs';

const SHORT = ['--warmup', '0', '--duration', '1'];
const BODY = '{"p":"%p"}';

// Runs to its end; the exit status must be `code`.
async function bench(words, code = 0) {
  const ran = await runCli(['bench', ...words, '--json', '-']);
  assert.equal(ran.code, code, `${words.join(' ')}\n${ran.stdout}${ran.stderr}`);
  return { ...JSON.parse(ran.stdout), stderr: ran.stderr };
}

function assertWhole(result, clients) {
  const { ready, lost, doubled, out_of_order, unexpected, publish_errors, clients_failed, problem } = result;
  assert.deepEqual({ ready, lost, doubled, out_of_order, unexpected, publish_errors, clients_failed, problem },
    { ready: clients, lost: 0, doubled: 0, out_of_order: 0, unexpected: 0, publish_errors: 0, clients_failed: 0, problem: null });
  assert.equal(result.deliveries, result.expected);
}

function assertMeasured(result) {
  assert.ok(result.events > 0 && result.deliveries > 0, JSON.stringify(result));
  const { p50, p90, p99, 'p99.9': p999, max, mean } = result.latency_ms;
  assert.ok(p50 > 0 && p50 <= p90 && p90 <= p99 && p99 <= p999 && p999 <= max && mean <= max);
  assert.ok(result.seconds > 0 && result.deliveries_per_s > 0 && result.events_per_s > 0);
}

test('every mode against the hub', async (t) => {
  const hub = await startHub({ t });
  const ws = `${hub.url.replace('http', 'ws')}/ws`;
  const server = ['--server-pid', String(hub.pid), '--server-cpu', '0'];

  await t.test('serial', async () => {
    const result = await bench(['--subscribe', ws, '--publish', hub.url, '--clients', '20', '--topics-extra', '1', '--label', 'a "b"',
      ...SHORT, ...server]);
    assertWhole(result, 20);
    assertMeasured(result);
    assert.equal(result.deliveries, 20 * result.events);
    assert.deepEqual([result.mode, result.label, result.clients], ['serial', 'a "b"', 20]);
    for (const name of ['cpu_core_s', 'cpu_core_share', 'cpu_process_s', 'us_per_delivery']) {
      assert.equal(typeof result[name], 'number', name);
    }
    for (const name of ['rss_before', 'rss_ready', 'rss_end', 'rss_peak', 'bytes_in']) {
      assert.ok(result[name] > 0, name);
    }
    assert.ok(result.rss_peak >= result.rss_ready);
    assert.equal(result.us_per_connection, null);
  });

  await t.test('rate, many topics, bursts and publishers', async () => {
    const result = await bench(['--subscribe', ws, '--publish', `${hub.url}/api/v1/publish`, '--clients', '15', '--mode', 'rate',
      '--rate', '100', '--burst', '5', '--publishers', '3', '--topics', '50', '--topics-per-client', '10', '--topics-per-event', '3',
      '--size', '2000', ...SHORT]);
    assertWhole(result, 15);
    assertMeasured(result);
    assert.equal(result.events, 100);
    assert.ok(result.expected < 15 * 100, 'not everybody is on every topic');
    assert.deepEqual([result.cpu_core_s, result.us_per_delivery, result.rss_before], [null, null, null]);
  });

  await t.test('publishing on a WebSocket', async () => {
    const result = await bench(['--subscribe', ws, '--publish', ws, '--topic-prefix', 'channel:bench', '--clients', '5', '--mode', 'rate',
      '--rate', '20', ...SHORT]);
    assertWhole(result, 5);
    assert.deepEqual([result.events, result.deliveries], [20, 100]);
  });

  await t.test('connect', async () => {
    const result = await bench(['--subscribe', ws, '--clients', '50', '--mode', 'connect', '--parallel', '7', ...server]);
    assertWhole(result, 50);
    assert.ok(result.connections_per_s > 0 && result.latency_ms.max > 0);
    assert.equal(typeof result.us_per_connection, 'number');
    const paced = await bench(['--subscribe', ws, '--clients', '20', '--mode', 'connect', '--rate', '100']);
    assertWhole(paced, 20);
    assert.ok(paced.seconds > 0.18, 'the last was due after 0.19 s');
  });

  await t.test('idle', async () => {
    const result = await bench(['--subscribe', ws, '--clients', '50', '--mode', 'idle', '--settle', '1', ...server]);
    assertWhole(result, 50);
    assert.equal(typeof result.rss_per_client, 'number');
    assert.equal(typeof result.kernel_per_client, 'number');
    assert.equal(result.latency_ms, null);
  });

  await t.test('every kind of subscriber', async () => {
    const host = hub.url.replace(/^http:/, '');
    for (const url of [`sse+http:${host}/api/events?%q`, `poll+http:${host}/api/poll?%q`, `socketio+ws:${host}/socket.io/`,
      `socketio+http:${host}/socket.io/`]) {
      const result = await bench(['--subscribe', url, '--publish', hub.url, '--clients', '6', '--mode', 'rate', '--rate', '40', '--topics', '3',
        '--topics-per-client', '2', '--topics-extra', '2', ...SHORT]);
      assertWhole(result, 6);
      assert.ok(result.deliveries > 0, url);
    }
    const words = ['--subscribe', ws, '--publish', hub.url, '--clients', '6', '--mode', 'rate', '--rate', '40', '--size', '2000', '--words', ...SHORT];
    const plain = await bench(words);
    for (const inflate of [[], ['--inflate', '2']]) {
      const compressed = await bench([...words, '--deflate', ...inflate]);
      assertWhole(compressed, 6);
      assert.ok(compressed.bytes_per_delivery < plain.bytes_per_delivery);
    }
  });

  await t.test('slow ones that read on', async () => {
    const result = await bench(['--subscribe', ws, '--publish', hub.url, '--clients', '10', '--slow', '3', '--slow-resume', '--mode', 'rate',
      '--rate', '200', '--burst', '20', '--size', '4000', '--topics', '4', '--topics-per-client', '2', ...SHORT]);
    assertWhole(result, 10);
    assert.deepEqual([result.slow, result.slow_completed, result.slow_lost], [3, 3, 0]);
    assert.ok(result.expected <= 200 * 7, 'the slow ones are counted apart');
  });

  await t.test('a table for people, and JSON in a file', async () => {
    const dir = makeDir('bench');
    t.after(() => removeDir(dir));
    const file = path.join(dir, 'result.json');
    const { code, stdout } = await runCli(['bench', '--subscribe', ws, '--publish', hub.url, '--clients', '3', ...SHORT, '--json', file]);
    assert.equal(code, 0);
    assert.match(stdout, /^mode +serial\nsubscribers +3 of 3 came up, 0 went away\n/);
    assert.match(stdout, /^ledger +0 lost, 0 doubled, 0 out of order, 0 unexpected, 0 refused$/m);
    assertWhole(JSON.parse(fs.readFileSync(file, 'utf8')), 3);
  });

  await t.test('an interrupt ends it with the result so far', async () => {
    const child = spawnCli(['bench', '--subscribe', ws, '--publish', hub.url, '--clients', '4', '--mode', 'rate', '--rate', '50',
      '--topic-prefix', 'interrupted:', '--warmup', '0', '--duration', '600', '--json', '-'], { t });
    const published = async () => (await hub.get('/api/v1/history?topic=interrupted:0&limit=1')).json.events.length > 0;
    await until(published, 'events come');
    child.signal('SIGINT');
    const { code } = await child.end();
    child.assertClean();
    assert.equal(code, 0);
    const result = JSON.parse(child.stdout);
    assert.equal(result.cut_short, true);
    assertWhole(result, 4);
  });

  await t.test('an event that the hub refuses', async () => {
    const result = await bench(['--subscribe', ws, '--publish', hub.url, '--clients', '3', '--size', '100000', '--mode', 'rate', '--rate', '5',
      '--slow', '1', '--slow-resume', ...SHORT], 1);
    assert.deepEqual([result.publish_errors, result.lost, result.expected, result.slow_completed], [5, 0, 0, 1]);
    assert.match(result.problem, /refused: answered 413 /);
  });
});

test('event streams and long polling', async (t) => {
  const common = ['--publish-body', BODY, '--clients', '8', '--mode', 'rate', '--rate', '60', '--burst', '3', ...SHORT];
  const sse = await sseHub(t);
  const streamed = await bench(['--subscribe', `sse+http://${sse}/events?%q`, '--publish', `http://${sse}/`, ...common]);
  assertWhole(streamed, 8);
  assert.deepEqual([streamed.events, streamed.deliveries], [60, 480]);
  const poll = await pollHub(t);
  const polled = await bench(['--subscribe', `poll+http://${poll}/poll?%q`, '--publish', `http://${poll}/`, ...common]);
  assertWhole(polled, 8);
  assert.deepEqual([polled.events, polled.deliveries], [60, 480]);
});

const ROOMS = ['--publish-body', '["%t",{"p":"%p","n":%s}]', '--topics', '3', '--topics-per-client', '2', '--topics-extra', '2', '--clients', '8', '--mode',
  'rate', '--rate', '60', '--burst', '3', '--words', ...SHORT];

test('Socket.IO, on a WebSocket and by polling, with pings meanwhile', async (t) => {
  for (const scheme of ['ws', 'http']) {
    const { host, hub } = await socketioHub(t, { pingInterval: 50, pingTimeout: 60_000 });
    let pongs = 0;
    hub.on('connection', (socket) => socket.conn.on('packet', ({ type }) => { pongs += type === 'pong'; }));
    const result = await bench(['--subscribe', `socketio+${scheme}://${host}/socket.io/`, '--publish', `ws://${host}/publish`, ...ROOMS]);
    assertWhole(result, 8);
    assert.equal(result.events, 60);
    assert.ok(result.expected > 0 && result.expected < 60 * 8, 'not everybody is on every topic');
    assert.ok(pongs > 0, scheme);
  }
});

test('Socket.IO that refuses, or ends, is told', async (t) => {
  for (const scheme of ['ws', 'http']) {
    const refusing = await socketioHub(t);
    refusing.hub.use((_, next) => next(new Error('Authentication error')));
    const words = (host) => ['--subscribe', `socketio+${scheme}://${host}/socket.io/`, '--publish', `ws://${host}/publish`, ...ROOMS];
    const refused = await bench(words(refusing.host), 1);
    assert.match(refused.problem, /does not get ready: refused with CONNECT_ERROR$/);
    const ending = await socketioHub(t);
    ending.hub.on('connection', (socket) => socket.disconnect());
    assert.match((await bench(words(ending.host), 1)).problem, /does not get ready: ended by the server$/);
    const none = await httpServer(t, (_, response) => response.end('hello'));
    const lost = await bench(['--subscribe', `socketio+http://${none}/`, '--mode', 'connect', '--clients', '2'], 1);
    assert.match(lost.problem, /no handshake of Engine.IO$/);
  }
});

// `each`: without a threshold, which the package has there.
const DEFLATE = { takeover: true, each: { serverNoContextTakeover: true, threshold: 0 } };
const PUBLISHED = ['--publish-body', '{"n":%s,"p":"%p"}', '--clients', '10', '--mode', 'rate', '--rate', '40', '--size', '300', '--words', ...SHORT];

test('compressed messages are inflated and checked, or only counted', async (t) => {
  const words = (host, ...more) => ['--subscribe', `ws://${host}/`, '--publish', `ws://${host}/publish`, ...PUBLISHED, ...more];
  const plain = await bench(words(await wsHub(t, {})));
  for (const [name, deflate] of Object.entries(DEFLATE)) {
    for (const inflate of [[], ['--inflate', '3']]) {
      const result = await bench(words(await wsHub(t, { deflate }), '--deflate', ...inflate));
      assertWhole(result, 10);
      assert.deepEqual([result.events, result.deliveries], [40, 400], name);
      assert.ok(result.bytes_per_delivery < plain.bytes_per_delivery, name);
    }
    const mixed = await wsHub(t, { deflate, deliver: (client, text, n) => client.send(text, { compress: n % 3 > 0 }) });
    assertWhole(await bench(words(mixed, '--deflate', '--inflate', '3')), 10);
  }
  const without = await bench(words(await wsHub(t), '--deflate'), 1);
  assert.match(without.problem, /is not let in: the server does not compress$/);
});

test('who only counts finds out what is lost and what comes twice', async (t) => {
  const run = async (deliver) => {
    const host = await wsHub(t, { deflate: true, deliver });
    return bench(['--subscribe', `ws://${host}/`, '--publish', `ws://${host}/publish`, ...PUBLISHED, '--deflate', '--inflate', '1', '--timeout', '1'], 1);
  };
  assert.equal((await run((client, text, n) => n !== 7 && client.send(text))).lost, 10);
  const doubled = await run((client, text, n) => {
    client.send(text);
    if (n === 39) {
      client.send(text);
    }
  });
  assert.deepEqual([doubled.doubled, doubled.unexpected, doubled.lost], [1, 9, 0]);
});

test('a hub of another kind: what is sent first, what tells readiness, many events in a message', async (t) => {
  const said = [];
  const hub = await wsHub(t, {
    opened: (client) => client.on('message', (bytes) => {
      said.push(bytes.toString());
      client.send('you are on x');
      client.send('you are on y');
    }),
  });
  const result = await bench(['--subscribe', `ws://${hub}/sub/%c`, '--on-open', '#%c %T', '--ready', 'you are on', '--topics-extra', '1',
    '--publish', `ws://${hub}/publish`, '--publish-body', '<%b>', '--publish-item', '[%t %p]', '--burst', '4', '--clients', '3',
    '--mode', 'rate', '--rate', '40', ...SHORT]);
  assertWhole(result, 3);
  assert.deepEqual([result.events, result.deliveries], [40, 120]);
  const large = await bench(['--subscribe', `ws://${hub}/`, '--publish', `ws://${hub}/publish`, '--publish-body', '%b', '--publish-item', '"%p"',
    '--burst', '300', '--size', '1000', '--clients', '3', ...SHORT]);
  assertWhole(large, 3);
  assertMeasured(large);
  assert.deepEqual(said.sort(), [0, 1, 2].map((n) => `#${n} ["bench:0","bench:${n}.0"]`));
});

// Each fault: what the hub does with the n-th message, and what the ledger must say.
const FAULTS = {
  'one lost': [(client, text, n) => n !== 7 && client.send(text), { lost: 2, doubled: 0, out_of_order: 0 }],
  'the last lost': [(client, text, n) => n !== 19 && client.send(text), { lost: 2, doubled: 0, out_of_order: 0 }],
  'one doubled': [(client, text, n) => {
    client.send(text);
    if (n === 19) {
      client.send(text);
    }
  }, { lost: 0, doubled: 2, out_of_order: 0 }],
  'two swapped': [(client, text, n) => {
    if (n === 5) {
      client.kept = text;
    } else {
      client.send(text);
    }
    if (n === 6) {
      client.send(client.kept);
    }
  }, { lost: 0, doubled: 0, out_of_order: 2 }],
  'one invented': [(client, text, n) => {
    client.send(text);
    if (n === 3) {
      client.send(text.replace(/#S\.\d+/, '#S.999'));
    }
  }, { lost: 0, doubled: 0, out_of_order: 0, unexpected: 2 }],
};

test('a hub that loses, doubles, swaps or invents is found out', async (t) => {
  for (const [name, [deliver, expected]] of Object.entries(FAULTS)) {
    const hub = await wsHub(t, { deliver });
    const result = await bench(['--subscribe', `ws://${hub}/`, '--publish', `ws://${hub}/publish`, '--publish-body', BODY, '--clients', '2',
      '--mode', 'rate', '--rate', '20', '--timeout', '1', ...SHORT], 1);
    const found = Object.fromEntries(Object.keys(expected).map((key) => [key, result[key]]));
    assert.deepEqual(found, expected, name);
  }
});

test('a loss ends a serial run, and what went away is told with its code', async (t) => {
  const losing = await wsHub(t, { deliver: (client, text, n) => n !== 3 && client.send(text) });
  const common = ['--publish-body', BODY, '--clients', '2', '--timeout', '1', ...SHORT];
  const lost = await bench(['--subscribe', `ws://${losing}/`, '--publish', `ws://${losing}/publish`, ...common], 1);
  assert.deepEqual([lost.lost, lost.cut_short], [2, true]);
  assert.match(lost.stderr, /^clairon bench: 2 deliveries did not come[^\n]*\n$/);

  const closing = await wsHub(t, { deliver: (client, text, n) => (n === 3 ? client.close(1013, 'too much') : client.send(text)) });
  const gone = await bench(['--subscribe', `ws://${closing}/`, '--publish', `ws://${closing}/publish`, ...common], 1);
  assert.equal(gone.clients_failed, 2);
  assert.match(gone.problem, /went away: closed by the server with 1013 too much$/);
});

test('a server that lets nobody in is told with what it said', async (t) => {
  const answers = (status, headers = {}) => (_, response) => response.writeHead(status, headers).end();
  const refusing = await httpServer(t, answers(401));
  const plain = await httpServer(t, answers(200, { 'content-type': 'text/plain' }));
  const garbage = net.createServer((socket) => socket.on('error', () => {}).end('220 mail.example ESMTP\r\n\r\n'));
  const closing = net.createServer((socket) => socket.on('error', () => {}).destroy());
  const silent = net.createServer((socket) => socket.on('error', () => {}));
  for (const server of [garbage, closing, silent]) {
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => server.close());
  }
  const port = (server) => `127.0.0.1:${server.address().port}`;
  const cases = [
    [`ws://${refusing}/`, /is not let in: answered 401 Unauthorized$/],
    [`ws://${plain}/`, /is not let in: answered 200 OK$/],
    [`sse+http://${refusing}/`, /answered 401 Unauthorized$/],
    [`sse+http://${plain}/`, /answered with text\/plain, not with text\/event-stream$/],
    [`poll+http://${refusing}/`, /answered 401 Unauthorized$/],
    [`ws://${port(garbage)}/`, /is not let in: no HTTP/],
    [`ws://${port(closing)}/`, /is not let in: (closed by the server|Connection reset by peer)$/],
    [`ws://${port(silent)}/`, /is not let in: no answer in time$/],
    ['ws://127.0.0.1:1/', /can't connect: Connection refused$/],
  ];
  for (const [url, what] of cases) {
    const result = await bench(['--subscribe', url, '--mode', 'connect', '--clients', '5', '--timeout', '1'], 1);
    assert.match(result.problem, what, url);
    assert.deepEqual([result.ready, result.clients_failed], [0, 5], url);
  }
  for (const url of [`http://127.0.0.1:1/`, `ws://${refusing}/`]) {
    const result = await bench(['--subscribe', `ws://${refusing}/`, '--publish', url, '--publish-body', BODY, ...SHORT], 1);
    assert.match(result.problem, /^publisher 0 (can't connect: Connection refused|is not let in: answered 401)/);
  }
});

const WS = ['--subscribe', 'ws://127.0.0.1:1/ws'];
const BOTH = [...WS, '--publish', 'http://127.0.0.1:1'];
const WRONG = [
  [[], /--subscribe URL is missing|--mode serial publishes/], [['word'], /one word too many/], [['--frobnicate'], /unknown option/],
  [WS, /--mode serial publishes: say --publish/], [[...WS, '--publish', 'none'], /say --publish/],
  [['--publish', 'http://127.0.0.1:1'], /--subscribe URL is missing/],
  [[...BOTH, '--mode', 'fast'], /--mode is serial, rate, connect or idle, not fast/], [[...BOTH, '--clients', '0'], /--clients goes from 1/],
  [[...BOTH, '--clients', 'many'], /--clients takes a number/], [[...BOTH, '--rate', '5'], /--rate has no meaning with --mode serial/],
  [[...BOTH, '--mode', 'rate'], /--mode rate needs --rate/], [[...BOTH, '--mode', 'idle'], /--mode idle publishes nothing/],
  [[...BOTH, '--mode', 'rate', '--rate', '1', '--burst', '100', '--duration', '5'], /a burst of 100 is not due within 5 s/],
  [[...WS, '--mode', 'connect', '--slow', '3'], /--slow has no meaning with --mode connect/],
  [[...WS, '--mode', 'idle', '--burst', '3'], /--burst has no meaning/], [[...BOTH, '--slow', '100'], /--slow leaves no subscriber/],
  [[...BOTH, '--slow-resume'], /--slow-resume needs --slow/], [[...BOTH, '--inflate', '5'], /--inflate needs --deflate/],
  [[...BOTH, '--deflate', '--inflate', '5', '--topics', '2'], /who only counts can tell nothing of several topics/],
  [[...BOTH, '--deflate', '--inflate', '5', '--slow', '1'], /or of --slow/], [['--subscribe', 'sse+http://127.0.0.1:1/', ...BOTH.slice(2), '--deflate'], /--deflate is for ws/],
  [['--subscribe', 'socketio+ws://127.0.0.1:1/', '--ready', 'x', ...BOTH.slice(2)], /--on-open and --ready are for ws/],
  [['--subscribe', 'ws://h/', '--mode', 'idle', '--spin'], /leave out --spin/], [[...BOTH, '--topics-per-client', '2'], /there are only 1 topics/],
  [[...BOTH, '--topics-per-event', '2'], /there are only 1 topics/], [[...BOTH, '--topic-prefix', 'a b'], /--topic-prefix takes/],
  [[...BOTH, '--publish-body', '{}'], /--publish-body needs %p or %b/], [[...BOTH, '--publish-item', '{}'], /--publish-item needs %p/],
  [[...BOTH, '--publish-body', '%p', '--publish-item', '%p'], /--publish-body has %b, and it has none/],
  [[...BOTH, '--server-pid', 'x'], /--server-pid takes the number/], [[...BOTH, '--server-pid', '2147483647'], /no such process/],
  [[...BOTH, '--server-cpu', '999999'], /no such core/], [[...BOTH, '--json', '/no/such/folder/x'], /--json .*No such file/],
  [['--subscribe', 'http://127.0.0.1:1', ...BOTH.slice(2)], /--subscribe takes ws:/], [[...WS, '--publish', 'sse+http://127.0.0.1:1'], /--publish takes http:/],
  [['--subscribe', 'wss://127.0.0.1:1', '--ca', '/nonexistent.pem', ...BOTH.slice(2)], /nonexistent\.pem/], [['--subscribe', 'nonsense', ...BOTH.slice(2)], /is not a URL/],
  [['--subscribe', 'sse+http://127.0.0.1:1/', '--on-open', 'x', ...BOTH.slice(2)], /--on-open and --ready are for ws/],
  [[...WS, '--publish', 'ws://127.0.0.1:1/ws'], /--topic-prefix channel:/],
  [[...BOTH, '--clients', '1000000', '--publishers', '1000'], /too much memory/],
];

test('what makes no sense is one clear line and exit 2', async () => {
  for (const [words, what] of WRONG) {
    const { code, stdout, stderr } = await runCli(['bench', ...words]);
    assert.deepEqual([code, stdout], [2, ''], words.join(' '));
    assert.match(stderr, /^clairon bench: [^\n]*\n$/, words.join(' '));
    assert.match(stderr, what, words.join(' '));
  }
});

test('too few open files are told before anything is done', async () => {
  const words = ['-c', 'ulimit -n 100; exec "$0" bench "$@"', binary(), ...BOTH, '--clients', '200'];
  const { code, stderr } = await runCli(words, { bin: '/bin/sh' });
  assert.equal(code, 2, stderr);
  assert.match(stderr, /^clairon bench: 200 subscribers need \d+ open files and the limit of this process is 100 [^\n]*\n$/);
});
