// SPDX-License-Identifier: MIT
// Requests, handshakes and WebSocket frames made by hand, to be sent through a RawSocket.
import assert from 'node:assert/strict';

export const HOST = 'Host: 127.0.0.1';
export const UPGRADE = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='];

// A request head of these lines; bytes over 0x7f may be given as latin1 characters.
export const head = (...lines) => Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');

// A head with its Host, and what follows it.
export const ask = (start, fields = [], body = '') => Buffer.concat([head(start, HOST, ...fields), Buffer.from(body)]);

const lengthOf = (size) => {
  if (size < 126) {
    return [size];
  }
  return size < 65536 ? [126, size >> 8, size & 255] : [127, 0, 0, 0, 0, size >>> 24, (size >> 16) & 255, (size >> 8) & 255, size & 255];
};

// One frame: `first` is its first byte, the mask is zero. `length` replaces the second byte and the length behind it.
export function frame(first, payload = '', { mask = true, length } = {}) {
  const bytes = Buffer.from(payload);
  const said = length ?? lengthOf(bytes.length).map((byte, i) => (i === 0 && mask ? byte | 0x80 : byte));
  return Buffer.concat([Buffer.from([first, ...said]), Buffer.alloc(mask ? 4 : 0), bytes]);
}

export const say = (message) => frame(0x81, typeof message === 'string' ? message : JSON.stringify(message));
export const closing = (code, reason = '') => frame(0x88, Buffer.concat([Buffer.from([code >> 8, code & 255]), Buffer.from(reason)]));

export async function readFrame(raw) {
  const [first, second] = await raw.read(2);
  let size = second & 0x7f;
  if (size === 126) {
    size = (await raw.read(2)).readUInt16BE();
  } else if (size === 127) {
    size = Number((await raw.read(8)).readBigUInt64BE());
  }
  const payload = await raw.read(size);
  const opcode = first & 15;
  return { first, opcode, payload, code: opcode === 8 && size >= 2 ? payload.readUInt16BE() : undefined };
}

// Reads on to the Close frame; what came before it is in `before`.
export async function readClose(raw) {
  const before = [];
  for (;;) {
    const got = await readFrame(raw);
    if (got.opcode === 8) {
      return { ...got, before };
    }
    before.push(got);
  }
}

// An open WebSocket on raw bytes, past its `connected`.
export async function rawSocket(hub, path = '/ws', fields = []) {
  const raw = await hub.raw();
  raw.write(ask(`GET ${path} HTTP/1.1`, [...UPGRADE, ...fields]));
  assert.equal((await raw.readResponse()).status, 101);
  await readFrame(raw);
  return raw;
}
