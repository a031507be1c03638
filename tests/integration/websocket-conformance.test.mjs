// SPDX-License-Identifier: MIT
// The cases 1 to 10 of the Autobahn suite for WebSocket servers, each under its number there, against the echo server:
// what the suite does is done here with frames of our own. A case that must fail the connection says by which code.
import { describe, test } from 'node:test';
import { BINARY, EchoSocket, FIN, TEXT, useEcho } from '../lib/echo.mjs';
import { frame } from '../lib/frames.mjs';

const echo = useEcho();

const CLOSE = 8;
const PING = 9;
const PONG = 10;
const { concat, from } = Buffer;
const fill = (size, byte = '*') => Buffer.alloc(size, byte);
const close = (code, reason = '') => frame(FIN | CLOSE, concat([from([code >> 8, code & 255]), from(reason)]));

// One case: what is sent, in one packet, by frames or in pieces of `chop` bytes; what comes back; and what ends it:
// the code of the server's close, or (undefined) our own close.
function one(number, frames, replies, { code, chop, by = chop === undefined ? 'packet' : 'chops' } = {}) {
  test(number, async () => {
    const socket = await EchoSocket.open(echo.port);
    if (by === 'frames') {
      for (const bytes of frames) {
        await socket.write(bytes);
      }
    } else {
      await socket.write(concat(frames), chop);
    }
    for (const [opcode, payload] of replies) {
      await socket.expect(opcode, payload);
    }
    await (code === undefined ? socket.close() : socket.expectClose(code));
  });
}

describe('1 framing', () => {
  const sizes = [0, 125, 126, 127, 128, 65535, 65536, 65536];
  for (const [group, opcode] of [['1.1', TEXT], ['1.2', BINARY]]) {
    sizes.forEach((size, i) => {
      const payload = fill(size, opcode === TEXT ? '*' : 0xfe);
      one(`${group}.${i + 1}`, [frame(FIN | opcode, payload)], [[opcode, payload]], i === 7 ? { chop: 997 } : {});
    });
  }
});

describe('2 pings and pongs', () => {
  const bytes = from([0, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0, 0xff]);
  const ten = Array.from({ length: 10 }, (_, i) => from(`payload-${i}`));
  const pings = ten.map((payload) => frame(FIN | PING, payload));
  one('2.1', [frame(FIN | PING)], [[PONG, '']]);
  one('2.2', [frame(FIN | PING, 'Hello, world!')], [[PONG, 'Hello, world!']]);
  one('2.3', [frame(FIN | PING, bytes)], [[PONG, bytes]]);
  one('2.4', [frame(FIN | PING, fill(125, 0xfe))], [[PONG, fill(125, 0xfe)]]);
  one('2.5', [frame(FIN | PING, fill(126, 0xfe))], [], { code: 1002 });
  one('2.6', [frame(FIN | PING, fill(125, 0xfe))], [[PONG, fill(125, 0xfe)]], { chop: 1 });
  one('2.7', [frame(FIN | PONG)], []);
  one('2.8', [frame(FIN | PONG, 'unsolicited pong payload')], []);
  one('2.9', [frame(FIN | PONG, 'unsolicited pong payload'), frame(FIN | PING, 'ping payload')], [[PONG, 'ping payload']]);
  one('2.10', pings, ten.map((payload) => [PONG, payload]));
  one('2.11', pings, ten.map((payload) => [PONG, payload]), { chop: 1 });
});

const hello = frame(FIN | TEXT, 'Hello, world!');
const echoed = [TEXT, 'Hello, world!'];
const ping = frame(FIN | PING);

describe('3 reserved bits', () => {
  const rsv = (bits, opcode = TEXT, payload = 'Hello, world!') => frame(FIN | (bits << 4) | opcode, payload);
  one('3.1', [rsv(1)], [], { code: 1002 });
  one('3.2', [hello, rsv(2), ping], [echoed], { code: 1002 });
  one('3.3', [hello, rsv(3), ping], [echoed], { code: 1002, by: 'frames' });
  one('3.4', [hello, rsv(4), ping], [echoed], { code: 1002, chop: 1 });
  one('3.5', [rsv(5, BINARY, fill(8, 0xff))], [], { code: 1002 });
  one('3.6', [rsv(6, PING)], [], { code: 1002 });
  one('3.7', [rsv(7, CLOSE, '')], [], { code: 1002 });
});

