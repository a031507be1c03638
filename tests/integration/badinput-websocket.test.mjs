// SPDX-License-Identifier: MIT
// Handshakes that are none, and frames that break RFC 6455 or a limit: each by its status or its close code, on every
// door that speaks WebSocket.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, closing, frame, HOST, head, rawSocket, readClose, readFrame, say, UPGRADE } from '../lib/frames.mjs';
import { answers, Watch } from '../lib/watch.mjs';

const KEY = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==';
const without = (name) => UPGRADE.filter((line) => !line.startsWith(name));
const withKey = (...values) => [...without('Sec-WebSocket-Key'), ...values.map((value) => `Sec-WebSocket-Key:${value}`)];
const withVersion = (...values) => [...without('Sec-WebSocket-Version'), ...values.map((value) => `Sec-WebSocket-Version:${value}`)];

const HANDSHAKES = [
  ['no key', withKey(), 400, 'bad_request'],
  ['an empty key', withKey(''), 400, 'bad_request'],
  ['a short key', withKey(' c2hvcnQ='), 400, 'bad_request'],
  ['a key of 15 bytes', withKey(' AAAAAAAAAAAAAAAAAAAA'), 400, 'bad_request'],
  ['a key of 17 bytes', withKey(' AAAAAAAAAAAAAAAAAAAAAAA='), 400, 'bad_request'],
  ['a key that is not base64', withKey(' !!!!!!!!!!!!!!!!!!!!!!=='), 400, 'bad_request'],
  ['a key in base64url', withKey(' dGhlIHNhbXBsZSBub2_-ZQ=='), 400, 'bad_request'],
  ['a key without its padding', withKey(' dGhlIHNhbXBsZSBub25jZQ'), 400, 'bad_request'],
  ['two keys', withKey(' dGhlIHNhbXBsZSBub25jZQ==', ' dGhlIHNhbXBsZSBub25jZQ=='), 400, 'bad_request'],
  ['a key of 10,000 bytes', withKey(` ${'A'.repeat(10000)}`), 400, 'bad_request'],
  ['no version', withVersion(), 426, 'upgrade_required'],
  ['version 12', withVersion(' 12'), 426, 'upgrade_required'],
  ['version 14', withVersion(' 14'), 426, 'upgrade_required'],
  ['version 013', withVersion(' 013'), 426, 'upgrade_required'],
  ['version -13', withVersion(' -13'), 426, 'upgrade_required'],
  ['a list of versions', withVersion(' 13, 8'), 426, 'upgrade_required'],
  ['two versions', withVersion(' 13', ' 13'), 426, 'upgrade_required'],
  ['no Upgrade', without('Upgrade'), 426, 'upgrade_required'],
  ['an Upgrade to something else', [...without('Upgrade'), 'Upgrade: h2c'], 426, 'upgrade_required'],
  ['no Connection', without('Connection'), 426, 'upgrade_required'],
  ['a Connection that says close', [...without('Connection'), 'Connection: close'], 426, 'upgrade_required', true],
  ['a subprotocol that is no token', [...UPGRADE, 'Sec-WebSocket-Protocol: a b'], 400, 'bad_request'],
  ['a subprotocol with quotes', [...UPGRADE, 'Sec-WebSocket-Protocol: "clairon.v1"'], 400, 'bad_request'],
];

// Handshakes with more than was asked for, from which none may suffer: linear parsers, no extension switched on.
const ODD = [
  ['an extension with 2,000 parameters', [`Sec-WebSocket-Extensions: permessage-deflate${';a'.repeat(2000)}`]],
  ['an extension with an open quote', ['Sec-WebSocket-Extensions: x;a="b']],
  ['blanks without end', [`Sec-WebSocket-Extensions: x${' '.repeat(8000)}x`]],
  ['4,000 commas', [`Sec-WebSocket-Extensions: ${','.repeat(4000)}`]],
  ['a subprotocol 2,000 times', [`Sec-WebSocket-Protocol: ${'x,'.repeat(2000)}x`]],
  ['a subprotocol nobody knows', ['Sec-WebSocket-Protocol: x']],
  ['permessage-deflate with a window of 99', ['Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=99']],
  ['a cookie that is none', ['Cookie: ;;;=;a']],
];

const bytes = (...list) => Buffer.from(list);
const text = (list, first = 0x81) => frame(first, Buffer.from(list));
const empties = (count) => Buffer.concat([frame(0x01), ...Array.from({ length: count }, () => frame(0x00))]);

