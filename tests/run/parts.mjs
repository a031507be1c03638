// SPDX-License-Identifier: MIT
// The parts of ./test, in the order in which they run: quick ones first.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { lineOf, measure, readBaseline, RISE_MAX, SCENARIOS } from '../../bench/cost.mjs';
import { makeDir, REPO } from '../lib/paths.mjs';
import { build, cFiles, files, run, tail } from './shell.mjs';
import { nodeCounts, nodeFailures, tapPoints } from './tally.mjs';

const SANITIZERS = {
  ASAN_OPTIONS: 'halt_on_error=1:detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1',
  UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
  TSAN_OPTIONS: 'halt_on_error=1:second_deadlock_stack=1',
};

// Warnings are errors in the release build and with clang; under sanitizers gcc warns of what can't happen.
const buildRelease = (targets) => build('build', 'gcc', ['--buildtype=release', '-Dwerror=true'], targets);
const buildClang = (targets) => build('build-clang', 'clang', ['--buildtype=debug', '-Dwerror=true'], targets);
const buildAsan = (targets) =>
  build('build-asan', 'gcc', ['--buildtype=debugoptimized', '-Db_sanitize=address,undefined'], targets);
const buildTsan = (targets) => build('build-tsan', 'gcc', ['--buildtype=debugoptimized', '-Db_sanitize=thread'], targets);
const buildFuzz = (targets) => build('build-fuzz', 'clang',
  ['--buildtype=debugoptimized', '-Dfuzz=true', '-Dtests=false', '-Db_lundef=false'], targets);

// ---- source

async function format(tally) {
  const all = cFiles();
  const { code, out } = await run('clang-format', ['--dry-run', '-Werror', ...all]);
  const wrong = new Map();
  for (const line of out.split('\n')) {
    const match = /^(.+?):(\d+):\d+: error/.exec(line);
    if (match) {
      wrong.set(match[1], [...(wrong.get(match[1]) ?? []), match[2]]);
    }
  }
  wrong.forEach((lines, file) => tally.fail(`format ${file}`, `clang-format differs in lines ${lines.join(', ')}`));
  if (code !== 0 && wrong.size === 0) {
    throw new Error(tail(out, 40));
  }
  tally.pass(all.length - wrong.size);
}

// The analyzer looks at each path less deeply than it could, which takes a fifth of the time.
const TIDY = ['-p', 'build-clang', '--quiet', '--warnings-as-errors=*',
  ...['-Xclang', '-analyzer-config', '-Xclang', 'mode=shallow'].map((word) => `--extra-arg=${word}`)];

