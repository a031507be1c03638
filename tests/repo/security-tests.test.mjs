// SPDX-License-Identifier: MIT
// docs/security-tests.md names tests: each is there.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { read } from './tree.mjs';

const PAGE = 'docs/security-tests.md';

// The cells at the end of the rows: `file`: name.
function named(page) {
  return [...page.matchAll(/^\|.*\| `([^`]+)`: ([^|]+) \|$/gm)].map(([, file, name]) => ({ file, name }));
}

const rows = (page) => page.split('\n').filter((line) => /^\| (?!---)/.test(line)).length;

test('every test that the page names is there', () => {
  const page = read(PAGE);
  const all = named(page);
  const tables = page.split('\n').filter((line) => line.startsWith('| ---')).length;
  assert.equal(all.length, rows(page) - tables, 'a test in each row');
  const missing = all.filter(({ file, name }) => !read(file).includes(name));
  assert.deepEqual(missing, []);
});

test('rows without a test are noticed', () => {
  const page = '| a | b |\n| --- | --- |\n| x | `f`: one name |\n| y | none |\n';
  assert.deepEqual(named(page), [{ file: 'f', name: 'one name' }]);
  assert.equal(rows(page), 3);
});
