// SPDX-License-Identifier: MIT
// Debian's Chromium for the e2e tests.
import { chromium } from 'playwright-core';

const ARGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'];

// A browser that closes when test `t` ends; `more` are further words of its command line.
export async function launchBrowser(t, more = []) {
  const browser = await chromium.launch({
    headless: true,
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [...ARGS, ...more],
  });
  t?.after(() => browser.close());
  return browser;
}

// A page of its own context, with `page.problems` collecting console errors and uncaught exceptions.
export async function openPage(browser, url, options) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.problems = [];
  page.on('console', (message) => message.type() === 'error' && page.problems.push(message.text()));
  page.on('pageerror', (error) => page.problems.push(String(error)));
  await page.goto(url);
  return page;
}
