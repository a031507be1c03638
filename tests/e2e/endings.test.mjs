// SPDX-License-Identifier: MIT
// How a job's page shows its end: an exit status, a signal, a cancel from the page; and the other kinds of jobs.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { launchBrowser } from '../lib/browser.mjs';
import { spawnCli, startHub, within } from '../lib/index.mjs';
import { JobPage } from './jobpage.mjs';

// A hub and a browser of the test's own.
async function setUp(t) {
  return { hub: await startHub({ t }), browser: await launchBrowser(t) };
}

function run(t, hub, id, ...command) {
  return spawnCli(['run', '--id', id, '--project', 'clairon', '--', ...command], { hub, t });
}

test('a command that fails', async (t) => {
  const { hub, browser } = await setUp(t);
  const job = await JobPage.open(browser, hub, 'build', 'fails');
  const child = run(t, hub, 'fails', 'sh', '-c', 'echo one; echo two >&2; exit 3');
  assert.equal((await child.end()).code, 3);
  await job.waitStatus('failed');
  await job.waitLines(2);
  assert.equal((await job.facts())['Exit code'], '3');
  assert.deepEqual((await job.readLog()).sort(), ['one', 'two']);
  assert.ok(await job.page.isHidden('#cancel'), 'what has ended cannot be cancelled');
  assert.deepEqual(job.page.problems, []);
});

test('a command killed by a signal', async (t) => {
  const { hub, browser } = await setUp(t);
  const job = await JobPage.open(browser, hub, 'build', 'dies');
  const child = run(t, hub, 'dies', 'sh', '-c', 'echo alive; kill -9 $$');
  assert.equal((await child.end()).code, 128 + 9);
  await job.waitStatus('failed');
  assert.match((await job.facts()).Signal, /^(SIG)?KILL$|^9$/);
  await job.waitLines(1);
  assert.deepEqual(await job.readLog(), ['alive']);
});

test('a page opened after the end shows all of it', async (t) => {
  const { hub, browser } = await setUp(t);
  assert.equal((await run(t, hub, 'over', 'seq', '1', '1500').end()).code, 0);
  const job = await JobPage.open(browser, hub, 'job', 'over');
  assert.equal(await job.status(), 'completed');
  const lines = await job.readLog();
  assert.deepEqual(lines, Array.from({ length: 1500 }, (_, i) => String(i + 1)));
  const raw = await job.page.getAttribute('#raw', 'href');
  const { headers, text } = await hub.get(raw);
  assert.match(headers['content-type'], /^text\/plain/);
  assert.deepEqual(text.trimEnd().split('\n'), lines);
});

test('cancelling from the page ends the command', async (t) => {
  const { hub, browser } = await setUp(t);
  const job = await JobPage.open(browser, hub, 'build', 'long');
  const child = run(t, hub, 'long', 'sh', '-c', 'echo begun; sleep 600');
  await job.waitLines(1);
  await job.page.click('#cancel');
  await job.page.click('dialog button[value=no]');
  assert.equal(await job.text('cancel'), 'Cancel', 'thought better of it');
  await job.page.click('#cancel');
  await job.page.click('dialog button[value=cancel]');
  await job.waitText('cancel', 'Cancelling');
  await job.waitStatus('cancelled', 60_000);
  await within(child.exit, 'the cancelled command to end', 60_000);
  assert.deepEqual(job.page.problems, []);
});

test('a deployment and a ticket', async (t) => {
  const { hub, browser } = await setUp(t);
  const deployment = await JobPage.open(browser, hub, 'deployment', 'd-1');
  const created = await hub.post('/api/v1/deployments', { id: 'd-1', stack_id: 's', target_id: 't', name: 'shop', workflow: false });
  assert.equal(created.status, 201, created.text);
  await deployment.waitStatus('pending');
  await hub.post('/api/v1/deployments/d-1/status', { status: 'deploying', message: 'pulling images' });
  await deployment.waitText('message', 'pulling images');
  await hub.post('/api/v1/deployments/d-1/progress', { progress: 40, step: 'Starting containers', total_steps: 4 });
  await deployment.waitText('step', 'Starting containers');
  await hub.post('/api/v1/deployments/d-1/logs', { logs: 'one\ntwo\n' });
  await deployment.waitLines(2);
  await hub.post('/api/v1/deployments/d-1/logs', { logs: 'anew\n', append: false });
  await deployment.waitText('lines', '1 line');
  assert.deepEqual(await deployment.rows(), [[3, 'anew']]);
  await hub.post('/api/v1/deployments/d-1/complete', { status: 'success', message: 'up', result: { url: 'here' } });
  await deployment.waitStatus('success');
  await deployment.waitText('result-text', '"url": "here"');

  const ticket = await JobPage.open(browser, hub, 'ticket', 'T7%');
  const started = await hub.post('/api/tickets/processing/start', { ticket_id: 'T7%', workflow: false });
  assert.equal(started.status, 200, started.text);
  await ticket.waitStatus('PENDING');
  await hub.post('/api/tickets/T7%25/status', { status: 'FAILED', step: 'run_ci', error: 'three tests failed' });
  await ticket.waitStatus('FAILED');
  await ticket.waitText('error-text', 'three tests failed');
});

test('numbers stay in sight beside a long line', async (t) => {
  const { hub, browser } = await setUp(t);
  await hub.post('/api/jobs/wide/log', { message: 'x'.repeat(4000) });
  const job = await JobPage.open(browser, hub, 'build', 'wide');
  const left = () => job.page.$eval('.number', (number) => number.getBoundingClientRect().left);
  const before = await left();
  await job.page.$eval('#log', (log) => {
    log.scrollLeft = 5000;
  });
  assert.ok(await job.page.$eval('.text', (text) => text.getBoundingClientRect().left) < -1000, 'the line has moved');
  assert.equal(await left(), before);
});
