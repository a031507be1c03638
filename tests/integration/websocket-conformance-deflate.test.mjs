// SPDX-License-Identifier: MIT
// The cases 12 and 13 of the Autobahn suite: compressed messages of five kinds of data in 18 sizes, and of one kind under
// seven sets of parameters, each under its number there. The suite sends 1000 messages in a case, this fewer.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import zlib from 'node:zlib';
import { BINARY, deflate, EchoSocket, FIN, RSV1, TEXT, useEcho } from '../lib/echo.mjs';
import { frame } from '../lib/frames.mjs';

const echo = useEcho();

const OFFER = 'permessage-deflate; client_max_window_bits';
const NONE = 'server_no_context_takeover; client_no_context_takeover';

// --- data: made up, of the kinds that the suite reads from files ---

// Numbers that look random and are the same each time.
function numbers(seed) {
  let x = seed;
  return () => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    return x / 2 ** 32;
  };
}

function grow(size, piece) {
  const pieces = [];
  for (let length = 0; length < size; length += pieces.at(-1).length) {
    pieces.push(Buffer.from(piece()));
  }
  return Buffer.concat(pieces).subarray(0, size);
}

const BYTES = 263000;
const words = 'Habe nun ach Philosophie Juristerei und Medizin und leider auch Theologie durchaus studiert mit heissem Bemuehn'.split(' ');
const kinds = [
  [TEXT, (next) => grow(BYTES, () => `{"id":${Math.floor(next() * 1e6)},"name":"item ${Math.floor(next() * 50)}","price":${next().toFixed(4)}},\n`)],
  [BINARY, (next) => grow(BYTES, () => [96 + next() * 8, 96 + next() * 8, 97, 97 + next() * 4])],
  [BINARY, (next) => grow(BYTES, () => `${words[Math.floor(next() * words.length)]}${next() < 0.1 ? ',\r\n' : ' '}`)],
  [TEXT, (next) => grow(BYTES, () => `<tr class="row${Math.floor(next() * 3)}"><td>${Math.floor(next() * 1e5)}</td><td>&nbsp;</td></tr>\n`)],
  [BINARY, (next) => grow(BYTES, () => Array.from({ length: 64 }, () => next() * 256))],
].map(([opcode, make], i) => ({ opcode, data: make(numbers(i + 1)) }));

// Bytes of a message, and of each of its frames (0: one).
const sizes = [
  [16, 0], [64, 0], [256, 0], [1024, 0], [4096, 0], [8192, 0], [16384, 0], [32768, 0], [65536, 0], [131072, 0], [8192, 256],
  [16384, 256], [32768, 256], [65536, 256], [131072, 256], [131072, 1024], [131072, 4096], [131072, 32768],
];

function echoes(number, offer, { opcode, data }, [size, frameSize], agreed) {
  test(number, async () => {
    const socket = await EchoSocket.open(echo.port, offer);
    assert.equal(socket.agreed, agreed);
    const count = size <= 4096 ? 50 : 4;
    for (let n = 0; n < count; n++) {
      const at = (n * size) % (data.length - size);
      const payload = data.subarray(at, at + size);
      await socket.send(opcode, payload, { compress: true, size: frameSize || Infinity });
      await socket.expect(opcode, payload);
    }
    await socket.close();
  });
}

kinds.forEach((kind, i) => describe(`12.${i + 1}`, () => {
  sizes.forEach((size, k) => echoes(`12.${i + 1}.${k + 1}`, OFFER, kind, size, `permessage-deflate; ${NONE}`));
}));

const asked = (bits) => `permessage-deflate; client_max_window_bits; server_max_window_bits=${bits}`;
const alone = '; server_no_context_takeover';
const parameters = [
  [OFFER, ''],
  [OFFER + alone, ''],
  [asked(9), '; server_max_window_bits=9'],
  [asked(15), '; server_max_window_bits=12'],
  [asked(9) + alone, '; server_max_window_bits=9'],
  [asked(15) + alone, '; server_max_window_bits=12'],
  [`${asked(9)}${alone}, ${OFFER}${alone}, ${OFFER}`, '; server_max_window_bits=9'],
];
parameters.forEach(([offer, said], i) => describe(`13.${i + 1}`, () => {
  sizes.forEach((size, k) => echoes(`13.${i + 1}.${k + 1}`, offer, kinds[0], size, `permessage-deflate; ${NONE}${said}`));
}));

// --- beyond the suite ---

