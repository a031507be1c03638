// SPDX-License-Identifier: MIT
// Resuming: what is asked for after a break, and that nothing is handed on twice.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backoffMs, Subscription } from '../../web/page/connection.js';
import { isAfter } from '../../web/page/cursor.js';

const TOPIC = 'job:a';
const event = (number, epoch = 'e') => ({ type: 'JOB_LOG', id: `${epoch}-${number}`, topic: TOPIC, data: {} });
const subscribed = (cursor, recovered) => ({ type: 'subscribed', topic: TOPIC, cursor, recovered });
const caughtUp = (cursor) => ({ type: 'caught_up', topic: TOPIC, cursor });
const snapshot = (cursor) => ({ type: 'snapshot', topic: TOPIC, data: { cursor }, cursor });

// The kinds of news in a row of messages.
const kinds = (subscription, messages) => messages.map((message) => subscription.receive(message)?.kind ?? null);

function live(cursor) {
  const subscription = new Subscription(TOPIC);
  subscription.request();
  kinds(subscription, [subscribed(cursor, false), snapshot(cursor), caughtUp(cursor)]);
  return subscription;
}

test('the first request has no cursor', () => {
  assert.deepEqual(new Subscription(TOPIC).request(), { type: 'subscribe', topic: TOPIC });
});

test('after a break it goes on at the last event', () => {
  const subscription = live('e-10');
  assert.deepEqual(kinds(subscription, [event(11), event(15)]), ['event', 'event']);
  assert.deepEqual(subscription.request(), { type: 'subscribe', topic: TOPIC, since: 'e-15' });
  const messages = [subscribed('e-20', true), event(16), event(20), caughtUp('e-20'), event(21)];
  assert.deepEqual(kinds(subscription, messages), [null, 'event', 'event', 'caught_up', 'event']);
  assert.equal(subscription.cursor, 'e-21');
});

test('a pong moves the cursor on', () => {
  const subscription = live('e-10');
  subscription.receive({ type: 'pong', cursor: 'e-30' });
  assert.equal(subscription.request().since, 'e-30');
});

test('a bracket that breaks off is asked for again and hands nothing on twice', () => {
  const subscription = live('e-10');
  subscription.request();
  kinds(subscription, [subscribed('e-20', true), event(11), event(12), { type: 'pong', cursor: 'e-20' }]);
  assert.equal(subscription.request().since, 'e-10');
  const messages = [subscribed('e-22', true), event(11), event(12), event(13), caughtUp('e-22')];
  assert.deepEqual(kinds(subscription, messages), [null, null, null, 'event', 'caught_up']);
});

test('a new epoch begins with its snapshot', () => {
  const subscription = live('e-1000');
  subscription.request();
  const messages = [subscribed('f-5', false), { type: 'gap', topic: TOPIC, reason: 'epoch' }, snapshot('f-5'),
    caughtUp('f-5'), event(6, 'f')];
  assert.deepEqual(kinds(subscription, messages), [null, 'gap', 'snapshot', 'caught_up', 'event']);
  assert.equal(subscription.cursor, 'f-6');
});

test('refusals and strangers', () => {
  const subscription = live('e-1');
  const refusal = { type: 'WEBSOCKET_ERROR', topic: TOPIC, data: { code: 'forbidden', message: 'no' } };
  assert.equal(subscription.receive(refusal).kind, 'refused');
  assert.equal(subscription.receive({ type: 'something', data: {} }), null);
});

const ORDER = [
  ['e-2', 'e-1', true], ['e-1', 'e-1', false], ['e-1', 'e-2', false], ['e-10', 'e-9', true],
  ['e-18446744073709551615', 'e-18446744073709551614', true], ['f-1', 'e-2', true], ['e-1', null, true],
  ['a-b-2', 'a-b-1', true], [null, 'e-1', false],
];

for (const [a, b, expected] of ORDER) {
  test(`${a} after ${b}: ${expected}`, () => assert.equal(isAfter(a, b), expected));
}

test('waits double from 0.5 s to at most 10 s, half of each by chance', () => {
  for (let tries = 0; tries < 30; tries++) {
    assert.ok(backoffMs(tries, () => 0) >= 500);
    assert.ok(backoffMs(tries, () => 0.999) <= 10000);
    assert.ok(backoffMs(tries, () => 0.999) > backoffMs(tries, () => 0) * 1.5);
  }
  assert.ok(backoffMs(3, () => 0) > backoffMs(0, () => 0) * 4);
});
