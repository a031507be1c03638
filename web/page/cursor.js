// SPDX-License-Identifier: MIT
// Cursors ("<epoch>-<number>"): which of two comes later.

function split(cursor) {
  const dash = cursor.lastIndexOf('-');
  return [cursor.slice(0, dash), cursor.slice(dash + 1)];
}

// Numbers may pass 2^53, so they are compared as digits.
function digitsAbove(a, b) {
  return a.length === b.length ? a > b : a.length > b.length;
}

// Whether `a` lies after `b`. Cursors of different epochs have no order: then `a`, the one that came, counts as later.
export function isAfter(a, b) {
  if (!a || !b) {
    return Boolean(a);
  }
  const [epochA, numberA] = split(a);
  const [epochB, numberB] = split(b);
  return epochA !== epochB || digitsAbove(numberA, numberB);
}
