// SPDX-License-Identifier: MIT
// Which folder may include which. ARCHITECTURE.md draws the same arrows.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { makeDir, REPO, removeDir } from '../lib/paths.mjs';
import { folderOf, isTest, read, walk } from './tree.mjs';

// The pure codecs of wire that the hub may use, and those of what comes before HTTP.
const PURE = ['wire/json', 'wire/cursor'];
const BEFORE_HTTP = ['wire/proxy', 'wire/tls', 'wire/tls_testing'];
const ALLOWED = {
  base: [],
  def: [],
  wire: ['base'],
  hub: ['base', ...PURE],
  store: ['hub', 'base', ...PURE],
  net: ['base', ...BEFORE_HTTP],
  auth: ['base', 'wire/json'],
  http: ['net', 'wire', 'base'],
  sio: ['http', 'net', 'wire', 'base'],
  dialect: ['sio', 'http', 'net', 'wire', 'hub', 'base'],
  ingest: ['http', 'net', 'wire', 'hub', 'base'],
  server: ['dialect', 'ingest', 'sio', 'http', 'net', 'wire', 'hub', 'store', 'auth', 'base'],
  conformance: ['sio', 'http', 'net', 'wire', 'base'],
  client: ['wire', 'base'],
  load: ['wire', 'base'],
  cli: ['client', 'conformance', 'load', 'server', 'auth', 'wire', 'base'],
};
const DIALECTS = ['native', 'deployment', 'ticket', 'socketio', 'polling', 'sse', 'poll'];

const FOLDERS = /^(src|client)\/.*\.[ch]$/;

function includes(text) {
  return [...text.matchAll(/^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]/gm)]
    .map((match) => ({ own: match[1] === '"', target: match[2] }));
}

function dialectOf(name) {
  return DIALECTS.find((dialect) => new RegExp(`^dialect/${dialect}(_|\\.)`).test(name));
}

// What is wrong with one #include "target" in `file`, or undefined.
function wrong(root, file, target) {
  const from = folderOf(file);
  const to = target.split('/')[0];
  if (target.includes('..') || !target.includes('/')) {
    return 'is not a path from src/';
  }
  const places = ['src', 'include', '.'].map((folder) => path.join(root, folder, target));
  if (!places.some((place) => fs.existsSync(place))) {
    return 'does not exist';
  }
  if (to === 'clairon' || to === 'def' || to === from) {
    const [own, other] = [dialectOf(file.replace('src/', '')), dialectOf(target)];
    return own && other && own !== other ? 'is another dialect' : undefined;
  }
  const fits = (rule) => rule === to || target.replace(/\.h$/, '') === rule;
  return ALLOWED[from]?.some(fits) ? undefined : `is no arrow ${from} -> ${to}`;
}

function violations(root) {
  return walk(root).filter((file) => FOLDERS.test(file)).flatMap((file) => {
    const found = includes(read(file, root)).filter(({ own }) => own);
    const list = found.map(({ target }) => [target, wrong(root, file, target)]).filter(([, what]) => what)
      .map(([target, what]) => `${file}: "${target}" ${what}`);
    const header = file.replace(/^src\//, '').replace(/\.c$/, '.h');
    if (file.endsWith('.c') && !isTest(file) && found.some(({ target }) => target === header)
      && found[0].target !== header) {
      list.push(`${file}: its own header is not the first`);
    }
    return list;
  });
}

test('every include follows an arrow', () => {
  assert.deepEqual(violations(REPO), []);
});

test('every folder has its rule', () => {
  const folders = new Set(walk().filter((file) => FOLDERS.test(file)).map(folderOf));
  assert.deepEqual([...folders].filter((folder) => !(folder in ALLOWED)), []);
});

test('planted wrong includes are found', async (t) => {
  const root = makeDir('layers');
  t.after(() => removeDir(root));
  const plant = (file, text = '') => {
    fs.mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
    fs.writeFileSync(path.join(root, file), text);
  };
  ['net/loop.h', 'wire/http1.h', 'wire/json.h', 'hub/hub.h', 'store/store.h', 'ingest/api.h', 'dialect/native.h',
    'dialect/ticket.h', 'dialect/view.h', 'base/str.h', 'hub/a.h'].forEach((name) => plant(`src/${name}`));
  const cases = [
    ['src/hub/a.c', 'net/loop.h', 'is no arrow hub -> net'],
    ['src/hub/a.c', 'wire/http1.h', 'is no arrow hub -> wire'],
    ['src/hub/a.c', 'store/store.h', 'is no arrow hub -> store'],
    ['src/hub/a.c', 'wire/json.h', undefined],
    ['src/wire/a.c', 'net/loop.h', 'is no arrow wire -> net'],
    ['src/net/a.c', 'hub/hub.h', 'is no arrow net -> hub'],
    ['src/net/a.c', 'base/str.h', undefined],
    ['src/auth/a.c', 'wire/json.h', undefined],
    ['src/auth/a.c', 'wire/http1.h', 'is no arrow auth -> wire'],
    ['src/auth/a.c', 'hub/hub.h', 'is no arrow auth -> hub'],
    ['src/dialect/ticket.c', 'ingest/api.h', 'is no arrow dialect -> ingest'],
    ['src/dialect/ticket.c', 'dialect/native.h', 'is another dialect'],
    ['src/dialect/ticket.c', 'dialect/ticket.h', undefined],
    ['src/dialect/ticket.c', 'dialect/view.h', undefined],
    ['src/ingest/a.c', 'dialect/native.h', 'is no arrow ingest -> dialect'],
    ['src/base/a.c', 'wire/json.h', 'is no arrow base -> wire'],
    ['client/a.c', 'hub/hub.h', 'is no arrow client -> hub'],
    ['src/hub/b.c', '../net/loop.h', 'is not a path from src/'],
    ['src/hub/b.c', 'hub/absent.h', 'does not exist'],
  ];
  for (const [file, target, what] of cases) {
    plant(file, `// x\n#include "${target}"\n`);
    assert.deepEqual(violations(root), what ? [`${file}: "${target}" ${what}`] : [], `${file} -> ${target}`);
    fs.rmSync(path.join(root, file));
  }
  plant('src/hub/a.c', '#include "base/str.h"\n#include "hub/a.h"\n');
  assert.deepEqual(violations(root), ['src/hub/a.c: its own header is not the first']);
});
