// SPDX-License-Identifier: MIT
// Terminal text: what is styled, what is dropped, what is shown as a symbol.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAnsi, plainText } from '../../web/page/ansi.js';

const run = (text, style = {}) => ({ text, style });

const STYLED = [
  ['', []],
  ['plain', [run('plain')]],
  ['tab\tstays', [run('tab\tstays')]],
  ['\x1b[31mred\x1b[0m', [run('red', { fg: 1 })]],
  ['\x1b[31mred\x1b[m plain', [run('red', { fg: 1 }), run(' plain')]],
  ['\x1b[1;4;92mx', [run('x', { bold: true, underline: true, fg: 10 })]],
  ['\x1b[2;3mx\x1b[22my', [run('x', { dim: true, italic: true }), run('y', { italic: true })]],
  ['\x1b[41mx\x1b[49;107my', [run('x', { bg: 1 }), run('y', { bg: 15 })]],
  ['\x1b[38;5;9mx', [run('x', { fg: 9 })]],
  ['\x1b[38;5;208mx', [run('x', { fg: '#ff8700' })]],
  ['\x1b[48;5;244mx', [run('x', { bg: '#808080' })]],
  ['\x1b[38;2;1;2;3;1mx', [run('x', { fg: '#010203', bold: true })]],
  ['\x1b[38:2::1:2:3mx', [run('x', { fg: '#010203' })]],
  ['\x1b[38:5:208mx', [run('x', { fg: '#ff8700' })]],
  ['\x1b[4:3mx\x1b[4:0my', [run('x', { underline: true }), run('y', { underline: false })]],
  ['\x1b[7mx\x1b[27my', [run('x', { inverse: true }), run('y')]],
  ['\x9b31mx', [run('x', { fg: 1 })]],
  ['\x1b[31m\x1b[31mx\x1b[1;22my', [run('xy', { fg: 1 })]],
  // Damaged or unknown parameters change nothing.
  ['\x1b[38;5mx', [run('x')]],
  ['\x1b[38;5;999mx', [run('x')]],
  ['\x1b[38;2;1mx', [run('x')]],
  ['\x1b[999;77mx', [run('x')]],
  ['\x1b[?31mx', [run('x')]],
];

for (const [line, expected] of STYLED) {
  test(`styles of ${JSON.stringify(line)}`, () => assert.deepEqual(parseAnsi(line), expected));
}

const SHOWN = [
  ['cursor and erase', 'a\x1b[2K\x1b[10;5Hb\x1b[?25lc', 'abc'],
  ['a window title', '\x1b]0;title\x07text', 'text'],
  ['a link', '\x1b]8;;http://a/\x1b\\text\x1b]8;;\x1b\\', 'text'],
  ['a device string', '\x1bP1$r0m\x1b\\text', 'text'],
  ['an unfinished string hides nothing', '\x1b]0;never ends', '0;never ends'],
  ['an unfinished sequence', 'text\x1b[31', 'text'],
  ['an escape at the end', 'text\x1b', 'text'],
  ['a character set', '\x1b(Btext', 'text'],
  ['NUL, backspace, DEL', 'a\0b\bc\x7f', 'a\u2400b\u2408c\u2421'],
  ['C1 controls', 'a\x85b', 'a\ufffdb'],
  ['a return at the end', 'text\r', 'text'],
  ['returns start anew', '10 %\r20 %\r30 %', '30 %'],
  ['markup', '<img src=x onerror=alert(1)>', '<img src=x onerror=alert(1)>'],
];

for (const [what, line, expected] of SHOWN) {
  test(`text of ${what}`, () => assert.equal(plainText(line), expected));
}

test('a return keeps the style', () => {
  assert.deepEqual(parseAnsi('\x1b[31mx\ry'), [run('y', { fg: 1 })]);
});

test('a line of nothing but style changes has few runs and all its text', () => {
  const line = Array.from({ length: 5000 }, (_, i) => `\x1b[${31 + (i % 2)}mx`).join('');
  const runs = parseAnsi(line);
  assert.ok(runs.length <= 100, `${runs.length} runs`);
  assert.equal(runs.map(({ text }) => text).join(''), 'x'.repeat(5000));
});

// A parser that goes back over what it has read would need hours.
test('hostile sequences are read to their end', { timeout: 120_000 }, () => {
  for (const piece of ['\x1b]', '\x1bP', '\x1b[', '\x1b[1;', '\x1b ', '\x9d', '[0;']) {
    assert.ok(Array.isArray(parseAnsi('\x1b' + piece.repeat(200_000))));
  }
});
