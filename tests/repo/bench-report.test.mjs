// SPDX-License-Identifier: MIT
// The arithmetic of the comparison with other hubs, what it says of targets met and missed, and that the page in docs
// is what its results make of it.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { barChart, digits } from '../../bench/chart.mjs';
import { stringify } from '../../bench/compare.mjs';
import { faults, FIGURES, judge, metrics, targetOf, values } from '../../bench/figures.mjs';
import { HUBS } from '../../bench/hubs.mjs';
import { coreTimes, kernelSlab, kernelTcp } from '../../bench/machine.mjs';
import { chartsOf, documentFiles, figuresText, updated } from '../../bench/report.mjs';
import { casesOf, estimate, SCENARIOS, settle, wordsOf } from '../../bench/scenarios.mjs';
import { apart, median, orderOf, paired, searchRate, spread } from '../../bench/stats.mjs';
import { REPO } from '../lib/paths.mjs';

// ---- arithmetic

test('medians and spreads leave out what is no number', () => {
  const table = [[[], null], [[NaN, undefined, null], null], [[3], 3], [[9, 1, 5], 5], [[4, 1, 3, 2], 2.5],
    [[10, 9, undefined], 9.5]];
  for (const [list, expected] of table) {
    assert.equal(median(list), expected);
  }
  assert.equal(spread([NaN]), null);
  assert.deepEqual(spread([3, 1, null, 2]), { median: 2, low: 1, high: 3, count: 3 });
});

test('ratios are taken within a run, and only of runs that have both', () => {
  const above = new Map([[1, 8], [2, 80], [3, 5], [5, 1]]);
  const below = new Map([[1, 10], [2, 100], [3, 10], [4, 7], [5, 0]]);
  assert.deepEqual(paired(above, below), { median: 0.8, low: 0.5, high: 0.8, count: 3 });
  assert.equal(paired(above, new Map()), null);
  assert.deepEqual(apart(above, below), { median: -3.5, low: -20, high: 1, count: 4 });
  assert.equal(apart(above, new Map()), null);
});

test('each hub is first in some run', () => {
  const hubs = ['a', 'b', 'c'];
  assert.deepEqual([1, 2, 3, 4].map((run) => orderOf(hubs, run).join('')), ['abc', 'bca', 'cab', 'abc']);
});

test('a search finds the highest rate that is held, from wherever it starts', async () => {
  for (const limit of [7, 90, 333, 5000]) {
    for (const start of [limit / 20, limit / 3, limit, limit * 4]) {
      const asked = [];
      const found = await searchRate(async (rate) => {
        asked.push(rate);
        return { held: rate <= limit, share: (0.9 * rate) / limit };
      }, { start, share: 0.9, steps: 12 });
      assert.ok(found.rate <= limit && found.rate >= limit * 0.9 - 1, `${found.rate} of ${limit} from ${start}: ${asked}`);
      assert.deepEqual(found.steps.map(({ rate }) => rate), asked);
    }
  }
});

test('a search ends where nothing is held, where everything is, and without a share', async () => {
  const never = await searchRate(async () => ({ held: false, share: 1 }), { start: 100, share: 0.9, steps: 6 });
  assert.equal(never.rate, 0);
  assert.ok(never.steps.length <= 6);
  const always = await searchRate(async () => ({ held: true, share: 0.1 }), { start: 100, share: 0.9, steps: 4 });
  assert.equal(always.rate, Math.max(...always.steps.map(({ rate }) => rate)));
  assert.equal(always.steps.length, 4);
  const blind = await searchRate(async () => ({ held: false }), { start: 1, share: 0.9, steps: 4 });
  assert.equal(blind.rate, 0);
});

// ---- the machine

test('times of a core and memory of TCP are read as the kernel writes them', () => {
  const text = 'cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 100 200 300 1000 50 10 40 5 0 0\ncpu1 1 0 0 0 0 0 0 0 0 0\n';
  assert.deepEqual(coreTimes(0, text), { busy: 6.5, idle: 10.5, steal: 0.05 });
  assert.throws(() => coreTimes(2, text), /no core 2/);
  assert.equal(kernelTcp('sockets: used 9\nTCP: inuse 5 orphan 0 tw 1 alloc 7 mem 3\nUDP: inuse 1 mem 8\n'), 3 * 4096);
  assert.equal(kernelSlab('MemTotal:  9 kB\nSUnreclaim:     12 kB\n'), 12 * 1024);
});

// ---- scenarios