describe('4 opcodes', () => {
  for (const [group, begin] of [['4.1', 3], ['4.2', 11]]) {
    for (let i = 0; i < 5; i++) {
      const bad = frame(FIN | (begin + i), i % 2 ? 'reserved opcode payload' : '');
      one(`${group}.${i + 1}`, i < 2 ? [bad] : [hello, bad, ping], i < 2 ? [] : [echoed], { code: 1002 });
    }
  }
});

describe('5 fragmentation', () => {
  const begin = (payload, opcode = TEXT) => frame(opcode, payload);
  const middle = (payload) => frame(0, payload);
  const end = (payload) => frame(FIN, payload);
  const ways = [{}, { by: 'frames' }, { chop: 1 }];
  const three = (first, frames, replies, more = {}) =>
    ways.forEach((way, i) => one(`5.${first + i}`, frames, replies, { ...more, ...way }));
  const both = [TEXT, 'fragment1fragment2'];
  one('5.1', [frame(PING, 'fragment1'), end('fragment2')], [], { code: 1002 });
  one('5.2', [frame(PONG, 'fragment1'), end('fragment2')], [], { code: 1002 });
  three(3, [begin('fragment1'), end('fragment2')], [both]);
  three(6, [begin('fragment1'), frame(FIN | PING, 'ping payload'), end('fragment2')], [[PONG, 'ping payload'], both]);
  three(9, [end('non-continuation payload'), hello], [], { code: 1002 });
  three(12, [middle('non-continuation payload'), hello], [], { code: 1002 });
  one('5.15', [begin('fragment1'), end('fragment2'), middle('fragment3'), frame(FIN | TEXT, 'fragment4')], [both], { code: 1002 });
  one('5.16', [middle('fragment1'), begin('fragment2'), end('fragment3')], [], { code: 1002 });
  one('5.17', [end('fragment1'), begin('fragment2'), end('fragment3')], [], { code: 1002 });
  one('5.18', [begin('fragment1'), frame(FIN | TEXT, 'fragment2')], [], { code: 1002 });
  const five = [begin('fragment1'), middle('fragment2'), frame(FIN | PING, 'pongme 1!'), middle('fragment3'), middle('fragment4'),
    frame(FIN | PING, 'pongme 2!'), end('fragment5')];
  const replies = [[PONG, 'pongme 1!'], [PONG, 'pongme 2!'], [TEXT, 'fragment1fragment2fragment3fragment4fragment5']];
  one('5.19', five, replies, { by: 'frames' });
  one('5.20', five, replies, { chop: 1 });
});

