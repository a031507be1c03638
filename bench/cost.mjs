// SPDX-License-Identifier: MIT
// Instructions per delivery of bench/cost.c's scenarios, counted by callgrind, beside the committed baseline
// (bench/cost.json). Counts don't vary from run to run, so a change is a change.
//
//     bench/cost.mjs            measures and prints
//     bench/cost.mjs --update   and writes the baseline
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeDir, removeDir, REPO } from '../tests/lib/paths.mjs';

const BASELINE = path.join(REPO, 'bench/cost.json');
export const SCENARIOS = {
  one: '1,000 sessions on one topic, one event at a time',
  'burst-10': 'the same, 10 events at a time',
  'burst-100': 'the same, 100 events at a time',
  topics: '1,000 sessions on 10 of 500 topics each, events on 3 topics',
  behind: '1,000 sessions that were held read 50 events from memory',
};
// A rise of more than this is to be explained, and the baseline written anew.
export const RISE_MAX = 0.1;

// callgrind counts each byte of a copy by `rep movsb` as an instruction, which is none.
const NO_REP = {
  GLIBC_TUNABLES: 'glibc.cpu.x86_rep_movsb_threshold=1000000000:glibc.cpu.x86_rep_stosb_threshold=1000000000',
};

export const readBaseline = () => JSON.parse(fs.readFileSync(BASELINE, 'utf8'));

// The instructions that a callgrind file counts.
export function totalOf(text) {
  const match = /^(?:summary|totals): (\d+)/m.exec(text);
  if (!match) {
    throw new Error('callgrind wrote no total');
  }
  return Number(match[1]);
}

// {instructions, deliveries, each} of one scenario.
export function measure(program, scenario) {
  const folder = makeDir('cost');
  try {
    const out = path.join(folder, 'callgrind.out');
    const words = ['--tool=callgrind', `--callgrind-out-file=${out}`, '--toggle-collect=measured', program, scenario];
    const options = { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...NO_REP } };
    const deliveries = Number(execFileSync('valgrind', words, options));
    const instructions = totalOf(fs.readFileSync(out, 'utf8'));
    return { instructions, deliveries, each: Math.round((instructions / deliveries) * 10) / 10 };
  } finally {
    removeDir(folder);
  }
}

// One line: what it is now, what it was, and the change.
export function lineOf(scenario, each, was) {
  const change = was ? `${each >= was ? '+' : ''}${(((each - was) / was) * 100).toFixed(1)} %` : 'no baseline';
  return `   ${scenario.padEnd(10)} ${String(each).padStart(8)} instructions per delivery (baseline ${was ?? '-'}, ${change})`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  execFileSync('scripts/setup-build.sh', ['build', 'gcc', '--buildtype=release', '-Dwerror=true'], { cwd: REPO, stdio: 'ignore' });
  execFileSync('ninja', ['-C', 'build', '--quiet', 'bench/bench_cost'], { cwd: REPO, stdio: 'inherit' });
  const baseline = fs.existsSync(BASELINE) ? readBaseline() : {};
  const now = {};
  for (const scenario of Object.keys(SCENARIOS)) {
    now[scenario] = measure(path.join(REPO, 'build/bench/bench_cost'), scenario).each;
    console.log(lineOf(scenario, now[scenario], baseline[scenario]));
  }
  if (process.argv.includes('--update')) {
    fs.writeFileSync(BASELINE, `${JSON.stringify(now, null, 2)}\n`);
  }
}
