// SPDX-License-Identifier: MIT
// A job's page in Chromium, as the e2e tests see it: what it shows, and how its log reads from end to end.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { openPage } from '../lib/browser.mjs';
import { FAIL_AFTER_MS } from '../lib/wait.mjs';

// Screenshots are kept here after the tests.
const ARTIFACTS = process.env.CLAIRON_ARTIFACTS ?? path.join(os.tmpdir(), 'clairon-artifacts');

// Runs in the page before its own code: notes long tasks, and every value the bar takes.
function watch() {
  window.seen = { longTasks: [], bars: [], sameDocument: true };
  new PerformanceObserver((list) => list.getEntries().forEach(({ startTime, duration }) =>
    window.seen.longTasks.push({ startTime, duration }))).observe({ type: 'longtask', buffered: true });
  new MutationObserver((changes) => changes.filter(({ target }) => target.id === 'bar')
    .forEach(({ target }) => window.seen.bars.push(Number(target.ariaValueNow))))
    .observe(document, { subtree: true, attributes: true, attributeFilter: ['aria-valuenow'] });
}

// Runs in the page: the rows in view, once all of them are there.
async function rowsInView() {
  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
  await frame();
  await frame();
  while (document.getElementById('log').ariaBusy === 'true') {
    await frame();
  }
  return [...document.querySelectorAll('.row:not(.kept)')].map((row) => [row.number, row.lastChild.textContent]);
}

export class JobPage {
  // `browser` from lib/browser.mjs; options are those of a browser context.
  static async open(browser, hub, kind, id, options = {}) {
    const defaults = { viewport: { width: 1200, height: 800 }, reducedMotion: 'reduce' };
    const page = await openPage(browser, 'about:blank', { ...defaults, ...options });
    await page.addInitScript(watch);
    await page.goto(`${hub.url}/jobs/${kind}/${encodeURIComponent(id)}`);
    const job = new JobPage(page);
    await job.waitLink('Live');
    return job;
  }

  constructor(page) {
    this.page = page;
  }

  text(id) {
    return this.page.textContent(`#${id}`);
  }

  // The badge without its mark.
  async status() {
    return (await this.text('status')).replace(/^\W+/, '');
  }

  waitText(id, part, ms = FAIL_AFTER_MS) {
    return this.page.waitForFunction(([where, what]) => document.getElementById(where).textContent.includes(what),
      [id, part], { timeout: ms });
  }

  waitStatus(status, ms) {
    return this.waitText('status', status, ms);
  }

  waitLink(state, ms) {
    return this.waitText('connection', state, ms);
  }

  // Waits until the log has at least so many lines.
  waitLines(count, ms = FAIL_AFTER_MS) {
    return this.page.waitForFunction((wanted) =>
      Number(document.getElementById('lines').textContent.replace(/\D/g, '')) >= wanted, count, { timeout: ms });
  }

  async facts() {
    return Object.fromEntries(await this.page.$$eval('#facts > div', (pairs) =>
      pairs.map((pair) => [pair.firstChild.textContent, pair.lastChild.textContent])));
  }

  bars() {
    return this.page.evaluate(() => window.seen.bars);
  }

  // Fails when the page was loaded anew since it was opened or marked.
  async assertSameDocument() {
    assert.equal(await this.page.evaluate(() => window.marked), true, 'the page was loaded anew');
  }

  mark() {
    return this.page.evaluate(() => {
      window.marked = true;
    });
  }

  rows() {
    return this.page.evaluate(rowsInView);
  }

  // Scrolls to that part (0 to 1) of the log, as the thumb of the scroll bar does.
  async scrollTo(part) {
    await this.page.$eval('#log', (log, where) => {
      log.scrollTop = where * (log.scrollHeight - log.clientHeight);
    }, part);
    return this.rows();
  }

  // The whole log from the first line to the last, read by scrolling down in steps. Fails unless the rows in view are
  // consecutive each time, and a line reads the same whenever it is seen.
  async readLog() {
    await this.page.press('#log', 'Home');
    const texts = new Map();
    for (let last = 0; ;) {
      const rows = await this.rows();
      rows.forEach(([number, text], i) => {
        assert.equal(number, rows[0][0] + i, 'the rows in view are consecutive');
        assert.equal(texts.get(number) ?? text, text, `line ${number} reads the same each time`);
        texts.set(number, text);
      });
      const now = rows.length > 0 ? rows.at(-1)[0] : 0;
      if (now === last) {
        break;
      }
      assert.ok(last === 0 || rows[0][0] <= last + 1, `no lines between ${last} and ${rows[0][0]} are skipped`);
      last = now;
      await this.page.$eval('#log', (log) => {
        log.scrollTop += log.clientHeight * 0.8;
      });
    }
    assert.deepEqual([...texts.keys()], Array.from({ length: texts.size }, (_, i) => i + 1));
    return [...texts.values()];
  }

  async screenshot(name, options = {}) {
    fs.mkdirSync(ARTIFACTS, { recursive: true });
    const file = path.join(ARTIFACTS, `${name}.png`);
    await this.page.screenshot({ path: file, ...options });
    return file;
  }
}
