#!/usr/bin/env node
// SPDX-License-Identifier: MIT
// Compares Clairon with the hubs that are installed: bench/README.md says how, docs/performance.md what came out.
// Ends with 1 only if Clairon did not start, or lost, doubled or reordered something.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { REPO } from '../tests/lib/paths.mjs';
import { faults } from './figures.mjs';
import { DEFAULTS, HUBS, probeAll, Running } from './hubs.mjs';
import { describeMachine, filesMax, idleBusy, pinSelf, receiveOn, Watch } from './machine.mjs';
import { consoleTable, writeDocument } from './report.mjs';
import { casesOf, CORE_SHARE, estimate, filesNeeded, HELD_P99_MS, SCENARIOS, settle, wordsOf } from './scenarios.mjs';
import { orderOf, searchRate } from './stats.mjs';

const CORES = { serverCore: 0, loadCore: 1 };
const GRACE_S = 240; // beyond what the generator was asked to take
const DOCUMENT_JSON = path.join(REPO, 'docs/performance.json');

const USAGE = `usage: bench/compare.mjs [--only SCENARIO,...] [--hubs HUB,...] [--runs N] [--quick] [--clients-max N]
                          [--json FILE] [--docs] [--clairon BIN] [--floor BIN] [--uws PATH] [--data DIR] [--list]

  --only SCENARIO,...  of: ${Object.keys(SCENARIOS).join(' ')}
  --hubs HUB,...       of: ${Object.keys(HUBS).join(' ')}
  --runs N             interleaved runs (default 5; the long scenarios take fewer)
  --quick              short, for a trial: its figures are worth nothing
  --clients-max N      with no more subscribers than this, for a trial
  --json FILE          raw results; a file that exists keeps the scenarios that are not measured now
  --docs               --json docs/performance.json, and the document and its charts made from it
  --clairon BIN        hub and load generator (default build/clairon)
  --floor BIN          default build/bench/bench_floor
  --uws PATH           sources of uWebSockets, or the program (default: CLAIRON_BENCH_UWS)
  --data DIR           where Clairon keeps its events (default: the folder for temporary files)
  --list               says what would be measured, and how long it takes`;

const OPTIONS = {
  only: { type: 'string' },
  hubs: { type: 'string' },
  runs: { type: 'string', default: '5' },
  quick: { type: 'boolean', default: false },
  'clients-max': { type: 'string' },
  json: { type: 'string' },
  docs: { type: 'boolean', default: false },
  clairon: { type: 'string', default: DEFAULTS.clairon },
  floor: { type: 'string', default: DEFAULTS.floor },
  uws: { type: 'string', default: DEFAULTS.uws },
  data: { type: 'string' },
  list: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
};

class UsageError extends Error {}

function namesOf(text, table, what) {
  const names = text === undefined ? Object.keys(table) : text.split(',');
  const unknown = names.filter((name) => !Object.hasOwn(table, name));
  if (unknown.length) {
    throw new UsageError(`no ${what} named ${unknown.join(', ')}`);
  }
  return names;
}

function numberOf(text, name, otherwise) {
  const value = text === undefined ? otherwise : Number(text);
  if (!(value >= 1)) {
    throw new UsageError(`--${name} is a number from 1 on`);
  }
  return value;
}

function optionsFrom(words) {
  let given;
  try {
    given = parseArgs({ args: words, options: OPTIONS }).values;
  } catch (error) {
    throw new UsageError(error.message);
  }
  const absolute = (file) => file && path.resolve(file);
  return {
    ...CORES,
    ...given,
    scenarios: namesOf(given.only, SCENARIOS, 'scenario'),
    hubs: namesOf(given.hubs, HUBS, 'hub'),
    runs: numberOf(given.runs, 'runs'),
    clientsMax: numberOf(given['clients-max'], 'clients-max', Infinity),
    clairon: absolute(given.clairon),
    floor: absolute(given.floor),
    uws: absolute(given.uws),
    data: absolute(given.data),
    json: given.docs ? DOCUMENT_JSON : absolute(given.json),
  };
}

// ---- one measurement

const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

// {code, out, err} of the load generator on its own core.
function runLoad(bin, words, seconds) {
  return new Promise((resolve, reject) => {
    const pinned = ['-c', String(CORES.loadCore), bin, 'bench', ...words];
    const child = spawn('taskset', pinned, { stdio: ['ignore', 'pipe', 'pipe'] });
    running.add(child);
    const texts = { out: '', err: '' };
    child.stdout.on('data', (bytes) => { texts.out += bytes; });
    child.stderr.on('data', (bytes) => { texts.err += bytes; });
    const timer = setTimeout(() => child.kill('SIGKILL'), seconds * 1000);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      running.delete(child);
      resolve({ code: signal ?? code, ...texts });
    });
  });
}

