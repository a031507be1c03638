// SPDX-License-Identifier: MIT
// The page of limits says what the table says, and every limit that stops somebody is hit by a test.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { REPO } from '../lib/index.mjs';

const read = (file) => fs.readFileSync(path.join(REPO, file), 'utf8');

test('docs/limits.md is made from the table as it is', () => {
  const page = execFileSync('python3', [path.join(REPO, 'scripts/limits_doc.py'), path.join(REPO, 'src/def')], { encoding: 'utf8' });
  assert.equal(read('docs/limits.md'), page, 'run: scripts/limits_doc.py src/def > docs/limits.md');
});

test('each limit that stops somebody is hit in tests/integration/limits.test.mjs', () => {
  const rows = [...read('src/def/limits.def').matchAll(/^LIMIT\((\w+), \d+, \d+, \d+, "\w+", "([^"]*)"/gm)];
  assert.ok(rows.length > 40);
  const tests = read('tests/integration/limits.test.mjs');
  const missing = rows.filter(([, , answer]) => answer).map(([, name]) => name.toLowerCase())
    .filter((name) => !tests.includes(`'${name}'`));
  assert.deepEqual(missing, []);
});
