// SPDX-License-Identifier: MIT
// Values as people read them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ago, count, duration, moment, percent, readable } from '../../web/page/format.js';

const CASES = [
  [duration(-5), '0.0 s'], [duration(4230), '4.2 s'], [duration(59999), '59 s'], [duration(187000), '3 min 07 s'],
  [duration(7500000), '2 h 05 min'], [duration(273600000), '3 d 4 h'],
  [ago(-10), 'now'], [ago(1500), 'now'], [ago(12000), '12 s ago'], [ago(300000), '5 min ago'], [ago(90000000), '1 d ago'],
  [count(1, 'line', 'lines'), '1 line'], [count(1234567, 'line', 'lines'), '1,234,567 lines'],
  [percent(33.4), '33 %'], [readable('text'), 'text'], [readable({ a: 1 }), '{\n  "a": 1\n}'],
  [moment(null), ''], [moment('nonsense'), ''],
];

for (const [is, expected] of CASES) {
  test(JSON.stringify(expected), () => assert.equal(is, expected));
}
