// SPDX-License-Identifier: MIT
// What is measured: each scenario, which hubs it makes sense for, how the load generator is called, and how long it
// takes.

const ALL = ['clairon-uring', 'clairon-plain', 'uws', 'floor-plain', 'floor-uring', 'nchan', 'ws'];
const TLS = ['clairon-uring', 'clairon-plain', 'clairon-tls', 'nchan', 'nchan-tls'];
const OWN = ['clairon-uring', 'clairon-plain'];
const DEFLATE = ['ws-deflate', 'ws-deflate-each'];
const HUBS_ONLY = ['clairon-uring', 'clairon-plain', 'uws', 'nchan', 'ws'];

export const CORE_SHARE = 0.9; // at which the highest rate is looked for
export const HELD_P99_MS = 250; // a rate that makes events later than this is not held
const ONE_TOPIC = 'the others have one topic in this comparison';
const FLOOR_RATE = 'the floor only sends: it neither waits for sockets nor shares sends';
const FLOOR_REST = 'the floor keeps nothing for a connection';
const WITH_TLS = 'TLS is measured with Clairon and nchan only';
const NO_SSE = 'it has no event streams here';
const NO_SOCKETIO = 'it does not speak Socket.IO';
const NO_DEFLATE = 'compression is measured with Clairon and npm ws only';
const OWN_PROMISE = "a promise of Clairon's own";

const ONE_BY_ONE = { mode: 'serial', warmup: 1, duration: 2, spin: true };
// Of 400 bytes, as builds report their progress.
const EVENTS = { ...ONE_BY_ONE, event: true, size: 168, words: true };
const COMPRESSED = { via: 'deflate', inflate: 20 };
const EACH = { CLAIRON__WEBSOCKET__COMPRESSION_THRESHOLD: '64' };
const STREAM = { ...EACH, CLAIRON__WEBSOCKET__COMPRESSION_SHARED: 'true' };

const PREPARE_S = 0.7; // to start and end a hub and the generator
const CONNECT_S = 0.00025;

