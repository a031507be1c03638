// SPDX-License-Identifier: MIT
// What every file's text must have and must not have: licence lines, clean whitespace, no machine's paths, no hosts.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { REPO } from '../lib/paths.mjs';
import { read, walk } from './tree.mjs';

const files = walk();
const SOURCE = /(\.(c|h|def|mjs|js|ts|css|html|sh|yaml|yml)|(^|\/)(meson\.build|run|test))$/;
const BINARY = /\.(png|ico|bin|woff2?)$|^fuzz\/(corpus|regressions?)\//;
const texts = files.filter((file) => !BINARY.test(file)).map((file) => [file, read(file)]);

// Hosts that a URL may name: names without a dot and addresses, names reserved for examples, and names that are only
// identifiers or the home of a convention we name.
const HOSTS = [/^[^.]*$/, /^127(\.\d+){3}$|^0\.0\.0\.0$|^\[/, /(^|\.)example\.(com|org|net)$/i, /\.(test|invalid|example|localhost)$/,
  /^(www\.w3\.org|keepachangelog\.com|semver\.org)$/];

test('every source names its licence in its first lines', () => {
  const without = files.filter((file) => SOURCE.test(file))
    .filter((file) => !read(file).split('\n').slice(0, 2).some((line) => line.includes('SPDX-License-Identifier: MIT')));
  assert.deepEqual(without, []);
});

test('lines end cleanly', () => {
  const bad = texts.filter(([, text]) => /[ \t\r]$/m.test(text) || /\t/.test(text.replace(/\.svg/, '')) || (text !== '' && !text.endsWith('\n')))
    .map(([file]) => file).filter((file) => !/\.(svg|golden)$/.test(file));
  assert.deepEqual(bad, []);
});

test('no path of one machine is in the repository', () => {
  const found = texts.flatMap(([file, text]) =>
    [...text.matchAll(/(?<![\w.}])\/(home|root|work|Users)\/[\w.-]+/g)].map((match) => `${file}: ${match[0]}`));
  assert.deepEqual(found, []);
});

test('URLs name only hosts that are no dependency', () => {
  const found = texts.filter(([file]) => file !== 'tests/package-lock.json').flatMap(([file, text]) =>
    [...text.matchAll(/\b(?:https?|wss?):\/\/(\[[\d:a-f]+\]|[A-Za-z0-9][\w.-]*\w|\w)/g)]
      .filter((match) => !HOSTS.some((host) => host.test(match[1]))).map((match) => `${file}: ${match[0]}`));
  assert.deepEqual(found, []);
});

test('lock files name no registry', () => {
  const locks = files.filter((file) => /(^|\/)package-lock\.json$/.test(file));
  assert.notDeepEqual(locks, []);
  for (const file of locks) {
    const text = read(file).replace(/"funding": \{[^}]*\}/g, ''); // where the author asks for money
    assert.equal(/"resolved"|:\/\//.test(text), false, file);
  }
});

test('scripts can be executed', () => {
  const scripts = ['run', 'test', '.ci/run', ...files.filter((file) => file.endsWith('.sh'))];
  assert.deepEqual(scripts.filter((file) => !(fs.statSync(path.join(REPO, file)).mode & 0o100)), []);
});

// A path in a document is a code span or a link that looks like one. What is built or made at run time is left out.
function pathsIn(text) {
  const spans = [...text.matchAll(/`([^`\n]+)`/g)].map((match) => match[1]);
  const links = [...text.matchAll(/\]\(([^)#\s]+)[^)]*\)/g)].map((match) => match[1]).filter((link) => !/^\w+:/.test(link));
  const looksLikePath = (word) => /^(\.\/)?[\w.-]+(\/[\w.-]+)*\/?$/.test(word)
    && (/^(\.\/)?(src|client|include|tests|fuzz|bench|docs|examples|scripts|web|\.ci)\//.test(word)
      || /^(\.\/)?[\w-]+\.(md|yaml|build|sh|mjs)$/.test(word) || /^\.\/\w+$/.test(word)
      || /^[a-z]+\/[\w-]+\.(c|h|def)$/.test(word));
  return [...spans.filter(looksLikePath), ...links];
}

function exists(file, named) {
  const places = [path.dirname(file), '.', 'src'];
  return places.some((place) => fs.existsSync(path.join(REPO, place, named)));
}

test('every path that a document names exists', () => {
  const documents = files.filter((file) => file.endsWith('.md'));
  for (const expected of ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md']) {
    assert.ok(documents.includes(expected), `${expected} is missing`);
  }
  const absent = documents.flatMap((file) => pathsIn(read(file))
    .filter((named) => !exists(file, named)).map((named) => `${file}: ${named}`));
  assert.deepEqual(absent, []);
});