describe('6 UTF-8', () => {
  const parts = (...payloads) => payloads.map((payload, i) =>
    frame((i === 0 ? TEXT : 0) | (i === payloads.length - 1 ? FIN : 0), payload));
  const bytesOf = (text) => Array.from(from(text), (byte) => from([byte]));
  const hex = (text) => from(text.replaceAll(' ', ''), 'hex');
  const greek = hex('ce ba e1 bd b9 cf 83 ce bc ce b5');
  const latin = 'Hello-µ@ßöäüàá-UTF-8!!';
  const surrogate = concat([greek, from([0xed, 0xa0, 0x80]), from('edited')]);
  one('6.1.1', parts(''), [[TEXT, '']]);
  one('6.1.2', parts('', '', ''), [[TEXT, '']]);
  one('6.1.3', parts('', 'middle frame payload', ''), [[TEXT, 'middle frame payload']]);
  one('6.2.1', parts(latin), [[TEXT, latin]]);
  one('6.2.2', parts('Hello-µ@ßöä', 'üàá-UTF-8!!'), [[TEXT, latin]]);
  one('6.2.3', parts(...bytesOf(latin)), [[TEXT, latin]]);
  one('6.2.4', parts(...bytesOf(greek)), [[TEXT, greek]]);
  one('6.3.1', parts(surrogate), [], { code: 1007 });
  one('6.3.2', parts(...bytesOf(surrogate)), [], { code: 1007 });
  // Fails before the message ends: what would end it is never sent.
  const beyond = from([0xf4, 0x90, 0x80, 0x80]);
  const early = { code: 1007, by: 'frames' };
  one('6.4.1', [frame(TEXT, greek), frame(0, beyond)], [], early);
  one('6.4.2', [frame(TEXT, concat([greek, beyond.subarray(0, 1)])), frame(0, beyond.subarray(1, 2))], [], early);
  const whole = frame(FIN | TEXT, concat([greek, beyond, from('edited')]));
  const behindHead = 6 + greek.length;
  one('6.4.3', [whole.subarray(0, behindHead), whole.subarray(behindHead, behindHead + 4)], [], early);
  one('6.4.4', [whole.subarray(0, behindHead + 1), whole.subarray(behindHead + 1, behindHead + 2)], [], early);

  const upTo = (first, last, each) => concat(Array.from({ length: last - first + 1 }, (_, i) => each(first + i)));
  const spaced = (first, last) => upTo(first, last, (byte) => from([byte, 0x20]));
  const missing = ['c0', 'e0 80', 'f0 80 80', 'f8 80 80 80', 'fc 80 80 80 80', 'df', 'ef bf', 'f7 bf bf', 'fb bf bf bf', 'fd bf bf bf bf'];
  const nonCharacters = [];
  for (let plane = 0; plane <= 16; plane++) {
    nonCharacters.push(...[0xfffe, 0xffff].map((low) => from(String.fromCodePoint(plane * 0x10000 + low))));
  }
  const groups = {
    5: { good: ['hello$world', 'hello¢world', 'hello€world', 'hello𤭢world', greek] },
    6: { mixed: Array.from({ length: 11 }, (_, i) => greek.subarray(0, i + 1)), good: [2, 5, 7, 9, 11] },
    7: { good: ['00', 'c2 80', 'e0 a0 80', 'f0 90 80 80'].map(hex) },
    8: { bad: ['f8 88 80 80 80', 'fc 84 80 80 80 80'].map(hex) },
    9: { good: ['7f', 'df bf', 'ef bf bf', 'f4 8f bf bf'].map(hex) },
    10: { bad: ['f7 bf bf bf', 'fb bf bf bf bf', 'fd bf bf bf bf bf'].map(hex) },
    11: { mixed: ['ed 9f bf', 'ee 80 80', 'ef bf bd', 'f4 8f bf bf', 'f4 90 80 80'].map(hex), good: [1, 2, 3, 4] },
    12: { bad: [...['80', 'bf', '80bf', '80bf80', '80bf80bf', '80bf80bf80', '80bf80bf80bf'].map(hex), upTo(0x80, 0xbf, (byte) => from([byte]))] },
    13: { bad: [spaced(0xc0, 0xdf), spaced(0xe0, 0xef), spaced(0xf0, 0xf7), spaced(0xf8, 0xfb), spaced(0xfc, 0xfd)] },
    14: { bad: missing.map(hex) },
    15: { bad: [hex(missing.join(''))] },
    16: { bad: ['fe', 'ff', 'fe fe ff ff'].map(hex) },
    17: { bad: ['c0 af', 'e0 80 af', 'f0 80 80 af', 'f8 80 80 80 af', 'fc 80 80 80 80 af'].map(hex) },
    18: { bad: ['c1 bf', 'e0 9f bf', 'f0 8f bf bf', 'f8 87 bf bf bf', 'fc 83 bf bf bf bf'].map(hex) },
    19: { bad: ['c0 80', 'e0 80 80', 'f0 80 80 80', 'f8 80 80 80 80', 'fc 80 80 80 80 80'].map(hex) },
    20: { bad: ['ed a0 80', 'ed ad bf', 'ed ae 80', 'ed af bf', 'ed b0 80', 'ed be 80', 'ed bf bf'].map(hex) },
    21: { bad: ['eda080edb080', 'eda080edbfbf', 'edadbfedb080', 'edadbfedbfbf', 'edae80edb080', 'edae80edbfbf', 'edafbfedb080', 'edafbfedbfbf'].map(hex) },
    22: { good: nonCharacters },
    23: { good: Array.from({ length: 7 }, (_, i) => from(String.fromCodePoint(0xfff9 + i))) },
  };
  for (const [group, { good = [], bad = [], mixed }] of Object.entries(groups)) {
    (mixed ?? [...good, ...bad]).forEach((payload, i) => {
      const valid = mixed ? good.includes(i + 1) : i < good.length;
      one(`6.${group}.${i + 1}`, parts(payload), valid ? [[TEXT, payload]] : [], valid ? {} : { code: 1007 });
    });
  }
});

