#!/usr/bin/env node
// SPDX-License-Identifier: MIT
// Our HTTP/1 parser beside Node's: the same bytes to both, made by a grammar of valid, nearly valid and
// smuggling-shaped requests. What we take Node must take the same: method, target, version, fields, body, and
// how many requests lie behind each other. We may refuse more; that is a 400 and the end of the connection.
//   fuzz/differential.mjs BUILDDIR [--count N] [--seed N]
// The last line is `ok differential …`, or `FAIL differential …` behind the cases that differ.
import { spawn } from 'node:child_process';
import http from 'node:http';
import path from 'node:path';
import { Duplex } from 'node:stream';
import { pathToFileURL } from 'node:url';

const BATCH = 200;
const SHOWN = 5;
const TURNS = 12;

// ---- The grammar

// mulberry32: small, and the same everywhere.
function random(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
  const below = (n) => next() % n;
  return { below, chance: (percent) => below(100) < percent, pick: (list) => list[below(list.length)] };
}

const METHODS = ['GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH', 'TRACE'];
const BAD_METHODS = ['get', 'CONNECT', 'FOO', 'GE T', 'GET\0', 'G@T', '', 'PRI', 'POST\t', 'M-SEARCH', 'POST\r\n'];
const TARGETS = ['/', '/a', '/a?b=c', '/%41%zz', '/a//b/../c', 'http://h/x', 'HTTP://h:80/x?y', '/a;b', '/?', '/a?b?c', '/-._~!$&\'()*+,;=:@'];
const BAD_TARGETS = ['', '*', 'a', '/a b', '/a#b', '/\x80', '/\xc3\xa9', '/a\tb', '/\0', '/a\x7f', '//h/x', 'http://', 'http://u@h/', 'h:443', '/"<>\\^`{|}', '/a\rb'];
const VERSIONS = ['HTTP/1.1', 'HTTP/1.1', 'HTTP/1.1', 'HTTP/1.0'];
const BAD_VERSIONS = ['HTTP/1.2', 'HTTP/2.0', 'HTTP/0.9', 'http/1.1', 'HTTP/1.1 ', 'HTTP/01.1', 'HTTP/1.10', 'HTTP /1.1', 'HTTP/1', '', 'HTTPS/1.1', 'ICE/1.0', 'RTSP/1.0'];
const ENDS = ['\n', '\r', '\r\r\n', '\n\r', '\r\n\n', '\0\r\n', ' \r\n'];
const BLANKS = ['', ' ', '  ', '\t', ' \t '];
const NAMES = ['X-A', 'x', 'Accept', 'Cookie', 'Upgrade', 'Expect', 'Connection', 'Keep-Alive', 'Trailer', 'TE', "!#$%&'*+-.^_`|~0"];
const BAD_NAMES = ['X A', 'X-A ', ' X-A', '\tX', 'X\0', 'X\x7f', 'X\xe9', '', 'X(', 'X"', 'X/', 'X\r', 'Content-Length ', 'Content_Length', 'Transfer-Encoding\x0b', '\x0bTransfer-Encoding'];
const VALUES = ['', 'a', 'a b', 'a\tb', 'a, b', '"q"', '\xe9', '\x80\xff', 'a:b', 'close', 'keep-alive', 'upgrade', 'websocket', '100-continue', 'h2c', 'trailers', 'close, x', 'keep-alive, close'];
const BAD_VALUES = ['a\0b', 'a\rb', 'a\nb', '\x7f', '\x01', 'a\x0bb', 'a\x0cb', 'a\r\n b', 'a\r\n\tb', '\r\n b', 'a\r\n \r\n b'];
const HOSTS = ['h', 'h:80', '[::1]:1', '127.0.0.1', 'a.b-c'];
const BAD_HOSTS = ['', 'h h', 'h/x', 'u@h', 'h:x', 'h, g', '[::1', 'h\t'];
const LENGTHS = (n) => [`${n}`];
const BAD_LENGTHS = (n) => [`+${n}`, `-${n}`, `${n},${n}`, `${n}, ${n}`, `0${n}`, `0x${n}`, `${n} ${n}`, `${n}.0`, '', ' ', `${n};`, '18446744073709551616',
  '18446744073709551615', '99999999999999999999999', `${n}\0`, `\x0b${n}`, `${n}_0`, `"${n}"`, `${n + 1}`, `${n}e0`, '-0', `${n},`, `,${n}`];