async function lint(tally) {
  const own = cFiles(/\.c$/).filter((file) => /^(src|client)\//.test(file) && !/_test\.c$/.test(file));
  const words = ['--enable=warning,performance,portability', '--inline-suppr', '--error-exitcode=1', '--quiet',
    '--std=c11', '--library=posix', '--suppressions-list=scripts/cppcheck.suppress', '-Isrc', '-Iinclude',
    '-D_GNU_SOURCE', '-DCLAIRON_VERSION="0"', '-j2'];
  const cppcheck = await run('cppcheck', [...words, ...own]);
  if (cppcheck.code !== 0) {
    tally.fail('cppcheck', cppcheck.out);
  } else {
    tally.pass();
  }

  await run('scripts/setup-build.sh', ['build-clang', 'clang', '--buildtype=debug', '-Dwerror=true']);
  const queue = [...own];
  const worker = async () => {
    for (let file = queue.shift(); file; file = queue.shift()) {
      const { code, out } = await run('clang-tidy', [...TIDY, file]);
      if (code !== 0) {
        tally.fail(`clang-tidy ${file}`, out);
      } else {
        tally.pass();
      }
    }
  };
  await Promise.all([worker(), worker()]);
}

// ---- compilers

async function release(tally) {
  await buildRelease(['clairon']);
  const { code, out } = await run('build/clairon', ['--version']);
  if (code !== 0) {
    tally.fail('build/clairon --version', out);
  } else {
    tally.pass();
  }
}

async function clang(tally) {
  await buildClang();
  tally.pass();
}

// What was built, and what it does to itself, as it will run: the release build.
async function hardening(tally) {
  await buildRelease(['clairon']);
  const env = { CLAIRON_BIN: path.join(REPO, 'build/clairon') };
  await nodeTest(tally, files('tests/hardening', /\.test\.mjs$/), { env });
}

// ---- unit tests

// cmocka prints TAP; a test program that prints none (it crashed, or is no cmocka program) counts as one test.
async function mesonTest(tally, folder, wrap = []) {
  const log = path.join(REPO, folder, 'meson-logs/testlog.json');
  fs.rmSync(log, { force: true });
  const words = [...wrap, 'meson', 'test', '-C', folder, '--no-rebuild', '--num-processes=2', '--timeout-multiplier=4'];
  const { out } = await run(words[0], words.slice(1), { env: { ...SANITIZERS, CMOCKA_MESSAGE_OUTPUT: 'TAP' } });
  const results = fs.existsSync(log) ? fs.readFileSync(log, 'utf8').trim().split('\n') : [];
  if (results.length === 0) {
    throw new Error(tail(out, 40));
  }
  for (const { name, result, stdout = '', stderr = '' } of results.map((line) => JSON.parse(line))) {
    const points = tapPoints(stdout);
    const bad = points.filter(({ ok }) => !ok);
    tally.pass(points.filter(({ ok, skipped }) => ok && !skipped).length);
    tally.skip(points.filter(({ ok, skipped }) => ok && skipped).length);
    if (bad.length) {
      tally.fail(`${folder} ${name}: ${bad.map((point) => point.name).join(', ')}`, tail(stdout + stderr, 60), bad.length);
    } else if (result !== 'OK') {
      tally.fail(`${folder} ${name} (${result})`, tail(stdout + stderr, 100));
    } else if (points.length === 0) {
      tally.pass();
    }
  }
}

async function unit(tally) {
  await buildAsan();
  await mesonTest(tally, 'build-asan');
}

// ---- simulation and fuzzing

const SCHEDULES = 100_000;

// Counts lines that begin with `ok` or with something else that tells of a failure.
function countLines(tally, { code, out }, failure) {
  const lines = out.split('\n');
  const bad = lines.filter((line) => failure.test(line));
  tally.pass(lines.filter((line) => /^ok\b/.test(line)).length);
  bad.forEach((line) => tally.fail(line));
  if (code !== 0 && bad.length === 0) {
    throw new Error(tail(out, 60));
  }
}

async function sim(tally) {
  await buildRelease(['tests/sim/sim']);
  for (const words of [['--count', String(SCHEDULES)], ['--plant', 'all']]) {
    countLines(tally, await run('build/tests/sim/sim', words), /^not ok\b/);
  }
}

async function fuzz(tally) {
  const targets = files('fuzz', /_fuzz\.c$/).map((file) => `fuzz/fuzz_${path.basename(file, '_fuzz.c')}`);
  await buildFuzz([...targets, 'fuzz/differential']);
  countLines(tally, await run('fuzz/run.sh', ['10', 'build-fuzz'], { env: SANITIZERS }), /^FAIL\b/);
  const differential = (words) => run(process.execPath, ['fuzz/differential.mjs', 'build-fuzz', '--count', '20000', ...words], { env: SANITIZERS });
  countLines(tally, await differential(['--seed', '1']), /^FAIL\b/);
  countLines(tally, await differential([]), /^FAIL\b/);
}

// ---- instructions per delivery

async function cost(tally) {
  await buildRelease(['bench/bench_cost']);
  const baseline = readBaseline();
  for (const scenario of Object.keys(SCENARIOS)) {
    const { each } = measure(path.join(REPO, 'build/bench/bench_cost'), scenario);
    console.log(lineOf(scenario, each, baseline[scenario]));
    if (each > baseline[scenario] * (1 + RISE_MAX)) {
      tally.fail(`cost ${scenario}`, `${baseline[scenario]} -> ${each}: if that is meant, run bench/cost.mjs --update`);
    } else {
      tally.pass();
    }
  }
}

// ---- node's tests

async function nodeTest(tally, tests, { env = {}, concurrency = os.availableParallelism() } = {}) {
  const report = path.join(makeDir('report'), 'report.tap');
  const words = ['--test', `--test-concurrency=${concurrency}`, '--test-reporter=tap', `--test-reporter-destination=${report}`];
  const { code, out } = await run(process.execPath, [...words, ...tests], { env });
  const tap = fs.existsSync(report) ? fs.readFileSync(report, 'utf8') : '';
  const { passed, failed, skipped } = nodeCounts(tap);
  tally.pass(passed);
  tally.skip(skipped);
  const failures = nodeFailures(tap);
  failures.forEach(({ name, detail, outer }) => tally.fail(name, outer ? '' : detail));
  if (failed > failures.length) {
    tally.fail('tests that ended without a report', tail(tap, 60), failed - failures.length);
  } else if (code !== 0 && failures.length === 0) {
    tally.fail(`node --test (exit ${code})`, tail(out + tap, 60));
  }
}

async function repo(tally) {
  await nodeTest(tally, files('tests/repo', /\.test\.mjs$/));
}

// The modules of the pages, without a browser.
async function page(tally) {
  await nodeTest(tally, files('tests/page', /\.test\.mjs$/));
}

async function integration(tally) {
  await buildAsan(['clairon']);
  const env = { CLAIRON_BIN: path.join(REPO, 'build-asan/clairon') };
  await nodeTest(tally, files('tests/integration', /\.test\.mjs$/), { env });
  // What is delivered must not depend on the way of sending.
  const plain = { ...env, CLAIRON__SERVER__SEND: 'plain' };
  await nodeTest(tally, files('tests/integration', /^(native|publish)\.test\.mjs$/), { env: plain });
}

async function e2e(tally) {
  await buildAsan(['clairon']);
  const env = { CLAIRON_BIN: path.join(REPO, 'build-asan/clairon') };
  await nodeTest(tally, files('tests/e2e', /\.test\.mjs$/), { env, concurrency: 1 });
}

// ---- threads

// Newer kernels lay out memory so randomly that ThreadSanitizer of gcc 12 may find no place; setarch -R helps.
async function fixedLayout() {
  const { code } = await run('setarch', ['-R', 'true']).catch(() => ({ code: 1 }));
  return code === 0 ? ['setarch', '-R'] : [];
}

async function tsan(tally) {
  const fixed = await fixedLayout();
  await buildTsan();
  await mesonTest(tally, 'build-tsan', fixed);
  const bin = path.join(makeDir('tsan'), 'clairon');
  const target = path.join(REPO, 'build-tsan/clairon');
  fs.writeFileSync(bin, `#!/bin/sh\nexec ${[...fixed, target].join(' ')} "$@"\n`, { mode: 0o755 });
  for (const send of ['plain', 'uring']) {
    for (const workers of ['1', '2', '8']) {
      const env = { CLAIRON_BIN: bin, CLAIRON__SERVER__WORKERS: workers, CLAIRON__SERVER__SEND: send };
      await nodeTest(tally, files('tests/integration', /^smoke.*\.test\.mjs$/), { env, concurrency: 1 });
    }
  }
}

export const PARTS = {
  format: { about: 'clang-format on all C', run: format },
  repo: { about: 'rules of the repository, and the harness', run: repo },
  page: { about: 'the modules of the pages, without a browser', run: page },
  build: { about: 'release build, warnings are errors: build/clairon', run: release },
  hardening: { about: 'how the release binary is built and shuts itself in', run: hardening },
  clang: { about: 'everything compiles with clang, warnings are errors', run: clang },
  unit: { about: 'unit tests under ASan and UBSan', run: unit },
  sim: { about: `the hub against a model: ${SCHEDULES.toLocaleString('en')} seeded schedules, and planted bugs`, run: sim },
  cost: { about: 'instructions per delivery, beside the baseline', run: cost },
  fuzz: { about: 'each fuzz target for 10 seconds, and HTTP heads and bodies beside Node', run: fuzz },
  integration: { about: 'a real hub under ASan and UBSan, real clients', run: integration },
  e2e: { about: 'a real hub and Chromium', run: e2e },
  tsan: { about: 'unit and smoke tests under TSan with 1, 2 and 8 workers, both ways of sending', run: tsan },
  lint: { about: 'cppcheck and clang-tidy', run: lint },
};