describe('parameters', () => {
  const rows = [
    ...[8, 9, 10, 11, 12].map((bits) => [`permessage-deflate; server_max_window_bits=${bits}`, `; server_max_window_bits=${bits}`]),
    ...[13, 14, 15].map((bits) => [`permessage-deflate; server_max_window_bits=${bits}`, '; server_max_window_bits=12']),
    ...[8, 9, 12, 15].map((bits) => [`permessage-deflate; client_max_window_bits=${bits}`, '']),
    ['permessage-deflate', ''],
    ['permessage-deflate; client_no_context_takeover', ''],
    ['permessage-deflate; server_max_window_bits="10"', '; server_max_window_bits=10'],
    ['x-other, permessage-deflate; no_such, permessage-deflate', ''],
  ];
  for (const [offer, said] of rows) {
    echoes(offer, offer, kinds[0], [5000, 700], `permessage-deflate; ${NONE}${said}`);
  }
  const refused = ['; no_such', '; server_max_window_bits', '; server_max_window_bits=7', '; server_max_window_bits=16', '; server_max_window_bits=09',
    '; client_max_window_bits=7', '; server_no_context_takeover=1', '; client_no_context_takeover; client_no_context_takeover', '; ='];
  for (const parameter of refused) {
    test(`goes on without: permessage-deflate${parameter}`, async () => {
      const socket = await EchoSocket.open(echo.port, `permessage-deflate${parameter}`);
      assert.equal(socket.agreed, undefined);
      await socket.send(TEXT, 'plain');
      await socket.expect(TEXT, 'plain');
      await socket.send(TEXT, 'compressed', { compress: true });
      await socket.expectClose(1002);
    });
  }
});

describe('bad input', () => {
  const first = FIN | RSV1 | TEXT;
  const MB = 1024 * 1024;
  const good = deflate('Hello');
  // A block that says it is the last one may stand anywhere (RFC 7692 7.2.3.4).
  const last = Buffer.concat([zlib.deflateRawSync('Hel'), Buffer.from([0])]);
  const rows = [
    ['RSV1 on a continuation', [frame(RSV1 | TEXT, good.subarray(0, 2)), frame(FIN | RSV1, good.subarray(2))], 1002],
    ['RSV1 on a ping', [frame(FIN | RSV1 | 9, good)], 1002],
    ['RSV1 on a close', [frame(FIN | RSV1 | 8, good)], 1002],
    ['RSV2 with RSV1', [frame(first | 0x20, good)], 1002],
    ['what deflate never makes', [frame(first, Buffer.from([0xff, 0xff, 0xff, 0xff]))], 1002],
    ['a block cut off', [frame(first, deflate('Hello, Hello, Hello').subarray(0, 4))], 1002],
    ['a reference to a message before', [frame(first, good), frame(first, Buffer.from([0xf2, 0x00, 0x11, 0x00, 0x00]))], 1002, 'Hello'],
    ['text that is no UTF-8', [frame(first, deflate(Buffer.from([0xce, 0xba, 0xed, 0xa0, 0x80])))], 1007],
    ['text that ends within a character', [frame(first, deflate(Buffer.from([0xce, 0xba, 0xe1])))], 1007],
    ['a bomb', [frame(first, deflate(Buffer.alloc(17 * MB)))], 1009],
  ];
  for (const [name, frames, code, before] of rows) {
    test(name, async () => {
      const socket = await EchoSocket.open(echo.port, OFFER);
      await socket.write(Buffer.concat(frames));
      if (before) {
        await socket.expect(TEXT, before);
      }
      await socket.expectClose(code);
    });
  }

  test('a bomb in many small frames', async () => {
    const socket = await EchoSocket.open(echo.port, OFFER);
    await socket.send(TEXT, Buffer.alloc(17 * MB), { compress: true, size: 20 });
    await socket.expectClose(1009);
  });

  test('a message as large as is taken', async () => {
    const socket = await EchoSocket.open(echo.port, OFFER);
    await socket.send(BINARY, Buffer.alloc(16 * MB), { compress: true, size: 1000 });
    await socket.expect(BINARY, Buffer.alloc(16 * MB));
    await socket.close();
  });

  test('many bombs one after the other', async () => {
    const bomb = frame(first, deflate(Buffer.alloc(20 * MB)));
    for (let i = 0; i < 20; i++) {
      const socket = await EchoSocket.open(echo.port, OFFER);
      await socket.write(bomb);
      await socket.expectClose(1009);
    }
    const socket = await EchoSocket.open(echo.port, OFFER);
    await socket.send(TEXT, 'and on', { compress: true });
    await socket.expect(TEXT, 'and on');
    await socket.close();
  });

  test('the last block, empty messages, and plain ones between', async () => {
    const socket = await EchoSocket.open(echo.port, OFFER);
    await socket.write(frame(first, last));
    await socket.expect(TEXT, 'Hel');
    await socket.write(frame(first, Buffer.from([0])));
    await socket.expect(TEXT, '');
    await socket.write(frame(first, ''));
    await socket.expect(TEXT, '');
    await socket.send(TEXT, 'plain');
    await socket.expect(TEXT, 'plain');
    await socket.write(Buffer.concat([frame(RSV1 | TEXT, good.subarray(0, 1)), frame(FIN | 9, 'ping'), frame(FIN, good.subarray(1))]));
    await socket.expect(10, 'ping');
    await socket.expect(TEXT, 'Hello');
    await socket.close();
  });
});