// The generator's own result, and what the cores did meanwhile.
async function load(server, hub, load, options) {
  const words = [...wordsOf(load), ...hub.words[load.via ?? 'ws'](server.url, load), '--server-pid', String(server.pid),
    '--server-cpu', String(options.serverCore), '--json', '-'];
  const watch = new Watch(options);
  const seconds = (load.warmup ?? 0) + (load.duration ?? 0) + (load.settle ?? 0) + GRACE_S;
  const { code, out, err } = await runLoad(options.clairon, words, seconds);
  const seen = watch.stop();
  try {
    return { ...JSON.parse(out), watch: seen };
  } catch {
    const why = err.trim().split('\n').slice(-2).join(' | ').replace(/\/\S*\//g, '') || 'no word of it';
    return { failed: `the generator gave no result (${code}): ${why}`, watch: seen };
  }
}

// On a fresh hub, whose end belongs to it too.
async function measure(id, settings, options, work) {
  let server;
  try {
    server = await Running.start(HUBS[id], options, settings);
  } catch (error) {
    return { failed: error.message };
  }
  const result = await work(server);
  const end = await server.stop();
  return end ? { ...result, ended_badly: end } : result;
}

const isHeld = (r) => !r.failed && r.cpu_core_share <= CORE_SHARE && r.lost === 0 && r.latency_ms?.p99 <= HELD_P99_MS;

// What is kept of a step of a search.
function brief(result) {
  const keys = ['failed', 'problem', 'events', 'deliveries', 'expected', 'lost', 'doubled', 'out_of_order', 'unexpected',
    'clients_failed', 'publish_errors', 'us_per_delivery', 'generator_share', 'latency_ms'];
  return Object.fromEntries(keys.filter((key) => key in result).map((key) => [key, result[key]]));
}

async function search(server, id, part, start, options) {
  const { steps } = SCENARIOS.capacity.search;
  const found = await searchRate(async (rate) => {
    const result = await load(server, HUBS[id], { ...part, rate }, options);
    return { held: isHeld(result), share: result.cpu_core_share, ...brief(result) };
  }, { start, share: CORE_SHARE, steps: options.quick ? 2 : steps });
  return { rate_held: found.rate, steps: found.steps };
}

// ---- one scenario

// Where a search begins: where the hub's last one ended, or by what a delivery cost it.
function startOf(data, results, id, part, otherwise) {
  const last = results.filter(({ hub, result }) => hub === id && result.rate_held > 0).at(-1);
  const serial = data.scenarios['serial-1000']?.results.find(({ hub, result }) => hub === id && result.us_per_delivery > 0);
  const guess = serial && (CORE_SHARE * 1e6) / (serial.result.us_per_delivery * part.clients);
  return last?.result.rate_held ?? guess ?? otherwise;
}

function linesOf(result) {
  if (result.failed) {
    return result.failed;
  }
  const parts = { us_per_delivery: 'µs per delivery', us_per_connection: 'µs per connection', rate_held: 'messages/s held',
    ...(result.mode === 'idle' ? { rss_per_client: 'bytes per connection' } : {}) };
  const said = Object.entries(parts).filter(([key]) => result[key] !== null && key in result)
    .map(([key, unit]) => `${result[key]} ${unit}`);
  const bytes = result.bytes_per_delivery > 0 ? [`${Math.round(result.bytes_per_delivery)} bytes`] : [];
  const p99 = result.latency_ms?.p99 > 0 ? [`p99 ${result.latency_ms.p99} ms`] : [];
  const problem = result.problem ? [result.problem] : [];
  return [...said, ...bytes, ...p99, ...problem, ...(result.ended_badly ? [result.ended_badly] : [])].join(', ');
}

function measureCase(id, part, start, options) {
  if (filesNeeded(part) > filesMax()) {
    return { failed: `it needs ${filesNeeded(part)} open files, and ${filesMax()} are allowed (ulimit -Hn)` };
  }
  return measure(id, part.settings, options, (server) =>
    (start ? search(server, id, part, start, options) : load(server, HUBS[id], part, options)));
}

async function runScenario(name, present, data, options) {
  const scenario = SCENARIOS[name];
  const hubs = scenario.hubs.filter((id) => id in present);
  const results = [];
  for (let run = 1; run <= Math.min(options.runs, scenario.runs ?? Infinity); run++) {
    for (const id of orderOf(hubs, run)) {
      for (const [key, asked] of Object.entries(casesOf(scenario, id))) {
        const part = settle(asked, options);
        const start = scenario.search && startOf(data, results, id, part, scenario.search.start);
        const result = await measureCase(id, part, start, options);
        results.push({ run, hub: id, ...(key ? { case: key } : {}), result });
        console.log(`  ${run} ${HUBS[id].name}${key ? ` (${key})` : ''}: ${linesOf(result)}`);
      }
    }
  }
  return results;
}

function skippedOf(scenario, options) {
  return Object.fromEntries(options.hubs.filter((id) => !scenario.hubs.includes(id)).map((id) => [id, HUBS[id].apart ?? scenario.skip]));
}

// ---- all of them

// Each result on a line of its own, so that a change of the file can be read.
export function stringify(data) {
  const scenarios = Object.entries(data.scenarios).map(([name, { results, ...rest }]) => {
    const head = JSON.stringify(rest, null, 2).slice(2, -2).replace(/^/gm, '    ');
    const lines = results.map((result) => `        ${JSON.stringify(result)}`);
    return `    ${JSON.stringify(name)}: {\n${head},\n      "results": [\n${lines.join(',\n')}\n      ]\n    }`;
  });
  return `{\n  "scenarios": {\n${scenarios.join(',\n')}\n  }\n}\n`;
}

// Scenarios in the order of the table, whatever order they were measured in.
function merge(data, name, measured) {
  const all = { ...data.scenarios, [name]: measured };
  return { scenarios: Object.fromEntries(Object.keys(SCENARIOS).filter((key) => key in all).map((key) => [key, all[key]])) };
}

function readJson(file) {
  return file && fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, 'utf8')) : { scenarios: {} };
}

