// SPDX-License-Identifier: MIT
// A hub of our own under test: keys and tokens for it, what it holds, and the honest clients beside it.
import { execFileSync, spawn } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { makeDir } from '../tests/lib/paths.mjs';
import { Running } from './hubs.mjs';

export const CORES = { serverCore: 0, loadCore: 1 };

export const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

// ---- keys

const base64url = (value) => Buffer.from(value).toString('base64url');
const EVERYTHING = { sub: 'bench', role: 'admin', subscribe: ['*'], publish: ['*'] };

// A token of {alg, kid, sign}, good for an hour.
export function tokenOf(key, claims = {}) {
  const now = Math.floor(Date.now() / 1000);
  const header = { alg: key.alg, typ: 'JWT', ...(key.kid ? { kid: key.kid } : {}) };
  const body = { iat: now, exp: now + 3600, ...EVERYTHING, ...claims };
  const signed = `${base64url(JSON.stringify(header))}.${base64url(JSON.stringify(body))}`;
  return `${signed}.${base64url(key.sign(signed))}`;
}

export function newSecret(kid) {
  const secret = crypto.randomBytes(48);
  return {
    alg: 'HS256',
    kid,
    jwk: { kty: 'oct', alg: 'HS256', kid, k: base64url(secret) },
    sign: (text) => crypto.createHmac('sha256', secret).update(text).digest(),
  };
}

export function newEs256(kid) {
  const { publicKey, privateKey } = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return {
    alg: 'ES256',
    kid,
    jwk: { ...publicKey.export({ format: 'jwk' }), alg: 'ES256', kid },
    sign: (text) => crypto.sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' }),
  };
}

// As whoever rotates keys should: the file is never seen half written.
export function writeKeys(file, keys) {
  fs.writeFileSync(`${file}.new`, JSON.stringify({ keys: keys.map((key) => key.jwk) }), { mode: 0o600 });
  fs.renameSync(`${file}.new`, file);
}

// ---- the hub

// `env`: settings, as CLAIRON__GROUP__KEY.
export function startOwn({ clairon, env = {}, words = [], options = CORES }) {
  const hub = {
    launch() {
      const dir = makeDir('bench');
      return { words: [clairon, 'serve', '--listen', '127.0.0.1:0', '--data', path.join(dir, 'data'), ...words], env, dir };
    },
  };
  return Running.start(hub, options);
}

// Does this hub know that setting?
export function takes(clairon, env) {
  try {
    execFileSync(clairon, ['serve', '--check'], { env: { ...process.env, ...env }, stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

// {rss, fds, gauges}: bytes, descriptors, and all of /metrics by name.
export async function lookAt(server, token) {
  const status = fs.readFileSync(`/proc/${server.pid}/status`, 'utf8');
  const headers = { connection: 'close', ...(token ? { authorization: `Bearer ${token}` } : {}) };
  const answer = await fetch(`${server.url}/metrics`, { headers, signal: AbortSignal.timeout(30_000) });
  if (answer.status !== 200) {
    throw new Error(`/metrics answered ${answer.status}`);
  }
  const gauges = Object.fromEntries((await answer.text()).split('\n').filter((line) => line && line[0] !== '#')
    .map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]));
  return {
    rss: Number(/^VmRSS:\s+(\d+) kB/m.exec(status)[1]) * 1024,
    fds: fs.readdirSync(`/proc/${server.pid}/fd`).length,
    gauges,
  };
}

// ---- processes on the load's core

const children = new Set();
process.on('exit', () => children.forEach((child) => child.kill('SIGKILL')));

// {child, done}: done is {code, out, err}. Killed after that many seconds.
export function onLoadCore(words, { seconds, nice = 0, core = CORES.loadCore }) {
  const child = spawn('nice', ['-n', String(nice), 'taskset', '-c', String(core), ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
  children.add(child);
  const texts = { out: '', err: '' };
  child.stdout.on('data', (bytes) => { texts.out += bytes; });
  child.stderr.on('data', (bytes) => { texts.err += bytes; });
  const timer = setTimeout(() => child.kill('SIGKILL'), seconds * 1000);
  const done = new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      children.delete(child);
      resolve({ code: signal ?? code, ...texts });
    });
  });
  return { child, done };
}

// The result of `clairon bench` at a rate, or {failed}.
export async function honest(server, { clairon, clients, rate, seconds, publishers = 4, token }) {
  const query = token ? `?token=${token}` : '';
  const words = [clairon, 'bench', '--mode', 'rate', '--clients', String(clients), '--rate', String(rate),
    '--publishers', String(publishers), '--warmup', '2', '--duration', String(seconds), '--timeout', '20',
    '--subscribe', `${server.url.replace('http', 'ws')}/api/v1/ws${query}`,
    '--publish', `${server.url}/api/v1/publish${query}`,
    '--server-pid', String(server.pid), '--server-cpu', String(CORES.serverCore), '--json', '-'];
  const { code, out, err } = await onLoadCore(words, { seconds: seconds + 60 }).done;
  try {
    return JSON.parse(out);
  } catch {
    return { failed: `the honest clients gave no result (${code}): ${err.trim().split('\n').at(-1)}` };
  }
}
