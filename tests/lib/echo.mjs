// SPDX-License-Identifier: MIT
// The echo server that is built beside the unit tests, and sockets to it that say exactly the frames they are told to.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before } from 'node:test';
import zlib from 'node:zlib';
import { ask, frame, readFrame, UPGRADE } from './frames.mjs';
import { binary } from './paths.mjs';
import { Child } from './process.mjs';
import { RawSocket } from './raw.mjs';

// One for all tests of a file: its `port` is there when they run.
export function useEcho() {
  const echo = {};
  before(async () => {
    echo.child = new Child(path.join(path.dirname(binary()), 'src/http/http_echo'), [], { input: 'open' });
    echo.port = Number(await echo.child.out.next());
  });
  after(async () => {
    echo.child.child.stdin.end();
    assert.deepEqual({ ...await echo.child.exit, err: echo.child.err.items }, { code: 0, signal: null, err: [] });
  });
  return echo;
}

const TAIL = Buffer.from([0, 0, 0xff, 0xff]);

// What goes behind RSV1: each message by itself.
export function deflate(bytes, options = {}) {
  const out = zlib.deflateRawSync(bytes, { finishFlush: zlib.constants.Z_SYNC_FLUSH, ...options });
  assert.ok(out.subarray(-4).equals(TAIL));
  return out.length > 4 ? out.subarray(0, -4) : Buffer.from([0]);
}

export const inflate = (bytes, options = {}) =>
  zlib.inflateRawSync(Buffer.concat([bytes, TAIL]), { finishFlush: zlib.constants.Z_SYNC_FLUSH, ...options });

export const TEXT = 1;
export const BINARY = 2;
export const FIN = 0x80;
export const RSV1 = 0x40;

export class EchoSocket {
  // `offer`: of Sec-WebSocket-Extensions.
  static async open(port, offer) {
    const raw = await RawSocket.connect(port);
    raw.write(ask('GET / HTTP/1.1', [...UPGRADE, ...(offer ? [`Sec-WebSocket-Extensions: ${offer}`] : [])]));
    const response = await raw.readResponse();
    assert.equal(response.status, 101);
    return new EchoSocket(raw, response.headers['sec-websocket-extensions']);
  }

  constructor(raw, agreed) {
    Object.assign(this, { raw, agreed });
    this.windowBits = Number(/server_max_window_bits=(\d+)/.exec(agreed)?.[1] ?? 15);
  }

  // Writes the bytes in pieces of `chop`, each in a packet of its own as far as that can be had.
  async write(bytes, chop = bytes.length || 1) {
    for (let at = 0; at < bytes.length; at += chop) {
      this.raw.write(bytes.subarray(at, at + chop));
      await new Promise(setImmediate);
    }
  }

  // A message in frames of at most `size` bytes of what goes over the wire.
  send(opcode, payload, { size = Infinity, compress = false, chop } = {}) {
    const bytes = compress ? deflate(payload) : Buffer.from(payload);
    const frames = [];
    for (let at = 0; at === 0 || at < bytes.length; at += size) {
      const first = at === 0 ? opcode | (compress ? RSV1 : 0) : 0;
      const end = Math.min(bytes.length, at + size);
      frames.push(frame(first | (end === bytes.length ? FIN : 0), bytes.subarray(at, end)));
    }
    return this.write(Buffer.concat(frames), chop);
  }

  // The next frame, which must be a whole one: [opcode, payload].
  async read() {
    const { first, opcode, payload } = await readFrame(this.raw);
    assert.equal(first & FIN, FIN);
    if (!(first & RSV1)) {
      return [opcode, payload];
    }
    assert.ok(this.agreed && opcode < 8);
    return [opcode, inflate(payload, { windowBits: this.windowBits })];
  }

  async expect(opcode, payload) {
    const got = await this.read();
    assert.equal(got[0], opcode);
    assert.ok(got[1].equals(Buffer.from(payload)), `${got[1].length} bytes, of ${Buffer.from(payload).length}`);
  }

  // The server closes with that code (undefined: none), before anything else, and ends the connection.
  async expectClose(code) {
    const [opcode, payload] = await this.read();
    assert.equal(opcode, 8);
    assert.equal(payload.length >= 2 ? payload.readUInt16BE() : undefined, code);
    this.raw.end();
    assert.equal((await this.raw.readAll()).length, 0);
  }

  // Our close, its answer, and the end.
  async close() {
    this.raw.write(frame(0x88, Buffer.from([3, 0xe8])));
    await this.expectClose(1000);
  }
}