// A scenario's cases are run one after the other on a fresh hub. `load` has the generator's options by their names;
// seconds are what `--quick` shortens, clients what `--clients-max` lowers. `runs`: at most so many. `receive: 'load'`:
// the receiving half of TCP runs on the load's core, not on the hub's as it does on the loopback interface by itself.
// `skip`: why it makes no sense for other hubs. Not for the generator: `via` is how subscribers come (ws), `of` the hubs
// that a case is for (all of the scenario), `settings` those of a Clairon that it needs, `event` makes the payload a
// part of an event.
export const SCENARIOS = {
  'serial-1000': serial('512 bytes to 1,000 subscribers, one at a time', 1000, 1),
  'serial-5000': serial('512 bytes to 5,000 subscribers, one at a time', 5000, 1),
  'loopback-1000': loopback('512 bytes to 1,000 subscribers, one at a time, received on the core of the hub', 1000),
  'loopback-5000': loopback('512 bytes to 5,000 subscribers, one at a time, received on the core of the hub', 5000),
  'burst-10': serial('bursts of 10 to 1,000 subscribers', 1000, 10),
  'burst-100': serial('bursts of 100 to 1,000 subscribers', 1000, 100),
  'tls-1000': tls('512 bytes to 1,000 subscribers over TLS 1.3, and without', 1),
  'tls-burst-10': tls('bursts of 10 to 1,000 subscribers over TLS 1.3, and without', 10),
  'rate-200': {
    about: '200 messages/s to 1,000 subscribers',
    hubs: HUBS_ONLY,
    skip: FLOOR_RATE,
    cases: { '': { mode: 'rate', clients: 1000, rate: 200, warmup: 1, duration: 5, spin: true } },
  },
  capacity: {
    about: `the highest rate to 1,000 subscribers that leaves ${Math.round((1 - CORE_SHARE) * 100)} % of the core free`,
    hubs: HUBS_ONLY,
    skip: FLOOR_RATE,
    search: { start: 200, steps: 7 },
    cases: { '': { mode: 'rate', clients: 1000, warmup: 1, duration: 2, spin: true } },
  },
  topics: {
    about: '1,000 subscribers on 10 of 500 topics each, events on 3 topics',
    hubs: OWN,
    skip: ONE_TOPIC,
    receive: 'load',
    cases: {
      many: { ...ONE_BY_ONE, clients: 1000, topics: 500, 'topics-per-client': 10, 'topics-per-event': 3 },
      // An event of `many` reaches 59 subscribers; so does one here, by a single topic.
      single: { ...ONE_BY_ONE, clients: 1000, topics: 17 },
      wide: { ...ONE_BY_ONE, clients: 1000 },
    },
  },
  idle: {
    about: '15,000 connections at rest',
    hubs: HUBS_ONLY,
    skip: FLOOR_REST,
    runs: 3,
    cases: { '': { mode: 'idle', clients: 15000, settle: 2 } },
  },
  connect: {
    about: '15,000 connections as fast as they come',
    hubs: ALL,
    receive: 'load',
    cases: { '': { mode: 'connect', clients: 15000, parallel: 64, spin: true } },
  },
  overload: {
    about: '15,000 subscribers, 20 messages/s, then 100/s',
    hubs: OWN,
    skip: OWN_PROMISE,
    runs: 1,
    drain: 30,
    cases: {
      steady: { mode: 'rate', clients: 15000, rate: 20, warmup: 2, duration: 60, spin: true },
      over: { mode: 'rate', clients: 15000, rate: 100, warmup: 2, duration: 20, spin: true },
    },
  },
  // Of 1 KiB, so that the sockets of those who never read are full before the first ping: a client that took all and
  // does not answer within 8 s is closed for that.
  slow: {
    about: '1,000 of 10,000 subscribers never read, 20 events/s of 1 KiB',
    hubs: OWN,
    skip: OWN_PROMISE,
    runs: 1,
    drain: 10,
    cases: {
      without: { mode: 'rate', size: 1024, clients: 9000, rate: 20, warmup: 2, duration: 60, spin: true },
      with: {
        mode: 'rate', size: 1024, clients: 10000, rate: 20, warmup: 2, duration: 60, spin: true, slow: 1000,
        'slow-resume': true,
      },
    },
  },
  'deflate-1000': deflate('1,000 subscribers', 1000),
  'deflate-5000': deflate('5,000 subscribers', 5000),
  'deflate-bytes': {
    about: 'a stream of progress events of 380 bytes to 100 subscribers, compressed and not',
    hubs: [...OWN, ...DEFLATE],
    skip: NO_DEFLATE,
    runs: 3,
    cases: compressed({ ...EVENTS, clients: 100, size: 144 }),
  },
  'idle-deflate': {
    about: '10,000 connections at rest, that may compress and that may not',
    hubs: [...OWN, ...DEFLATE],
    skip: NO_DEFLATE,
    runs: 3,
    cases: compressed({ mode: 'idle', clients: 10000, settle: 2 }),
  },
  'socketio-1000': socketio('1,000 subscribers', 1000),
  'socketio-5000': socketio('5,000 subscribers', 5000),
  'socketio-polling': {
    about: '20 events/s of 400 bytes to 1,000 clients that poll by Socket.IO',
    hubs: [...OWN, 'socketio'],
    skip: NO_SOCKETIO,
    receive: 'load',
    runs: 3,
    cases: { polling: { ...EVENTS, mode: 'rate', rate: 20, clients: 1000, duration: 5, via: 'polling' } },
  },
  'sse-1000': sse('1,000 subscribers', 1000),
  'sse-5000': sse('5,000 subscribers', 5000),
};

function serial(about, clients, burst) {
  return { about, hubs: ALL, receive: 'load', cases: { '': { ...ONE_BY_ONE, clients, burst } } };
}

