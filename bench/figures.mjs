// SPDX-License-Identifier: MIT
// What the results say: each figure that has a target, and the tables behind them. Pure.
//
// `data` is what compare.mjs writes: {scenarios: {NAME: {results: [{run, hub, case, result, watch}], …}}}.
import { apart, paired, spread } from './stats.mjs';

export const SENDS = { uring: 'clairon-uring', plain: 'clairon-plain' };
const KERNEL_PER_SLOW_MAX = 512 * 1024; // both ends
const MIB = 2 ** 20;

// ---- reading results

// What is not known is null in a result, and must not count as 0.
const growth = (from, to) => (Number.isFinite(from) && Number.isFinite(to) ? to - from : NaN);

export const metrics = {
  us: (r) => r.us_per_delivery,
  us_connect: (r) => r.us_per_connection,
  core: (r) => (r.cpu_core_share ?? NaN) * 100,
  p50: (r) => r.latency_ms?.p50,
  p99: (r) => r.latency_ms?.p99,
  rate: (r) => r.rate_held,
  rss: (r) => r.rss_per_client,
  kernel: (r) => (r.watch?.kernel_slab_growth ?? NaN) / r.clients,
  wrong: (r) => r.lost + r.doubled + r.out_of_order + (r.slow_lost ?? 0),
  rss_growth: (r) => growth(r.rss_ready, r.rss_peak) / MIB,
  kernel_per_slow: (r) => growth(r.kernel_tcp_ready, r.kernel_tcp_peak) / r.slow,
  slow_left: (r) => r.slow - r.slow_completed,
  per_s: (r) => r.deliveries_per_s,
  bytes: (r) => r.bytes_per_delivery,
};

// `failed` stands alone where nothing could be measured, and says why.
const usable = ({ result }) => !result.failed;

// Map of run to value.
export function values(data, name, hub, metric, part = '') {
  const results = data.scenarios[name]?.results ?? [];
  const own = results.filter((r) => r.hub === hub && (r.case ?? '') === part && usable(r));
  return new Map(own.map(({ run, result }) => [run, metric(result)]).filter(([, value]) => Number.isFinite(value)));
}

export const spreadOf = (data, name, hub, metric, part) => spread([...values(data, name, hub, metric, part).values()]);

const toHub = (name, metric, peer, part, its = part) => (data, own) =>
  paired(values(data, name, own, metric, part), values(data, name, peer, metric, its));
const toCase = (name, metric, part, base) => (data, own) =>
  paired(values(data, name, own, metric, part), values(data, name, own, metric, base));
const overCase = (name, metric, part, base) => (data, own) =>
  apart(values(data, name, own, metric, part), values(data, name, own, metric, base));
const plainly = (name, metric, part) => (data, own) => spreadOf(data, name, own, metric, part);

// ---- figures

const BOTH_SIZES = ['1,000', '5,000'];
const sized = (name, n) => `${name}-${n.replace(',', '')}`;

// The clients that are not plain WebSockets, each to the same on a plain one and to another hub of its kind.
const CLIENTS = [
  ...BOTH_SIZES.flatMap((n) => [['each', 'each compressed'], ['stream', 'compressed in a shared stream']].flatMap(([part, how]) => [
    {
      text: `${n} subscribers, ${how}: CPU per delivery, to the same without`,
      of: toCase(sized('deflate', n), metrics.us, part, 'plain'),
      most: 1.15,
      unit: '×',
    },
    {
      text: `${n} subscribers, ${how}: CPU per delivery, to npm ws with its permessage-deflate`,
      of: toHub(sized('deflate', n), metrics.us, 'ws-deflate', part, 'peer'),
      most: 0.3,
      unit: '×',
    },
  ])),
  { text: 'progress events, each compressed alone: bytes on the wire, to plain', of: toCase('deflate-bytes', metrics.bytes, 'each', 'plain'), unit: '×' },
  {
    text: 'progress events, compressed in a shared stream: bytes on the wire, to plain',
    of: toCase('deflate-bytes', metrics.bytes, 'stream', 'plain'),
    most: 0.4,
    unit: '×',
  },
  {
    text: 'memory of an idle connection that may compress, beyond that of one that may not',
    of: overCase('idle-deflate', metrics.rss, 'stream', 'plain'),
    most: 64,
    unit: 'bytes',
  },
  ...BOTH_SIZES.flatMap((n) => [
    {
      text: `${n} subscribers by Socket.IO: CPU per delivery, to native`,
      of: toCase(sized('socketio', n), metrics.us, 'socketio', 'native'),
      most: 1.1,
      unit: '×',
    },
    {
      text: `${n} subscribers by Socket.IO: CPU per delivery, to npm socket.io`,
      of: toHub(sized('socketio', n), metrics.us, 'socketio', 'socketio'),
      most: 0.4,
      unit: '×',
    },
  ]),
  ...BOTH_SIZES.flatMap((n) => [
    { text: `${n} subscribers by SSE: CPU per delivery, to native`, of: toCase(sized('sse', n), metrics.us, 'sse', 'native'), most: 1.1, unit: '×' },
    { text: `${n} subscribers by SSE: CPU per delivery, to nchan`, of: toHub(sized('sse', n), metrics.us, 'nchan', 'sse'), most: 0.8, unit: '×' },
  ]),
  {
    text: '1,000 clients polling by Socket.IO, 20 events/s: CPU per delivery, to npm socket.io',
    of: toHub('socketio-polling', metrics.us, 'socketio', 'polling'),
    most: 0.25,
    unit: '×',
  },
];

