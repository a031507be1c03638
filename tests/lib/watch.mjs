// SPDX-License-Identifier: MIT
// Tables of bad input: one hub, a control connection that must not notice, and rows run one after the other. Each
// row is a test of its own: its answer, then the process still up, the control connection undisturbed, and the
// counters that it moves moved by exactly so much.
import assert from 'node:assert/strict';
import { startHub } from './hub.mjs';
import { until } from './wait.mjs';

// What could forge a line, move a cursor or turn text around, or is no UTF-8: control characters but the line's end,
// C1 controls, marks of direction, line separators.
const UNSAFE = /[\0-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufffd]/;

export class Watch {
  // `options` are those of startHub; `token` is of somebody who may read everything, where tokens are asked for.
  static async start(t, { token, ...options } = {}) {
    const watch = new Watch();
    watch.t = t;
    watch.token = token;
    watch.hub = await startHub({ t, ...options });
    watch.pid = watch.hub.pid;
    watch.count = 0;
    watch.control = await watch.hub.ws('/ws', { token });
    await watch.control.waitType('connected');
    await watch.control.subscribe('control');
    await watch.controlLives();
    return watch;
  }

  async metrics() {
    const { text } = await this.hub.get('/metrics', { token: this.token });
    const lines = text.split('\n').filter((line) => line && !line.startsWith('#'));
    return Object.fromEntries(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')).replace('{}', ''), Number(line.slice(line.lastIndexOf(' ') + 1))]));
  }

  // The process is the same, and the control connection gets the next event and nothing else.
  async controlLives() {
    assert.equal(this.hub.pid, this.pid);
    assert.equal(this.hub.child.ended, null, 'the process is up');
    const { status, json } = await this.hub.post('/api/v1/publish', { topic: 'control', type: 'CONTROL', data: {} }, { token: this.token });
    assert.equal(status, 200);
    assert.equal((await this.control.next()).id, json.id);
  }

  // `rows` are arrays whose first item is their name; `judge` is called with a row and sees to its answer. `counts`
  // says which counters each row moves and by how much; a row may say otherwise by an object at its end.
  async rows(counts, rows, judge) {
    for (const row of rows) {
      const last = row.at(-1);
      const moves = last?.counts ?? counts;
      const before = await this.metrics();
      await this.t.test(row[0], async () => {
        await judge(row);
        await this.moved(before, moves);
        await this.controlLives();
      });
      this.count++;
    }
  }

  async moved(before, moves) {
    for (const [name, by] of Object.entries(moves)) {
      const key = `clairon_${name}_total`;
      assert.ok(key in before, `there is no ${key}`);
      const now = await until(async () => {
        const seen = (await this.metrics())[key];
        return seen >= before[key] + by && { seen };
      }, `${key} moves from ${before[key]} by ${by}`, 5000);
      assert.equal(now.seen - before[key], by, key);
    }
  }

  // At the end of a file: says how many rows there were. Nothing of them may have come into the log raw.
  report() {
    assert.doesNotMatch(this.hub.stderr, UNSAFE, 'what is logged is one line of plain text per record');
    this.t.diagnostic(`rows of bad input: ${this.count}`);
  }
}

// Sends bytes on a connection of its own, and sees to it that the answer is this one; and that the connection is
// closed behind it with nothing more said, or, if it may stay, that it serves the next request.
export async function answers(hub, bytes, { status, code, closes, headers = {} }) {
  const raw = await hub.raw();
  raw.write(bytes);
  const got = await raw.readResponse({ bodyless: String(bytes.subarray(0, 5)) === 'HEAD ' });
  assert.deepEqual([got.status, got.json?.error?.code], [status, code], got.text);
  for (const [name, value] of Object.entries(headers)) {
    assert.equal(got.headers[name], value, name);
  }
  if (closes) {
    assert.match(got.headers.connection, /close/);
    assert.equal((await raw.readAll()).toString('latin1'), '', 'one answer only');
  } else {
    assert.doesNotMatch(got.headers.connection ?? '', /close/);
    raw.write('GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
    assert.equal((await raw.readResponse()).status, 200, 'the connection serves on');
    raw.close();
  }
  return got;
}