const CODINGS = ['chunked', 'Chunked', 'CHUNKED'];
const BAD_CODINGS = ['identity', 'chunked, chunked', 'gzip, chunked', 'chunked, gzip', 'xchunked', 'chunkedx', 'chunked;q=1', '"chunked"', '\x0bchunked', 'chunked\0',
  'chunked,', ',chunked', 'chunked chunked', '', 'cow', 'chunked\r\n identity', 'chunked\x0b', '\x0cchunked', 'gzip', 'chunked, identity', 'chu\xeeked'];
const SPECIAL = ['\0', '\r', '\n', '\r\n', ' ', '\t', ':', ',', ';', '0', '\x0b', '\x80', '\xff', '\x7f', '\r\n\r\n', '0\r\n\r\n', 'GET / HTTP/1.1\r\nHost: h\r\n\r\n'];

// `odd`: how many percent of choices are not as they should be.
function chunk(r, odd, data) {
  let size = data.length.toString(16);
  if (r.chance(20)) {
    size = r.pick([size.toUpperCase(), `0${size}`, `000${size}`]);
  }
  if (r.chance(odd)) {
    size = r.pick([`0x${size}`, `+${size}`, `-${size}`, ` ${size}`, `${size} `, `${size}\t`, '', 'g', `${size}g`, 'ffffffffffffffff', '10000000000000000', `${size}\0`, '0000000000000000000']);
  }
  let ext = r.chance(15) ? r.pick([';a', ';a=b', ';a="b;c"', '; a=b', ' ;a', ';a="\\""', ';']) : '';
  if (r.chance(odd)) {
    ext = r.pick([';a\n', ';a="\n"', ';\0', ';a\r', '\t;a', ';a="\r\n"', ' a', ';\x80']);
  }
  const end = () => (r.chance(odd) ? r.pick(ENDS) : '\r\n');
  return `${size}${ext}${end()}${data}${r.chance(odd) ? r.pick(['', 'x', '\n', '\r', 'x\r\n', '\r\n\r\n']) : '\r\n'}`;
}

function chunks(r, odd) {
  let out = '';
  for (let n = r.below(4); n > 0; n--) {
    out += chunk(r, odd, r.pick(['a', 'hello', '\r\n', '0\r\n\r\n', 'x'.repeat(17), 'GET / HTTP/1.1\r\n']));
  }
  const last = r.chance(odd) ? r.pick(['', '0', '00', '0;a', '-0', '0x0', '0 ', ' 0']) : r.pick(['0', '0', '00', '0;a=b']);
  let trailers = r.chance(15) ? r.pick(['X: y\r\n', 'X:\r\nY: z\r\n', 'Content-Length: 5\r\n', 'Host: g\r\n', 'Transfer-Encoding: chunked\r\n']) : '';
  if (r.chance(odd)) {
    trailers = r.pick(['X : y\r\n', ' X: y\r\n', 'X\r\n', 'X: y\n', 'X: y\r\n z\r\n', 'X: a\0b\r\n', '\0: y\r\n', 'X: a\rb\r\n']);
  }
  return `${last}${r.chance(odd) ? r.pick(ENDS) : '\r\n'}${trailers}${r.chance(odd) ? r.pick(['', '\n', '\r', 'x\r\n']) : '\r\n'}`.replace(/^/, () => out);
}

function field(r, odd, name, value) {
  const colon = r.chance(odd) ? r.pick([' :', '\t:', '::', '', '\0:', ':\0', '\r\n:', ' ']) : ':';
  const end = r.chance(odd) ? r.pick(ENDS) : '\r\n';
  return `${name}${colon}${r.chance(80) ? ' ' : r.pick(BLANKS)}${value}${r.chance(10) ? r.pick(BLANKS) : ''}${end}`;
}