const FRAMES = [
  ['not masked', frame(0x81, 'ping', { mask: false }), 1002],
  ['a ping that is not masked', frame(0x89, '', { mask: false }), 1002],
  ['RSV1', frame(0xc1, 'ping'), 1002],
  ['RSV2', frame(0xa1, 'ping'), 1002],
  ['RSV3', frame(0x91, 'ping'), 1002],
  ['all of RSV', frame(0xf1, 'ping'), 1002],
  ['RSV1 on a ping', frame(0xc9), 1002],
  ['RSV1 on a close', frame(0xc8), 1002],
  ['RSV1 on a continuation', Buffer.concat([frame(0x01, 'a'), frame(0xc0, 'b')]), 1002],
  ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((op) => [`opcode ${op}`, frame(0x80 | op, 'x'), 1002]),
  ['a fragmented ping', frame(0x09, 'x'), 1002],
  ['a fragmented pong', frame(0x0a, 'x'), 1002],
  ['a fragmented close', frame(0x08, bytes(3, 232)), 1002],
  ['a ping of 126 bytes', frame(0x89, 'x'.repeat(126)), 1002],
  ['a close of 126 bytes', frame(0x88, Buffer.concat([bytes(3, 232), Buffer.alloc(124, 'x')])), 1002],
  ['a ping that says 2^63 bytes', frame(0x89, '', { length: [0xff, 0x80, 0, 0, 0, 0, 0, 0, 0] }), 1002],
  ['a continuation of nothing', frame(0x80, 'x'), 1002],
  ['a continuation after a whole message', Buffer.concat([say({ type: 'WEBSOCKET_PONG' }), frame(0x80, 'x')]), 1002],
  ['a message inside another', Buffer.concat([frame(0x01, 'a'), frame(0x81, 'b')]), 1002],
  ['a length with its top bit', frame(0x81, '', { length: [0xff, 0x80, 0, 0, 0, 0, 0, 0, 1] }), 1002],
  ['a length of 2^64 - 1', frame(0x81, '', { length: [0xff, ...Array(8).fill(255)] }), 1002],
  ['a length with its top bit on a continuation', Buffer.concat([frame(0x01, 'a'), frame(0x80, '', { length: [0xff, 0xff, 255, 255, 255, 255, 255, 255, 255] })]), 1002],
  ['a length of one byte in 16 bits', frame(0x81, 'x', { length: [0xfe, 0, 1] }), 1002],
  ['a length of 125 in 16 bits', frame(0x81, 'x'.repeat(125), { length: [0xfe, 0, 125] }), 1002],
  ['a length of 65,535 in 64 bits', frame(0x81, '', { length: [0xff, 0, 0, 0, 0, 0, 0, 255, 255] }), 1002],
  ['a length of 2^63 - 1', frame(0x81, '', { length: [0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255] }), 1009],
  ['a length of 64 KiB and a byte', frame(0x81, '', { length: [0xff, 0, 0, 0, 0, 0, 1, 0, 1] }), 1009],
  ['fragments of 64 KiB and a byte together', Buffer.concat([frame(0x01, 'x'.repeat(65536)), frame(0x80, 'x')]), 1009],
  ['a continuation that adds up beyond 2^63', Buffer.concat([frame(0x01, 'x'), frame(0x80, '', { length: [0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255] })]), 1009],
  ['a binary message', frame(0x82, 'x'), 1003],
  ['an empty binary message', frame(0x82), 1003],
  ['a binary message in fragments', Buffer.concat([frame(0x02, 'x'), frame(0x80, 'y')]), 1003],
  ['a byte that is no UTF-8', text([0x22, 0xff, 0x22]), 1007],
  ['a cut sequence', text([0x22, 0xc3, 0x28, 0x22]), 1007],
  ['a sequence cut by the end', text([0x22, 0xe2, 0x82]), 1007],
  ['an overlong slash', text([0xc0, 0xaf]), 1007],
  ['an overlong NUL', text([0xe0, 0x80, 0x80]), 1007],
  ['a surrogate', text([0xed, 0xa0, 0x80]), 1007],
  ['a code point beyond the last', text([0xf4, 0x90, 0x80, 0x80]), 1007],
  ['a cut sequence across fragments', Buffer.concat([text([0x22, 0xe2, 0x82], 0x01), text([0x28, 0x22], 0x80)]), 1007],
  ['a sequence that the last fragment does not end', Buffer.concat([text([0x22, 0xe2], 0x01), text([0x82], 0x80)]), 1007],
  ['bad UTF-8 in a fragment, before the rest', text([0xff], 0x01), 1007],
  ['a close of one byte', frame(0x88, 'x'), 1002],
  ...[0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535].map((code) => [`a close with code ${code}`, closing(code), 1002]),
  ['a close whose reason is no UTF-8', closing(1000, bytes(0xff)), 1007],
  ['a close whose reason is cut', closing(1000, bytes(0xe2, 0x82)), 1007],
  ['1,001 fragments', Buffer.concat([frame(0x01, 'x'), ...Array.from({ length: 1000 }, () => frame(0x00, 'x'))]), 1008],
  ['1,001 empty fragments', empties(1000), 1008],
  ['empty fragments with pings between', Buffer.concat([empties(600), ...Array.from({ length: 20 }, () => frame(0x8a)), ...Array.from({ length: 400 }, () => frame(0x00))]), 1008],
  ['101 pings in a second', Buffer.concat(Array.from({ length: 120 }, () => frame(0x89))), 1008],
  ['101 pongs nobody asked for', Buffer.concat(Array.from({ length: 120 }, () => frame(0x8a, 'x'))), 1008],
  ['1,001 messages in a second', Buffer.concat(Array.from({ length: 1001 }, () => frame(0x81, 'ping'))), 1008, { counts: { ws_errors: 1, ws_messages_refused: 900 } }],
];

