// SPDX-License-Identifier: MIT
// Scrolling through a log that is taller than an element may be.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ScrollMap } from '../../web/page/scrollmap.js';

const VIEW = 500;
const LINE = 20;

function mapOf(lines, heightMax = 10000) {
  const map = new ScrollMap(heightMax);
  const height = map.resize(lines * LINE - VIEW, VIEW);
  return { map, height, end: height - VIEW };
}

test('what fits is not scaled', () => {
  const { map, height } = mapOf(100);
  assert.equal(height, 100 * LINE);
  assert.equal(map.scrolled(240, VIEW), 240);
  assert.equal(map.top, 240);
  assert.equal(map.scrollTop, 240);
});

test('less than a view needs no scrolling', () => {
  const { map, height } = mapOf(3);
  assert.equal(height, VIEW);
  assert.equal(map.range, 0);
  assert.ok(map.atEnd);
});

test('the height never passes the maximum, both ends are reached', () => {
  const { map, height, end } = mapOf(1000000);
  assert.equal(height, 10000);
  map.scrolled(end, VIEW);
  assert.equal(map.top, 1000000 * LINE - VIEW);
  assert.ok(map.atEnd);
  map.scrolled(0, VIEW);
  assert.equal(map.top, 0);
});

// Scrolls from one end to the other as an element does: within its bounds, put right now and then and when stuck.
function walk(map, end, step) {
  const tops = [map.top];
  let real = map.scrollTop;
  const done = step > 0 ? () => map.atEnd : () => map.top === 0;
  for (let moves = 0; !done(); moves++) {
    assert.ok(moves < 20000, `no way on from ${map.top}`);
    real = Math.round(Math.min(end, Math.max(0, real + step)));
    map.scrolled(real, VIEW);
    if (map.stuck || moves % 7 === 0) {
      real = Math.round(map.scrollTop);
      map.place(real);
    }
    tops.push(map.top);
  }
  return tops;
}

for (const step of [53, 400, 500]) {
  test(`steps of ${step} pixels reach every line, both ways`, () => {
    const { map, end } = mapOf(5000);
    for (const tops of [walk(map, end, step), walk(map, end, -step)]) {
      const widest = Math.max(...tops.slice(1).map((top, i) => Math.abs(top - tops[i])));
      assert.ok(widest <= VIEW, `a step of ${widest} pixels`);
    }
  });
}

test('the thumb moves in proportion', () => {
  const { map, end } = mapOf(1000000);
  map.scrolled(end / 2, VIEW);
  assert.ok(Math.abs(map.top / map.range - 0.5) < 0.01);
});

test('a log that grows or shrinks keeps its place, or its end', () => {
  const { map } = mapOf(1000);
  map.top = 4000;
  map.resize(5000 * LINE - VIEW, VIEW);
  assert.equal(map.top, 4000);
  map.resize(10 * LINE - VIEW, VIEW);
  assert.equal(map.top, 0);
});

test('what nobody scrolled moves nothing', () => {
  const { map } = mapOf(1000000);
  map.top = 123456;
  map.place(map.scrollTop);
  assert.equal(map.scrolled(map.scrollTop, VIEW), 0);
  assert.equal(map.top, 123456);
});
