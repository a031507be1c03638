// SPDX-License-Identifier: MIT
// A WebSocket client for tests, on the npm package `ws`.
import WebSocket from 'ws';
import { Inbox, within } from './wait.mjs';

// Thrown by connect when the hub answers the handshake with something else than 101.
export class Refused extends Error {
  constructor(status, headers, text) {
    super(`the handshake was refused: ${status} ${text}`);
    Object.assign(this, { status, headers, text });
  }
}

export class WsClient {
  // Options: `protocols`, `headers`, `origin`, `token` (sent as Authorization), and those of `ws`.
  static async connect(url, { protocols = [], headers = {}, token, ...rest } = {}) {
    const sent = { ...(token && { authorization: `Bearer ${token}` }), ...headers };
    const socket = new WebSocket(url, protocols, { headers: sent, perMessageDeflate: false, ...rest });
    const client = new WsClient(socket, url);
    await within(client.opened, `the handshake with ${url}`);
    return client;
  }

  constructor(socket, url) {
    this.socket = socket;
    this.inbox = new Inbox(url);
    this.texts = []; // The messages as they came, by the same index as `messages`.
    this.opened = new Promise((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', reject);
      socket.once('unexpected-response', (_, response) => readRefusal(response).then(reject, reject));
    });
    // Resolves with {code, reason} when the connection is gone.
    this.closed = new Promise((resolve) => {
      socket.once('close', (code, reason) => {
        this.inbox.end(`close ${code} ${reason}`);
        resolve({ code, reason: reason.toString() });
      });
    });
    socket.on('error', () => {}); // Always followed by `close`.
    socket.on('message', (bytes, binary) => this.#receive(bytes, binary));
  }

  #receive(bytes, binary) {
    const text = binary ? bytes : bytes.toString('utf8');
    this.texts.push(text);
    try {
      this.inbox.push(binary ? bytes : JSON.parse(text));
    } catch {
      this.inbox.push(text);
    }
  }

  // Everything received so far, parsed.
  get messages() {
    return this.inbox.items;
  }

  // A string goes as it is, anything else as JSON.
  send(message) {
    this.socket.send(typeof message === 'string' || Buffer.isBuffer(message) ? message : JSON.stringify(message));
  }

  next(options) {
    return this.inbox.next(options);
  }

  waitFor(predicate, options) {
    return this.inbox.waitFor(predicate, options);
  }

  waitType(type, options) {
    return this.inbox.waitFor((message) => message.type === type, { what: `a message of type ${type}`, ...options });
  }

  collectUntil(predicate, options) {
    return this.inbox.collectUntil(predicate, options);
  }

  // Sends a ping and returns what comes before its pong: all that the hub had for this connection by then.
  async drain() {
    this.send({ type: 'ping' });
    const messages = await this.collectUntil((message) => message.type === 'pong', { what: 'the pong' });
    return messages.slice(0, -1);
  }

  // Subscribes to one topic, waits for its caught_up, and returns all that came meanwhile.
  async subscribe(topic, more = {}) {
    this.send({ type: 'subscribe', topic, ...more });
    const ends = ['caught_up', 'WEBSOCKET_ERROR'];
    const done = (message) => ends.includes(message.type) && (message.topic ?? message.data?.topic) === topic;
    return this.collectUntil(done, { what: `caught_up on ${topic}` });
  }

  // Closes from our side and waits for the hub's answer.
  async close(code = 1000, reason = '') {
    this.socket.close(code, reason);
    return this.waitClosed();
  }

  waitClosed() {
    return within(this.closed, 'the connection to close');
  }

  // Drops the connection without a word.
  terminate() {
    this.socket.terminate();
  }
}

async function readRefusal(response) {
  let text = '';
  for await (const chunk of response) {
    text += chunk;
  }
  return new Refused(response.statusCode, response.headers, text);
}
