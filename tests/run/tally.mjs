// SPDX-License-Identifier: MIT
// Counting tests: what a part of ./test adds up, and how TAP from cmocka and from node is read into it.
export class Tally {
  constructor(onChange = () => {}) {
    this.passed = 0;
    this.failed = 0;
    this.skipped = 0;
    this.onChange = onChange;
  }

  get total() {
    return this.passed + this.failed + this.skipped;
  }

  pass(count = 1) {
    this.passed += count;
    this.onChange();
  }

  skip(count = 1) {
    this.skipped += count;
    this.onChange();
  }

  fail(name, detail = '', count = 1) {
    this.failed += count;
    const lines = detail.trimEnd().split('\n').map((line) => `    ${line}\n`).join('');
    process.stdout.write(`  FAILED ${name}\n${detail ? lines : ''}`);
    this.onChange();
  }

  add(other) {
    this.passed += other.passed;
    this.failed += other.failed;
    this.skipped += other.skipped;
  }

  toString() {
    return `${this.passed} passed, ${this.failed} failed${this.skipped ? `, ${this.skipped} skipped` : ''}`;
  }
}

const POINT = /^( *)(not )?ok \d+(?: -)?(.*?)(?: # (SKIP|TODO)\b.*)?$/i;

// The test points of a TAP text: [{name, ok, skipped, depth}].
export function tapPoints(text) {
  return text.split('\n').flatMap((line) => {
    const match = POINT.exec(line);
    return match ? [{ name: match[3].trim(), ok: !match[2], skipped: /skip/i.test(match[4] ?? ''), depth: match[1].length }] : [];
  });
}

// The closing counts of node's test runner, which counts the tests and leaves out the files around them.
export function nodeCounts(text) {
  const count = (name) => Number(new RegExp(`^# ${name} (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
  return { passed: count('pass'), failed: count('fail') + count('cancelled'), skipped: count('skipped') + count('todo') };
}

// The failures of node's TAP with what it says about each: [{name, detail, outer}]. `outer` ones failed only because
// a test within them did.
export function nodeFailures(text) {
  const lines = text.split('\n');
  return lines.flatMap((line, i) => {
    const match = POINT.exec(line);
    if (!match?.[2] || match[4]) {
      return [];
    }
    const end = lines.findIndex((other, j) => j > i && other === `${match[1]}  ...`);
    const detail = lines.slice(i + 1, end).map((other) => other.slice(match[1].length + 2));
    const outer = detail.includes("failureType: 'subtestsFailed'");
    return [{ name: match[3].trim(), detail: essence(detail), outer }];
  });
}

// Of what node says about a failure: where, what, and the frames of our own files. `expected` and `actual` repeat
// the error.
function essence(lines) {
  let key = '';
  return lines.filter((line) => {
    key = /^(\w+):/.exec(line)?.[1] ?? key;
    return key === 'location' || key === 'error' || (key === 'stack' && line.includes('file://'));
  }).join('\n');
}
