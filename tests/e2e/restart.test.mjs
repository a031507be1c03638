// SPDX-License-Identifier: MIT
// The pages across a crash and a restart of the hub: no reload, no line lost, none doubled.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { launchBrowser, openPage } from '../lib/browser.mjs';
import { spawnCli, startHub, within } from '../lib/index.mjs';
import { JobPage } from './jobpage.mjs';

const LINES = 400;
const SCRIPT = `i=1; while [ $i -le ${LINES} ]; do echo "line $i"; i=$((i + 1)); sleep 0.02; done`;
const expected = Array.from({ length: LINES }, (_, i) => `line ${i + 1}`);

for (const [how, stop] of [['killed', (hub) => hub.kill9()], ['restarted', (hub) => hub.terminate()]]) {
  test(`a hub that is ${how} while a job runs`, async (t) => {
    const hub = await startHub({ t });
    const browser = await launchBrowser(t);
    const job = await JobPage.open(browser, hub, 'build', 'steady');
    await job.mark();
    const child = spawnCli(['run', '--id', 'steady', '--', 'sh', '-c', SCRIPT], { hub, t });
    await job.waitLines(LINES / 8);
    await stop(hub);
    await job.waitLink('Reconnecting');
    await job.screenshot(`hub-${how}`);
    await child.out.waitFor((line) => line === `line ${LINES / 2}`);
    await hub.start();
    await job.waitLink('Live');
    assert.equal((await within(child.exit, 'the command to end', 60_000)).code, 0);
    await job.waitStatus('completed');
    await job.waitLines(LINES);
    assert.deepEqual(await job.readLog(), expected);
    await job.assertSameDocument();
    assert.equal((await job.facts()).Attempt, '1');
  });
}

test('the list goes on as well', async (t) => {
  const hub = await startHub({ t });
  const browser = await launchBrowser(t);
  await hub.post('/api/jobs', { projectId: 'p', jobId: 'early' });
  const page = await openPage(browser, hub.url);
  await page.waitForSelector('#jobs a:text-is("early")');
  await hub.kill9();
  await hub.start();
  await hub.post('/api/jobs', { projectId: 'p', jobId: 'late' });
  await hub.post('/api/jobs/early/error', { error: 'no' });
  await page.waitForSelector('#jobs tr:has(a:text-is("early")) .badge:text-is("failed")');
  await page.waitForSelector('#jobs a:text-is("late")');
});
