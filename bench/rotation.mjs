#!/usr/bin/env node
// SPDX-License-Identifier: MIT
// Rotates the keys, and then the certificate, of a hub by SIGHUP again and again, under handshakes and live clients:
// nobody may be refused or dropped, and the new one must be in use within a second. See docs/hostile.md. Ends with 1 if
// not.
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import tls from 'node:tls';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { makeDir, REPO } from '../tests/lib/paths.mjs';
import { WsClient } from '../tests/lib/ws.mjs';
import { honest, newEs256, newSecret, sleep, startOwn, takes, tokenOf, writeKeys } from './own.mjs';

const IN_USE_MS_MAX = 1000;
const GIVE_UP_MS = 20_000; // of one handshake, or of waiting for what is new
const UNDER_WAY_MAX = 50; // handshakes at a time: more are not begun, and the rate that is told is lower
const HOLD = 100; // handshakes whose connections stay open for a while
const LIVE_RATE = 20; // events per second to the live clients
const KINDS = ['keys', 'certificates'];

const USAGE = `usage: bench/rotation.mjs [--only KIND,...] [--rounds N] [--every MS] [--clients N] [--tls-clients N] [--rate N]
                          [--clairon BIN]

  --only KIND,...   of: ${KINDS.join(' ')}
  --rounds N        rotations (100)
  --every MS        from one to the next (300)
  --clients N       live clients (1000)
  --tls-clients N   live clients over TLS, while certificates change (100)
  --rate N          handshakes per second (200)
  --clairon BIN     hub and live clients (build/clairon)`;

const OPTIONS = {
  only: { type: 'string', default: KINDS.join(',') },
  rounds: { type: 'string', default: '100' },
  every: { type: 'string', default: '300' },
  clients: { type: 'string', default: '1000' },
  'tls-clients': { type: 'string', default: '100' },
  rate: { type: 'string', default: '200' },
  clairon: { type: 'string', default: path.join(REPO, 'build/clairon') },
  help: { type: 'boolean', default: false },
};

// ---- handshakes

const asking = (token) => 'GET /api/v1/ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n' +
  `${token ? `Authorization: Bearer ${token}\r\n` : ''}\r\n`;

// Opens a WebSocket: {socket, serial}, serial that of the certificate. Throws what was answered otherwise.
function open({ port, token, ca }) {
  return new Promise((resolve, reject) => {
    const to = { host: '127.0.0.1', port };
    const socket = ca ? tls.connect({ ...to, ca, servername: 'localhost' }) : net.connect(to);
    const fail = (why) => {
      socket.destroy();
      reject(new Error(why));
    };
    const timer = setTimeout(() => fail('no answer'), GIVE_UP_MS);
    socket.once(ca ? 'secureConnect' : 'connect', () => socket.write(asking(token)));
    socket.once('data', (bytes) => {
      clearTimeout(timer);
      socket.removeAllListeners('close');
      const line = bytes.toString('latin1').split('\r\n')[0];
      if (!line.startsWith('HTTP/1.1 101')) {
        fail(line);
        return;
      }
      resolve({ socket, serial: ca && parseInt(socket.getPeerCertificate().serialNumber, 16) });
    });
    socket.on('error', (error) => fail(error.code ?? error.message));
    socket.once('close', () => fail('closed'));
  });
}

// Handshakes at a rate, by `how()` each, until stop(), which says {done, per_s, took, refused: {why: count}}.
class Handshakes {
  constructor(rate, how) {
    Object.assign(this, { how, took: [], refused: {}, under: new Set(), held: [] });
    this.began = Date.now();
    this.due = 0;
    this.timer = setInterval(() => {
      for (const now = ((Date.now() - this.began) * rate) / 1000; this.due < now; this.due++) {
        if (this.under.size < UNDER_WAY_MAX) {
          this.#one();
        }
      }
    }, 5);
  }