function tls(about, burst) {
  return { about, hubs: TLS, skip: WITH_TLS, receive: 'load', cases: { '': { ...ONE_BY_ONE, clients: 1000, burst } } };
}

function loopback(about, clients) {
  return { about, hubs: ALL, cases: { '': { ...ONE_BY_ONE, clients, burst: 1 } } };
}

// Each of these compares with a plain WebSocket on the same hub, and with other hubs of its kind.
function deflate(whom, clients) {
  return {
    about: `400 bytes to ${whom}, compressed and not`,
    hubs: [...OWN, ...DEFLATE],
    skip: NO_DEFLATE,
    receive: 'load',
    runs: 3,
    cases: compressed({ ...EVENTS, clients }, { duration: 4 }), // of which one event takes a good part
  };
}

// The generator inflates what a few get, and counts what the others get.
function compressed(load, peer = {}) {
  return {
    plain: { ...load, of: OWN },
    each: { ...load, ...COMPRESSED, settings: EACH, of: OWN },
    stream: { ...load, ...COMPRESSED, settings: STREAM, of: OWN },
    peer: { ...load, ...COMPRESSED, ...peer, of: DEFLATE },
  };
}

function sse(whom, clients) {
  return {
    about: `400 bytes to ${whom} by SSE, and on a WebSocket`,
    hubs: [...OWN, 'nchan'],
    skip: NO_SSE,
    receive: 'load',
    runs: 3,
    cases: { native: { ...EVENTS, clients, of: OWN }, sse: { ...EVENTS, clients, via: 'sse' } },
  };
}

function socketio(whom, clients) {
  return {
    about: `400 bytes to ${whom} by Socket.IO, and on a plain WebSocket`,
    hubs: [...OWN, 'socketio'],
    skip: NO_SOCKETIO,
    receive: 'load',
    runs: 3,
    cases: { native: { ...EVENTS, clients, of: OWN }, socketio: { ...EVENTS, clients, via: 'socketio' } },
  };
}

const SECONDS = ['warmup', 'duration', 'settle'];

// A case as it is run: shortened and with fewer clients when asked.
export function settle(load, { quick = false, clientsMax = Infinity }) {
  const clients = Math.min(load.clients, clientsMax);
  const shorter = Object.fromEntries(SECONDS.filter((key) => key in load)
    .map((key) => [key, quick ? Math.min(2, Math.floor(load[key] / 2)) : load[key]]));
  const slow = load.slow ? { slow: Math.max(1, Math.floor((load.slow * clients) / load.clients)) } : {};
  return { ...load, ...shorter, ...slow, clients };
}

const OURS = ['via', 'of', 'event', 'settings'];

// {name: case} of a scenario for a hub.
export function casesOf({ cases }, hub) {
  return Object.fromEntries(Object.entries(cases).filter(([, load]) => !load.of || load.of.includes(hub)));
}

// The words of `clairon bench` for a case.
export function wordsOf(load) {
  return Object.entries(load).filter(([key]) => !OURS.includes(key)).flatMap(([key, value]) => (value === true ? [`--${key}`] : [`--${key}`, String(value)]));
}

// Descriptors that the hub and the generator each need.
export const filesNeeded = (load) => load.clients + 200;

// Seconds that a scenario will take with so many hubs and runs, roughly.
export function estimate(scenario, hubs, options) {
  const runs = Math.min(options.runs, scenario.runs ?? Infinity);
  const secondsOf = (load) => {
    const steps = scenario.search ? (options.quick ? 2 : 4) : 1;
    const spent = SECONDS.reduce((sum, key) => sum + (load[key] ?? 0), 0);
    return steps * (PREPARE_S + load.clients * CONNECT_S + spent) + (options.quick ? 0 : (scenario.drain ?? 0));
  };
  const once = hubs.flatMap((id) => Object.values(casesOf(scenario, id))).map((load) => secondsOf(settle(load, options)));
  return once.reduce((sum, seconds) => sum + seconds, 0) * runs;
}
