// SPDX-License-Identifier: MIT
// The list of jobs: what is there, what comes, what changes and what goes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { launchBrowser, openPage } from '../lib/browser.mjs';
import { startHub } from '../lib/index.mjs';

const row = (id) => `#jobs tr:has(a:text-is("${id}"))`;
const waitIds = (page, wanted) => page.waitForFunction((expected) =>
  [...document.querySelectorAll('#jobs tr a')].map((link) => link.textContent).sort().join() === expected,
wanted.sort().join());
const ids = (page) => page.$$eval('#jobs tr a', (links) => links.map((link) => link.textContent));

test('jobs of all kinds, live', async (t) => {
  const hub = await startHub({ t });
  const browser = await launchBrowser(t);
  await hub.post('/api/jobs', { projectId: 'shop', jobId: 'b1' });
  await hub.post('/api/tickets/processing/start', { ticket_id: 'T1', workflow: false });
  const page = await openPage(browser, hub.url);
  await page.waitForSelector(row('b1'));
  await page.waitForSelector(row('T1'));
  await page.waitForFunction(() => document.getElementById('connection').textContent === 'Live');

  await hub.post('/api/v1/deployments', { id: 'd1', stack_id: 's', target_id: 't', workflow: false });
  await page.waitForSelector(row('d1'));
  await hub.post('/api/jobs/b1/progress', { phase: 'building', progress: 42, message: 'linking' });
  await page.waitForSelector(`${row('b1')} .bar[aria-valuenow="42"]`);
  await page.waitForSelector(`${row('b1')} .now:has-text("linking")`);
  assert.equal(await page.textContent(`${row('b1')} .project`), 'shop');
  await hub.post('/api/tickets/T1/status', { status: 'FAILED', error: 'no such branch' });
  await page.waitForSelector(`${row('T1')} .badge:text-is("FAILED")`);

  await page.selectOption('select[name=status]', 'bad');
  await waitIds(page, ['T1']);
  await page.selectOption('select[name=status]', 'open');
  await waitIds(page, ['b1', 'd1']);
  await page.selectOption('select[name=kind]', 'deployment');
  await waitIds(page, ['d1']);
  await page.selectOption('select[name=kind]', '');
  await page.selectOption('select[name=status]', '');

  await hub.post('/api/v1/deployments/d1/complete', { status: 'failed', message: 'no' });
  await page.waitForSelector(`${row('d1')} .badge:text-is("failed")`);
  assert.equal((await hub.delete('/api/v1/deployments/d1')).status, 204);
  await page.waitForSelector(row('d1'), { state: 'detached' });

  await page.click(`${row('b1')} a`);
  await page.waitForURL('**/jobs/build/b1');
  await page.waitForFunction(() => document.getElementById('status').textContent.includes('building'));
  assert.deepEqual(page.problems, []);
});

test('more jobs than one list holds', async (t) => {
  const hub = await startHub({ t });
  const browser = await launchBrowser(t);
  for (let i = 1; i <= 130; i++) {
    await hub.post('/api/jobs', { projectId: 'p', jobId: `j${i}` });
  }
  const page = await openPage(browser, hub.url);
  await page.waitForSelector(row('j130'));
  assert.equal((await ids(page)).length, 100);
  await page.click('#more');
  await page.waitForSelector(row('j1'));
  const all = await ids(page);
  assert.deepEqual(all, Array.from({ length: 130 }, (_, i) => `j${130 - i}`), 'the newest first');
  assert.ok(await page.isHidden('#more'));
});