const DOORS = ['/ws', '/ws/chat', '/ws/deployment/d', '/ws/tickets/k', '/ws/tickets'];

test('bad handshakes', async (t) => {
  const watch = await Watch.start(t);
  const { hub } = watch;
  await watch.rows({ http_client_errors: 1 }, HANDSHAKES, ([, fields, status, code, closes = false]) => {
    const headers = status === 426 ? { upgrade: 'websocket', 'sec-websocket-version': '13' } : {};
    return answers(hub, ask('GET /ws HTTP/1.1', fields), { status, code, closes, headers });
  });
  await watch.rows({ http_client_errors: 1 }, [['HTTP/1.0']], () =>
    answers(hub, head('GET /ws HTTP/1.0', HOST, KEY, ...without('Connection'), 'Connection: Upgrade, keep-alive'), { status: 426, code: 'upgrade_required' }));
  await watch.rows({ http_client_errors: 0, ws_errors: 0 }, ODD, async ([, fields]) => {
    const raw = await hub.raw();
    raw.write(ask('GET /ws HTTP/1.1', [...UPGRADE, ...fields]));
    const { status, headers } = await raw.readResponse();
    assert.deepEqual([status, headers['sec-websocket-extensions'], headers['sec-websocket-protocol']], [101, undefined, undefined]);
    raw.close();
  });
  watch.report();
});

test('bad frames', async (t) => {
  const watch = await Watch.start(t);
  const { hub } = watch;
  for (const door of DOORS) {
    const rows = FRAMES.map(([name, ...rest]) => [`${door}: ${name}`, ...rest]);
    await watch.rows({ ws_errors: 1 }, rows, async ([, sent, code]) => {
      const raw = await rawSocket(hub, door);
      raw.write(sent);
      assert.equal((await readClose(raw)).code, code);
      assert.equal((await raw.readAll()).length, 0, 'nothing behind the Close');
    });
  }
  watch.report();
});

// What must not end a connection, and how its end is answered.
test('frames at the edge, and the close', async (t) => {
  const watch = await Watch.start(t);
  const { hub } = watch;
  const pong = frame(0x89, 'mark');
  const serves = [
    ['pings between fragments', [frame(0x01, 'pi'), frame(0x89, 'x'), frame(0x80, 'ng')]],
    ['empty fragments around a message', [frame(0x01), frame(0x00, 'ping'), frame(0x80)]],
    ['UTF-8 cut across fragments', [text([0x22, 0xe2], 0x01), text([0x82], 0x00), text([0xac, 0x22], 0x80)], { counts: { ws_messages_refused: 1 } }],
    ['1,000 fragments', [frame(0x01, '"'), ...Array.from({ length: 998 }, () => frame(0x00, 'x')), frame(0x80, '"')], { counts: { ws_messages_refused: 1 } }],
    ['a message of 64 KiB', [frame(0x81, `"${'x'.repeat(65534)}"`)], { counts: { ws_messages_refused: 1 } }],
    ['a ping of 125 bytes', [frame(0x89, 'x'.repeat(125))]],
    ['a pong nobody asked for', [frame(0x8a, 'x')]],
  ];
  await watch.rows({ ws_errors: 0, ws_messages_refused: 0 }, serves, async ([, frames]) => {
    const raw = await rawSocket(hub);
    raw.write(Buffer.concat([...frames, pong]));
    for (let got = {}; got.payload?.toString() !== 'mark';) {
      got = await readFrame(raw);
      assert.notEqual(got.opcode, 8, got.payload.toString('latin1'));
    }
    raw.close();
  });

  const ends = [
    ['no code', frame(0x88), undefined],
    ...[1000, 1001, 1003, 1007, 1011, 1014, 3000, 4999].map((code) => [`code ${code}`, closing(code, 'bye'), code]),
    ['a reason of 123 bytes', closing(1000, 'x'.repeat(123)), 1000],
    ['data behind the close', Buffer.concat([closing(1000), say({ type: 'ping' }), frame(0x82, 'x'), bytes(0xff, 0xff)]), 1000],
    ['a close inside a message', Buffer.concat([frame(0x01, 'x'), closing(1000)]), 1000],
    ['two closes', Buffer.concat([closing(1000), closing(1001)]), 1000],
  ];
  await watch.rows({ ws_errors: 0, ws_messages_in: 0 }, ends, async ([, sent, code]) => {
    const raw = await rawSocket(hub);
    raw.write(sent);
    const answer = await readClose(raw);
    assert.deepEqual([answer.code, answer.before], [code, []]);
    assert.equal((await raw.readAll()).length, 0);
  });
  watch.report();
});