// most/least: the target, one for both ways of sending or {uring, plain}.
export const FIGURES = [
  ...['1,000', '5,000'].map((n) => ({
    text: `CPU per delivery, one at a time, ${n} subscribers, to uWebSockets`,
    of: toHub(`serial-${n.replace(',', '')}`, metrics.us, 'uws'),
    most: { uring: 0.85, plain: 1 },
    unit: '×',
  })),
  ...['1,000', '5,000'].flatMap((n) => [['uws', 'uWebSockets', { uring: 0.85, plain: 1 }], ['floor-plain', 'the floor of send', 1]]
    .map(([peer, called, most]) => ({
      text: `${n} subscribers, received on the core of the hub, to ${called}`,
      of: toHub(`loopback-${n.replace(',', '')}`, metrics.us, peer),
      most,
      unit: '×',
    }))),
  { text: 'bursts of 10, to uWebSockets', of: toHub('burst-10', metrics.us, 'uws'), most: 0.85, unit: '×' },
  { text: 'bursts of 100, to uWebSockets', of: toHub('burst-100', metrics.us, 'uws'), most: 0.1, unit: '×' },
  {
    text: '200 messages/s to 1,000: CPU, to uWebSockets',
    of: toHub('rate-200', metrics.core, 'uws'),
    most: 0.85,
    unit: '×',
  },
  {
    text: '200 messages/s to 1,000: p99, to uWebSockets',
    of: toHub('rate-200', metrics.p99, 'uws'),
    most: 1,
    unit: '×',
  },
  {
    text: 'highest rate held at 90 % of a core, to uWebSockets',
    of: toHub('capacity', metrics.rate, 'uws'),
    least: 1.3,
    unit: '×',
  },
  {
    text: '10 of 500 topics each, events on 3: CPU per delivery, to one topic that reaches as many',
    of: toCase('topics', metrics.us, 'many', 'single'),
    most: 1.1,
    unit: '×',
  },
  { text: 'the same, to one topic that reaches all 1,000', of: toCase('topics', metrics.us, 'many', 'wide'), most: 1.1, unit: '×' },
  { text: 'the same: doubled, lost or out of order', of: plainly('topics', metrics.wrong, 'many'), most: 0, unit: '' },
  ...['1,000', '5,000'].map((n) => ({
    text: `CPU per delivery, one at a time, ${n} subscribers, to the floor of send`,
    of: toHub(`serial-${n.replace(',', '')}`, metrics.us, 'floor-plain'),
    most: 1,
    unit: '×',
  })),
  { text: 'memory of an idle connection with 2 topics, of 15,000', of: plainly('idle', metrics.rss), most: 512, unit: 'bytes' },
  { text: 'CPU per connection made, to uWebSockets', of: toHub('connect', metrics.us_connect, 'uws'), most: 1, unit: '×' },
  {
    text: '15,000 subscribers, 20 messages/s: lost, doubled or out of order',
    of: plainly('overload', metrics.wrong, 'steady'),
    most: 0,
    unit: '',
  },
  { text: 'the same: p99', of: plainly('overload', metrics.p99, 'steady'), unit: 'ms' },
  {
    text: '15,000 subscribers, 100 messages/s: lost, doubled or out of order',
    of: plainly('overload', metrics.wrong, 'over'),
    most: 0,
    unit: '',
  },
  {
    text: '1,000 never read: p99 of the 9,000 others, to that without them',
    of: toCase('slow', metrics.p99, 'with', 'without'),
    most: 1.5,
    unit: '×',
  },
  { text: 'the same: growth of memory', of: plainly('slow', metrics.rss_growth, 'with'), most: 64, unit: 'MiB' },
  {
    text: "the same: the kernel's memory per connection that never reads, both ends",
    of: plainly('slow', metrics.kernel_per_slow, 'with'),
    most: KERNEL_PER_SLOW_MAX,
    unit: 'bytes',
  },
  { text: 'the same: slow ones that did not complete', of: plainly('slow', metrics.slow_left, 'with'), most: 0, unit: '' },
  ...CLIENTS,
];

export function targetOf({ most, least }, send) {
  const of = (bound) => (typeof bound === 'object' ? bound[send] : bound);
  return { most: of(most), least: of(least) };
}

// {spread, met}: met is null where nothing is asked or nothing was measured.
export function judge(figure, data, send) {
  const found = figure.of(data, SENDS[send]);
  const { most, least } = targetOf(figure, send);
  if (!found || (most === undefined && least === undefined)) {
    return { spread: found, met: null };
  }
  return { spread: found, met: most === undefined ? found.median >= least : found.median <= most };
}

// What went wrong with Clairon itself: noise is none of it.
export function faults(scenarios) {
  return Object.entries(scenarios).flatMap(([name, { results }]) => results
    .filter(({ hub }) => hub.startsWith('clairon'))
    .flatMap(({ run, hub, case: part, result }) => faultsOf(result).map((fault) =>
      `${name}${part ? ` (${part})` : ''}, run ${run}, ${hub}: ${fault}`)));
}

// An event that is refused is none of them: its publisher was told.
const FAULTS = ['lost', 'doubled', 'out_of_order', 'unexpected', 'slow_lost', 'clients_failed'];

// Of a search, each step.
export function faultsOf(result) {
  const counts = FAULTS.filter((key) => result[key] > 0).map((key) => `${result[key]} ${key.replaceAll('_', ' ')}`);
  const told = [result.failed, result.ended_badly].filter((text) => text);
  return [...counts, ...told, ...(result.steps ?? []).flatMap(faultsOf)];
}
