// SPDX-License-Identifier: MIT
// docs/protocol: its tables are those the hub is made of, its examples are JSON, and it names every route, every error
// code of sockets and every close code that the sources have.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';
import { REPO } from '../lib/paths.mjs';
import { read, walk } from './tree.mjs';

const pages = walk().filter((file) => /^docs\/protocol\/.*\.md$/.test(file));
const text = pages.map((file) => read(file)).join('\n');

test('the tables are made from the sources as they are', () => {
  const words = ['--check', path.join(REPO, 'src/def'), ...pages.map((page) => path.join(REPO, page))];
  const { status, stdout, stderr } = spawnSync('python3', [path.join(REPO, 'scripts/protocol_doc.py'), ...words], { encoding: 'utf8' });
  assert.equal(status, 0, `run: scripts/protocol_doc.py src/def docs/protocol/*.md\n${stdout}${stderr}`);
});

test('examples are JSON', () => {
  const examples = pages.flatMap((page) => [...read(page).matchAll(/^```json\n([^]*?)^```$/gm)].map((match) => [page, match[1]]));
  assert.ok(examples.length > 5);
  examples.forEach(([page, example]) => assert.doesNotThrow(() => JSON.parse(example), `${page}: ${example}`));
});

test('every route is on a page', () => {
  const sources = walk().filter((file) => /^src\/(dialect|ingest|server)\/\w+\.c$/.test(file));
  const routes = new Set(sources.flatMap((file) => [...read(file).matchAll(/"(\/(?:api|ws|health|metrics|socket\.io)[\w./{}-]*)"/g)].map((match) => match[1].replace(/\/$/, ''))));
  assert.ok(routes.size > 30);
  const named = (route) => text.includes(route) || text.includes(route.replace(/^\/api\/(v1\/deployments|tickets|jobs)/, '…'));
  assert.deepEqual([...routes].filter((route) => !named(route)).sort(), []);
});

test('every close code is on a page', () => {
  const codes = walk().filter((file) => /^src\/(dialect|http|server|sio)\/\w+\.[ch]$/.test(file))
    .flatMap((file) => [...read(file).matchAll(/#define \w*CLOSE_\w+ +(\d{4})/g)].map((match) => match[1]));
  assert.ok(codes.length > 1);
  assert.deepEqual(codes.filter((code) => !text.includes(code)), []);
});
