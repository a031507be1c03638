// SPDX-License-Identifier: MIT
// Tokens taken back: refused from then on, their sessions ended, and so after any restart.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startHub } from '../lib/index.mjs';
import { authConfig, token } from '../lib/jwt.mjs';

const seconds = () => Math.floor(Date.now() / 1000);
const SOME_TIME_AGO = seconds() - 100;
// Issued just now would count as issued before a moment of this second.
const root = { token: token({ role: 'admin', jti: 'root', sub: 'root', iat: SOME_TIME_AGO + 50 }) };
const of = (claims) => ({ token: token({ sub: 'ann', subscribe: '*', iat: SOME_TIME_AGO, ...claims }) });

async function open(hub, options) {
  const ws = await hub.ws('/ws', options);
  await ws.waitType('connected');
  return ws;
}

async function revoke(hub, body) {
  const { status, json } = await hub.post('/api/v1/revocations', body, root);
  assert.equal(status, 201, JSON.stringify(json));
  return json;
}

const works = async (hub, options) => (await hub.get('/api/v1/history?topic=x', options)).status;
const start = (t) => startHub({ t, config: authConfig(), env: { CLAIRON__SERVER__WORKERS: '2' } });

test('one token, by its id', async (t) => {
  const hub = await start(t);
  const [bad, good] = [of({ jti: 'bad' }), of({ jti: 'good' })];
  const sockets = await Promise.all([open(hub, bad), open(hub, bad), open(hub, bad), open(hub, good)]);
  assert.equal(await works(hub, bad), 200);
  assert.deepEqual(await revoke(hub, { jti: 'bad' }), { jti: 'bad', expires_at: null, disconnected: 3 });
  assert.deepEqual([await works(hub, bad), await works(hub, good)], [401, 200]);
  for (const ws of sockets.slice(0, 3)) {
    const { code, reason } = await ws.waitClosed();
    assert.deepEqual([code, reason], [4403, 'the token was revoked']);
  }
  await assert.rejects(hub.ws('/ws', bad), (error) => error.status === 401);
  sockets[3].send({ type: 'AUTH_TOKEN_REFRESH', data: { token: bad.token } });
  assert.equal((await sockets[3].waitType('WEBSOCKET_ERROR')).data.code, 'unauthorized');
  await sockets[3].close();
});

test('what is revoked stays so when the hub is killed right after it said so', async (t) => {
  const hub = await start(t);
  const tokens = Array.from({ length: 5 }, (_, i) => of({ jti: `t${i}` }));
  for (const [i, one] of tokens.entries()) {
    assert.equal(await works(hub, one), 200);
    await revoke(hub, { jti: `t${i}` });
    await hub.kill9();
    await hub.start();
    for (const [k, any] of tokens.entries()) {
      assert.equal(await works(hub, any), k <= i ? 401 : 200, `${i} ${k}`);
    }
  }
  await hub.restart();
  assert.equal(await works(hub, tokens[0]), 401);
});

test('the tokens of a user, as far as they were issued before', async (t) => {
  const hub = await start(t);
  const [old, none, young, bob] = [of({}), of({ iat: undefined }), of({ iat: SOME_TIME_AGO + 50 }), of({ sub: 'bob' })];
  const all = [old, none, young, bob];
  const sockets = await Promise.all(all.map((options) => open(hub, options)));
  const before = new Date((SOME_TIME_AGO + 20) * 1000).toISOString();
  assert.deepEqual(await revoke(hub, { user: 'ann', issued_before: SOME_TIME_AGO + 20 }), { user: 'ann', issued_before: before, expires_at: null, disconnected: 2 });
  assert.deepEqual(await Promise.all(all.map((options) => works(hub, options))), [401, 401, 200, 200]);
  assert.deepEqual(await Promise.all(sockets.slice(0, 2).map(async (ws) => (await ws.waitClosed()).code)), [4403, 4403]);
  // Again, without a moment: up to now.
  assert.equal((await revoke(hub, { user: 'ann' })).disconnected, 1);
  assert.deepEqual(await Promise.all(all.map((options) => works(hub, options))), [401, 401, 401, 200]);
  assert.equal((await sockets[2].waitClosed()).code, 4403);
  await hub.restart();
  assert.deepEqual(await Promise.all(all.map((options) => works(hub, options))), [401, 401, 401, 200]);
});