function request(r, odd) {
  const choose = (good, bad) => (r.chance(odd) ? r.pick(bad) : r.pick(good));
  const blank = () => (r.chance(odd) ? r.pick(['  ', '\t', '', '\x0b', '\r', '\0']) : ' ');
  const method = choose(METHODS, BAD_METHODS);
  let text = r.chance(5) ? r.pick(['\r\n', '\r\n', '\n', '\r\n\r\n', '\r', ' ']) : '';
  text += `${method}${blank()}${choose(TARGETS, BAD_TARGETS)}${blank()}${choose(VERSIONS, BAD_VERSIONS)}${r.chance(odd) ? r.pick(ENDS) : '\r\n'}`;
  const fields = [];
  const hosts = r.chance(odd) ? r.below(3) : 1;
  for (let i = 0; i < hosts; i++) {
    fields.push(field(r, odd, r.pick(['Host', 'host', 'HOST']), choose(HOSTS, BAD_HOSTS)));
  }
  for (let n = r.below(4); n > 0; n--) {
    fields.push(field(r, odd, choose(NAMES, BAD_NAMES), choose(VALUES, BAD_VALUES)));
  }
  const shape = r.below(10);
  let body = '';
  if (shape < 3) {
    body = r.pick(['', 'a', 'hello', '0\r\n\r\n', '5\r\nhello\r\n0\r\n\r\n', 'GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n']);
    fields.push(field(r, odd, r.pick(['Content-Length', 'content-length']), choose(LENGTHS(body.length), BAD_LENGTHS(body.length))));
  } else if (shape < 6) {
    body = chunks(r, odd);
    fields.push(field(r, odd, r.pick(['Transfer-Encoding', 'transfer-encoding']), choose(CODINGS, BAD_CODINGS)));
  }
  if (r.chance(odd)) { // the other one too, or twice
    fields.push(r.chance(50) ? field(r, odd, 'Content-Length', r.pick([...LENGTHS(body.length), ...BAD_LENGTHS(body.length)]))
      : field(r, odd, 'Transfer-Encoding', r.pick([...CODINGS, ...BAD_CODINGS])));
  }
  for (let i = fields.length - 1; i > 0; i--) {
    const k = r.below(i + 1);
    [fields[i], fields[k]] = [fields[k], fields[i]];
  }
  return `${text}${fields.join('')}${r.chance(odd) ? r.pick(['\n', '\r', '', ' \r\n', '\0\r\n']) : '\r\n'}${body}`;
}

function mutate(r, text) {
  let out = text;
  for (let n = 1 + r.below(3); n > 0; n--) {
    const at = r.below(out.length + 1);
    const what = r.below(4);
    if (what === 0) {
      out = out.slice(0, at) + r.pick(SPECIAL) + out.slice(at);
    } else if (what === 1) {
      out = out.slice(0, at) + out.slice(at + 1 + r.below(3));
    } else if (what === 2) {
      out = out.slice(0, at) + String.fromCharCode(r.below(256)) + out.slice(at + 1);
    } else {
      out = out.slice(0, at) + out.slice(Math.max(0, at - 1 - r.below(20)), at) + out.slice(at);
    }
  }
  return out;
}

export function makeCase(r) {
  const odd = r.pick([0, 1, 1, 2, 5, 20]);
  let text = '';
  for (let n = 1 + (r.chance(50) ? r.below(3) : 0); n > 0; n--) {
    text += request(r, odd);
  }
  text = r.chance(25) ? mutate(r, text) : text;
  return Buffer.from(text, 'latin1');
}

// ---- Node's side

function nodeServer() {
  // Its limits are wider than ours, so that they don't hide what it would read.
  const server = http.createServer({
    maxHeaderSize: 1 << 20, requireHostHeader: false, requestTimeout: 0, headersTimeout: 0, keepAliveTimeout: 0, connectionsCheckingInterval: 1 << 30,
  });
  server.maxHeadersCount = 0;
  server.timeout = 0;
  const take = (req, res) => {
    const body = [];
    const read = { method: req.method, target: req.url, minor: req.httpVersionMinor, major: req.httpVersionMajor, fields: req.rawHeaders };
    req.on('data', (piece) => body.push(piece));
    req.on('end', () => {
      read.body = Buffer.concat(body).toString('latin1');
      req.socket.seen.push(read);
      res.end();
    });
    req.on('error', () => {});
  };
  server.on('request', take);
  server.on('checkContinue', take);
  server.on('checkExpectation', take);
  server.on('clientError', (error, socket) => {
    socket.refusal = error.code; // and what was read before still comes
  });
  return server;
}

function nodeRead(server, bytes) {
  return new Promise((resolve) => {
    const socket = new Duplex({ read() {}, write: (piece, encoding, done) => done(), allowHalfOpen: true });
    socket.seen = [];
    socket.on('error', () => {});
    server.emit('connection', socket);
    let turns = 0;
    const over = () => {
      socket.destroy();
      resolve({ requests: socket.seen, refusal: socket.refusal });
    };
    // Everything of it happens within a few turns of the event loop; some never end by themselves.
    const wait = () => (++turns === TURNS ? over() : setImmediate(wait));
    setImmediate(wait);
    socket.push(bytes);
    socket.push(null);
  });
}

