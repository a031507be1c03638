// SPDX-License-Identifier: MIT
// Compressed WebSockets in Chromium: the extension is agreed, and every message is whole, both ways.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { launchBrowser, openPage } from '../lib/browser.mjs';
import { startHub } from '../lib/index.mjs';

const COUNT = 200;

for (const shared of [false, true]) {
  test(`a page reads and writes compressed messages, ${shared ? 'of a shared stream' : 'each alone'}`, (t) => readAndWrite(t, shared));
}

async function readAndWrite(t, shared) {
  const hub = await startHub({ t, config: { websocket: { compression_threshold: 64, compression_shared: shared } } });
  const page = await openPage(await launchBrowser(t), hub.url);
  const extensions = await page.evaluate(() => new Promise((resolve, reject) => {
    const seen = [];
    const socket = new WebSocket(`${location.origin.replace('http', 'ws')}/ws`);
    Object.assign(window, { seen, socket });
    socket.onopen = () => socket.send(JSON.stringify({ type: 'subscribe', topic: 'tickets' }));
    socket.onclose = ({ code }) => reject(new Error(`closed with ${code}`));
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      seen.push(message);
      if (message.type === 'caught_up') {
        resolve(socket.extensions);
      }
    };
  }));
  assert.match(extensions, /^permessage-deflate/);
  const text = (i) => `event ${i}, `.repeat(1 + (i * 37) % 400);
  for (let i = 0; i < COUNT; i += 20) {
    const events = Array.from({ length: 20 }, (_, k) => ({ topic: 'tickets', type: 'X', data: { i: i + k, text: text(i + k) } }));
    await hub.post('/api/v1/publish', { events });
    await page.evaluate((ref) => window.socket.send(JSON.stringify({ type: 'ping', ref })), text(i).slice(0, 200));
  }
  await page.waitForFunction((last) => window.seen.some(({ type, data }) => type === 'X' && data.i === last), COUNT - 1);
  const events = await page.evaluate(() => window.seen.filter(({ type }) => type === 'X').map(({ data }) => data));
  assert.deepEqual(events, Array.from({ length: COUNT }, (_, i) => ({ i, text: text(i) })));
  await page.waitForFunction((count) => window.seen.filter(({ type }) => type === 'pong').length === count, COUNT / 20);
  const refs = await page.evaluate(() => window.seen.filter(({ type }) => type === 'pong').map(({ ref }) => ref));
  assert.deepEqual(refs, Array.from({ length: COUNT / 20 }, (_, i) => text(i * 20).slice(0, 200)));
  assert.deepEqual(page.problems, []);
}
