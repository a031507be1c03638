// SPDX-License-Identifier: MIT
// socket.io-client as browsers load it, from another origin than the hub's: by WebSocket, by polling, and by polling with
// an upgrade. It comes back over restarts and a crash by itself, recovered, and shows every line once. That of 2021 knows no
// recovery: each time it comes back it is shown the end of the log, which is all of it here.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { launchBrowser, openPage } from '../lib/browser.mjs';
import { startHub } from '../lib/index.mjs';
import { fromPackage, pageOf, serveFiles } from './webserver.mjs';

// In the page: follows a build, as pages do: subscribing at each `connect`.
function follow([url, options]) {
  const seen = { lines: [], connects: [], acks: [], transports: new Set(), progress: [], ends: 0 };
  const socket = window.io(url, { path: '/ws', reconnectionDelay: 50, reconnectionDelayMax: 200, ...options });
  window.seen = seen;
  window.socket = socket;
  socket.io.on('open', () => {
    const { engine } = socket.io;
    seen.transports.add(engine.transport.name);
    engine.on('upgrade', ({ name }) => seen.transports.add(name));
  });
  socket.on('connect', () => {
    seen.connects.push(socket.recovered ?? null);
    socket.emit('subscribe:job', 'b1', (answer) => seen.acks.push(answer.ok));
  });
  socket.on('job:log', ({ line, message }) => seen.lines.push([line, message]));
  socket.on('job:progress', ({ progress }) => seen.progress.push(progress));
  socket.on('job:completed', () => seen.ends++);
}

const KINDS = {
  'websocket only': { options: { transports: ['websocket'] }, transports: ['websocket'] },
  'polling only': { options: { transports: ['polling'] }, transports: ['polling'] },
  'polling, then an upgrade': { options: {}, transports: ['polling', 'websocket'] },
};

const VERSIONS = {
  'the latest': { bundle: 'socket.io-client/dist/socket.io.js', recovers: true },
  '4.0': { bundle: 'socket.io-client-4-0/dist/socket.io.js', recovers: false },
};
const ROWS = Object.entries(VERSIONS).flatMap(([version, what]) => Object.entries(KINDS).map(([name, how]) => [`${version}, ${name}`, { ...what, ...how }]));

const inOrder = (lines) => [...new Map(lines)].sort(([a], [b]) => a - b);

for (const [name, { bundle, recovers, options, transports }] of ROWS) {
  test(name, async (t) => {
    const hub = await startHub({ t });
    const browser = await launchBrowser(t);
    const server = await serveFiles(t, { '/': pageOf('<script src="/socket.io.js"></script>'), '/socket.io.js': fromPackage(bundle) });
    const page = await openPage(browser, server);
    await page.evaluate(follow, [hub.url, options]);
    const has = (what, count) => page.waitForFunction(([member, wanted]) => window.seen[member].length >= wanted, [what, count]);
    const hasLine = (number) => page.waitForFunction((wanted) => window.seen.lines.some(([line]) => line === wanted), number);
    await has('acks', 1);
    await page.waitForFunction((wanted) => wanted.every((transport) => window.seen.transports.has(transport)), transports);

    const expected = [];
    const say = async (count) => {
      for (let i = 0; i < count; i++) {
        const message = `line ${expected.length + 1} \u{1F680}`;
        expected.push([expected.length + 1, message]);
        assert.equal((await hub.post('/api/jobs/b1/log', { message })).status, 200);
      }
    };
    await hub.post('/api/jobs', { projectId: 'shop', jobId: 'b1' });
    await say(30);
    await hasLine(expected.length);
    let connects = 1;
    for (const end of [() => hub.terminate(), () => hub.kill9(), () => hub.terminate()]) {
      await end();
      await hub.start();
      await say(20);
      await has('connects', ++connects);
      await has('acks', connects);
      await say(20);
      await hasLine(expected.length);
    }
    await hub.post('/api/jobs/b1/completed', { message: 'done' });
    await page.waitForFunction(() => window.seen.ends > 0);
    const seen = await page.evaluate(() => ({ ...window.seen, transports: [...window.seen.transports] }));
    assert.deepEqual(recovers ? seen.lines : inOrder(seen.lines), expected);
    assert.deepEqual(seen.transports.sort(), [...transports].sort());
    assert.deepEqual(seen.connects, recovers ? [false, true, true, true] : [null, null, null, null], 'recovered each time');
    assert.ok(seen.acks.every(Boolean));
    assert.equal(seen.ends, 1);
  });
}