test('every scenario names hubs that there are, and says why others are left out', () => {
  for (const [name, { hubs, skip, cases }] of Object.entries(SCENARIOS)) {
    assert.deepEqual(hubs.filter((id) => !(id in HUBS)), [], name);
    assert.ok(Object.keys(HUBS).every((id) => hubs.includes(id) || HUBS[id].apart) || skip, `${name} does not say why it leaves hubs out`);
    assert.notDeepEqual(Object.keys(cases), []);
  }
});

test('every case is for hubs of its scenario, and each speaks what its subscribers do', () => {
  for (const [name, scenario] of Object.entries(SCENARIOS)) {
    for (const id of scenario.hubs) {
      const cases = casesOf(scenario, id);
      assert.notDeepEqual(Object.keys(cases), [], `${name}: nothing for ${id}`);
      for (const [key, load] of Object.entries(cases)) {
        const words = HUBS[id].words[load.via ?? 'ws']?.('http://127.0.0.1:1', load);
        assert.ok(words?.includes('--subscribe'), `${name} ${key}: ${id} is not asked that way`);
        assert.equal(words.includes('--publish'), ['serial', 'rate'].includes(load.mode), `${name} ${key}: ${id}`);
      }
    }
    for (const [key, { of = [] }] of Object.entries(scenario.cases)) {
      assert.deepEqual(of.filter((id) => !scenario.hubs.includes(id)), [], `${name} ${key}`);
    }
  }
  const { native, sse } = SCENARIOS['sse-1000'].cases;
  assert.deepEqual(casesOf(SCENARIOS['sse-1000'], 'nchan'), { sse });
  assert.deepEqual(casesOf(SCENARIOS['sse-1000'], 'clairon-plain'), { native, sse });
  assert.ok(!wordsOf(sse).some((word) => ['--via', '--of', '--event', '--settings'].includes(word)));
});

test('all of it takes less than an hour with 5 runs', () => {
  const total = Object.values(SCENARIOS).reduce((sum, one) => sum + estimate(one, one.hubs, { runs: 5 }), 0);
  assert.ok(total < 60 * 60, `${total / 60} minutes`);
});

test('a case is shortened and made smaller as asked', () => {
  const part = SCENARIOS.slow.cases.with;
  assert.deepEqual(settle(part, {}), part);
  const small = settle(part, { quick: true, clientsMax: 100 });
  assert.deepEqual([small.clients, small.slow, small.duration, small.warmup, small.rate], [100, 10, 2, 1, 20]);
  assert.equal(settle(part, { clientsMax: 2 }).slow, 1);
  assert.deepEqual(wordsOf({ mode: 'rate', clients: 5, 'slow-resume': true }), ['--mode', 'rate', '--clients', '5', '--slow-resume']);
});

// ---- figures

const clean = { lost: 0, doubled: 0, out_of_order: 0, clients_failed: 0 };
const scenario = (results, more = {}) => ({
  date: '2026-01-02', runs: 2, trial: false, busy_before: { server: 0.01, load: 0.02 },
  machine: { cpu: 'A CPU', cores: 2, memory_gib: 8, kernel: '6.1', system: 'Debian' },
  versions: { 'clairon-uring': '1.0', 'clairon-plain': '1.0', uws: 'abc', 'floor-plain': '' },
  absent: { nchan: 'it is not installed' }, skipped: {}, results, ...more,
});
const entry = (run, hub, result, part) => ({ run, hub, ...(part ? { case: part } : {}), result: { ...clean, ...result } });

const serial = scenario([
  entry(1, 'clairon-uring', { us_per_delivery: 3 }), entry(1, 'clairon-plain', { us_per_delivery: 4.4 }),
  entry(1, 'uws', { us_per_delivery: 4 }), entry(1, 'floor-plain', { us_per_delivery: 4 }),
  entry(2, 'uws', { us_per_delivery: 8 }), entry(2, 'clairon-uring', { us_per_delivery: 7.2 }),
  entry(2, 'clairon-plain', { us_per_delivery: 8.8 }), entry(2, 'floor-plain', { us_per_delivery: 8 }),
]);
const slow = scenario([
  entry(1, 'clairon-plain', { latency_ms: { p99: 10 }, clients: 9000 }, 'without'),
  entry(1, 'clairon-plain', { latency_ms: { p99: 14 }, clients: 10000, slow: 1000, slow_completed: 999, slow_lost: 0,
    rss_peak: 30 * 2 ** 20, rss_ready: 2 ** 20, kernel_tcp_peak: 200e6, kernel_tcp_ready: 30e6 }, 'with'),
]);
const data = { scenarios: { 'serial-1000': serial, slow } };
const figure = (part) => FIGURES.find(({ text }) => text.includes(part));

