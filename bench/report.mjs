#!/usr/bin/env node
// SPDX-License-Identifier: MIT
// Puts the results into words: the part between the marks in docs/performance.md, its charts, and the table that
// compare.mjs prints.
//
//     bench/report.mjs           writes the document and the charts from docs/performance.json
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { REPO } from '../tests/lib/paths.mjs';
import { barChart, digits } from './chart.mjs';
import { FIGURES, judge, metrics, SENDS, spreadOf, targetOf, values } from './figures.mjs';
import { HUBS } from './hubs.mjs';
import { SCENARIOS } from './scenarios.mjs';
import { paired } from './stats.mjs';

const FILES = { json: 'docs/performance.json', document: 'docs/performance.md' };
const BEGIN = '<!-- figures -->';
const END = '<!-- end of figures -->';
const GENERATOR_BUSY = 0.95; // of its core: delays are its own then
const COSTS = ['serial-1000', 'serial-5000', 'burst-10', 'burst-100'];

const nameOf = (id) => HUBS[id].name;
const shown = (found) => (found ? digits(found.median) : '');
const range = (found) =>
  shown(found) + (found && found.high > found.low ? ` (${digits(found.low)}–${digits(found.high)})` : '');

function table(head, rows) {
  const align = head.map((_, i) => (i ? ' ---: |' : ' --- |')).join('');
  return [`| ${head.join(' | ')} |`, `|${align}`, ...rows.map((row) => `| ${row.join(' | ')} |`)].join('\n');
}

// ---- targets

function targetText(figure) {
  const texts = Object.keys(SENDS).map((send) => {
    const { most, least } = targetOf(figure, send);
    const bound = most === undefined ? least : most;
    return bound === undefined ? '' : `${most === undefined ? '≥' : '≤'} ${bound.toLocaleString('en')}`;
  });
  const unit = texts[0] && figure.unit ? ` ${figure.unit}` : '';
  return texts[0] === texts[1] ? texts[0] + unit : `${texts.join('; plain ')}${unit}`;
}

function judged(figure, data, send) {
  const { spread, met } = judge(figure, data, send);
  if (!spread) {
    return 'not measured';
  }
  const { most, least } = targetOf(figure, send);
  const bound = most ?? least;
  const hidden = met === false && digits(spread.median) === digits(bound); // 1.004 would be shown as 1.00
  const value = figure.unit === '' || hidden ? String(Number(spread.median.toPrecision(5))) : range(spread);
  return met === null ? value : `${value} ${met ? 'met' : '**missed**'}`;
}

const targetRows = (data) => FIGURES.map((figure) =>
  [figure.text, targetText(figure), ...Object.keys(SENDS).map((send) => judged(figure, data, send))]);

const targetTable = (data) => table(['figure', 'target', 'io_uring', 'plain send'], targetRows(data));

// Figures of what was measured only, in columns.
export function consoleTable(data) {
  const rows = targetRows(data).filter((row) => !row.slice(2).every((cell) => cell === 'not measured'));
  const width = (i) => Math.max(...rows.map((row) => row[i].length));
  return rows.map((row) => row.map((cell, i) => cell.padEnd(width(i))).join('  ').replaceAll('**', '').trimEnd()).join('\n');
}

// ---- all hubs

const measuredHubs = (data, names) => Object.keys(HUBS).filter((id) =>
  names.some((name) => data.scenarios[name]?.results.some(({ hub }) => hub === id)));

function costTable(data) {
  const names = COSTS.filter((name) => name in data.scenarios);
  const rows = measuredHubs(data, names).map((id) => [nameOf(id), ...names.map((name) => {
    const own = values(data, name, id, metrics.us);
    const ratio = paired(own, values(data, name, 'uws', metrics.us));
    const found = spreadOf(data, name, id, metrics.us);
    return found ? `${digits(found.median)}${ratio ? ` · ${ratio.median.toFixed(2)} ×` : ''}` : '';
  })]);
  const heads = names.map((name) => SCENARIOS[name].about.replace('512 bytes to ', ''));
  return names.length ? table(['µs per delivery · to uWebSockets', ...heads], rows) : '';
}

// Columns of further tables: scenario, metric, heading, case.
const BY_SSE = [[metrics.us, 'WebSocket, µs', 'native'], [metrics.us, 'SSE, µs', 'sse'], [metrics.p99, 'SSE, p99 ms', 'sse']];
const BY_SOCKETIO = [[metrics.us, 'WebSocket, µs', 'native'], [metrics.us, 'Socket.IO, µs', 'socketio'],
  [metrics.p99, 'Socket.IO, p99 ms', 'socketio']];
