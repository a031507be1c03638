// SPDX-License-Identifier: MIT
// Real clients of the protocols follow a build over cut connections, restarts and a crash of the hub, each by its own
// means: none misses anything, and none is shown anything twice. A client may also go from one protocol to another with
// its cursor.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';
import { assertLedger, BuildProducer, caughtUp, linesOf, past } from '../lib/course.mjs';
import { numbered, watchBuild } from '../lib/watched.mjs';
import { ChildFollower, CurlFollower, EventSourceFollower, NativeFollower, PollFollower, SseFollower } from '../lib/followers.mjs';
import { REPO, startHub } from '../lib/index.mjs';

const REPORTS = 240;
const ROWS = ['cut', 'restart', 'kill', 'cut'];
const TYPES = ['JOB_PROGRESS', 'JOB_LOG', 'JOB_COMPLETED', 'JOB_ERROR'];
const script = (name) => path.join(REPO, 'tests/clients', name);

// Debian's own python3, which is the one that has Debian's packages.
const python = () => ['/usr/bin/python3', 'python3'].find((bin) => spawnSync(bin, ['-c', 'import websockets']).status === 0);
const hasWebSocket = () => spawnSync(process.execPath, ['--experimental-websocket', '-e', 'new WebSocket("ws://[")'])
  .stderr.includes('SyntaxError');

async function follow(t, make, websocket) {
  const { follower, build, truth } = await watchBuild(t, make, { reports: REPORTS, rows: ROWS, websocket });
  await caughtUp(follower, truth.at(-1).id);
  await follower.stop();
  assertLedger(follower.name, follower.seen.items, truth, new Map());
  assert.deepEqual(follower.seen.items.flatMap(linesOf), numbered(build));
}

const topics = ['job:b1'];

test('ws of npm', (t) => follow(t, (url) => new NativeFollower('ws', url, topics)));

const compressed = (url) => new NativeFollower('ws', url, topics, '/ws', { perMessageDeflate: true });

test('ws of npm, compressed', (t) => follow(t, compressed));

test('ws of npm, compressed in a stream that all share', (t) => follow(t, compressed, { compression_shared: true }));

test("node's own WebSocket", async (t) => {
  if (!hasWebSocket()) {
    t.skip(`node ${process.version} has no WebSocket of its own, also not behind --experimental-websocket`);
    return;
  }
  const bin = [process.execPath, '--experimental-websocket', script('follow.mjs')];
  await follow(t, (url) => new ChildFollower("node's WebSocket", [...bin, `${url.replace('http', 'ws')}/ws`, ...topics]));
});

// It offers compression by itself.
for (const shared of [false, true]) {
  test(`Debian's python3-websockets${shared ? ', in a stream that all share' : ''}`, async (t) => {
    const bin = python();
    assert.ok(bin, 'python3-websockets is missing: scripts/install.sh test installs it');
    await follow(t, (url) => new ChildFollower('websockets of Python', [bin, script('follow.py'), `${url.replace('http', 'ws')}/ws`, ...topics]),
      { compression_shared: shared });
  });
}

test('eventsource of npm', (t) => follow(t, (url) => new EventSourceFollower('eventsource', url, topics, TYPES)));

test('curl -N', (t) => follow(t, (url) => new CurlFollower('curl -N', url, topics)));

test('server-sent events over plain HTTP', (t) => follow(t, (url) => new SseFollower('sse', url, topics)));

test('long polls', (t) => follow(t, (url) => new PollFollower('poll', url, topics)));

// One that leaves each connection for the next protocol, and takes its cursor along.
test('from one protocol to another, with the cursor', async (t) => {
  const hub = await startHub({ t });
  const build = new BuildProducer(hub, 'b1', REPORTS);
  const kinds = [SseFollower, PollFollower, NativeFollower, SseFollower, NativeFollower, PollFollower, SseFollower];
  const seen = [];
  let cursor;
  let running;
  for (const [i, Kind] of kinds.entries()) {
    const follower = new Kind(`${Kind.name} ${i}`, hub.url, topics);
    follower.cursor = cursor;
    if (follower.reader) {
      follower.reader.cursor = cursor;
    }
    follower.start(t);
    await follower.again(0);
    if (i === 0) {
      await build.begin();
      running = build.produce(REPORTS).then(() => build.end());
      running.catch(() => {});
    }
    await build.reached(Math.floor(REPORTS * (i + 1) / kinds.length));
    await follower.stop();
    assert.deepEqual(follower.problems, [], follower.name);
    seen.push(...follower.seen.items);
    cursor = follower.reader?.cursor ?? follower.cursor;
  }
  await running;
  const truth = await past(hub, 'job:b1');
  const last = new PollFollower('the last poll', hub.url, topics);
  last.cursor = cursor;
  last.start(t);
  if (cursor !== truth.at(-1).id) {
    await caughtUp(last, truth.at(-1).id);
  }
  await last.stop();
  assertLedger('all of them', [...seen, ...last.seen.items], truth, new Map());
});