describe('7 closing', () => {
  const normal = close(1000);
  const done = { code: 1000 };
  one('7.1.1', [hello, normal], [echoed], done);
  one('7.1.2', [normal, normal], [], done);
  one('7.1.3', [normal, ping], [], done);
  one('7.1.4', [normal, hello], [], done);
  one('7.1.5', [frame(TEXT, 'fragment1'), normal, frame(FIN, 'fragment2')], [], done);
  const big = frame(FIN | TEXT, fill(256 * 1024, 'BAsd7&jh23'));
  one('7.1.6', [big, normal, ping], [[TEXT, fill(256 * 1024, 'BAsd7&jh23')]], done);
  test('7.3.1', async () => {
    const socket = await EchoSocket.open(echo.port);
    await socket.write(frame(FIN | CLOSE));
    await socket.expectClose(undefined);
  });
  one('7.3.2', [frame(FIN | CLOSE, 'a')], [], { code: 1002 });
  one('7.3.3', [normal], [], done);
  one('7.3.4', [close(1000, 'Hello World!')], [], done);
  one('7.3.5', [close(1000, fill(123))], [], done);
  one('7.3.6', [close(1000, fill(124))], [], { code: 1002 });
  one('7.5.1', [close(1000, from([0xce, 0xba, 0xed, 0xa0, 0x80]))], [], { code: 1007 });
  [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999].forEach((code, i) => {
    one(`7.7.${i + 1}`, [close(code)], [], { code });
  });
  [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999].forEach((code, i) => {
    one(`7.9.${i + 1}`, [close(code)], [], { code: 1002 });
  });
  // The suite leaves these open.
  [5000, 65535].forEach((code, i) => one(`7.13.${i + 1}`, [close(code)], [], { code: 1002 }));
});

// The server takes 1000 frames for one message: where the suite sends more, it is closed with 1008, as documented.
const FRAMES_MAX = 1000;

describe('9 limits', () => {
  const KB = 1024;
  const MB = 1024 * KB;
  const kinds = [[TEXT, '*'], [BINARY, 0xfe]];
  const big = (number, opcode, byte, size, options) => test(number, async () => {
    const socket = await EchoSocket.open(echo.port);
    const payload = fill(size, byte);
    await socket.send(opcode, payload, options);
    if (size / (options?.size ?? size) > FRAMES_MAX) {
      await socket.expectClose(1008);
      return;
    }
    await socket.expect(opcode, payload);
    await socket.close();
  });
  kinds.forEach(([opcode, byte], kind) => {
    [64 * KB, 256 * KB, MB, 4 * MB, 8 * MB, 16 * MB].forEach((size, i) => big(`9.${1 + kind}.${i + 1}`, opcode, byte, size));
    [64, 256, KB, 4 * KB, 16 * KB, 64 * KB, 256 * KB, MB, 4 * MB].forEach((size, i) => {
      big(`9.${3 + kind}.${i + 1}`, opcode, byte, 4 * MB, { size });
    });
    [64, 128, 256, 512, KB, 2 * KB].forEach((chop, i) => big(`9.${5 + kind}.${i + 1}`, opcode, byte, MB, { chop }));
    [0, 16, 64, 256, KB, 4 * KB].forEach((size, i) => test(`9.${7 + kind}.${i + 1}`, async () => {
      const socket = await EchoSocket.open(echo.port);
      const payload = fill(size, byte);
      for (let n = 0; n < 1000; n++) {
        socket.raw.write(frame(FIN | opcode, payload));
        if (n % 100 === 99) {
          for (let k = 0; k < 100; k++) {
            await socket.expect(opcode, payload);
          }
        }
      }
      await socket.close();
    }));
  });
  test('a message of one byte more than the limit', async () => {
    const socket = await EchoSocket.open(echo.port);
    await socket.send(BINARY, fill(16 * MB + 1, 1));
    await socket.expectClose(1009);
  });
});

describe('10 fragments by themselves', () => {
  test('10.1.1', async () => {
    const socket = await EchoSocket.open(echo.port);
    await socket.send(TEXT, fill(65536), { size: 1300 });
    await socket.expect(TEXT, fill(65536));
    await socket.close();
  });
});