test('all tokens issued before a moment', async (t) => {
  const hub = await start(t);
  const [old, young] = [of({}), of({ iat: SOME_TIME_AGO + 50 })];
  const ws = await open(hub, old);
  const before = new Date((SOME_TIME_AGO + 20) * 1000).toISOString();
  assert.deepEqual(await revoke(hub, { issued_before: before }), { user: null, issued_before: before, expires_at: null, disconnected: 1 });
  assert.equal((await ws.waitClosed()).code, 4403);
  assert.deepEqual([await works(hub, old), await works(hub, young), await works(hub, root)], [401, 200, 200]);
});

test('revocations are listed, page by page, until they expire', async (t) => {
  const hub = await start(t);
  const far = new Date((seconds() + 1000) * 1000).toISOString();
  for (let i = 0; i < 5; i++) {
    await revoke(hub, { jti: `j${i}`, expires_at: far });
  }
  await revoke(hub, { jti: 'j1' }); // widens the first
  await revoke(hub, { user: 'zoe', issued_before: 5, expires_at: seconds() + 2000 });
  const list = async (query = '') => (await hub.get(`/api/v1/revocations${query}`, root)).json;
  const { items, next } = await list();
  assert.equal(next, null);
  assert.deepEqual(items.slice(0, 5), [0, 1, 2, 3, 4].map((i) => ({ jti: `j${i}`, expires_at: i === 1 ? null : far })));
  assert.deepEqual([items[5].user, items[5].issued_before], ['zoe', '1970-01-01T00:00:05.000Z']);
  const seen = [];
  for (let page = await list('?limit=4'); ; page = await list(`?limit=4&after=${page.next}`)) {
    seen.push(...page.items);
    if (!page.next) {
      break;
    }
  }
  assert.deepEqual(seen, items);
  const soon = seconds() + 5;
  const brief = of({ jti: 'brief' });
  await revoke(hub, { jti: 'brief', expires_at: soon });
  assert.equal(await works(hub, brief), 401);
  for (let status = 401; status !== 200;) { // a revocation ends no sooner than it says
    const past = Date.now() >= soon * 1000;
    status = await works(hub, brief);
    assert.ok(past || status === 401 || Date.now() >= soon * 1000);
  }
  assert.equal((await list()).items.length, 6);
});

test('what can not be revoked is refused', async (t) => {
  const hub = await start(t);
  for (const body of ['[]', '"x"', {}, { jti: null }, { jti: '' }, { jti: 7 }, { jti: 'a'.repeat(129) }, { jti: 'a', user: 'b' },
    { jti: 'a', issued_before: 1 }, { user: ['a'] }, { user: '' }, { issued_before: seconds() + 100 }, { issued_before: 'yesterday' }, { issued_before: -1 },
    { issued_before: 1.5 }, { user: 'a', issued_before: {} }, { user: 'a', issued_before: 1e300 }, { jti: 'a', expires_at: 1 }, { jti: 'a', expires_at: 'x' }]) {
    const { status, json } = await hub.post('/api/v1/revocations', body, root);
    assert.deepEqual([JSON.stringify(body), status, json.error.code], [JSON.stringify(body), 400, 'bad_request']);
  }
  assert.deepEqual((await hub.get('/api/v1/revocations', root)).json, { items: [], next: null });
  for (const query of ['?limit=0', '?limit=1001', '?after=x', '?after=-1', '?after=18446744073709551615']) {
    assert.equal((await hub.get(`/api/v1/revocations${query}`, root)).status, 400, query);
  }
});

// Sockets of a job that the asker may follow because it is theirs begin only after that was looked up.
test('who comes while a token is taken back is refused or closed, whatever was asked meanwhile', async (t) => {
  const hub = await start(t);
  for (let round = 0; round < 8; round++) {
    const mine = { token: token({ sub: 'bob', publish: '*', jti: `mine${round}`, iat: SOME_TIME_AGO }) };
    const id = `d${round}`;
    await hub.post('/api/v1/deployments', { stack_id: 's', target_id: 't', id }, mine);
    const coming = Array.from({ length: 40 }, () => hub.ws(`/ws/deployment/${id}`, mine).catch((error) => error));
    await revoke(hub, { jti: `mine${round}` });
    for (const one of await Promise.all(coming)) {
      const end = one instanceof Error ? one.status : (await one.waitClosed()).code;
      assert.ok([401, 4403].includes(end), `${end}`);
    }
  }
});