const compressed = (metric, unit) => [[metric, `plain, ${unit}`, 'plain'], [metric, `each alone, ${unit}`, 'each'],
  [metric, `shared stream, ${unit}`, 'stream'], [metric, `of npm ws, ${unit}`, 'peer']];
const TABLES = [
  ['rate-200', [[metrics.core, 'CPU, % of the core'], [metrics.p50, 'p50 ms'], [metrics.p99, 'p99 ms'], [metrics.per_s, 'deliveries/s']]],
  ['capacity', [[metrics.rate, 'messages/s']]],
  ['topics', [[metrics.us, '10 of 500 topics, µs', 'many'], [metrics.us, 'one topic for as many, µs', 'single'],
    [metrics.us, 'one topic for all, µs', 'wide']]],
  ['idle', [[metrics.rss, 'bytes per connection'], [metrics.kernel, "the kernel's, for both ends"]]],
  ['connect', [[metrics.us_connect, 'µs per connection']]],
  ['overload', [[metrics.p50, '20/s: p50 ms', 'steady'], [metrics.p99, 'p99 ms', 'steady'], [metrics.us, 'µs per delivery', 'steady'],
    [metrics.p99, '100/s: p99 ms', 'over'], [metrics.us, 'µs per delivery', 'over']]],
  ['slow', [[metrics.p99, 'p99 ms without them', 'without'], [metrics.p99, 'with them', 'with'], [metrics.rss_growth, 'growth, MiB', 'with'],
    [metrics.kernel_per_slow, "kernel's bytes for each", 'with']]],
  ['deflate-1000', compressed(metrics.us, 'µs')],
  ['deflate-5000', compressed(metrics.us, 'µs')],
  ['deflate-bytes', compressed(metrics.bytes, 'bytes')],
  ['idle-deflate', compressed(metrics.rss, 'bytes')],
  ['socketio-1000', BY_SOCKETIO],
  ['socketio-5000', BY_SOCKETIO],
  ['socketio-polling', [[metrics.us, 'µs per delivery', 'polling'], [metrics.core, 'CPU, % of the core', 'polling'],
    [metrics.p99, 'p99 ms', 'polling']]],
  ['sse-1000', BY_SSE],
  ['sse-5000', BY_SSE],
];

function hubTable(data, [name, columns]) {
  if (!(name in data.scenarios)) {
    return [];
  }
  const rows = measuredHubs(data, [name]).map((id) =>
    [nameOf(id), ...columns.map(([metric, , part]) => range(spreadOf(data, name, id, metric, part)))]);
  const about = SCENARIOS[name].about;
  return [`${about[0].toUpperCase()}${about.slice(1)}:`, table(['', ...columns.map(([, heading]) => heading)], rows)];
}

// ---- where and with what

const unique = (texts) => [...new Set(texts)];

function machineText(data) {
  const all = Object.values(data.scenarios);
  const machines = unique(all.map(({ machine: m }) => `${m.cpu}, ${m.cores} cores, ${m.memory_gib} GiB, ${m.system}, Linux ${m.kernel}`));
  const days = unique(all.map(({ date }) => date)).sort();
  const runs = unique(Object.entries(data.scenarios).map(([name, { runs }]) => Math.min(runs, SCENARIOS[name].runs ?? Infinity))).sort();
  const busy = Math.max(...all.map(({ busy_before: b }) => Math.max(b.server, b.load)));
  return `Measured ${days.join(', ')} on ${machines.join('; ')}; both cores were busy to ${Math.round(busy * 100)} % at most by themselves. `
    + `Medians of ${runs.join(' to ')} interleaved runs, in brackets the lowest and the highest.`;
}

function versionText(data) {
  const merged = (key) => Object.assign({}, ...Object.values(data.scenarios).map((scenario) => scenario[key]));
  const present = merged('versions');
  const absent = merged('absent');
  const versions = unique(Object.entries(present).filter(([, version]) => version)
    .map(([id, version]) => `${nameOf(id).replace(/,.*/, '')} ${version}`));
  const lines = [`Versions: ${versions.join('; ')}.`];
  const missing = Object.entries(absent).filter(([id]) => !(id in present));
  if (missing.length) {
    lines.push(`Not measured: ${missing.map(([id, why]) => `${nameOf(id)} (${why})`).join('; ')}.`);
  }
  return lines.join(' ');
}

