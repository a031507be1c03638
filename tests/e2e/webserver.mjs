// SPDX-License-Identifier: MIT
// A web server of an application beside the hub: another origin, with the pages that a test gives it.
import fs from 'node:fs';
import http from 'node:http';
import { once } from 'node:events';
import path from 'node:path';
import { REPO } from '../lib/paths.mjs';

const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8' };

// A file of an npm package of the tests.
export const fromPackage = (name) => fs.readFileSync(path.join(REPO, 'tests/node_modules', name), 'utf8');

// Serves `files`, path to text; a path without an extension is a page. Closed when test `t` ends.
export async function serveFiles(t, files) {
  const server = http.createServer((request, response) => {
    const text = files[request.url];
    const type = TYPES[path.extname(request.url)] ?? TYPES['.html'];
    response.writeHead(text === undefined ? 404 : 200, { 'content-type': type }).end(text);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${server.address().port}`;
}

// A page around a module.
export const pageOf = (head) => `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><div id="root"></div>${head}`;
