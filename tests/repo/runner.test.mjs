// SPDX-License-Identifier: MIT
// The counting of ./test: a failure must never be read as a success.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { makeDir, removeDir } from '../lib/paths.mjs';
import { nodeCounts, nodeFailures, tapPoints } from '../run/tally.mjs';

test("cmocka's TAP", () => {
  const text = '1..4\nok 1 - first\nnot ok 2 - second\n# a.c:3: error: Failure!\nok 3 # SKIP\nok 4 - ok 5 is in the name\n';
  assert.deepEqual(tapPoints(text).map(({ ok, skipped }) => [ok, skipped]),
    [[true, false], [false, false], [true, true], [true, false]]);
  assert.equal(tapPoints(text)[1].name, 'second');
});

test("the TAP of node's own runner, from a file with every kind of end", (t) => {
  const dir = makeDir('runner');
  t.after(() => removeDir(dir));
  fs.writeFileSync(path.join(dir, 'a.test.mjs'), `
    import { test } from 'node:test';
    test('good', () => {});
    test('bad', () => { throw new Error('because'); });
    test('left out', { skip: true }, () => {});
    test('outer', async (t) => { await t.test('inner', () => { throw new Error('inside'); }); });
  `);
  fs.writeFileSync(path.join(dir, 'b.test.mjs'), `throw new Error('never came to a test');`);
  const env = { ...process.env };
  delete env.NODE_TEST_CONTEXT; // Otherwise the inner runner would report to the outer one.
  const files = ['a', 'b'].map((name) => path.join(dir, `${name}.test.mjs`));
  const { stdout, status } = spawnSync(process.execPath, ['--test', '--test-reporter=tap', ...files], { env, encoding: 'utf8' });
  assert.equal(status, 1);
  const { passed, failed, skipped } = nodeCounts(stdout);
  assert.deepEqual([passed, skipped], [1, 1]);
  const failures = nodeFailures(stdout);
  assert.deepEqual(failures.filter(({ outer }) => !outer).map(({ name }) => path.basename(name)), ['bad', 'inner', 'b.test.mjs']);
  assert.equal(failures.length, failed, 'each failure has its report');
  assert.match(failures[0].detail, /because/);
});
