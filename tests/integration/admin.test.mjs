// SPDX-License-Identifier: MIT
// What administrators ask: who is connected, end sessions, sign tokens for others.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { runCli, startHub, until } from '../lib/index.mjs';
import { authConfig, keyFile, SECRET, token } from '../lib/jwt.mjs';

const FORBIDDEN = { error: { code: 'forbidden', message: 'Not allowed.' } };
const admin = { token: token({ sub: 'root', role: 'admin' }) };
const claimsOf = (text) => JSON.parse(Buffer.from(text.split('.')[1], 'base64url'));

async function connect(hub, path, options) {
  const ws = await hub.ws(path, options);
  const first = await ws.waitType('connected');
  return { ws, id: first.data?.connection_id };
}

async function listed(hub, query = '') {
  const { status, json } = await hub.get(`/api/v1/connections${query}`, admin);
  assert.equal(status, 200);
  return json;
}

describe('a hub with two workers', () => {
  let hub;
  before(async () => {
    hub = await startHub({ config: authConfig({ issuer: 'us', audience: 'hub' }), env: { CLAIRON__SERVER__WORKERS: '2' } });
  });
  after(() => hub.stop());
  const ours = (claims, options) => token({ iss: 'us', aud: 'hub', ...claims }, options);
  const root = { token: ours({ sub: 'root', role: 'admin' }) };
  const list = async (query = '') => {
    const { status, json } = await hub.get(`/api/v1/connections${query}`, root);
    assert.equal(status, 200);
    return json;
  };

  test('everything here is for administrators alone', async () => {
    const ann = { token: ours({ sub: 'ann', subscribe: '*', publish: '*', role: 'administrator' }) };
    for (const [method, path] of [['GET', '/api/v1/connections'], ['DELETE', '/api/v1/connections/0000000000000000'],
      ['DELETE', '/api/v1/connections/x'], ['POST', '/api/v1/users/ann/disconnect'], ['POST', '/api/v1/tokens'],
      ['POST', '/api/v1/revocations'], ['GET', '/api/v1/revocations']]) {
      const body = method === 'POST' ? '{broken' : undefined;
      const { status, json } = await hub.request(method, path, { ...ann, body });
      assert.deepEqual([path, status, json], [path, 403, FORBIDDEN]);
      assert.equal((await hub.request(method, path, { body })).status, 401);
    }
  });

  test('connections are listed with what they are, page by page', async () => {
    const began = Date.now();
    const exp = Math.floor(began / 1000) + 500;
    const ann = { token: ours({ sub: 'a"nn', subscribe: '*', exp }) };
    const open = [];
    for (const path of ['/ws', '/ws/deployment/D1', '/ws/tickets/K1', '/ws/tickets', '/ws', '/ws']) {
      open.push(await connect(hub, path, ann));
    }
    await open[0].ws.subscribe('job:1');
    const { items, next } = await list();
    assert.equal(next, null);
    assert.equal(items.length, 6);
    assert.deepEqual(items.map(({ id }) => id), [...items].map(({ id }) => id).sort());
    assert.deepEqual(items.map(({ dialect }) => dialect).sort(), ['deployment', 'native', 'native', 'native', 'ticket', 'tickets']);
    const one = items.find(({ id }) => id === open[0].id);
    assert.deepEqual({ ...one, since: '', topics: one.topics.sort() }, { id: open[0].id, user_id: 'a"nn', dialect: 'native', address: '127.0.0.1',
      since: '', expires_at: new Date(exp * 1000).toISOString(), topics: ['job:1', 'user:a"nn'] });
    assert.ok(items.every(({ since }) => Date.parse(since) > began - 2000 && Date.parse(since) <= Date.now()));
    const seen = [];
    for (let page = await list('?limit=2'); ; page = await list(`?limit=2&after=${page.next}`)) {
      assert.ok(page.items.length <= 2);
      seen.push(...page.items.map(({ id }) => id));
      if (page.next === null) {
        break;
      }
    }
    assert.deepEqual(seen, items.map(({ id }) => id));
    assert.equal((await list('?user=a%22nn')).items.length, 6);
    assert.deepEqual((await list('?user=nobody')).items, []);
    for (const query of ['?limit=0', '?limit=301', '?limit=x', '?after=1', '?after=zzzzzzzzzzzzzzzz', '?after=00000000000000000']) {
      assert.equal((await hub.get(`/api/v1/connections${query}`, root)).status, 400, query);
    }
    await Promise.all(open.map(({ ws }) => ws.close()));
  });

  test('one connection is ended, and the others go on', async () => {
    const open = await Promise.all(['ann', 'ann', 'bob'].map((sub) => connect(hub, '/ws', { token: ours({ sub }) })));
    const end = (id) => hub.delete(`/api/v1/connections/${id}`, root);
    assert.equal((await end(open[0].id)).status, 204);
    const { code, reason } = await open[0].ws.waitClosed();
    assert.deepEqual([code, reason], [4403, 'disconnected by an administrator']);
    await until(async () => (await list('?user=ann')).items.length === 1, 'the session to be gone');
    for (const id of [open[0].id, 'ffffffffffffffff', 'x', '%00', open[1].id.slice(1)]) {
      assert.equal((await end(id)).status, 404, id);
    }
    const { status, json } = await hub.post('/api/v1/users/ann/disconnect', undefined, root);
    assert.deepEqual([status, json], [200, { disconnected: 1 }]);
    assert.equal((await open[1].ws.waitClosed()).code, 4403);
    assert.deepEqual((await hub.post('/api/v1/users/nobody/disconnect', undefined, root)).json, { disconnected: 0 });
    assert.equal((await hub.post('/api/v1/users/a*b/disconnect', undefined, root)).status, 404);
    await open[2].ws.drain();
    const again = await connect(hub, '/ws', { token: ours({ sub: 'ann' }) }); // the token is as good as before
    await Promise.all([again.ws.close(), open[2].ws.close()]);
  });

  test('a token for a page: one job and nothing else', async () => {
    const before = Date.now();
    const { status, json } = await hub.post('/api/v1/tokens', { sub: 'eve', subscribe: ['job:J'], publish: [], ttl: '15m' }, root);
    assert.equal(status, 201);
    const claims = claimsOf(json.token);
    assert.deepEqual(claims, { iss: 'us', aud: 'hub', sub: 'eve', subscribe: ['job:J'], publish: [], jti: json.jti, iat: claims.iat, exp: claims.iat + 900 });
    assert.equal(json.expires_at, new Date(claims.exp * 1000).toISOString());
    assert.ok(claims.iat >= Math.floor(before / 1000) && claims.iat * 1000 <= Date.now());
    const page = { token: json.token };
    assert.equal((await hub.get('/api/v1/history?topic=job:J', page)).status, 200);
    assert.equal((await hub.get('/api/v1/history?topic=job:K', page)).status, 403);
    assert.equal((await hub.post('/api/v1/publish', { topic: 'job:J', type: 'X', data: {} }, page)).status, 403);
    assert.equal((await hub.post('/api/v1/tokens', {}, page)).status, 403);
    const { json: least } = await hub.post('/api/v1/tokens', {}, root);
    assert.deepEqual(Object.keys(claimsOf(least.token)).sort(), ['aud', 'exp', 'iat', 'iss', 'jti']);
    assert.equal(claimsOf(least.token).exp - claimsOf(least.token).iat, 3600);
    const { json: boss } = await hub.post('/api/v1/tokens', { role: 'admin', subscribe: 'job:*', ttl: 60 }, root);
    assert.deepEqual(claimsOf(boss.token).subscribe, ['job:*']);
    assert.equal((await hub.get('/api/v1/connections', { token: boss.token })).status, 200);
  });

  test('what no token can say is refused', async () => {
    for (const body of [[], '"x"', { ttl: 0 }, { ttl: -1 }, { ttl: 1.5 }, { ttl: '367d' }, { ttl: 366 * 86400 + 1 }, { ttl: true }, { ttl: '1w' },
      { sub: '' }, { sub: 'a/b' }, { sub: 7 }, { sub: 'a'.repeat(129) }, { role: '' }, { role: ['admin'] }, { subscribe: { a: 1 } },
      { subscribe: ['a*b'] }, { subscribe: [7] }, { subscribe: Array(65).fill('a') }, { publish: '' }, { publish: ['x'.repeat(256)] }]) {
      const { status, json } = await hub.post('/api/v1/tokens', body, root);
      assert.deepEqual([JSON.stringify(body), status, json.error.code], [JSON.stringify(body), 400, 'bad_request']);
    }
    assert.equal((await hub.post('/api/v1/tokens', '{', root)).json.error.code, 'bad_json');
    assert.equal((await hub.post('/api/v1/tokens', '{}', { ...root, headers: { 'content-type': 'multipart/form-data' } })).status, 415);
    const large = Array.from({ length: 64 }, (_, i) => `${i}:`.padEnd(255, 'x'));
    assert.equal((await hub.post('/api/v1/tokens', { subscribe: large }, root)).status, 413);
  });
});

