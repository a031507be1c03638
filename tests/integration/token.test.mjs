// SPDX-License-Identifier: MIT
// `clairon token`: what it signs is checked with Node's own crypto; what it refuses, and in which words.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { runCli } from '../lib/index.mjs';
import { makeDir } from '../lib/paths.mjs';

const dir = makeDir('token');
const SECRET = 'canary-'.repeat(8);

function keyFile(name, content, mode = 0o600) {
  const file = path.join(dir, name);
  fs.writeFileSync(file, content, { mode: 0o600 });
  fs.chmodSync(file, mode);
  return file;
}

const pem = (key, type) => key.export({ type, format: 'pem' });
const rsa = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
const ed = crypto.generateKeyPairSync('ed25519');

const KEYS = {
  HS256: { file: keyFile('secret', `${SECRET}\n`), check: (text, signature) =>
    crypto.timingSafeEqual(crypto.createHmac('sha256', SECRET).update(text).digest(), signature) },
  RS256: { file: keyFile('rsa.pem', pem(rsa.privateKey, 'pkcs1')), check: (text, signature) =>
    crypto.verify('sha256', text, rsa.publicKey, signature) },
  ES256: { file: keyFile('ec.pem', pem(ec.privateKey, 'sec1')), check: (text, signature) =>
    crypto.verify('sha256', text, { key: ec.publicKey, dsaEncoding: 'ieee-p1363' }, signature) },
  EdDSA: { file: keyFile('ed.pem', pem(ed.privateKey, 'pkcs8')), check: (text, signature) =>
    crypto.verify(null, text, ed.publicKey, signature) },
};

function parse(stdout) {
  assert.match(stdout, /^[\w-]+\.[\w-]+\.[\w-]+\n$/);
  const [header, payload, signature] = stdout.trim().split('.');
  const json = (part) => JSON.parse(Buffer.from(part, 'base64url').toString());
  return { header: json(header), claims: json(payload), text: Buffer.from(`${header}.${payload}`),
    signature: Buffer.from(signature, 'base64url') };
}

async function sign(...words) {
  const { code, stdout, stderr } = await runCli(['token', ...words]);
  assert.deepEqual([code, stderr], [0, '']);
  return parse(stdout);
}

async function refused(code, what, words, options) {
  const result = await runCli(['token', ...words], options);
  assert.deepEqual([result.code, result.stdout], [code, ''], words.join(' '));
  assert.match(result.stderr, /^clairon token: [^\n]*\n$/);
  assert.match(result.stderr, what);
  assert.doesNotMatch(result.stderr, /canary|BEGIN/);
}

for (const [alg, { file, check }] of Object.entries(KEYS)) {
  test(`${alg} is signed so that others find it good`, async () => {
    const { header, claims, text, signature } = await sign('--sub', 'u1', '--key', file, '--alg', alg);
    assert.deepEqual(header, { alg, typ: 'JWT' });
    assert.equal(claims.sub, 'u1');
    assert.equal(check(text, signature), true);
    signature[0] ^= 1;
    assert.equal(check(text, signature), false);
  });
}

test('claims', async () => {
  const before = Math.floor(Date.now() / 1000);
  const { header, claims } = await sign('--sub', 'a@example.com', '--subscribe', 'job:J', '--subscribe', 'deployment:*',
    '--publish', 'channel:"é"', '--role', 'admin', '--ttl', '15m', '--kid', 'k"1', '--iss', 'https://id.example.com', '--aud', 'clairon',
    '--key', KEYS.HS256.file);
  const after = Math.floor(Date.now() / 1000);
  const { iat, exp, jti, ...rest } = claims;
  assert.deepEqual(header, { alg: 'HS256', typ: 'JWT', kid: 'k"1' });
  assert.deepEqual(rest, { sub: 'a@example.com', role: 'admin', subscribe: ['job:J', 'deployment:*'], publish: ['channel:"é"'],
    iss: 'https://id.example.com', aud: 'clairon' });
  assert.ok(iat >= before && iat <= after);
  assert.equal(exp, iat + 900);
  assert.match(jti, /^[\w-]{22}$/);
  // Nothing more than asked: absent claims mean the hub's defaults.
  const one = await sign('--subscribe', 'job:J', '--key', KEYS.HS256.file);
  assert.deepEqual(Object.keys(one.claims).sort(), ['exp', 'iat', 'jti', 'subscribe']);
  assert.equal(one.claims.exp, one.claims.iat + 3600);
  assert.notEqual(one.claims.jti, jti);
});

