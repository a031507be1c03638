// SPDX-License-Identifier: MIT
// Hostile output of a command is shown as text: markup, terminal sequences, endless lines, broken UTF-8.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { launchBrowser } from '../lib/browser.mjs';
import { makeDir, runCli, startHub } from '../lib/index.mjs';
import { JobPage } from './jobpage.mjs';

const LINE_BYTES = 16384;
const LONG = `${'long '.repeat(8000)}end`;

// What a command prints, and how it reads on the page.
const OUTPUT = [
  ['<img src=x onerror="window.hacked = 1">', '<img src=x onerror="window.hacked = 1">'],
  ['<script>window.hacked = 2</script>', '<script>window.hacked = 2</script>'],
  ['"><a href="javascript:window.hacked = 3">&lt;&amp;', '"><a href="javascript:window.hacked = 3">&lt;&amp;'],
  ['${window.hacked = 4} {{hacked}} %s %n', '${window.hacked = 4} {{hacked}} %s %n'],
  ['\x1b[31mred\x1b[0m \x1b[1;38;5;208morange\x1b[0m \x1b[48;2;1;2;3mback\x1b[m', 'red orange back'],
  ['\x1b]0;title\x07a \x1b[2J\x1b[10Ab \x1b]8;;javascript:window.hacked=5\x1b\\link\x1b]8;;\x1b\\', 'a b link'],
  ['\x1b[31', ''],
  ['bell\x07 null\x00 back\x08', 'bell\u2407 null\u2400 back\u2408'],
  [Buffer.from([0x61, 0xff, 0xc3, 0x28, 0x62]), 'a\ufffd\ufffd(b'],
  ['\u202eright to left\u202c, \u05d0\u05d1', '\u202eright to left\u202c, \u05d0\u05d1'],
  ['', ''],
  ['plain again', 'plain again'],
];

test('hostile output, live and afterwards', async (t) => {
  const hub = await startHub({ t });
  const browser = await launchBrowser(t);
  const file = path.join(makeDir('hostile'), 'output');
  const bytes = [...OUTPUT.map(([line]) => line), LONG, 'last'].flatMap((line) => [Buffer.from(line), Buffer.from('\n')]);
  fs.writeFileSync(file, Buffer.concat(bytes));
  const id = '<b>&amp;"\'%3Cid';
  const parts = Math.ceil(LONG.length / LINE_BYTES);

  const live = await JobPage.open(browser, hub, 'build', id);
  const { code, stderr } = await runCli(['run', '--id', id, '--project', '<i>p', '--', 'cat', file], { hub });
  assert.equal(code, 0, stderr);
  await live.waitLines(OUTPUT.length + parts + 1);
  const late = await JobPage.open(browser, hub, 'build', id);

  for (const job of [live, late]) {
    await job.waitStatus('completed');
    assert.equal(await job.text('title'), id);
    assert.equal(await job.text('project'), '<i>p');
    await job.page.press('#log', 'Home');
    for (const button of await job.page.$$('.rest')) {
      await button.click();
    }
    const lines = await job.readLog();
    assert.deepEqual(lines.slice(0, OUTPUT.length), OUTPUT.map(([, shown]) => shown));
    assert.equal(lines.slice(OUTPUT.length, -1).join(''), LONG, 'a long line goes on in the next');
    assert.equal(lines.length, OUTPUT.length + parts + 1);
    assert.equal(lines.at(-1), 'last');
    assert.equal(await job.page.evaluate(() => window.hacked), undefined);
    assert.equal(await job.page.$('#log img, #log script, #log a, #log b'), null);
    assert.deepEqual(job.page.problems, []);
  }
  await late.page.press('#log', 'Home');
  await late.screenshot('hostile');
  const { text } = await hub.get(`/api/jobs/${encodeURIComponent(id)}/log?format=text`);
  assert.ok(text.includes(`\n${LONG}\n`), 'as text it is one line again');
});

test('the pages may load nothing but their own', async (t) => {
  const hub = await startHub({ t });
  for (const target of ['/', '/jobs/build/a', '/assets/job.js', '/assets/page.css', '/assets/favicon.svg']) {
    const { status, headers } = await hub.get(target);
    assert.equal(status, 200, target);
    assert.match(headers['content-security-policy'], /default-src 'self'/);
    assert.doesNotMatch(headers['content-security-policy'], /unsafe/);
    assert.equal(headers['x-content-type-options'], 'nosniff');
  }
});