test('with authentication off anyone may look and end, and there are no tokens', async (t) => {
  const hub = await startHub({ t });
  const ws = await hub.ws('/ws');
  const { data } = await ws.waitType('connected');
  const { json } = await hub.get('/api/v1/connections');
  assert.deepEqual(json.items.map(({ id, user_id, expires_at, topics }) => [id, user_id, expires_at, topics]), [[data.connection_id, null, null, []]]);
  for (const path of ['/api/v1/tokens', '/api/v1/revocations']) {
    const refused = await hub.post(path, { jti: 'x' });
    assert.equal(refused.status, 503);
    assert.match(refused.json.error.message, /Authentication is off/);
  }
  assert.equal((await hub.delete(`/api/v1/connections/${data.connection_id}`)).status, 204);
  assert.equal((await ws.waitClosed()).code, 4403);
});

test('a hub that only has public keys signs with the key it is given', async (t) => {
  const { publicKey, privateKey } = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const other = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pem = (key, type) => key.export({ type, format: 'pem' });
  const publicFile = keyFile(pem(publicKey, 'spki'));
  const boss = { token: token({ role: 'admin' }, { alg: 'ES256', key: privateKey }) };
  const hub = await startHub({ t, config: { auth: { public_key_file: publicFile } } });
  const { status, json } = await hub.post('/api/v1/tokens', {}, boss);
  assert.equal(status, 503);
  assert.match(json.error.message, /no key to sign with/);
  const file = keyFile(pem(privateKey, 'pkcs8'));
  await hub.terminate();
  hub.setConfig({ auth: { public_key_file: publicFile, signing_key_file: file } });
  await hub.start();
  const signed = await hub.post('/api/v1/tokens', { role: 'admin' }, boss);
  assert.equal(signed.status, 201);
  assert.equal((await hub.get('/api/v1/connections', { token: signed.json.token })).status, 200);
  // Rotation: both public keys, then another private one; a private key nobody knows changes nothing.
  fs.writeFileSync(file, pem(other.privateKey, 'pkcs8'));
  hub.signal('SIGHUP');
  await hub.waitLog((line) => /keys stay as they were/.test(line) && line.includes(file));
  assert.equal((await hub.get('/api/v1/connections', { token: (await hub.post('/api/v1/tokens', { role: 'admin' }, boss)).json.token })).status, 200);
  fs.writeFileSync(publicFile, pem(publicKey, 'spki') + pem(other.publicKey, 'spki'));
  hub.signal('SIGHUP');
  await hub.waitLog((line) => /keys were read again/.test(line));
  const young = (await hub.post('/api/v1/tokens', { role: 'admin' }, boss)).json.token;
  assert.ok(crypto.verify('sha256', young.split('.').slice(0, 2).join('.'), { key: other.publicKey, dsaEncoding: 'ieee-p1363' }, Buffer.from(young.split('.')[2], 'base64url')));
  assert.equal((await hub.get('/api/v1/connections', { token: young })).status, 200);
});