test('times to live', async () => {
  for (const [ttl, seconds] of [['90', 90], ['90s', 90], ['2h', 7200], ['7d', 604800], ['366d', 31622400]]) {
    const { claims } = await sign('--ttl', ttl, '--key', KEYS.HS256.file);
    assert.equal(claims.exp - claims.iat, seconds, ttl);
  }
  for (const ttl of ['', '0', '0s', '-1', '1w', 'm', '1.5h', '367d', '99999999999999999999d', ' 1h', '1h ', '1hh']) {
    await refused(2, /--ttl takes a time/, [`--ttl=${ttl}`, '--key', KEYS.HS256.file]);
  }
});

test('wrong words', async () => {
  const key = ['--key', KEYS.HS256.file];
  for (const [what, ...words] of [[/name a key/], [/name a key/, '--key', ''], [/--alg takes/, '--alg', 'none', ...key],
    [/--alg takes/, '--alg', 'HS512', ...key], [/can't be a user/, '--sub', '*', ...key], [/can't be a user/, '--sub', 'a/b', ...key],
    [/can't be a user/, '--sub', '', ...key], [/no topic/, '--subscribe', 'a*b', ...key], [/no topic/, '--publish', '', ...key],
    [/--role/, '--role', '', ...key], [/unknown option/, '--frobnicate', ...key], [/one word too many/, 'word', ...key]]) {
    await refused(2, what, words, { env: { CLAIRON__AUTH__SECRET_FILE: '' } });
  }
});

test('keys that must not be used', async () => {
  const cases = [
    [/others can read it: chmod 600 /, keyFile('readable', SECRET, 0o644)],
    [/others can read it: chmod 600 /, keyFile('group', SECRET, 0o640)],
    [/everyone can write it/, keyFile('writable', SECRET, 0o622)],
    [/is shorter than 32 bytes/, keyFile('short', 'canary')],
    [/is empty/, keyFile('empty', '')],
    [/No such file/, path.join(dir, 'absent')],
    [/is no file/, dir],
    [/holds no private key/, keyFile('public.pem', pem(ec.publicKey, 'spki'))],
    [/another curve than P-256/, keyFile('p384.pem', pem(crypto.generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey, 'pkcs8'))],
    [/less than 2048 bits/, keyFile('small.pem', pem(crypto.generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey, 'pkcs8'))],
    [/is encrypted/, keyFile('locked.pem', ed.privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-128-cbc', passphrase: 'p' }))],
  ];
  for (const [what, file] of cases) {
    await refused(1, what, ['--key', file]);
  }
  await refused(1, /is a key for ES256, not for HS256/, ['--key', KEYS.ES256.file, '--alg', 'HS256']);
  await refused(1, /is a key for HS256, not for RS256/, ['--key', KEYS.HS256.file, '--alg', 'RS256']);
  if (process.getuid() === 0) {
    const file = keyFile('others', SECRET);
    fs.chownSync(file, 65534, 65534);
    await refused(1, /belongs to another user/, ['--key', file]);
  }
});

test('the key may come from the environment, and help says so', async () => {
  const { code, stdout } = await runCli(['token', '--sub', 'u1'], { env: { CLAIRON__AUTH__SECRET_FILE: KEYS.HS256.file } });
  assert.equal(code, 0);
  const { text, signature } = parse(stdout);
  assert.equal(KEYS.HS256.check(text, signature), true);
  const help = await runCli(['token', '--help']);
  assert.deepEqual([help.code, help.stderr], [0, '']);
  assert.match(help.stdout, /^Usage: clairon token \[OPTION\]/);
  assert.match(help.stdout, /CLAIRON__AUTH__SECRET_FILE/);
});

test('a token that no hub would take is not made', async () => {
  const words = Array.from({ length: 40 }, (_, i) => ['--subscribe', `job:${i}-${'x'.repeat(200)}`]).flat();
  await refused(1, /larger than 8 KiB/, [...words, '--key', KEYS.HS256.file]);
});
