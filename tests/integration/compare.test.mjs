// SPDX-License-Identifier: MIT
// The comparison with other hubs, on a small scale: that it measures, keeps what it measured and judges it. What it
// measures here is worth nothing.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { casesOf, SCENARIOS } from '../../bench/scenarios.mjs';
import { binary, makeDir, removeDir, REPO } from '../lib/paths.mjs';

const COMPARE = path.join(REPO, 'bench/compare.mjs');
const TWO_CORES = /^Cpus_allowed_list:\s+0(-|,1\b)/m.test(fs.readFileSync('/proc/self/status', 'utf8'));
const needsTwo = { skip: TWO_CORES ? false : 'cores 0 and 1 are needed' };

function compare(...words) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [COMPARE, ...words], { encoding: 'utf8' });
  return { status, stdout, stderr };
}

const small = (...words) => compare('--quick', '--clients-max', '10', '--runs', '1', '--clairon', binary(), ...words);

function folder(t) {
  const dir = makeDir('compare');
  t.after(() => removeDir(dir));
  return dir;
}

test('wrong words are one line and the usage', () => {
  for (const [words, line] of [[['--only', 'nothing'], 'no scenario named nothing'], [['--hubs', 'ws,toString'], 'no hub named toString'],
    [['--runs', '0'], '--runs is a number from 1 on'], [['--frobnicate'], "Unknown option '--frobnicate'"]]) {
    const { status, stderr } = compare(...words);
    assert.equal(status, 2, words.join(' '));
    assert.equal(stderr.split('\n')[0].startsWith(`compare: ${line}`), true, stderr);
    assert.match(stderr, /^usage: /m);
  }
});

test('each scenario is measured, kept and judged', needsTwo, (t) => {
  const json = path.join(folder(t), 'results.json');
  const { status, stdout, stderr } = small('--hubs', 'clairon-plain,floor-plain', '--json', json);
  assert.equal(status, 0, stdout + stderr);
  const { scenarios } = JSON.parse(fs.readFileSync(json, 'utf8'));
  assert.deepEqual(Object.keys(scenarios), Object.keys(SCENARIOS));
  for (const [name, { results, trial }] of Object.entries(scenarios)) {
    assert.equal(trial, true);
    const own = results.filter(({ hub }) => hub === 'clairon-plain');
    assert.deepEqual(own.map((one) => one.case ?? ''), Object.keys(casesOf(SCENARIOS[name], 'clairon-plain')), name);
    for (const { result } of own.filter(() => name !== 'capacity')) {
      assert.equal(result.ready, result.clients, JSON.stringify(result));
      assert.deepEqual([result.lost, result.doubled, result.out_of_order], [0, 0, 0], JSON.stringify(result));
    }
  }
  assert.match(stdout, /never reads? .*not measured|slow ones that did not complete +≤ 0 +not measured +0 met/);
});

test('other hubs are measured with every kind of client that they know', needsTwo, (t) => {
  const json = path.join(folder(t), 'results.json');
  const hubs = ['ws', 'ws-deflate', 'ws-deflate-each', 'socketio'];
  const only = Object.keys(SCENARIOS).filter((name) => /^(deflate|socketio)/.test(name));
  const { status, stdout, stderr } = small('--hubs', hubs.join(','), '--only', only.join(','), '--json', json);
  assert.equal(status, 0, stdout + stderr);
  const { scenarios } = JSON.parse(fs.readFileSync(json, 'utf8'));
  for (const [name, { results }] of Object.entries(scenarios)) {
    assert.deepEqual(results.map(({ hub }) => hub).sort(), SCENARIOS[name].hubs.filter((id) => hubs.includes(id)).sort(), name);
    for (const { result } of results) {
      assert.deepEqual([result.ready, result.lost, result.problem], [result.clients, 0, null], JSON.stringify(result));
    }
  }
});

test('a file that exists keeps what is not measured again', needsTwo, (t) => {
  const json = path.join(folder(t), 'results.json');
  const old = { date: '2000-01-01', runs: 1, results: [] };
  fs.writeFileSync(json, JSON.stringify({ scenarios: { idle: old, 'serial-1000': old } }));
  const { status, stdout, stderr } = small('--hubs', 'clairon-plain', '--only', 'idle', '--json', json);
  assert.equal(status, 0, stdout + stderr);
  const { scenarios } = JSON.parse(fs.readFileSync(json, 'utf8'));
  assert.deepEqual(Object.keys(scenarios), ['serial-1000', 'idle']);
  assert.deepEqual(scenarios['serial-1000'], old);
  assert.equal(scenarios.idle.results.length, 1);
});

test('hubs that are not there are named and fail nothing; Clairon does', needsTwo, (t) => {
  const absent = path.join(folder(t), 'absent');
  const others = small('--hubs', 'uws,floor-plain', '--uws', absent, '--floor', absent, '--only', 'idle');
  assert.equal(others.status, 0, others.stdout + others.stderr);
  assert.match(others.stdout, /^uWebSockets: left out, what --uws names is not there$/m);
  assert.match(others.stdout, /^floor: send: left out, it is not built/m);
  const own = compare('--hubs', 'clairon-plain', '--clairon', absent, '--only', 'idle');
  assert.equal(own.status, 1);
  assert.match(own.stdout, /^FAULT Clairon: it is not built/m);
});

test('a hub that does not start, or ends badly, is a fault', needsTwo, (t) => {
  const dir = folder(t);
  const fake = path.join(dir, 'clairon');
  const script = (serve) => fs.writeFileSync(fake, `#!/bin/sh
case "$1 $2" in
"--version "*) echo "clairon 0" ;;
"serve --check") ;;
"serve "*) ${serve} ;;
*) exec ${binary()} "$@" ;;
esac
`, { mode: 0o755 });
  const only = ['--quick', '--clients-max', '2', '--runs', '1', '--hubs', 'clairon-plain', '--clairon', fake, '--only', 'idle'];
  script('echo "no such luck" >&2; exit 1');
  const dead = compare(...only);
  assert.equal(dead.status, 1, dead.stdout);
  assert.match(dead.stdout, /^FAULT idle, run 1, clairon-plain: it did not start: no such luck$/m);
  script(`trap 'kill $hub; wait; exit 3' TERM; ${binary()} "$@" & hub=$!; wait`);
  const bad = compare(...only);
  assert.equal(bad.status, 1, bad.stdout + bad.stderr);
  assert.match(bad.stdout, /^FAULT idle, run 1, clairon-plain: it ended badly \(exit 3\)/m);
});