  #one() {
    const began = performance.now();
    const one = open(this.how()).then(({ socket }) => {
      this.took.push(performance.now() - began);
      this.held.push(socket);
      if (this.held.length > HOLD) {
        this.held.shift().destroy();
      }
    }, (error) => {
      this.refused[error.message] = (this.refused[error.message] ?? 0) + 1;
    }).finally(() => this.under.delete(one));
    this.under.add(one);
  }

  async stop() {
    clearInterval(this.timer);
    const seconds = (Date.now() - this.began) / 1000;
    await Promise.all(this.under);
    this.held.forEach((socket) => socket.destroy());
    const done = this.took.length;
    return { per_s: Math.round(done / seconds), done, took: this.took, refused: this.refused };
  }
}

// Milliseconds until `works()` is true.
async function until(works) {
  const began = performance.now();
  while (!(await works())) {
    if (performance.now() - began > GIVE_UP_MS) {
      return Infinity;
    }
    await sleep(5);
  }
  return performance.now() - began;
}

// ---- the rotations

// `turn(round)` makes the new one, tells the hub, and returns how long it took until that was in use.
async function rotate(options, server, { token, how, turn }) {
  const seconds = Math.ceil((options.rounds * options.every) / 1000) + 3;
  const live = honest(server, { clairon: options.clairon, clients: options.clients, rate: LIVE_RATE, seconds, token });
  await sleep(2000);
  const handshakes = new Handshakes(options.rate, how);
  const took = [];
  for (let round = 0; round < options.rounds; round++) {
    const began = Date.now();
    took.push(await turn(round));
    await sleep(Math.max(0, options.every - (Date.now() - began)));
  }
  return { took, handshakes: await handshakes.stop(), live: await live };
}

// Three keys are known at any time: that of the live clients, the last one and the new one. Handshakes go on with the
// last one until the new one is taken.
async function rotateKeys(options) {
  const file = path.join(makeDir('keys'), 'jwks.json');
  const steady = newSecret('steady');
  const guest = { sub: 'guest' }; // not the user of the live clients, whose connections are limited together
  let last = newEs256('key-0');
  let current = last;
  writeKeys(file, [steady, last]);
  const env = { CLAIRON__AUTH__JWKS_FILE: file };
  if (!takes(options.clairon, env)) {
    return { skipped: 'this hub knows no keys' };
  }
  const server = await startOwn({ clairon: options.clairon, env });
  const { port } = new URL(server.url);
  const result = await rotate(options, server, {
    token: tokenOf(steady),
    how: () => ({ port, token: tokenOf(current, guest) }),
    async turn(round) {
      const key = round % 2 ? newEs256(`key-${round + 1}`) : newSecret(`key-${round + 1}`);
      writeKeys(file, [steady, last, key]);
      server.child.kill('SIGHUP');
      const ms = await until(() => open({ port, token: tokenOf(key, guest) }).then(({ socket }) => socket.destroy() && true, () => false));
      [last, current] = [key, key];
      return ms;
    },
  });
  return { ...result, end: await server.stop() };
}

// Live clients over TLS. {dropped()}: how many are gone.
async function liveOverTls(count, { port, ca }) {
  const clients = [];
  let dropped = 0;
  for (let i = 0; i < count; i++) {
    const client = await WsClient.connect(`wss://127.0.0.1:${port}/api/v1/ws`, { ca });
    client.closed.then(() => dropped++);
    clients.push(client);
  }
  return { dropped: () => dropped, end: () => clients.forEach((client) => client.terminate()) };
}

