// SPDX-License-Identifier: MIT
// Tokens and keys for tests, made with Node's own crypto and not with ours.
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { makeDir } from './paths.mjs';

export const SECRET = 'a secret of tests that is long enough for HS256';

const SIGN = {
  HS256: (text, key) => crypto.createHmac('sha256', key).update(text).digest(),
  RS256: (text, key) => crypto.sign('sha256', text, key),
  ES256: (text, key) => crypto.sign('sha256', text, { key, dsaEncoding: 'ieee-p1363' }),
  EdDSA: (text, key) => crypto.sign(null, text, key),
};

const part = (value) => Buffer.from(typeof value === 'string' || Buffer.isBuffer(value) ? value : JSON.stringify(value)).toString('base64url');

// A token with these claims; `ttl` seconds from now unless `exp` is among them. `header` adds to the header, or is
// it, as text. `key`: a secret, or a private key of node:crypto.
export function token(claims = {}, { alg = 'HS256', key = SECRET, header = {}, ttl = 300 } = {}) {
  const head = typeof header === 'string' ? header : { alg, typ: 'JWT', ...header };
  const body = typeof claims === 'string' ? claims : { exp: Math.floor(Date.now() / 1000) + ttl, ...claims };
  const text = `${part(head)}.${part(body)}`;
  return `${text}.${SIGN[alg](Buffer.from(text), key).toString('base64url')}`;
}

// A token put together by hand: each part is an object, or bytes that are encoded as they are. `sign` makes the
// signature of what is signed.
export function forge(header, claims, sign) {
  const text = `${part(header)}.${part(claims)}`;
  return `${text}.${Buffer.from(sign(Buffer.from(text))).toString('base64url')}`;
}

// A file with a key in a folder of its own, readable by its owner alone.
export function keyFile(content, name = 'key') {
  const file = path.join(makeDir('keys'), name);
  fs.writeFileSync(file, content, { mode: 0o600 });
  return file;
}

// Configuration of a hub that takes tokens signed with SECRET; `more` goes into section auth.
export function authConfig(more = {}, rest = {}) {
  return { auth: { secret_file: keyFile(`${SECRET}\n`), ...more }, ...rest };
}
