// SPDX-License-Identifier: MIT
// Engine.IO by hand: `clairon conformance`, and clients that say exactly the packets they are told to.
import assert from 'node:assert/strict';
import WebSocket from 'ws';
import { spawnCli } from './cli.mjs';
import { request } from './http.mjs';
import { Inbox, within } from './wait.mjs';

// Starts the server for `suites` (protocol, client, engine) and gives the URL of each; `hasty`: with the heartbeats that
// the protocol suites want, which a slow machine may miss. It is ended, and its exit status looked at, after test `t`.
export async function startConformance(t, suites, { hasty = false } = {}) {
  const child = spawnCli(['conformance', ...(hasty ? [] : ['--calm']), ...suites.flatMap((suite) => [`--${suite}-listen`, '127.0.0.1:0'])]);
  t.after(async () => {
    child.signal('SIGTERM');
    assert.deepEqual(await child.end(), { code: 0, signal: null }, child.stderr);
    child.assertClean();
  });
  const urls = {};
  for (const suite of suites) {
    const line = await child.out.waitFor((text) => text.startsWith(`${suite}: listening on `));
    urls[suite] = line.split(' ').at(-1);
  }
  return { child, ...urls };
}

const SEPARATOR = '\x1e';
const asBytes = (packet) => (Buffer.isBuffer(packet) ? `b${packet.toString('base64')}` : packet);
const asPacket = (text) => (text.startsWith('b') ? Buffer.from(text.slice(1), 'base64') : text);

// A client by polling. Packets are strings with their type, or Buffers.
export class Polling {
  static async open(url, path, query = '') {
    const answer = await request('GET', `${url}${path}?EIO=4&transport=polling${query}`);
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.text[0], '0');
    return new Polling(url, path, JSON.parse(answer.text.slice(1)), answer);
  }

  constructor(url, path, open, answer) {
    Object.assign(this, { open, answer, queue: [] });
    this.url = `${url}${path}?EIO=4&transport=polling&sid=${open.sid}`;
  }

  get() {
    return request('GET', this.url);
  }

  post(...packets) {
    return request('POST', this.url, { body: packets.map(asBytes).join(SEPARATOR), headers: { 'content-type': 'text/plain;charset=UTF-8' } });
  }

  // Whatever the answer is: a session that the packets end may be gone before it.
  async send(...packets) {
    await this.post(...packets).catch(() => {});
  }

  // The next packet; pings are answered on the way, and what says nothing is left out. undefined: it is over.
  async next() {
    while (this.queue.length === 0) {
      const { status, text } = await this.get();
      if (status !== 200) {
        return undefined;
      }
      for (const packet of text.split(SEPARATOR)) {
        if (packet === '2') {
          await this.send('3');
        } else if (packet === '1') {
          return undefined;
        } else if (packet !== '6') {
          this.queue.push(asPacket(packet));
        }
      }
    }
    return this.queue.shift();
  }

  async leave() {
    await this.send('1');
  }
}

// The same by WebSocket.
export class Socket {
  static async open(url, path, query = '', options = {}) {
    const socket = await Socket.dial(`${url.replace('http', 'ws')}${path}?EIO=4&transport=websocket${query}`, options);
    socket.open = JSON.parse((await socket.next()).slice(1));
    return socket;
  }

  static async dial(url, options = {}) {
    const ws = new WebSocket(url, { perMessageDeflate: false, ...options });
    const socket = new Socket(ws, url);
    await within(new Promise((resolve, reject) => {
      ws.once('open', resolve);
      ws.once('error', reject);
    }), `the handshake with ${url}`);
    return socket;
  }

  constructor(ws, url) {
    this.ws = ws;
    this.inbox = new Inbox(url);
    ws.on('error', () => {});
    ws.on('message', (bytes, binary) => {
      if (!binary && bytes.toString() === '2') {
        this.pong();
      } else {
        this.inbox.push(binary ? bytes : bytes.toString());
      }
    });
    this.closed = new Promise((resolve) => {
      ws.once('close', (code) => {
        this.inbox.end(`close ${code}`);
        resolve(code);
      });
    });
  }

  pong() {
    this.ws.send('3');
  }

  async send(...packets) {
    packets.forEach((packet) => this.ws.send(packet));
  }

  async next() {
    try {
      return await this.inbox.next();
    } catch (error) {
      if (this.inbox.ended) {
        return undefined;
      }
      throw error;
    }
  }

  async leave() {
    this.ws.close();
    await within(this.closed, 'the connection to close');
  }
}

export const TRANSPORTS = { polling: Polling, websocket: Socket };

export const bytes = (...list) => Buffer.from(list);
export const hole = (num) => `{"_placeholder":true,"num":${num}}`;

// Until it is over; fails when it goes on.
export async function expectEnd(link) {
  for (let i = 0; i < 100; i++) {
    if (await link.next() === undefined) {
      return;
    }
  }
  assert.fail('the connection is still open');
}

// Opens a connection of Socket.IO and enters the main namespace.
export async function enter(Transport, url, connect = '40') {
  const link = await Transport.open(url, '/socket.io/');
  await link.send(connect);
  const answer = await link.next();
  assert.match(answer, /^40\{"sid":"[\w-]{20}"(,"pid":"[\w-]{20,}")?\}$/);
  return Object.assign(link, JSON.parse(answer.slice(2)));
}
