// SPDX-License-Identifier: MIT
// A TCP connection for arbitrary bytes: broken requests, split ones, frames made by hand, readers that don't read.
import net from 'node:net';
import { FAIL_AFTER_MS, within } from './wait.mjs';

export class RawSocket {
  static async connect(port, host = '127.0.0.1') {
    const raw = new RawSocket(net.connect({ port, host, allowHalfOpen: true }));
    await within(new Promise((resolve, reject) => {
      raw.socket.once('connect', resolve);
      raw.socket.once('error', reject);
    }), `a connection to ${host}:${port}`);
    return raw;
  }

  constructor(socket) {
    this.socket = socket;
    this.buffer = Buffer.alloc(0);
    this.wakers = new Set();
    this.finished = false;
    socket.setNoDelay(true);
    socket.on('data', (chunk) => {
      this.buffer = Buffer.concat([this.buffer, chunk]);
      this.#wake();
    });
    const finish = () => {
      this.finished = true;
      this.#wake();
    };
    socket.on('end', finish);
    socket.on('close', finish);
    socket.on('error', finish); // A reset counts as closed: broken requests may well be answered with one.
  }

  #wake() {
    this.wakers.forEach((wake) => wake());
    this.wakers.clear();
  }

  write(bytes) {
    this.socket.write(bytes);
  }

  // Stops and resumes reading, so that the hub's send buffers fill.
  pause() {
    this.socket.pause();
  }

  resume() {
    this.socket.resume();
  }

  // Ends our direction only; what the hub still sends can be read.
  end() {
    this.socket.end();
  }

  close() {
    this.socket.destroy();
  }

  // Takes `size` bytes off what has come.
  async read(size) {
    await this.#until(() => this.buffer.length >= size, `${size} bytes`);
    return this.#take(size);
  }

  // Takes everything up to and including `mark`.
  async readUntil(mark) {
    await this.#until(() => this.buffer.includes(mark), JSON.stringify(mark));
    return this.#take(this.buffer.indexOf(mark) + Buffer.byteLength(mark));
  }

  // Takes everything until the hub closes.
  async readAll() {
    await this.closed();
    return this.#take(this.buffer.length);
  }

  async closed() {
    await within(this.#wait(() => this.finished), 'the hub to close the connection');
  }

  // Takes one HTTP response: {status, headers, text, json}. `bodyless` for answers to HEAD.
  async readResponse({ bodyless = false } = {}) {
    const head = (await this.readUntil('\r\n\r\n')).toString('latin1');
    const [statusLine, ...fields] = head.trimEnd().split('\r\n');
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(statusLine)?.[1]);
    const headers = Object.fromEntries(fields.map((field) => {
      const colon = field.indexOf(':');
      return [field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim()];
    }));
    const body = bodyless || status === 101 || status === 204 ? Buffer.alloc(0) : await this.#readBody(headers);
    const text = body.toString('utf8');
    return { status, headers, text, json: text.startsWith('{') ? JSON.parse(text) : undefined };
  }

  async #readBody(headers) {
    if (headers['transfer-encoding'] === 'chunked') {
      const chunks = [];
      for (;;) {
        const size = parseInt((await this.readUntil('\r\n')).toString('latin1'), 16);
        chunks.push(await this.read(size));
        await this.readUntil('\r\n');
        if (size === 0) {
          return Buffer.concat(chunks);
        }
      }
    }
    return 'content-length' in headers ? this.read(Number(headers['content-length'])) : this.readAll();
  }

  #take(size) {
    const taken = this.buffer.subarray(0, size);
    this.buffer = this.buffer.subarray(size);
    return taken;
  }

  async #until(condition, what) {
    await within(this.#wait(() => condition() || this.finished), what, FAIL_AFTER_MS);
    if (!condition()) {
      throw new Error(`the hub closed before ${what}; unread: ${JSON.stringify(this.buffer.toString('latin1'))}`);
    }
  }

  async #wait(condition) {
    while (!condition()) {
      await new Promise((resolve) => this.wakers.add(resolve));
    }
  }
}
