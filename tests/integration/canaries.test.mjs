// SPDX-License-Identifier: MIT
// Secrets of thirteen kinds are given to a hub, and then looked for in all that it says, shows and keeps.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { makeDir, removeDir, runCli, startHub, until } from '../lib/index.mjs';
import { authConfig, keyFile, token } from '../lib/jwt.mjs';
import { startResponder } from '../lib/responder.mjs';
import { makeAuthority } from '../lib/tls.mjs';

const canary = () => `canary${crypto.randomBytes(16).toString('hex')}`;
const inBase64 = (text) => Buffer.from(text).toString('base64').slice(2, -4); // what any neighbours leave of it
// The signature is the part of a token that nobody else has.
const signatureOf = (text) => text.split('.')[2];

// What was planted, by what it is: the texts that may stand nowhere.
class Canaries {
  planted = new Map();

  plant(what, text = canary()) {
    this.planted.set(what, text);
    return text;
  }

  plantToken(what, claims) {
    const text = token({ sub: 'ann', subscribe: '*', publish: '*', jti: crypto.randomUUID(), ...claims }, { key: this.planted.get('the secret') });
    this.plant(what, signatureOf(text));
    return text;
  }

  // "WHAT in WHERE" for each that is there.
  foundIn(places, but = []) {
    return [...this.planted].filter(([what]) => !but.includes(what)).flatMap(([what, text]) => [...places]
      .filter(([, said]) => [text, inBase64(text)].some((form) => said.includes(form)))
      .map(([where]) => `${what} in ${where}`));
  }
}

// Every answer, head and body, as one text.
class Answers {
  texts = [];

  async add(answer) {
    const { status, headers, text } = await answer;
    this.texts.push(`${status} ${JSON.stringify(headers)} ${text}`);
    return status;
  }
}

async function socketsSay(hub, options, send = []) {
  const ws = await hub.ws(options.target ?? '/ws', options);
  await ws.next();
  send.forEach((message) => ws.send(message));
  await ws.drain();
  const { texts } = ws;
  await ws.close();
  return texts.join('\n');
}

function readAll(dir) {
  return fs.readdirSync(dir, { recursive: true }).map((name) => path.join(dir, name))
    .filter((file) => fs.statSync(file).isFile()).map((file) => [path.basename(file), fs.readFileSync(file, 'latin1')]);
}

const ofProcess = (pid, name) => fs.readFileSync(`/proc/${pid}/${name}`, 'latin1');

