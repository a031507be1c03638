// SPDX-License-Identifier: MIT
// A command that prints a million lines: the page stays responsive, holds only what is in view, and reaches every line.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { launchBrowser } from '../lib/browser.mjs';
import { spawnCli, startHub, within } from '../lib/index.mjs';
import { JobPage } from './jobpage.mjs';

const LINES = 1_000_000;
const RUN_MS = 600_000;
const LONG_MS = 200;
// A machine that has other things to do stretches a task now and then; a page that is slow stretches them all the time.
const LONG_TASKS_MAX = 2;
const text = (number) => `line ${number} of many, with some text behind it`;
const PROGRAM = `BEGIN { for (i = 1; i <= ${LINES}; i++) print "line " i " of many, with some text behind it" }`;

const assertRows = (rows) => rows.forEach(([number, shown]) => assert.equal(shown, text(number)));

test('a million lines', async (t) => {
  const hub = await startHub({ t });
  const browser = await launchBrowser(t);
  const job = await JobPage.open(browser, hub, 'build', 'big');
  await job.page.evaluate(() => {
    window.seen.longTasks.length = 0; // loading the page is not what this is about
  });

  const child = spawnCli(['run', '--id', 'big', '--', 'awk', PROGRAM], { hub, t });
  await job.waitLines(1000);
  assertRows(await job.rows());
  assert.equal((await within(child.exit, 'the command to end', RUN_MS)).code, 0);
  await job.waitStatus('completed', RUN_MS);
  await job.waitLines(LINES, RUN_MS);
  assert.equal(await job.text('lines'), '1,000,000 lines');

  await t.test('no task of the page was long', async () => {
    const tasks = await job.page.evaluate(() => window.seen.longTasks);
    const longest = Math.max(0, ...tasks.map(({ duration }) => duration));
    t.diagnostic(`${tasks.length} tasks over 50 ms, the longest ${Math.round(longest)} ms`);
    const long = tasks.filter(({ duration }) => duration >= LONG_MS).length;
    assert.ok(long <= LONG_TASKS_MAX, `${long} tasks took ${LONG_MS} ms or more, the longest ${longest} ms`);
  });

  await t.test('the API has each line once, in order', async () => {
    const { text: whole } = await hub.get('/api/jobs/big/log?format=text', { ms: RUN_MS });
    const lines = whole.trimEnd().split('\n');
    assert.equal(lines.length, LINES);
    lines.forEach((line, i) => line === text(i + 1) || assert.equal(line, text(i + 1)));
  });

  await t.test('every part is reached by the scroll bar', async () => {
    for (let part = 0; part <= 40; part++) {
      const rows = await job.scrollTo(part / 40);
      assertRows(rows);
      assert.ok(rows.length <= 60, `${rows.length} rows are in the document`);
      const middle = rows[0][0] + rows.length / 2;
      assert.ok(Math.abs(middle / LINES - part / 40) < 0.001, `line ${middle} at part ${part / 40}`);
    }
    assert.equal((await job.scrollTo(0))[0][0], 1);
    assert.equal((await job.scrollTo(1)).at(-1)[0], LINES);
  });

  await t.test('the wheel and the keys skip no line', async () => {
    const box = await (await job.page.$('#log')).boundingBox();
    await job.page.mouse.move(box.x + 200, box.y + 100);
    for (const [from, step] of [[0, 1], [0.5, 1], [0.5, -1], [1, -1]]) {
      let rows = await job.scrollTo(from);
      for (let i = 0; i < 12; i++) {
        const seen = rows;
        const [first] = rows[0];
        await job.page.mouse.wheel(0, step * 300);
        await job.page.waitForFunction((before) => document.querySelector('.row:not(.kept)').number !== before, first);
        rows = await job.rows();
        assertRows(rows);
        const overlap = step > 0 ? rows[0][0] <= seen.at(-1)[0] + 1 : rows.at(-1)[0] >= seen[0][0] - 1;
        assert.ok(overlap, `from ${seen[0][0]} to ${rows[0][0]}`);
      }
    }
  });

  await t.test('a page opened afterwards is at the end at once', async () => {
    const late = await JobPage.open(browser, hub, 'build', 'big', { colorScheme: 'dark' });
    await late.waitLines(LINES);
    assert.equal((await late.rows()).at(-1)[0], LINES);
    await late.screenshot('million-lines');
    assert.deepEqual(late.page.problems, []);
  });
  assert.deepEqual(job.page.problems, []);
});
