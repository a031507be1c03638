// SPDX-License-Identifier: MIT
// Fetching lines by number: what is asked for, how much at once, and what comes of answers that are late or empty.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JobLog } from '../../web/page/joblog.js';
import { LogPages } from '../../web/page/logpages.js';

const turn = () => new Promise((resolve) => setImmediate(resolve));

// A hub with a log of `last` lines, of which those before `first` are gone; answers only when told to.
function setUp({ first = 1, last, most = 1000 }) {
  const log = new JobLog({ pageLines: 100 });
  log.restart(1);
  log.extend(last);
  const asked = [];
  const fetch = (wanted) => new Promise((resolve, reject) => {
    const from = Math.max(first, wanted.from);
    const to = Math.min(last, wanted.from + wanted.limit - 1, from + most - 1);
    const lines = Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => ({ line: from + i, message: `${from + i}` }));
    asked.push({ ...wanted, answer: () => resolve({ lines, first, last }), fail: () => reject(new Error('away')) });
  });
  return { log, asked, pages: new LogPages(log, fetch, () => {}) };
}

async function answerAll(asked) {
  for (let i = 0; i < asked.length; i++) {
    asked[i].answer();
    await turn();
  }
}

test('fetches what is missing, two pages at once', async () => {
  const { log, asked, pages } = setUp({ last: 1000 });
  pages.want(250, 560);
  assert.deepEqual(asked.map(({ from, limit }) => [from, limit]), [[250, 50], [300, 100]]);
  await answerAll(asked);
  assert.equal(log.missing(250, 560), null);
  assert.equal(log.get(555).message, '555');
});

test('a new wish replaces the old one', async () => {
  const { asked, pages } = setUp({ last: 10000 });
  pages.want(1, 2000);
  pages.want(9000, 9050);
  await answerAll(asked);
  assert.deepEqual(asked.map(({ from }) => from), [1, 100, 9000]);
});

test('asks on when an answer is shorter than wanted', async () => {
  const { log, asked, pages } = setUp({ last: 90, most: 40 });
  pages.want(1, 90);
  await answerAll(asked);
  assert.deepEqual(asked.map(({ from }) => from), [1, 41, 81]);
  assert.equal(log.missing(1, 90), null);
});

test('lines that are gone for good end the search for them', async () => {
  const { log, asked, pages } = setUp({ first: 61, last: 90 });
  pages.want(1, 90);
  await answerAll(asked);
  assert.equal(log.first, 61);
  assert.equal(log.missing(1, 90), null);
});

test('measuring finds where the log begins and ends', async () => {
  const { log, asked, pages } = setUp({ first: 61, last: 90 });
  log.restart(1);
  pages.measure();
  await answerAll(asked);
  assert.deepEqual([log.first, log.last], [61, 90]);
});

test('an answer for an attempt that is over is dropped', async () => {
  const { log, asked, pages } = setUp({ last: 50 });
  pages.want(1, 50);
  log.restart(2);
  await answerAll(asked);
  assert.equal(log.length, 0);
});

test('a failure is tried again later', async (t) => {
  t.mock.timers?.enable({ apis: ['setTimeout'] });
  const { log, asked, pages } = setUp({ last: 50 });
  pages.want(1, 50);
  asked[0].fail();
  await turn();
  assert.equal(asked.length, 1, 'not at once');
  if (t.mock.timers) {
    t.mock.timers.tick(1000);
  } else {
    await new Promise((resolve) => setTimeout(resolve, 1100));
  }
  await turn();
  assert.equal(asked.length, 2);
  asked[1].answer();
  await turn();
  assert.equal(log.missing(1, 50), null);
});
