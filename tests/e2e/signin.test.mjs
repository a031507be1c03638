// SPDX-License-Identifier: MIT
// The pages of a hub that wants tokens, in Chromium: with a token in the address, typed in, in a cookie, with one that is
// not enough, and with one that is taken back.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { launchBrowser, openPage } from '../lib/browser.mjs';
import { startHub, until } from '../lib/index.mjs';
import { authConfig, token } from '../lib/jwt.mjs';
import { JobPage } from './jobpage.mjs';

const root = { token: token({ role: 'admin', sub: 'root' }) };
const forJob = (id, more = {}) => token({ subscribe: [`job:${id}`], ...more });

let hub;
let browser;

// A page that was opened at `path`, with everything it asked for.
async function visit(path, options) {
  const page = await openPage(browser, 'about:blank', options);
  page.asked = [];
  page.on('request', (request) => page.asked.push(request));
  page.on('websocket', (socket) => page.asked.push(socket));
  page.first = await page.goto(hub.url + path);
  return page;
}

const stored = (page) => page.evaluate(() => sessionStorage.getItem('clairon.token'));
const live = (page) => new JobPage(page).waitLink('Live');
const kept = (page, t) => t.after(() => page.context().close());

describe('with authentication on', () => {
  before(async () => {
    hub = await startHub({ config: authConfig({ cookie: 'clairon' }) });
    browser = await launchBrowser();
    for (const id of ['J', 'K']) {
      await hub.post('/api/jobs', { projectId: 'p', jobId: id }, root);
      await hub.post(`/api/jobs/${id}/log`, { message: `hello from ${id}` }, root);
    }
  });
  after(async () => {
    await browser.close();
    await hub.stop();
  });

  test('a token in the address leaves it at once, and opens the page, its socket and its log', async (t) => {
    const mine = forJob('J');
    const page = await visit(`/jobs/build/J?token=${mine}#log`);
    kept(page, t);
    await live(page);
    assert.equal(page.url(), `${hub.url}/jobs/build/J#log`);
    assert.equal(await stored(page), mine);
    assert.equal(await page.evaluate(() => history.length), 2, 'the address with the token is not in the history');
    const job = new JobPage(page);
    await job.waitLines(1);
    assert.deepEqual(await job.readLog(), ['hello from J']);
    assert.equal((await hub.post('/api/jobs/J/progress', { status: 'building', progress: 60 }, root)).status, 200);
    await job.waitText('percent', '60');
    assert.deepEqual(page.asked.slice(1).map((one) => one.url()).filter((url) => url.includes(mine)), []);
    // The raw log is a link: it has the token with it.
    const raw = await page.request.get(new URL(await page.getAttribute('#raw', 'href'), hub.url).href);
    assert.equal(await raw.text(), 'hello from J\n');
    // A reload has no token in its address: the tab's own is tried.
    await page.reload();
    await live(page);
    assert.equal(page.url(), `${hub.url}/jobs/build/J#log`);
    assert.deepEqual(page.problems.filter((text) => !text.includes('401')), []);
  });

  test('without a token: 401, a page that says so, and a place for a token', async (t) => {
    const page = await visit('/jobs/build/J');
    kept(page, t);
    assert.equal(page.first.status(), 401);
    assert.equal(page.first.headers()['www-authenticate'], 'Bearer');
    assert.match(page.first.headers()['content-security-policy'], /frame-ancestors 'none'/);
    assert.equal(await page.textContent('#title'), 'A token is needed');
    assert.equal(await page.isVisible('#refused'), false);
    await page.fill('input[name=token]', 'nonsense');
    await page.click('button');
    await page.waitForSelector('#refused', { state: 'visible' });
    assert.equal(page.url(), `${hub.url}/jobs/build/J`);
    assert.equal(await stored(page), null);
    await page.fill('input[name=token]', forJob('J'));
    await page.click('button');
    await live(page);
    assert.equal(page.url(), `${hub.url}/jobs/build/J`);
  });

  test('a token for one job opens no other and no list, whether or not it is there', async (t) => {
    for (const path of ['/jobs/build/K', '/jobs/build/absent', '/jobs/ticket/J', '/']) {
      const page = await visit(`${path}?token=${forJob('J')}`);
      kept(page, t);
      assert.equal(page.first.status(), 403);
      await page.waitForSelector('#refused', { state: 'visible' });
      assert.equal(page.url(), hub.url + path);
    }
    assert.equal((await hub.get('/jobs/nothing/J', root)).status, 404);
  });

  test('an administrator goes from the list to a job', async (t) => {
    const page = await visit(`/?token=${root.token}`);
    kept(page, t);
    await live(page);
    assert.equal(page.url(), `${hub.url}/`);
    await page.click('#jobs a[href*="/jobs/build/K"]');
    await page.waitForURL(`${hub.url}/jobs/build/K`);
    await live(page);
    await new JobPage(page).waitLines(1);
  });

  test('a cookie opens the page as it is', async (t) => {
    const page = await openPage(browser, 'about:blank');
    kept(page, t);
    await page.context().addCookies([{ name: 'clairon', value: forJob('J'), url: hub.url }]);
    const response = await page.goto(`${hub.url}/jobs/build/J`);
    assert.equal(response.status(), 200);
    await live(page);
    await new JobPage(page).waitLines(1);
    assert.equal(await stored(page), null);
    assert.deepEqual(page.problems, []);
  });

  test('a token that is taken back: the page says so, and does not come back with it', async (t) => {
    const page = await visit(`/jobs/build/J?token=${forJob('J', { jti: 'page' })}`);
    kept(page, t);
    await live(page);
    assert.equal((await hub.post('/api/v1/revocations', { jti: 'page' }, root)).json.disconnected, 1);
    await new JobPage(page).waitLink('Access ended');
    await page.reload();
    await page.waitForSelector('#refused', { state: 'visible' });
    await until(async () => await stored(page) === null, 'the token to be forgotten');
    assert.equal(page.url(), `${hub.url}/jobs/build/J`);
  });

  test('what the pages are made of is open', async () => {
    for (const path of ['/assets/job.js', '/assets/page.css', '/favicon.ico']) {
      assert.equal((await hub.get(path)).status, 200);
    }
  });
});
