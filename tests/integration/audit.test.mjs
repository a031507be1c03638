// SPDX-License-Identifier: MIT
// What the hub itself publishes on `user:U` about logins and sessions: to the user's other connections and to
// history, in bounds.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startHub, until } from '../lib/index.mjs';
import { authConfig, token } from '../lib/jwt.mjs';

const seconds = () => Math.floor(Date.now() / 1000);
const root = { token: token({ role: 'admin', sub: 'root' }) };

async function open(hub, claims) {
  const ws = await hub.ws('/ws', { token: token(claims) });
  const { data } = await ws.waitType('connected');
  return { ws, id: data.connection_id };
}

async function history(hub, user) {
  const { json } = await hub.get(`/api/v1/history?topic=user:${user}&limit=300`, root);
  return json.events;
}

async function metric(hub, name) {
  const { text } = await hub.get('/metrics', root);
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)[1]);
}

test('a login is told once for each token', async (t) => {
  const hub = await startHub({ t, config: authConfig(), env: { CLAIRON__SERVER__WORKERS: '2' } });
  const exp = seconds() + 300;
  const [first, second] = [{ sub: 'ann', jti: 'one', exp }, { sub: 'ann', jti: 'two', exp }];
  const a = await open(hub, first);
  const same = await Promise.all([open(hub, first), open(hub, first), open(hub, first)]);
  const b = await open(hub, second);
  const told = await a.ws.waitType('AUTH_LOGIN_SUCCESS');
  assert.equal(told.topic, 'user:ann');
  assert.deepEqual(told.data, { reason: 'token_accepted', connection_id: b.id, expires_at: new Date(exp * 1000).toISOString(), jti: 'two' });
  const logins = await history(hub, 'ann');
  assert.deepEqual(logins.map(({ type, data }) => [type, data.jti]), [['AUTH_LOGIN_SUCCESS', 'one'], ['AUTH_LOGIN_SUCCESS', 'two']]);
  // Whom it is about hears nothing of it, and neither do others.
  const bob = await open(hub, { sub: 'bob' });
  for (const { ws, id } of [b, bob]) {
    await ws.drain();
    assert.equal(ws.messages.some(({ type, data }) => type === 'AUTH_LOGIN_SUCCESS' && data.connection_id === id), false);
  }
  assert.equal(bob.ws.messages.some(({ topic }) => topic === 'user:ann'), false);
  // A token that is nobody's has nowhere to be told of.
  const nobody = await open(hub, {});
  await Promise.all([a, b, bob, nobody, ...same].map(({ ws }) => ws.close()));
  // Requests are no sessions.
  await hub.get('/api/v1/history?topic=user:carl', { token: token({ sub: 'carl' }) });
  assert.deepEqual(await history(hub, 'carl'), []);
  // Another run of the hub tells it again.
  await hub.restart();
  await (await open(hub, first)).ws.close();
  await until(async () => (await history(hub, 'ann')).length === 3, 'the third login');
});

test('a refresh, fewer rights, the warning and the end of a token', async (t) => {
  const hub = await startHub({ t, config: authConfig() });
  const other = await open(hub, { sub: 'ann' });
  const { ws, id } = await open(hub, { sub: 'ann', subscribe: ['x'], exp: seconds() + 300 });
  await ws.subscribe('x');
  const exp = seconds() + 6;
  ws.send({ type: 'AUTH_TOKEN_REFRESH', data: { token: token({ sub: 'ann', subscribe: [], exp, jti: 'less' }) } });
  const data = (reason) => ({ reason, connection_id: id, expires_at: new Date(exp * 1000).toISOString(), jti: 'less' });
  assert.deepEqual((await other.ws.waitType('AUTH_TOKEN_REFRESH')).data, data('token_refreshed'));
  assert.deepEqual((await other.ws.waitType('SESSION_PERMISSION_CHANGED')).data, data('token_refreshed'));
  assert.deepEqual((await other.ws.waitType('SESSION_EXPIRED')).data, data('token_expires'));
  assert.deepEqual((await other.ws.waitType('SESSION_AUTH_REQUIRED')).data, data('token_expired'));
  assert.equal((await ws.waitClosed()).code, 4401);
  // The session itself was told by messages of its own, once each, and got no copies.
  const heard = ws.messages.filter(({ type }) => /^(AUTH|SESSION)_/.test(type));
  assert.deepEqual(heard.filter((message) => message.id === undefined).map(({ type }) => type).sort(),
    ['AUTH_TOKEN_REFRESH', 'SESSION_EXPIRED', 'SESSION_PERMISSION_CHANGED']);
  assert.ok(heard.every((message) => message.id === undefined || message.data.connection_id !== id));
  await other.ws.close();
});

