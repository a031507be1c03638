// SPDX-License-Identifier: MIT
// The line store: lines by number, whatever order and however often they come, and bounded.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JobLog, logPart } from '../../web/page/joblog.js';

const line = (number, size = 0) => ({ message: `line ${number}`.padEnd(size, '.'), level: 'info' });
const lines = (from, to, size) => Array.from({ length: to - from + 1 }, (_, i) => line(from + i, size));
const messages = (log, from, to) => lines(from, to).map((_, i) => log.get(from + i)?.message);

function filled(to, options) {
  const log = new JobLog(options);
  log.restart(1);
  log.put(1, lines(1, to));
  return log;
}

test('an empty log wants nothing', () => {
  const log = new JobLog();
  log.restart(1);
  assert.equal(log.length, 0);
  assert.equal(log.get(1), undefined);
  assert.equal(log.missing(1, 100), null);
});

test('the same lines again change nothing', () => {
  const log = filled(10);
  const before = log.get(5);
  log.put(4, [{ message: 'other' }, { message: 'other' }]);
  assert.equal(log.get(5), before);
  assert.equal(log.length, 10);
});

test('lines out of order find their places, holes are missing', () => {
  const log = new JobLog({ pageLines: 10 });
  log.restart(1);
  log.put(25, lines(25, 27));
  assert.equal(log.last, 27);
  assert.deepEqual(log.missing(1, 27), { from: 1, limit: 9 });
  log.put(1, lines(1, 9));
  assert.deepEqual(log.missing(1, 27), { from: 10, limit: 10 });
  log.put(10, lines(10, 24));
  assert.equal(log.missing(1, 27), null);
  assert.deepEqual(messages(log, 1, 27), lines(1, 27).map(({ message }) => message));
});

test('missing stays within the log and one page', () => {
  const log = new JobLog({ pageLines: 10 });
  log.restart(1);
  log.extend(23);
  assert.deepEqual(log.missing(-50, 500), { from: 1, limit: 9 });
  assert.deepEqual(log.missing(20, 500), { from: 20, limit: 4 });
  assert.deepEqual(log.missing(17, 18), { from: 17, limit: 3 });
  assert.equal(log.missing(24, 30), null);
});

test('too many pages: the least recently used go, and can be had again', () => {
  const log = filled(100, { pageLines: 10, pagesMax: 5 });
  assert.equal(log.get(1), undefined);
  assert.equal(log.get(100).message, 'line 100');
  log.put(1, lines(1, 9));
  assert.equal(log.get(1).message, 'line 1');
  for (let number = 101; number <= 300; number++) {
    log.get(1);
    log.put(number, lines(number, number));
  }
  assert.equal(log.get(1).message, 'line 1', 'what is looked at stays');
  assert.equal(log.get(150), undefined);
  assert.equal(log.last, 300);
});

test('too much text: pages go, but never those that may be on the screen', () => {
  const log = new JobLog({ pageLines: 10, charsMax: 1000 });
  log.restart(1);
  log.put(1, lines(1, 100, 100));
  assert.equal(log.get(50), undefined);
  assert.deepEqual(messages(log, 80, 100), lines(80, 100, 100).map(({ message }) => message));
});

test('a restarted log begins where it says', () => {
  const log = filled(10);
  log.restart(1, 11);
  assert.equal(log.length, 0);
  assert.equal(log.missing(1, 100), null);
  log.put(11, lines(11, 12));
  assert.equal(log.length, 2);
  assert.equal(log.first, 11);
});

test('lines that are gone for good are no longer missing', () => {
  const log = new JobLog({ pageLines: 10 });
  log.restart(1);
  log.extend(50);
  log.dropBefore(31);
  assert.equal(log.length, 20);
  assert.deepEqual(log.missing(1, 50), { from: 31, limit: 9 });
  log.dropBefore(70);
  assert.equal(log.length, 0);
});

const event = (type, data) => ({ type, id: 'e-1', timestamp: 'T', topic: 't', data });
const shown = (message, level = 'info', cont = false) => ({ message, level, timestamp: 'T', cont });

const PARTS = [
  ['a build line', event('JOB_LOG', { message: 'a', line: 7, lines: 1, attempt: 2 }), 7, 1, [shown('a')]],
  ['a ticket line', event('TICKET_LOG', { message: 'a', level: 'ERROR', line: 1, lines: 1 }), 1, 1, [shown('a', 'error')]],
  ['deployment logs', event('DEPLOYMENT_LOGS_UPDATE', { logs: 'a\n\nb\n', line: 3, lines: 3 }), 3, 3,
    [shown('a'), shown(''), shown('b')]],
  ['an empty line', event('DEPLOYMENT_LOGS_UPDATE', { logs: '\n', line: 3, lines: 1 }), 3, 1, [shown('')]],
  ['levels of their own', event('JOB_LOG', { message: 'a\nb', levels: ['debug', 'error'], line: 1, lines: 2 }), 1, 2,
    [shown('a', 'debug'), shown('b', 'error')]],
  ['a line that goes on', event('JOB_LOG', { message: 'a\nb', cont: [5], line: 4, lines: 2 }), 4, 2,
    [shown('a'), shown('b', 'info', true)]],
  ['a text that is not as many lines', event('JOB_LOG', { message: 'a\nb', line: 4, lines: 3 }), 4, 3, null],
];

for (const [what, given, first, count, expected] of PARTS) {
  test(`lines of an event: ${what}`, () => {
    const part = logPart(given);
    assert.equal(part.line, first);
    assert.equal(part.count, count);
    assert.deepEqual(part.lines, expected);
    assert.equal(part.restart, false);
  });
}

test('append:false restarts', () => {
  assert.equal(logPart(event('DEPLOYMENT_LOGS_UPDATE', { logs: 'a\n', append: false, line: 3, lines: 1 })).restart, true);
});
