// SPDX-License-Identifier: MIT
// With authentication on: where tokens are taken from, what they open, and how a session lives with them.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { runCli, startHub, until } from '../lib/index.mjs';
import { authConfig, keyFile, SECRET, token } from '../lib/jwt.mjs';
import { Refused } from '../lib/ws.mjs';

const FORBIDDEN = { error: { code: 'forbidden', message: 'Not allowed.' } };
const seconds = () => Math.floor(Date.now() / 1000);

async function metric(hub, name) {
  const { text } = await hub.get('/metrics', { token: token({ role: 'admin' }) });
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)[1]);
}

describe('a hub with a secret', () => {
  let hub;
  before(async () => {
    hub = await startHub({ config: authConfig({ cookie: 'clairon', default_subscribe: ['tickets'] }) });
  });
  after(() => hub.stop());

  test('a token is taken from each of its places', async () => {
    const good = token({ sub: 'ann', subscribe: '*', publish: '*' });
    const read = (options, query = '') => hub.get(`/api/v1/history?topic=x${query}`, options);
    assert.equal((await read({ token: good })).status, 200);
    assert.equal((await read({ headers: { authorization: `bearer  ${good}` } })).status, 200);
    assert.equal((await read({}, `&token=${good}`)).status, 200);
    assert.equal((await read({ headers: { cookie: `a=b; clairon=${good}` } })).status, 200);
    for (const options of [{ token: good }, { protocols: [`bearer.${good}`] }, { protocols: ['clairon.v1', `bearer.${good}`] }]) {
      const ws = await hub.ws('/ws', options);
      assert.equal((await ws.waitType('connected')).data.user_id, 'ann');
      assert.equal(ws.socket.protocol, options.protocols?.[0] ?? '');
      await ws.close();
    }
    const ws = await hub.ws(`/ws?token=${good}`);
    await ws.waitType('connected');
    await ws.close();
  });

  test('without a good token: 401 in one and the same words', async () => {
    const refused = [{}, { token: 'x' }, { headers: { authorization: 'Basic YTpi' } }, { token: token({}, { key: 'another secret, as long as it has to be' }) },
      { token: token({ exp: seconds() - 60 }) }, { headers: { cookie: `other=${token({})}` } }];
    for (const options of refused) {
      const { status, json, headers } = await hub.get('/api/v1/history?topic=tickets', options);
      assert.equal(status, 401);
      assert.deepEqual(json, { error: { code: 'unauthorized', message: 'A valid token is needed.' } });
      assert.equal(headers['www-authenticate'], 'Bearer');
    }
    assert.equal((await hub.get('/health')).status, 200);
    assert.equal((await hub.get('/health')).json.auth.enabled, true);
  });

  test('a handshake without a good token: 401, and for a browser 101, a message and 4401', async () => {
    await assert.rejects(hub.ws('/ws'), (error) => error instanceof Refused && error.status === 401);
    const ws = await hub.ws('/ws/deployment/1', { origin: hub.url, protocols: ['clairon.v1', 'bearer.nonsense'] });
    assert.equal((await ws.next()).type, 'SESSION_AUTH_REQUIRED');
    assert.equal((await ws.waitClosed()).code, 4401);
    await until(async () => (await hub.get('/health')).json.websocket.connected_clients === 0, 'no session to be kept');
  });

  test('a cookie counts only for our own pages', async () => {
    const cookie = `clairon=${token({ sub: 'ann', subscribe: '*', publish: '*' })}`;
    const publish = (headers) => hub.post('/api/v1/publish', { topic: 't', type: 'X', data: {} }, { headers: { cookie, ...headers } });
    assert.equal((await publish({ origin: hub.url })).status, 200);
    assert.equal((await publish({})).status, 401);
    assert.equal((await publish({ origin: 'https://evil.example' })).status, 403);
    assert.equal((await publish({ origin: 'null' })).status, 403);
    const read = (headers) => hub.get('/api/v1/history?topic=x', { headers: { cookie, ...headers } });
    assert.equal((await read({ 'sec-fetch-site': 'same-origin' })).status, 200);
    assert.equal((await read({ 'sec-fetch-site': 'none' })).status, 200);
    assert.equal((await read({ 'sec-fetch-site': 'cross-site' })).status, 401);
    assert.equal((await read({ 'sec-fetch-site': 'same-site' })).status, 401);
    const ws = await hub.ws('/ws', { headers: { cookie }, origin: hub.url });
    await ws.waitType('connected');
    await ws.close();
    await assert.rejects(hub.ws('/ws', { headers: { cookie } }), (error) => error.status === 401);
    await assert.rejects(hub.ws('/ws', { headers: { cookie }, origin: 'https://evil.example' }), (error) => error.status === 403);
  });

  test('grants: by name, by default, and 403 alike whether or not the thing is there', async () => {
    const one = token({ sub: 'ann', subscribe: ['job:known', 'job:unknown'], publish: ['job:known'] });
    const admin = token({ role: 'admin' });
    assert.equal((await hub.post('/api/jobs', { projectId: 'p', jobId: 'known' }, { token: admin })).status, 201);
    assert.equal((await hub.post('/api/jobs', { projectId: 'p', jobId: 'other' }, { token: admin })).status, 201);
    assert.equal((await hub.get('/api/jobs/known', { token: one })).status, 200);
    assert.equal((await hub.get('/api/jobs/unknown', { token: one })).status, 404);
    for (const path of ['/api/jobs/other', '/api/jobs/absent', '/api/jobs/other/log', '/api/jobs/absent/log', '/api/v1/history?topic=job:other',
      '/api/v1/history?topic=job:absent', '/api/v1/history?topic=jobs', '/metrics']) {
      const { status, json } = await hub.get(path, { token: one });
      assert.deepEqual([path, status, json], [path, 403, FORBIDDEN]);
    }
    for (const path of ['/api/jobs/other/cancel', '/api/jobs/absent/cancel', '/api/jobs/other/log', '/api/jobs/absent/log']) {
      const { status, json } = await hub.post(path, { message: 'x' }, { token: one });
      assert.deepEqual([path, status, json], [path, 403, FORBIDDEN]);
    }
    assert.equal((await hub.post('/api/jobs/known/log', { message: 'x' }, { token: one })).status, 200);
    assert.deepEqual((await hub.get('/api/jobs', { token: one })).json.items.map(({ id }) => id), ['known']);
    const ws = await hub.ws('/ws', { token: one });
    ws.send({ type: 'subscribe', topics: ['job:known', 'job:other', 'tickets', 'job:absent'] });
    const messages = await ws.collectUntil(({ type, topic }) => type === 'caught_up' && topic === 'job:known');
    assert.deepEqual(messages.filter(({ type }) => type === 'WEBSOCKET_ERROR').map(({ topic, data }) => [topic, data.code]).sort(),
      [['job:absent', 'forbidden'], ['job:other', 'forbidden'], ['tickets', 'forbidden']]);
    await ws.close();
    const plain = await hub.ws('/ws', { token: token({ sub: 'bob' }) });
    await plain.subscribe('tickets');
    await plain.close();
    await assert.rejects(hub.ws('/ws/tickets/1', { token: one }), (error) => error.status === 403);
  });

  test('who creates a job owns it, and may follow it and report on it', async () => {
    const ann = { token: token({ sub: 'ann', publish: 'deployment:a*' }) };
    const bob = { token: token({ sub: 'bob' }) };
    const admin = { token: token({ role: 'admin' }) };
    assert.equal((await hub.post('/api/v1/deployments', { id: 'b1', stack_id: 's', target_id: 't' }, ann)).status, 403);
    assert.equal((await hub.post('/api/v1/deployments', { id: 'a1', stack_id: 's', target_id: 't' }, ann)).status, 201);
    assert.equal((await hub.post('/api/v1/deployments', { id: 'b2', stack_id: 's', target_id: 't', user_id: 'bob' }, admin)).status, 201);
    assert.equal((await hub.get('/api/v1/deployments/a1', ann)).json.owner, 'ann');
    assert.equal((await hub.get('/api/v1/deployments/a1', bob)).status, 403);
    assert.equal((await hub.get('/api/v1/deployments/b2', bob)).json.owner, 'bob');
    assert.equal((await hub.get('/api/v1/history?topic=deployment:b2', bob)).json.events[0].type, 'DEPLOYMENT_CREATED');
    assert.equal((await hub.post('/api/v1/deployments/b2/status', { status: 'deploying' }, bob)).status, 200);
    assert.equal((await hub.post('/api/v1/deployments/b2/status', { status: 'running' }, ann)).status, 403);
    const ws = await hub.ws('/ws', bob);
    ws.send({ type: 'subscribe', topics: ['deployment:a1', 'deployment:b2', 'deployment_logs_b2'] });
    const messages = await ws.collectUntil(({ type, topic }) => type === 'caught_up' && topic === 'deployment_logs_b2');
    assert.deepEqual(messages.filter(({ topic, type }) => topic === 'deployment:a1').map(({ data }) => data.code), ['forbidden']);
    assert.equal(messages.find(({ type }) => type === 'snapshot').data.owner, 'bob');
    await ws.close();
    const flat = await hub.ws('/ws/deployment/b2', bob);
    await flat.waitType('status');
    await flat.close();
    await assert.rejects(hub.ws('/ws/deployment/b2', ann), (error) => error.status === 403);
  });

  test('a connection hears what is said to its user without asking', async () => {
    const ws = await hub.ws('/ws', { token: token({ sub: 'carl' }) });
    await ws.waitType('connected');
    await ws.drain();
    const { status } = await hub.post('/api/v1/publish', { user: 'carl', type: 'NOTIFICATION_SENT', data: { a: 1 } }, { token: token({ role: 'admin' }) });
    assert.equal(status, 200);
    assert.deepEqual((await ws.waitType('NOTIFICATION_SENT')).data, { a: 1 });
    await ws.close();
  });

  test('before a token ends its session is told, and closed when no other comes', async () => {
    const exp = seconds() + 3;
    const ws = await hub.ws('/ws', { token: token({ sub: 'ann', exp }) });
    const told = await ws.waitType('SESSION_EXPIRED');
    assert.equal(told.data.expires_at, new Date(exp * 1000).toISOString());
    assert.ok(Date.now() < exp * 1000);
    assert.equal((await ws.waitClosed()).code, 4401);
    assert.ok(Date.now() >= exp * 1000);
  });

  test('another token in band: the session goes on without a gap', async () => {
    const rights = { sub: 'ann', subscribe: ['job:1', 'job:2', 'deployment:*'], publish: 'job:1' };
    const ws = await hub.ws('/ws', { token: token({ ...rights, exp: seconds() + 3 }) });
    await ws.subscribe('job:1');
    await ws.waitType('SESSION_EXPIRED');
    const refresh = (claims, ref) => ws.send({ type: 'AUTH_TOKEN_REFRESH', ref, data: { token: token(claims) } });
    for (const [claims, code] of [[{ ...rights, sub: 'bob' }, 'forbidden'], [{ ...rights, exp: 1 }, 'unauthorized']]) {
      refresh(claims, 'no');
      const { data, ref } = await ws.waitType('WEBSOCKET_ERROR');
      assert.deepEqual([data.code, ref], [code, 'no']);
    }
    for (const message of [{ type: 'AUTH_TOKEN_REFRESH' }, { type: 'AUTH_TOKEN_REFRESH', data: { token: 7 } }]) {
      ws.send(message);
      assert.equal((await ws.waitType('WEBSOCKET_ERROR')).data.code, 'bad_request');
    }
    const exp = seconds() + 600;
    refresh({ ...rights, exp }, 'yes');
    const answer = await ws.waitType('AUTH_TOKEN_REFRESH');
    assert.deepEqual(answer, { type: 'AUTH_TOKEN_REFRESH', data: { expires_at: new Date(exp * 1000).toISOString() }, ref: 'yes' });
    await hub.post('/api/v1/publish', { topic: 'job:1', type: 'X', data: {} }, { token: token({ role: 'admin' }) });
    await ws.waitType('X');
    assert.equal(ws.messages.some(({ type }) => type === 'SESSION_PERMISSION_CHANGED'), false);
    // Fewer rights: what they were for is left at once.
    await ws.subscribe('job:2');
    refresh({ ...rights, subscribe: ['job:2'] });
    const changed = await ws.waitType('SESSION_PERMISSION_CHANGED');
    assert.deepEqual(changed.data.topics, ['job:1']);
    await ws.waitType('AUTH_TOKEN_REFRESH');
    await hub.post('/api/v1/publish', { topic: 'job:1', type: 'Y', data: {} }, { token: token({ role: 'admin' }) });
    await hub.post('/api/v1/publish', { topic: 'job:2', type: 'Z', data: {} }, { token: token({ role: 'admin' }) });
    await ws.waitType('Z');
    assert.equal(ws.messages.some(({ type }) => type === 'Y'), false);
    ws.send({ type: 'subscribe', topic: 'job:1' });
    assert.equal((await ws.waitType('WEBSOCKET_ERROR')).data.code, 'forbidden');
    await ws.close();
  });

  test('tokens and refusals are counted', async () => {
    const good = await metric(hub, 'clairon_auth_accepted_total');
    const bad = await metric(hub, 'clairon_auth_refused_total');
    await hub.get('/api/jobs', { token: 'nonsense' });
    assert.equal(await metric(hub, 'clairon_auth_refused_total'), bad + 1);
    assert.ok(await metric(hub, 'clairon_auth_accepted_total') >= good + 2);
  });
});

