// SPDX-License-Identifier: MIT
// Functions of at most 70 lines and files of at most 600; in unit tests, whose tables stand in the function that
// walks them, of at most 120 and 1,000.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codeOnly, isTest, read, walk } from './tree.mjs';

const functionLines = (file) => (isTest(file) ? 120 : 70);
const fileLines = (file) => (isTest(file) ? 1000 : 600);

// Files that may be longer, each with its reason; functions as "file: name".
const LONG_FILES = {};
const LONG_FUNCTIONS = {};

// The functions of a C text in our format, where only a function's braces stand alone in the first column.
export function functions(text) {
  const lines = codeOnly(text).split('\n');
  const found = [];
  let start = null;
  lines.forEach((line, i) => {
    if (line === '{') {
      for (start = i; start > 0 && /\S/.test(lines[start - 1]) && !/^[#}]|;\s*$/.test(lines[start - 1]); start--);
    } else if (line === '}' && start !== null) {
      const name = /(\w+)\s*\(/.exec(lines.slice(start, i).join(' ').replace(/__attribute__\s*\(\(.*?\)\)/g, ''))?.[1];
      found.push({ name, lines: i - start + 1 });
      start = null;
    }
  });
  return found;
}

const sources = walk().filter((file) => /\.(c|h|mjs|js|ts|sh|css)$/.test(file));

test('no file is too long', () => {
  const long = sources.map((file) => [file, read(file).split('\n').length - 1]).filter(([file, lines]) => lines > fileLines(file));
  assert.deepEqual(long.filter(([file]) => !(file in LONG_FILES)), []);
  const stale = Object.keys(LONG_FILES).filter((file) => !long.some(([name]) => name === file));
  assert.deepEqual(stale, [], 'exempt without need');
});

test('no function is too long', () => {
  const all = sources.filter((file) => /\.[ch]$/.test(file)).flatMap((file) =>
    functions(read(file)).map(({ name, lines }) => [`${file}: ${name}`, lines]));
  const long = all.filter(([name, lines]) => lines > functionLines(name.split(':')[0]));
  assert.deepEqual(long.filter(([name]) => !(name in LONG_FUNCTIONS)), []);
  const stale = Object.keys(LONG_FUNCTIONS).filter((key) => !long.some(([name]) => name === key));
  assert.deepEqual(stale, [], 'exempt without need');
});

test('functions are found and measured', () => {
  const text = `int a;\n\nstatic int first(int x)\n{\n    return x;\n}\n\n#define M 1\nvoid\nsecond(int x,\n       int y)\n{\n}\n\nextern int z;\n}\n`;
  assert.deepEqual(functions(text), [{ name: 'first', lines: 4 }, { name: 'second', lines: 5 }]);
});