test('an administrator ends sessions', async (t) => {
  const hub = await startHub({ t, config: authConfig(), env: { CLAIRON__SERVER__WORKERS: '2' } });
  const [a, b, c] = [await open(hub, { sub: 'ann', jti: 'a' }), await open(hub, { sub: 'ann', jti: 'b' }), await open(hub, { sub: 'ann', jti: 'c' })];
  const about = ({ data }) => [data.reason, data.connection_id, data.jti];
  await hub.delete(`/api/v1/connections/${a.id}`, root);
  assert.deepEqual(about(await c.ws.waitType('AUTH_LOGOUT')), ['disconnected', a.id, 'a']);
  await hub.post('/api/v1/revocations', { jti: 'b' }, root);
  assert.deepEqual(about(await c.ws.waitType('AUTH_LOGOUT')), ['token_revoked', b.id, 'b']);
  await hub.post('/api/v1/users/ann/disconnect', undefined, root);
  await c.ws.waitClosed();
  // All of it can be followed in one place.
  const all = async () => (await hub.get('/api/v1/history?topic=event:AUTH_LOGOUT', root)).json.events;
  await until(async () => (await all()).length === 3, 'the third logout');
  assert.deepEqual((await all()).map(({ data }) => data.jti), ['a', 'b', 'c']);
});

test('streams and polls are sessions too', async (t) => {
  const hub = await startHub({ t, config: authConfig() });
  const ann = await open(hub, { sub: 'ann' });
  const about = ({ data }) => [data.reason, data.jti];
  const by = (jti, more = {}) => ({ token: token({ sub: 'ann', subscribe: ['x'], jti, ...more }) });
  const stream = await hub.sse('/api/events?topic=x', by('stream'));
  assert.deepEqual(about(await ann.ws.waitType('AUTH_LOGIN_SUCCESS')), ['token_accepted', 'stream']);
  const { json } = await hub.get('/api/poll?topic=x', root);
  const poll = hub.get(`/api/poll?topic=x&since=${json.cursor}&timeout=60`, by('poll'));
  assert.deepEqual(about(await ann.ws.waitType('AUTH_LOGIN_SUCCESS')), ['token_accepted', 'poll']);
  const listed = (await hub.get('/api/v1/connections', root)).json.items;
  assert.deepEqual(listed.map(({ dialect }) => dialect).sort(), ['native', 'poll', 'sse']);
  await hub.post('/api/v1/revocations', { jti: 'poll' }, root);
  assert.deepEqual(about(await ann.ws.waitType('AUTH_LOGOUT')), ['token_revoked', 'poll']);
  assert.equal((await poll).status, 401);
  await hub.delete(`/api/v1/connections/${listed.find(({ dialect }) => dialect === 'sse').id}`, root);
  assert.deepEqual(about(await ann.ws.waitType('AUTH_LOGOUT')), ['disconnected', 'stream']);
  await hub.sse('/api/events?topic=x', by('brief', { exp: seconds() + 5 }));
  assert.deepEqual(about(await ann.ws.waitType('SESSION_AUTH_REQUIRED')), ['token_expired', 'brief']);
  stream.close?.();
  await ann.ws.close();
});

test('refused tokens are counted and not published', async (t) => {
  const hub = await startHub({ t, config: authConfig() });
  const bad = token({ sub: 'ann' }, { key: 'a secret that is not the one of this hub' });
  for (let i = 0; i < 50; i++) {
    await assert.rejects(hub.ws('/ws', { token: bad }), (error) => error.status === 401);
  }
  assert.equal(await metric(hub, 'clairon_auth_refused_total'), 50);
  assert.deepEqual(await history(hub, 'ann'), []);
  assert.ok(hub.stderr.split('\n').filter((line) => line.includes('auth.refused')).length <= 50);
});

test('a flood of good tokens does not flood the log', async (t) => {
  const hub = await startHub({ t, config: authConfig(), env: { CLAIRON__SERVER__WORKERS: '1' } });
  const left = () => metric(hub, 'clairon_audit_left_out_total');
  let logins = 0;
  do { // as many as it takes within the time that bounds are for
    const sockets = await Promise.all(Array.from({ length: 60 }, () => open(hub, { sub: 'ann', jti: `flood-${logins++}` })));
    await Promise.all(sockets.map(({ ws }) => ws.close()));
  } while (await left() === 0 && logins < 240);
  assert.ok(await left() > 0);
  await until(async () => (await history(hub, 'ann')).length + await left() === logins, 'every login to be told or counted');
});