async function rotateCertificates(options) {
  const { makeAuthority } = await import('../tests/lib/tls.mjs').catch(() => ({}));
  const authority = makeAuthority?.({ after: (work) => process.on('exit', work) });
  const first = authority?.issue('served');
  const env = { CLAIRON__TLS__LISTEN: '127.0.0.1:0', CLAIRON__TLS__CERTIFICATE_FILE: first?.certificate, CLAIRON__TLS__KEY_FILE: first?.key };
  if (!first || !takes(options.clairon, env)) {
    return { skipped: 'this hub knows no TLS' };
  }
  // All are made before: to make one takes longer than to take it in use.
  const next = Array.from({ length: options.rounds }, (_, round) => authority.issue(`next-${round}`));
  const server = await startOwn({ clairon: options.clairon, env });
  const port = await until(() => /listening on https:/.test(server.text))
    .then(() => /listening on https:\S*:(\d+)/.exec(server.text)?.[1]);
  const how = () => ({ port, ca: authority.ca });
  const live = await liveOverTls(options['tls-clients'], how());
  const result = await rotate(options, server, {
    how,
    async turn(round) {
      const { certificate, key, serial } = next[round];
      fs.renameSync(certificate, first.certificate);
      fs.renameSync(key, first.key);
      server.child.kill('SIGHUP');
      return until(() => open(how()).then((one) => one.socket.destroy() && one.serial === serial, () => false));
    },
  });
  const dropped = live.dropped();
  live.end();
  return { ...result, dropped, end: await server.stop() };
}

// ---- what is said

function faultsOf({ took, handshakes, live, dropped = 0, end }) {
  const late = took.filter((ms) => ms > IN_USE_MS_MAX).length;
  return [
    ...(late ? [`${late} were not in use within ${IN_USE_MS_MAX} ms`] : []),
    ...Object.entries(handshakes.refused).map(([why, count]) => `${count} handshakes failed: ${why}`),
    ...(live.failed ? [live.failed] : []),
    ...['lost', 'doubled', 'out_of_order', 'clients_failed', 'publish_errors'].filter((key) => live[key] > 0)
      .map((key) => `${key} ${live[key]} of the live clients${live.problem ? ` (${live.problem})` : ''}`),
    ...(dropped ? [`${dropped} clients over TLS were dropped`] : []),
    ...(end ? [end] : []),
  ];
}

function spread(list) {
  const sorted = [...list].sort((a, b) => a - b);
  const at = (share) => (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN).toFixed(1);
  return `${at(0.5)} ms (p99 ${at(0.99)}, most ${at(1)})`;
}

function say(kind, result) {
  console.log(`${kind}: ${result.took.length} rotations, in use after ${spread(result.took)}; ${result.handshakes.done} ` +
    `handshakes (${result.handshakes.per_s}/s) of ${spread(result.handshakes.took)}; live clients lost ${result.live.lost ?? '?'} of ` +
    `${result.live.expected ?? '?'} events, p99 ${result.live.latency_ms?.p99 ?? '?'} ms`);
}

function optionsFrom(words) {
  const options = parseArgs({ args: words, options: OPTIONS }).values;
  for (const name of ['rounds', 'every', 'clients', 'tls-clients', 'rate']) {
    options[name] = Number(options[name]);
    if (!(options[name] >= 1)) {
      throw new Error(`--${name} is a number from 1 on`);
    }
  }
  options.kinds = options.only.split(',');
  const unknown = options.kinds.filter((kind) => !KINDS.includes(kind));
  if (unknown.length) {
    throw new Error(`nothing named ${unknown.join(', ')} is rotated`);
  }
  options.clairon = path.resolve(options.clairon);
  return options;
}

async function main(words) {
  let options;
  try {
    options = optionsFrom(words);
  } catch (error) {
    console.error(`rotation: ${error.message}\n${USAGE}`);
    return 2;
  }
  if (options.help) {
    console.log(USAGE);
    return 0;
  }
  let wrong = 0;
  for (const kind of options.kinds) {
    const result = kind === 'keys' ? await rotateKeys(options) : await rotateCertificates(options);
    if (result.skipped) {
      console.log(`${kind}: left out, ${result.skipped}`);
      continue;
    }
    say(kind, result);
    const faults = faultsOf(result);
    faults.forEach((fault) => console.log(`FAULT ${kind}: ${fault}`));
    wrong += faults.length;
  }
  return wrong ? 1 : 0;
}

if (process.argv[1] && fs.realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  ['SIGINT', 'SIGTERM'].forEach((name) => process.on(name, () => process.exit(130)));
  main(process.argv.slice(2)).then((code) => process.exit(code));
}