test('figures are judged by the targets of their way of sending', () => {
  const one = figure('one at a time, 1,000 subscribers, to uWebSockets');
  assert.deepEqual([targetOf(one, 'uring'), targetOf(one, 'plain')], [{ most: 0.85, least: undefined }, { most: 1, least: undefined }]);
  const uring = judge(one, data, 'uring');
  assert.deepEqual([uring.spread.low, uring.spread.high, uring.met], [0.75, 0.9, true]);
  assert.equal(judge(one, data, 'plain').met, false);
  assert.equal(judge(figure('one at a time, 1,000 subscribers, to the floor'), data, 'uring').met, true);
  assert.equal(judge(figure('one at a time, 1,000 subscribers, to the floor'), data, 'plain').met, false);
  assert.deepEqual(judge(figure('highest rate held'), data, 'uring'), { spread: null, met: null });
  assert.equal(judge(figure('highest rate held'), { scenarios: { capacity: scenario([entry(1, 'uws', { rate_held: 100 }),
    entry(1, 'clairon-uring', { rate_held: 131 })]) } }, 'uring').met, true);
});

test('those who never read are judged by what they cost and by their coming through', () => {
  const met = (part) => judge(figure(part), data, 'plain').met;
  assert.equal(met('never read: p99'), true);
  assert.equal(met('growth of memory'), true);
  assert.equal(met("kernel's memory per connection"), true);
  assert.equal(met('did not complete'), false);
});

test('other clients are judged beside plain WebSockets and beside hubs of their kind', () => {
  const some = { scenarios: {
    'sse-1000': scenario([entry(1, 'clairon-plain', { us_per_delivery: 5 }, 'native'), entry(1, 'clairon-plain', { us_per_delivery: 5.2 }, 'sse'),
      entry(1, 'nchan', { us_per_delivery: 6 }, 'sse')]),
    'deflate-5000': scenario([entry(1, 'clairon-plain', { us_per_delivery: 5 }, 'plain'), entry(1, 'clairon-plain', { us_per_delivery: 6 }, 'each'),
      entry(1, 'ws-deflate', { us_per_delivery: 24 }, 'peer')]),
    'deflate-bytes': scenario([entry(1, 'clairon-plain', { bytes_per_delivery: 400 }, 'plain'),
      entry(1, 'clairon-plain', { bytes_per_delivery: 140 }, 'stream')]),
    'idle-deflate': scenario([entry(1, 'clairon-plain', { rss_per_client: 500 }, 'plain'), entry(1, 'clairon-plain', { rss_per_client: 580 }, 'stream')]),
  } };
  const judged = (text) => {
    const { spread: found, met } = judge(figure(text), some, 'plain');
    return [found.median, met];
  };
  assert.deepEqual(judged('1,000 subscribers by SSE: CPU per delivery, to native'), [1.04, true]);
  assert.deepEqual(judged('1,000 subscribers by SSE: CPU per delivery, to nchan'), [5.2 / 6, false]);
  assert.deepEqual(judged('5,000 subscribers, each compressed: CPU per delivery, to the same without'), [1.2, false]);
  assert.deepEqual(judged('5,000 subscribers, each compressed: CPU per delivery, to npm ws'), [0.25, true]);
  assert.deepEqual(judged('compressed in a shared stream: bytes on the wire'), [0.35, true]);
  assert.deepEqual(judged('an idle connection that may compress'), [80, false]);
});

test('a result that failed, or of another case, is no value', () => {
  const some = { scenarios: { slow: scenario([entry(1, 'uws', { us_per_delivery: 1, failed: 'it did not start' }),
    entry(2, 'uws', { us_per_delivery: 2 }, 'with'), entry(3, 'uws', { us_per_delivery: 3 }), entry(4, 'uws', {})]) } };
  assert.deepEqual([...values(some, 'slow', 'uws', metrics.us)], [[3, 3]]);
  assert.deepEqual([...values(some, 'slow', 'uws', metrics.us, 'with')], [[2, 2]]);
  assert.deepEqual([...values(some, 'idle', 'uws', metrics.us)], []);
});

test('what is not known is no value', () => {
  const nothing = { us_per_delivery: null, cpu_core_share: null, latency_ms: null, rss_per_client: null, rss_ready: null,
    rss_peak: null, kernel_tcp_ready: null, kernel_tcp_peak: null, slow: 0 };
  const some = { scenarios: { slow: scenario([entry(1, 'uws', nothing)]) } };
  for (const name of ['us', 'core', 'p50', 'p99', 'rate', 'rss', 'rss_growth', 'kernel_per_slow', 'per_s']) {
    assert.deepEqual([...values(some, 'slow', 'uws', metrics[name])], [], name);
  }
});

