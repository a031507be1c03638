// SPDX-License-Identifier: MIT
// The token of a page: out of the address at once, kept for the tab, tried once and forgotten when it is refused.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addToken, retryUrl, takeToken } from '../../web/page/token.js';

function tab(href, kept, broken = false) {
  const items = new Map(kept ? [['clairon.token', kept]] : []);
  const env = { location: { href }, history: { state: { a: 1 } } };
  env.history.replaceState = (state, _, url) => {
    assert.equal(state, env.history.state);
    env.location.href = url;
  };
  env.sessionStorage = {
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => items.set(key, value),
    removeItem: (key) => items.delete(key),
  };
  if (broken) {
    Object.defineProperty(env, 'sessionStorage', { get: () => { throw new Error('SecurityError'); } });
  }
  return { env, kept: () => items.get('clairon.token') ?? null };
}

const HOST = 'http://hub:8000';

test('a token leaves the address and nothing else does', () => {
  for (const [before, after] of [
    ['/jobs/build/J?token=a.b.c', '/jobs/build/J'],
    ['/?status=open&token=a.b.c&kind=build', '/?status=open&kind=build'],
    ['/?token=a.b.c#L5', '/#L5'],
    ['/?token=a.b.c&token=d.e.f', '/'],
  ]) {
    const { env, kept } = tab(HOST + before);
    assert.equal(takeToken(env), 'a.b.c');
    assert.equal(env.location.href, HOST + after);
    assert.equal(kept(), 'a.b.c');
    assert.equal(takeToken(env), 'a.b.c', 'after a reload');
  }
});

test('without a token there is none', () => {
  for (const address of ['/', '/?token=', '/?status=open']) {
    const { env, kept } = tab(HOST + address);
    assert.equal(takeToken(env), null);
    assert.equal(kept(), null);
  }
});

test('a new token takes the place of the old one', () => {
  const { env, kept } = tab(`${HOST}/?token=new`, 'old');
  assert.equal(takeToken(env), 'new');
  assert.equal(kept(), 'new');
});

test('a tab without storage keeps the token in memory only', () => {
  const { env } = tab(`${HOST}/?token=a.b.c`, null, true);
  assert.equal(takeToken(env), 'a.b.c');
  assert.equal(env.location.href, `${HOST}/`);
  assert.equal(takeToken(env), null);
  assert.equal(retryUrl(env), null);
});

test('a refused page is tried once with the token of the tab', () => {
  const { env, kept } = tab(`${HOST}/jobs/build/J?tail=5`, 'a+b');
  const url = retryUrl(env);
  assert.equal(url, `${HOST}/jobs/build/J?tail=5&token=a%2Bb`);
  env.location.href = url;
  assert.equal(retryUrl(env), null);
  assert.equal(env.location.href, `${HOST}/jobs/build/J?tail=5`);
  assert.equal(kept(), null);
  assert.equal(retryUrl(env), null);
});

test('tokens are put into addresses before the fragment', () => {
  assert.equal(addToken('/', null), '/');
  assert.equal(addToken('/', 't'), '/?token=t');
  assert.equal(addToken('/a?b=c#d', 't'), '/a?b=c&token=t#d');
});
