// SPDX-License-Identifier: MIT
// A browser's own EventSource, on a page of another origin than the hub's: it comes back over restarts and a crash by
// itself, and shows every event of a build once.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { launchBrowser, openPage } from '../lib/browser.mjs';
import { assertLedger, BuildProducer, past } from '../lib/course.mjs';
import { startHub } from '../lib/index.mjs';
import { pageOf, serveFiles } from './webserver.mjs';

function follow(url) {
  window.seen = [];
  window.opened = 0;
  const source = new EventSource(url);
  source.onopen = () => window.opened++;
  ['JOB_PROGRESS', 'JOB_LOG', 'JOB_COMPLETED', 'gap'].forEach((type) =>
    source.addEventListener(type, ({ data, lastEventId }) => window.seen.push({ ...JSON.parse(data), lastEventId })));
}

test('EventSource in Chromium', async (t) => {
  const hub = await startHub({ t });
  const page = await openPage(await launchBrowser(t), await serveFiles(t, { '/': pageOf('') }));
  await page.evaluate(follow, `${hub.url}/api/events?topic=job:b1`);
  const opened = (times) => page.waitForFunction((wanted) => window.opened >= wanted, times);
  await opened(1);
  const build = new BuildProducer(hub, 'b1', 120);
  await build.begin();
  await build.produce(40);
  let times = 1;
  for (const end of [() => hub.terminate(), () => hub.kill9()]) {
    await end();
    await hub.start();
    await build.produce(20);
    await opened(++times);
    await build.produce(20);
  }
  await build.end();
  const truth = await past(hub, 'job:b1');
  await page.waitForFunction((id) => window.seen.some((event) => event.id === id), truth.at(-1).id);
  const seen = await page.evaluate(() => window.seen);
  seen.forEach(({ id, lastEventId }) => assert.equal(lastEventId, id));
  assertLedger('EventSource', seen.map(({ lastEventId, ...event }) => event), truth, new Map());
});