// ---- Ours

function ourParser(program) {
  const child = spawn(program, { stdio: ['pipe', 'pipe', 'inherit'] });
  const waiting = [];
  let rest = '';
  child.stdout.setEncoding('latin1');
  child.stdout.on('data', (piece) => {
    const lines = (rest + piece).split('\n');
    rest = lines.pop();
    lines.forEach((line) => waiting.shift().resolve(JSON.parse(line)));
  });
  child.on('close', (code) => waiting.forEach(({ reject }) => reject(new Error(`${program} ended with ${code}`))));
  return {
    read(bytes) {
      const head = Buffer.alloc(4);
      head.writeUInt32LE(bytes.length);
      child.stdin.write(Buffer.concat([head, bytes]));
      return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
    },
    end: () => child.stdin.end(),
  };
}

// ---- Comparing

const same = (a, b) => a.method === b.method && a.target === b.target && a.minor === b.minor && b.major === 1 && a.body === b.body
  && a.fields.length === b.fields.length && a.fields.every((text, i) => text === b.fields[i]);

// Node drops what comes behind a request for an upgrade that nobody listens to; we read on.
function asksUpgrade({ fields }) {
  const value = (name) => fields.filter((_, i) => i % 2 === 1 && fields[i - 1].toLowerCase() === name).join(',').toLowerCase();
  return /\bupgrade\b/.test(value('connection')) && value('upgrade') !== '';
}

// Why not, or null.
export function difference(ours, node) {
  for (const [i, request] of ours.requests.entries()) {
    if (i > 0 && asksUpgrade(ours.requests[i - 1])) {
      return null;
    }
    if (!node.requests[i]) {
      return `request ${i + 1} is taken by us alone (${node.refusal ?? 'no refusal'})`;
    }
    if (!same(request, node.requests[i])) {
      return `request ${i + 1} reads otherwise: ${JSON.stringify(request)} / ${JSON.stringify(node.requests[i])}`;
    }
  }
  if (ours.end === 'cut' && node.requests.length > ours.requests.length) {
    return `request ${ours.requests.length + 1} is whole for Node, and we wait for more`;
  }
  return null;
}

export async function differential({ program, count, seed, say = console.log }) {
  const server = nodeServer();
  const parser = ourParser(program);
  const r = random(seed);
  const tally = { cases: 0, requests: 0, clean: 0, cut: 0, refused: 0, stricter: 0, differ: 0 };
  while (tally.cases < count) {
    const cases = Array.from({ length: Math.min(BATCH, count - tally.cases) }, () => makeCase(r));
    const read = await Promise.all(cases.map((bytes) => Promise.all([parser.read(bytes), nodeRead(server, bytes)])));
    for (const [i, [ours, node]] of read.entries()) {
      const why = difference(ours, node);
      tally.cases++;
      tally.requests += ours.requests.length;
      tally[ours.end]++;
      tally.stricter += ours.end === 'refused' && node.requests.length > ours.requests.length ? 1 : 0;
      tally.differ += why ? 1 : 0;
      if (why && tally.differ <= SHOWN) {
        say(`${JSON.stringify(cases[i].toString('latin1'))}\n  ${why}`);
      }
    }
  }
  parser.end();
  return tally;
}

async function main(words) {
  const options = { count: 20000, seed: Date.now() >>> 0 };
  const [build, ...rest] = words;
  for (let i = 0; i < rest.length; i += 2) {
    options[rest[i].replace(/^--/, '')] = Number(rest[i + 1]);
  }
  if (!build || rest.length % 2 || Object.values(options).some(Number.isNaN)) {
    console.error('usage: differential.mjs BUILDDIR [--count N] [--seed N]');
    return 2;
  }
  const tally = await differential({ program: path.join(build, 'fuzz/differential'), ...options });
  const text = Object.entries(tally).map(([name, n]) => `${name}=${n}`).join(' ');
  console.log(`${tally.differ ? 'FAIL' : 'ok'} differential seed=${options.seed} ${text}`);
  return tally.differ ? 1 : 0;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  process.exit(await main(process.argv.slice(2)));
}