function announce({ present, absent }, options) {
  for (const id of options.hubs) {
    console.log(id in present ? `${HUBS[id].name}: ${present[id] || 'here'}` : `${HUBS[id].name}: left out, ${absent[id]}`);
  }
  let total = 0;
  for (const name of options.scenarios) {
    const hubs = SCENARIOS[name].hubs.filter((id) => id in present);
    const seconds = estimate(SCENARIOS[name], hubs, options);
    total += seconds;
    console.log(`  ${name.padEnd(12)} ${(seconds / 60).toFixed(1).padStart(5)} min  ${SCENARIOS[name].about}`);
  }
  console.log(`all of it: about ${Math.ceil(total / 60)} min`);
}

async function compare(options) {
  try {
    pinSelf(options.serverCore);
    pinSelf(options.loadCore);
  } catch {
    console.error('compare: cores 0 and 1 are needed, one for the hub and one for the load');
    return 2;
  }
  const hubs = probeAll(options.hubs, options);
  announce(hubs, options);
  if (options.list) {
    return 0;
  }
  const busy = await idleBusy(options);
  if (Math.max(busy.server, busy.load) > 0.05) {
    const percent = (share) => `${Math.round(share * 100)} %`;
    console.log(`this machine is not quiet: its cores are busy to ${percent(busy.server)} and ${percent(busy.load)} already`);
  }
  let data = readJson(options.json);
  const measured = {};
  for (const name of options.scenarios) {
    console.log(`${name}: ${SCENARIOS[name].about}`);
    const began = new Date();
    const onLoad = SCENARIOS[name].receive === 'load' && receiveOn(options.loadCore);
    const results = await runScenario(name, hubs.present, data, options);
    receiveOn();
    measured[name] = {
      date: began.toISOString().slice(0, 10),
      seconds: Math.round((Date.now() - began) / 1000),
      runs: options.runs,
      received_on: onLoad ? 'load' : 'hub',
      trial: options.quick || options.clientsMax < Infinity,
      busy_before: busy,
      machine: describeMachine(),
      versions: hubs.present,
      absent: hubs.absent,
      skipped: skippedOf(SCENARIOS[name], options),
      results,
    };
    data = merge(data, name, measured[name]);
    if (options.json) {
      fs.writeFileSync(options.json, stringify(data));
    }
  }
  if (options.docs) {
    writeDocument();
  }
  console.log(consoleTable({ scenarios: measured }));
  const missing = hubs.absent['clairon-plain'];
  const wrong = [...(missing ? [`Clairon: ${missing}`] : []), ...faults(measured)];
  wrong.forEach((fault) => console.log(`FAULT ${fault}`));
  return wrong.length ? 1 : 0;
}

async function main(words) {
  const options = optionsFrom(words);
  if (options.help) {
    console.log(USAGE);
    return 0;
  }
  return compare(options);
}

if (process.argv[1] && fs.realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  ['SIGINT', 'SIGTERM'].forEach((name) => process.on(name, () => process.exit(130)));
  main(process.argv.slice(2)).then((code) => { process.exitCode = code; }, (error) => {
    console.error(error instanceof UsageError ? `compare: ${error.message}\n${USAGE}` : error);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  });
}
