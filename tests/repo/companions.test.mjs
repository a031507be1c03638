// SPDX-License-Identifier: MIT
// What belongs together is there: a unit test beside each source, a corpus for each fuzz target, and no file that
// no build knows.
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { isTest, read, walk } from './tree.mjs';

const files = walk();

// Sources without a unit test of their own, each with the reason.
const TESTED_ELSEWHERE = {
  'src/hub/ask.c': 'by the simulation and every read over HTTP',
  'src/hub/bracket.c': 'by the simulation, which drives it through crashes and reorderings',
  'src/hub/bracket_ask.c': 'by the simulation, which drives it through crashes and reorderings',
  'src/hub/pages.c': 'by fanout_test.c and the simulation',
  'src/hub/principal.c': 'by owner_test.c',
  'src/hub/sequencer.c': 'by the simulation, which drives it through crashes and reorderings',
  'src/hub/sequencer_batch.c': 'by the simulation, which drives it through crashes and reorderings',
  'src/hub/sequencer_cache.c': 'by the simulation, which drives it through crashes and reorderings',
  'src/hub/sequencer_reduce.c': 'by the simulation, which drives it through crashes and reorderings',
  'src/hub/session.c': 'by fanout_test.c and the simulation',
  'src/hub/session_read.c': 'by fanout_test.c and the simulation',
  'src/hub/store.c': 'the life of answers only: by the contract of both stores',
};

// The unit test of a_b.c is a_b_test.c, or that of the module it is a part of: a_test.c.
function hasTest(file) {
  const stem = file.replace(/\.c$/, '');
  return files.includes(`${stem}_test.c`) || files.includes(`${stem.replace(/_[a-z0-9]+$/, '')}_test.c`);
}

test('each source of base, wire and hub has its unit test', () => {
  const sources = files.filter((file) => /^src\/(base|wire|hub)\/\w+\.c$/.test(file) && !isTest(file));
  const without = sources.filter((file) => !hasTest(file));
  assert.deepEqual(without.filter((file) => !(file in TESTED_ELSEWHERE)), []);
});

test('each C file is in the build', () => {
  const forgotten = files.filter((file) => /^(src|client|tests\/sim|fuzz|bench)\/.*\.c$/.test(file)).filter((file) => {
    const folder = path.posix.dirname(file);
    const name = path.posix.basename(file, '.c');
    const stem = name.replace(/_(test|fuzz)$/, '');
    const builds = [`${folder}/meson.build`, 'meson.build'].filter((build) => files.includes(build)).map((build) => read(build));
    const words = [`${name}.c`, `'${name}'`, `'${stem}'`];
    return !builds.some((text) => words.some((word) => text.includes(word)));
  });
  assert.deepEqual(forgotten, []);
});

test('each fuzz target has a corpus', () => {
  const targets = files.filter((file) => /^fuzz\/\w+_fuzz\.c$/.test(file)).map((file) => path.posix.basename(file, '_fuzz.c'));
  assert.notDeepEqual(targets, []);
  assert.deepEqual(targets.filter((name) => !files.some((file) => file.startsWith(`fuzz/corpus/${name}/`))), []);
});

test('each configuration key is explained in the example, and no other', () => {
  const keys = [...read('src/def/config.def').matchAll(/^CONFIG\((\w+), (\w+),/gm)].map(([, section, key]) => `${section}.${key}`);
  const limits = [...read('src/def/limits.def').matchAll(/^LIMIT\((\w+),/gm)].map(([, name]) => `limits.${name.toLowerCase()}`);
  let section = '';
  const shown = read('examples/clairon.yaml').split('\n').flatMap((line) => {
    section = /^(\w+):/.exec(line)?.[1] ?? section;
    const key = /^  (?:# )?([a-z_]+):( |$)/.exec(line)?.[1];
    return key ? [`${section}.${key}`] : [];
  });
  assert.deepEqual(shown.filter((key) => !limits.includes(key)).sort(), keys.sort()); // docs/limits.md has those
});