for (const format of ['text', 'json']) {
  test(`no canary gets out, with logs as ${format}`, async (t) => {
    const dir = makeDir('canaries');
    t.after(() => removeDir(dir));
    const c = new Canaries();
    const answers = new Answers();
    const { certificate, key: keyOfTls } = makeAuthority(t).issue('hub');
    c.plant('the private key of TLS', fs.readFileSync(keyOfTls, 'utf8').split('\n')[1]);
    const ofResponder = c.plant('the token of a responder');
    const responder = await startResponder(t, { '/bot': (response) => response.writeHead(500).end() });
    const config = authConfig({ secret_file: keyFile(c.plant('the secret')), cookie: 'clairon' },
      { log: { format }, channels: { responders: responder.entries, responder_token_file: keyFile(ofResponder) }, tls: { listen: ['127.0.0.1:0'], certificate_file: certificate, key_file: keyOfTls } });
    const hub = await startHub({ t, config, tls: 1, dataDir: path.join(dir, 'data'), env: { CLAIRON_TOKEN: c.plant('a token in the environment') } });
    const places = new Map();

    // Good tokens, at each door.
    const history = '/api/v1/history?topic=x';
    assert.equal(await answers.add(hub.get(`${history}&token=${c.plantToken('a token in the URL')}`)), 200);
    assert.equal(await answers.add(hub.get(history, { token: c.plantToken('a token in Authorization') })), 200);
    assert.equal(await answers.add(hub.get(history, { headers: { cookie: `clairon=${c.plantToken('a token in a cookie')}` } })), 200);
    const bearer = `bearer.${c.plantToken('a token as subprotocol')}`;
    const socket = await socketsSay(hub, { protocols: ['clairon.v1', bearer] },
      [{ type: 'AUTH_TOKEN_REFRESH', data: { token: c.plantToken('a token in band') } },
        { type: 'AUTH_TOKEN_REFRESH', data: { token: c.plant('a bad token in band') } },
        { channel: 'bot', data: 'question', ref: 1 }]);
    await until(() => responder.seen.length === 1, 'the responder to be asked');
    assert.equal(responder.seen[0].headers.authorization, `Bearer ${ofResponder}`);
    places.set('a socket', socket);

    // Bad ones, and what is no token at all.
    const hostile = token({ sub: `x\r\nerror forged\x1b[2J${c.plant('hostile claims')}`, role: 'admin' }, { key: c.plant('the key of another') });
    c.plant('a token with hostile claims', signatureOf(hostile));
    assert.equal(await answers.add(hub.get(`${history}&token=${c.plant('a bad token')}`)), 401);
    assert.equal(await answers.add(hub.get(history, { token: hostile })), 401);
    assert.equal(await answers.add(hub.get(`/nowhere?password=${c.plant('a password in a URL')}`)), 404);
    const basic = Buffer.from(`ann:${c.plant('a password for Basic')}`).toString('base64');
    assert.equal(await answers.add(hub.get(history, { headers: { authorization: `Basic ${basic}` } })), 401);

    // Bodies that are refused, and one that is not.
    const good = c.plantToken('the token of a publisher');
    const publish = (body, key) => hub.post('/api/v1/publish', body, { token: good, headers: { 'idempotency-key': key } });
    const key = c.plant('a key of idempotency');
    assert.equal(await answers.add(publish({ topic: 'x', type: 'X', data: {} }, key)), 200);
    assert.equal(await answers.add(publish({ topic: 'x', type: 'X', data: { other: 1 } }, key)), 409);
    assert.equal(await answers.add(publish(`{"topic":"x","${c.plant('a body that is no JSON')}`, 'k')), 400);

    const admin = token({ role: 'admin' }, { key: c.planted.get('the secret') });
    for (const target of ['/metrics', '/health', '/api/v1/connections']) {
      assert.equal(await answers.add(hub.get(target, { token: admin })), 200);
    }
    hub.signal('SIGHUP');
    await hub.waitLog((line) => line.includes('server.reload'));

    places.set('an answer', answers.texts.join('\n'));
    places.set('the command line', ofProcess(hub.pid, 'cmdline'));
    if (process.getuid() === 0) { // to others it is closed
      places.set('the environment', ofProcess(hub.pid, 'environ'));
    }
    places.set('standard output', hub.child.stdout);
    await abort(hub, places);
    assert.deepEqual(c.foundIn(places), []);
    // A key of idempotency names a request, and is kept for ten minutes to know it again.
    assert.deepEqual(c.foundIn(readAll(path.join(dir, 'data')), ['a key of idempotency']), []);
    assert.ok(c.planted.size >= 13);
  });
}

// The end that would leave a core, next to where the tests run.
async function abort(hub, places) {
  const cores = () => fs.readdirSync('.').filter((name) => /^core(\.|$)/.test(name));
  const before = cores();
  const { child } = hub;
  hub.child = null;
  child.signal('SIGABRT');
  assert.equal((await child.end()).signal, 'SIGABRT');
  places.set('standard error', child.stderr);
  assert.deepEqual(cores(), before);
}

test('a canary that gets out is found', () => {
  const c = new Canaries();
  const text = c.plant('it');
  assert.deepEqual(c.foundIn([['a', `x${text}y`], ['b', ''], ['c', Buffer.from(`12${text}34`).toString('base64')]]).filter((x) => x === 'it in a'), ['it in a']);
});

test('configuration that is refused shows no value of an unknown key', async (t) => {
  const dir = makeDir('canaries');
  t.after(() => removeDir(dir));
  const secret = canary();
  const file = path.join(dir, 'clairon.yaml');
  fs.writeFileSync(file, `auth:\n  secret: ${secret}\n`);
  for (const [words, env] of [[['--config', file], {}], [[], { CLAIRON__AUTH__SECRET: secret }]]) {
    const { code, stdout, stderr } = await runCli(['serve', '--check', ...words], { env });
    assert.equal(code, 1);
    assert.match(stderr, /unknown key/);
    assert.ok(!(stdout + stderr).includes(secret));
  }
});

test('records as JSON: one object for each line, hostile text escaped', async (t) => {
  const hub = await startHub({ t, config: authConfig({}, { log: { format: 'json' } }) });
  await hub.waitLog((line) => line.includes('server.confined'));
  for (const line of hub.stderr.trim().split('\n')) {
    const { time, level, id, message } = JSON.parse(line);
    assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.match(`${level} ${id} ${message}`, /^(info|warn) \w+\.\w+ \S/);
  }
  const confined = JSON.parse(hub.stderr.trim().split('\n').find((line) => line.includes('server.confined')));
  assert.deepEqual([typeof confined.landlock, confined.uid], ['number', process.getuid()]);
  const { code, stderr } = await runCli(['serve', '--check'], { env: { CLAIRON__LOG__FORMAT: 'xml' } });
  assert.deepEqual([code, stderr], [1, 'clairon: log.format must be text or json, not "xml"\n']);
});