test('a secret that others can read is not signed with', async (t) => {
  const config = authConfig();
  fs.chmodSync(config.auth.secret_file, 0o644);
  const hub = await startHub({ t, config });
  assert.equal((await hub.post('/api/v1/tokens', {}, admin)).status, 503);
  assert.match(hub.stderr, /can be checked but not signed/);
  assert.deepEqual((await listed(hub)).items, []);
  assert.equal(hub.stderr.includes(SECRET), false);
});

test('start-up: a signing key that is of no use', async () => {
  const { privateKey } = crypto.generateKeyPairSync('ed25519');
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' });
  const open = keyFile(pem);
  fs.chmodSync(open, 0o644);
  for (const [config, says] of [
    [authConfig({ signing_key_file: '/nowhere/key' }), /auth\.signing_key_file: \/nowhere\/key/],
    [authConfig({ signing_key_file: keyFile('short') }), /auth\.signing_key_file: .*shorter than 32 bytes/],
    [authConfig({ signing_key_file: open }), /auth\.signing_key_file: .*chmod/],
    [authConfig({ signing_key_file: keyFile(pem) }), /none of the keys that tokens are checked with/],
    [{ auth: { signing_key_file: keyFile(pem) } }, /name what tokens are checked with/],
  ]) {
    const { code, stderr } = await runCli(['serve', '--check', '--config', keyFile(JSON.stringify(config), 'clairon.yaml')]);
    assert.equal(code, 1);
    assert.match(stderr, says);
    assert.equal(stderr.trim().split('\n').length, 1);
  }
});
