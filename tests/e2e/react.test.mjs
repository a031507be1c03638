// SPDX-License-Identifier: MIT
// A page of an application that uses React and socket.io-client and knows nothing of this hub: fixtures/BuildProgress.jsx
// stands as it was written for another server. It shows the bar, the status and the log of a build, also over restarts.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';
import ts from 'typescript';
import { launchBrowser, openPage } from '../lib/browser.mjs';
import { startHub } from '../lib/index.mjs';
import { fromPackage, pageOf, serveFiles } from './webserver.mjs';

const SAMPLE = fs.readFileSync(new URL('fixtures/BuildProgress.jsx', import.meta.url), 'utf8');
// What the sample leaves to whoever uses it.
const MOUNT = "ReactDOM.createRoot(document.getElementById('root')).render(<BuildProgress jobId=\"job-1\" projectId=\"shop\" />);";
const IMPORTS = { imports: { react: '/react-module.js', 'socket.io-client': '/socket.io-client.js' } };

const compile = (text) => ts.transpileModule(text, {
  compilerOptions: { jsx: ts.JsxEmit.React, target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
}).outputText;

function serve(t) {
  return serveFiles(t, {
    '/': pageOf(`<script src="/react.js"></script><script src="/react-dom.js"></script>
      <script type="importmap">${JSON.stringify(IMPORTS)}</script><script type="module" src="/app.js"></script>`),
    '/react.js': fromPackage('react/umd/react.development.js'),
    '/react-dom.js': fromPackage('react-dom/umd/react-dom.development.js'),
    '/react-module.js': 'export const { useEffect, useState } = window.React;',
    '/socket.io-client.js': fromPackage('socket.io-client/dist/socket.io.esm.min.js'),
    '/app.js': compile(`${SAMPLE}\n${MOUNT}`),
  });
}

const PHASES = [['preparing', 10], ['installing', 30], ['building', 50], ['building', 70], ['completed', 90]];

test('the React sample shows the bar, the status and the log', async (t) => {
  const hub = await startHub({ t });
  // The sample names its server: that address is the hub's in this browser.
  const browser = await launchBrowser(t, [`--host-resolver-rules=MAP localhost:3001 127.0.0.1:${hub.port}`]);
  const page = await openPage(browser, 'about:blank');
  const said = [];
  page.on('console', (message) => said.push(message.text()));
  await page.goto(await serve(t));
  const shows = (progress, status) => page.waitForFunction(([heading, text]) =>
    document.querySelector('h2')?.textContent === heading && document.querySelector('p')?.textContent === text,
  [`Build Progress: ${progress}%`, `Status: ${status}`]);
  const lines = () => page.$$eval('.logs > div', (rows) => rows.map((row) => row.textContent));
  const showsLines = (count) => page.waitForFunction((wanted) => document.querySelectorAll('.logs > div').length >= wanted, count);
  const log = async (message) => assert.equal((await hub.post('/api/jobs/job-1/log', { message })).status, 200);
  const expected = [];
  const say = async (message) => {
    expected.push(message);
    await log(message);
  };

  await shows(0, 'queued');
  assert.equal((await hub.post('/api/jobs', { projectId: 'shop', jobId: 'job-1' })).status, 201);
  await say('queued');
  await showsLines(1);
  for (const [phase, progress] of PHASES) {
    await hub.post('/api/jobs/job-1/progress', { phase, progress, message: `now ${phase}` });
    await shows(progress, phase === 'completed' ? 'building' : phase);
    await say(`${phase} at ${progress} %`);
  }
  await showsLines(expected.length);

  for (const [how, end] of [['restart', () => hub.terminate()], ['crash', () => hub.kill9()]]) {
    await end();
    await hub.start();
    await say(`after the ${how}`);
    await showsLines(expected.length);
    assert.deepEqual(await lines(), expected, how);
  }
  await hub.post('/api/jobs/job-1/progress', { phase: 'completed', progress: 100 });
  await shows(100, 'completed');
  await page.waitForFunction((wanted) => document.querySelectorAll('.logs > div').length === wanted, expected.length);
  assert.deepEqual(await lines(), expected);
  assert.equal(said.filter((text) => text.startsWith('Build completed!')).length, 1, said.join('\n'));
});

test('the React sample comes late to a build that failed', async (t) => {
  const hub = await startHub({ t });
  await hub.post('/api/jobs', { projectId: 'shop', jobId: 'job-1' });
  await hub.post('/api/jobs/job-1/progress', { phase: 'building', progress: 60 });
  await hub.post('/api/jobs/job-1/log', { lines: [{ message: 'one' }, { message: 'two' }] });
  await hub.post('/api/jobs/job-1/error', { error: 'no such module' });
  const browser = await launchBrowser(t, [`--host-resolver-rules=MAP localhost:3001 127.0.0.1:${hub.port}`]);
  const page = await openPage(browser, await serve(t));
  await page.waitForFunction(() => document.querySelector('h2')?.textContent === 'Build Progress: 60%' && document.querySelectorAll('.logs > div').length === 2);
  assert.equal(await page.textContent('p'), 'Status: failed');
  await page.waitForFunction(() => true);
  assert.ok(page.problems.some((text) => text.startsWith('Build failed!')), page.problems.join('\n'));
});