test("Clairon's faults are told, those of others and noise are not", () => {
  const found = faults({
    'burst-10': scenario([entry(1, 'uws', { lost: 5 }), entry(1, 'clairon-plain', { doubled: 2, lost: 1 }),
      entry(1, 'floor-plain', { failed: 'x' })]),
    capacity: scenario([entry(2, 'clairon-uring', { steps: [{ ...clean, held: false }, { ...clean, out_of_order: 3 }] })]),
    topics: scenario([entry(1, 'clairon-plain', { publish_errors: 3, problem: 'an event is refused: 503' })]),
    idle: scenario([entry(1, 'clairon-uring', { failed: 'it did not start: no' }),
      entry(2, 'clairon-uring', { ended_badly: 'it ended unasked (SIGSEGV)' })]),
  });
  assert.deepEqual(found, [
    'burst-10, run 1, clairon-plain: 1 lost', 'burst-10, run 1, clairon-plain: 2 doubled',
    'capacity, run 2, clairon-uring: 3 out of order',
    'idle, run 1, clairon-uring: it did not start: no', 'idle, run 2, clairon-uring: it ended unasked (SIGSEGV)',
  ]);
});

// ---- the page

test('the page says what was met, what was missed, and what was not measured', () => {
  const text = figuresText(data);
  assert.match(text, /one at a time, 1,000 subscribers, to uWebSockets \| ≤ 0\.85; plain ≤ 1 × \| 0\.82 \(0\.75–0\.90\) met \|/);
  assert.match(text, / \| 1\.10 \*\*missed\*\* \|/);
  assert.match(text, /bursts of 10, to uWebSockets \| ≤ 0\.85 × \| not measured \| not measured \|/);
  assert.match(text, /did not complete \| ≤ 0 \| not measured \| 1 \*\*missed\*\* \|/);
  assert.match(text, /Not measured: nginx with nchan \(it is not installed\)/);
  assert.match(text, /Measured 2026-01-02 on A CPU, 2 cores, 8 GiB, Debian, Linux 6\.1/);
  assert.match(text, /\| uWebSockets \| 6\.00 · 1\.00 × \|/);
  assert.doesNotMatch(text, /undefined|NaN|null|worth nothing/);
  assert.match(figuresText({ scenarios: { slow: { ...slow, trial: true } } }), /worth nothing/);
  assert.match(figuresText(null), /Nothing was measured yet/);
});

test('a figure that is missed does not look like its target', () => {
  const close = { scenarios: { capacity: scenario([entry(1, 'uws', { rate_held: 1000 }), entry(1, 'clairon-plain', { rate_held: 1298 })]) } };
  assert.match(figuresText(close), /highest rate held [^|]*\| ≥ 1\.3 × \| not measured \| 1\.298 \*\*missed\*\* \|/);
});

test('only what is between the marks is made anew', () => {
  const document = 'before\n<!-- figures -->\nold\n<!-- end of figures -->\nafter\n';
  const text = updated(document, null);
  assert.match(text, /^before\n<!-- figures -->\n\nNothing was measured yet[^]*\n\n<!-- end of figures -->\nafter\n$/);
  assert.equal(updated(text, null), text);
  assert.throws(() => updated('no marks', null), /has no/);
});

test('results survive being written, a line for each', () => {
  const text = stringify(data);
  assert.deepEqual(JSON.parse(text), data);
  assert.equal(text.split('\n').filter((line) => line.includes('"hub"')).length, serial.results.length + slow.results.length);
});

test('charts have a bar for each hub that was measured', () => {
  const charts = chartsOf(data);
  assert.deepEqual(Object.keys(charts), ['docs/performance.svg']);
  const svg = charts['docs/performance.svg'];
  assert.equal(svg.match(/<rect /g).length, 4);
  assert.equal(svg.match(/class="own"/g).length, 2);
  assert.match(svg, /prefers-color-scheme: dark/);
  assert.doesNotMatch(svg, /NaN|undefined|Infinity/);
  const nothing = { label: 'x', kind: 'own', median: 0, low: 0, high: 0 };
  const odd = barChart('a < b', [{ title: 'none', unit: '', bars: [] }, { title: 'zero & more', unit: '', bars: [nothing] }]);
  assert.match(odd, /a &lt; b[^]*zero &amp; more/);
  assert.doesNotMatch(odd, /NaN|Infinity|>none</);
});

test('numbers are shown with three digits that mean something', () => {
  assert.deepEqual([0.123, 4.567, 45.67, 456.7, 15000, 0].map(digits), ['0.12', '4.57', '45.7', '457', '15,000', '0']);
});

test('the page and its charts are what the results make of them', () => {
  for (const [file, text] of Object.entries(documentFiles())) {
    assert.equal(fs.readFileSync(path.join(REPO, file), 'utf8'), text, `${file} is stale: run bench/report.mjs`);
  }
});
