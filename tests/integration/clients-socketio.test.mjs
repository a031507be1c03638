// SPDX-License-Identifier: MIT
// npm's socket.io-client follows a build over cut connections, restarts and a crash of the hub, by each of its transports:
// it recovers by itself and sees every line once. One of 2021, which knows no recovery, is shown where things stand.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { io as io40 } from 'socket.io-client-4-0';
import { caughtUp } from '../lib/course.mjs';
import { SocketIoFollower } from '../lib/followers.mjs';
import { until } from '../lib/index.mjs';
import { numbered, watchBuild } from '../lib/watched.mjs';

const TRANSPORTS = [['websocket'], ['polling'], ['polling', 'websocket']];
const logOf = (messages) => messages.filter(({ name }) => name === 'job:log').map(({ data: { line, level, message } }) => ({ line, level, message }));

for (const transports of TRANSPORTS) {
  test(`socket.io-client by ${transports.join(', then ')}`, async (t) => {
    const { follower, build, truth } = await watchBuild(t, (url) => new SocketIoFollower('socket.io-client', url, 'b1', { transports }), { reports: 240, rows: ['cut', 'restart', 'kill', 'cut'] });
    await caughtUp(follower, truth.at(-1).id);
    await follower.stop();
    assert.deepEqual(logOf(follower.seen.items), numbered(build));
    assert.equal(follower.seen.items.filter(({ name }) => name === 'job:completed').length, 1);
    assert.deepEqual(follower.connects, follower.connects.map((_, i) => i > 0), 'recovered each time');
  });

  // It knows no recovery: each time it comes back it is shown the end of the log, which is all of it here.
  test(`socket.io-client 4.0 by ${transports.join(', then ')}`, async (t) => {
    const rows = ['restart', 'kill', 'cut'];
    const { follower, build } = await watchBuild(t, (url) => new SocketIoFollower('socket.io-client 4.0', url, 'b1', { transports }, io40), { reports: 120, rows });
    await until(() => follower.all.some(({ name }) => name === 'job:completed'), 'the end is shown');
    await follower.stop();
    assert.ok(follower.connects.length > rows.length);
    const lines = new Map(logOf(follower.all).map((line) => [line.line, line]));
    assert.deepEqual([...lines.values()].sort((a, b) => a.line - b.line), numbered(build));
  });
}