function troublesOf(result) {
  return [
    result.failed,
    result.ended_badly,
    result.lost > 0 && 'not everything was delivered',
    result.clients_failed > 0 && 'connections failed',
    result.publish_errors > 0 && 'the hub refused events',
    result.mode === 'rate' && result.generator_share > GENERATOR_BUSY && 'the load generator was at its limit',
  ].filter((text) => text);
}

// What went wrong, by hub, so that a figure can be read with it in mind.
function troubleLines(data) {
  const counts = new Map();
  for (const [name, { results }] of Object.entries(data.scenarios)) {
    for (const { hub, result } of results) {
      for (const trouble of troublesOf(result)) {
        const key = `${SCENARIOS[name].about}: ${nameOf(hub)}: ${trouble}`;
        counts.set(key, (counts.get(key) ?? 0) + 1);
      }
    }
  }
  return [...counts].map(([text, count]) => `- ${text}${count > 1 ? ` (${count} times)` : ''}`);
}

// ---- document and charts

const isTrial = (data) => Object.values(data.scenarios).some(({ trial }) => trial);

// What stands between the marks; `data` null: nothing was measured yet.
export function figuresText(data) {
  if (!data || Object.keys(data.scenarios).length === 0) {
    return 'Nothing was measured yet: `bench/compare.mjs --docs` does it.';
  }
  const trouble = troubleLines(data);
  return [
    ...(isTrial(data) ? ['**A trial: these figures are worth nothing.**'] : []),
    machineText(data),
    versionText(data),
    targetTable(data),
    ...Object.keys(chartsOf(data)).map((file) => `![${CHARTS[file].title}](${path.basename(file)})`),
    costTable(data),
    ...TABLES.flatMap((one) => hubTable(data, one)),
    ...(trouble.length ? ['What went wrong:', trouble.join('\n')] : []),
  ].filter((text) => text !== '').join('\n\n');
}

const panel = (name, metric, unit, title = SCENARIOS[name].about) => ({ name, metric, unit, title });
const CHARTS = {
  'docs/performance.svg': {
    title: 'CPU per delivered message',
    panels: COSTS.map((name) => panel(name, metrics.us, 'µs of the whole core, less is better')),
  },
  'docs/performance-more.svg': {
    title: 'Rate, memory and connections',
    panels: [
      panel('capacity', metrics.rate, 'messages/s, more is better'),
      panel('rate-200', metrics.p99, 'ms, less is better', 'p99 at 200 messages/s to 1,000 subscribers'),
      panel('idle', metrics.rss, 'bytes of memory for each, less is better'),
      panel('connect', metrics.us_connect, 'µs for each, less is better'),
    ],
  },
};

// {file: SVG} of the charts that have something to show.
export function chartsOf(data) {
  const barsOf = (name, metric) => measuredHubs(data, [name]).flatMap((id) => {
    const found = spreadOf(data, name, id, metric);
    return found ? [{ label: nameOf(id), kind: HUBS[id].kind, ...found }] : [];
  });
  const drawn = Object.entries(CHARTS).map(([file, { title, panels }]) =>
    [file, title, panels.map(({ name, metric, ...rest }) => ({ ...rest, bars: barsOf(name, metric) }))]);
  return Object.fromEntries(drawn.filter(([, , panels]) => panels.some(({ bars }) => bars.length))
    .map(([file, title, panels]) => [file, barChart(title, panels)]));
}

// The document with its part between the marks made anew.
export function updated(document, data) {
  const [before, rest] = document.split(BEGIN);
  const after = rest?.split(END)[1];
  if (after === undefined) {
    throw new Error(`the document has no ${BEGIN} … ${END}`);
  }
  return `${before}${BEGIN}\n\n${figuresText(data)}\n\n${END}${after}`;
}

export function readData(root = REPO) {
  const file = path.join(root, FILES.json);
  return fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, 'utf8')) : null;
}

// {file: text} of all that is made from the results.
export function documentFiles(root = REPO) {
  const data = readData(root);
  const document = fs.readFileSync(path.join(root, FILES.document), 'utf8');
  return { [FILES.document]: updated(document, data), ...(data ? chartsOf(data) : {}) };
}

export function writeDocument(root = REPO) {
  for (const [file, text] of Object.entries(documentFiles(root))) {
    fs.writeFileSync(path.join(root, file), text);
  }
}

if (process.argv[1] && fs.realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  writeDocument();
}