test('keys are read again on SIGHUP, and nobody is disconnected', async (t) => {
  const second = 'another secret of tests that is long enough';
  const config = authConfig({ default_subscribe: ['*'] });
  const hub = await startHub({ t, config });
  const file = config.auth.secret_file;
  const by = (key) => ({ token: token({ sub: 'ann' }, { key }) });
  const status = async (options) => (await hub.get('/api/v1/history?topic=x', options)).status;
  const [old, young] = [by(SECRET), by(second)];
  const ws = await hub.ws('/ws', old);
  await ws.subscribe('x');
  assert.deepEqual([await status(old), await status(young)], [200, 401]);
  const rotate = async (text, done) => {
    fs.writeFileSync(file, text);
    hub.signal('SIGHUP');
    await until(done, 'the keys to be read');
  };
  await rotate(`${SECRET}\n${second}\n`, async () => await status(young) === 200);
  assert.equal(await status(old), 200);
  await rotate(`${second}\n`, async () => await status(old) === 401);
  assert.equal(await status(young), 200);
  // A file that can't be used changes nothing.
  fs.writeFileSync(file, 'short\n');
  hub.signal('SIGHUP');
  await hub.waitLog((line) => /keys stay as they were/.test(line) && line.includes(file));
  assert.equal(await status(young), 200);
  await ws.drain();
  assert.equal(ws.socket.readyState, 1);
});

test('all algorithms, several kinds of key files, issuer and audience', async (t) => {
  const rsa = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });
  const ec = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const ed = crypto.generateKeyPairSync('ed25519');
  const pem = [rsa, ec].map(({ publicKey }) => publicKey.export({ type: 'spki', format: 'pem' })).join('');
  const jwks = JSON.stringify({ keys: [{ ...ed.publicKey.export({ format: 'jwk' }), kid: 'ed' }] });
  const hub = await startHub({ t, config: authConfig({ public_key_file: keyFile(pem), jwks_file: keyFile(jwks), issuer: 'me', audience: 'hub',
    default_subscribe: ['x'] }) });
  const claims = { sub: 'ann', iss: 'me', aud: ['hub', 'other'] };
  const status = async (...args) => (await hub.get('/api/v1/history?topic=x', { token: token(...args) })).status;
  assert.equal(await status(claims), 200);
  assert.equal(await status(claims, { alg: 'RS256', key: rsa.privateKey }), 200);
  assert.equal(await status(claims, { alg: 'ES256', key: ec.privateKey }), 200);
  assert.equal(await status(claims, { alg: 'EdDSA', key: ed.privateKey, header: { kid: 'ed' } }), 200);
  assert.equal(await status(claims, { alg: 'EdDSA', key: ed.privateKey, header: { kid: 'de' } }), 401);
  assert.equal(await status({ ...claims, iss: 'you' }), 401);
  assert.equal(await status({ ...claims, aud: 'other' }), 401);
  // The public key is no secret: not to be taken for one.
  assert.equal(await status(claims, { alg: 'HS256', key: pem }), 401);
});

test('start-up: what authentication forbids, and what it opens', async (t) => {
  const bad = [
    [{ auth: { secret_file: '/nowhere/secret' } }, /\/nowhere\/secret/],
    [{ auth: { secret_file: keyFile('short') } }, /shorter than 32 bytes/],
    [authConfig({ leeway_s: 61 }), /leeway/],
    [authConfig({ default_subscribe: ['a*b'] }), /auth\.default_subscribe/],
    [authConfig({ cookie: 'c' }, { websocket: { cors_origin: '*' } }), /auth\.cookie and websocket\.cors_origin/],
  ];
  for (const [config, says] of bad) {
    const file = keyFile(JSON.stringify(config), 'clairon.yaml');
    const { code, stderr } = await runCli(['serve', '--check', '--config', file]);
    assert.equal(code, 1);
    assert.match(stderr, says);
    assert.equal(stderr.trim().split('\n').length, 1);
  }
  const hub = await startHub({ t, config: authConfig(), listen: ['0.0.0.0:0'] });
  assert.equal((await hub.get('/health')).json.auth.remote_without_auth, false);
});
