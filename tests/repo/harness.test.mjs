// SPDX-License-Identifier: MIT
// The harness itself: what must fail does fail, and what came on the wire is read as it came.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { Inbox, makeDir, RawSocket, removeDir, runCli, SseClient, startHub, until } from '../lib/index.mjs';

// A stand-in for the binary, since a good hub gives no way to see these failures.
function standIn(t, script) {
  const dir = makeDir('stand-in');
  t.after(() => removeDir(dir));
  const file = path.join(dir, 'stand-in.mjs');
  fs.writeFileSync(file, `#!/usr/bin/env node\n${script}\n`, { mode: 0o755 });
  return file;
}

const SERVING = `
  console.log('listening on http://127.0.0.1:1');
  setInterval(() => {}, 1000);`;

test('a hub that exits 0 on SIGTERM is fine, and its data folder goes with it', async (t) => {
  const hub = await startHub({ bin: standIn(t, `process.on('SIGTERM', () => process.exit(0));${SERVING}`) });
  assert.equal(hub.url, 'http://127.0.0.1:1');
  await hub.stop();
  assert.equal(fs.existsSync(hub.tempDir), false);
});

test('a hub that exits 3 on SIGTERM fails its test', async (t) => {
  const hub = await startHub({ bin: standIn(t, `process.on('SIGTERM', () => process.exit(3));${SERVING}`) });
  await assert.rejects(hub.stop(), /ended badly \(3\)/);
});

test('a hub that went away by itself fails its test, whatever its status', async (t) => {
  const hub = await startHub({ bin: standIn(t, `console.log('listening on http://127.0.0.1:1');`) });
  await hub.child.end();
  await assert.rejects(hub.stop(), /ended unasked/);
});

test('a report of a sanitizer fails the test, also when the exit status is 0', async (t) => {
  const reports = ['==1==ERROR: AddressSanitizer: heap-use-after-free', 'x.c:1:2: runtime error: signed overflow',
    'WARNING: ThreadSanitizer: data race', '==1==ERROR: LeakSanitizer: detected memory leaks'];
  for (const report of reports) {
    const script = `process.on('SIGTERM', () => { console.error(${JSON.stringify(report)}); process.exit(0); });${SERVING}`;
    const hub = await startHub({ bin: standIn(t, script) });
    await assert.rejects(hub.stop(), /a sanitizer reported/, report);
  }
});

test('a hub that does not start says why', async (t) => {
  const bin = standIn(t, `console.error('port 1 is taken'); process.exit(1);`);
  await assert.rejects(startHub({ bin }), /did not start \(exit 1\)[^]*port 1 is taken/);
});

test('a command is read to its end', async (t) => {
  const bin = standIn(t, `process.stdin.pipe(process.stdout); process.stdin.on('end', () => { process.exitCode = 7; });`);
  const { code, stdout } = await runCli([], { bin, input: 'one\ntwo' });
  assert.deepEqual([code, stdout], [7, 'one\ntwo\n']);
});

test('an inbox reads on from where it was', async () => {
  const inbox = new Inbox('a test');
  [1, 2, 3, 4].forEach((n) => inbox.push(n));
  assert.equal(await inbox.next(), 1);
  assert.deepEqual(await inbox.collectUntil((n) => n === 3), [2, 3]);
  await assert.rejects(inbox.waitFor((n) => n === 3, { ms: 1 }), /waited in vain/);
  inbox.end('over');
  await assert.rejects(inbox.waitFor((n) => n === 5), /ended \(over\)/);
  assert.deepEqual(inbox.items, [1, 2, 3, 4]);
});

test('a raw socket reads chunked, counted and endless bodies', async (t) => {
  const answers = ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n',
    'HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno', 'HTTP/1.1 200 OK\r\n\r\nto the end'];
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.end(answers.join('')));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const raw = await RawSocket.connect(server.address().port);
  raw.write('hello');
  const read = [await raw.readResponse(), await raw.readResponse(), await raw.readResponse()];
  assert.deepEqual(read.map(({ status, text }) => [status, text]), [[200, 'abcde'], [404, 'no'], [200, 'to the end']]);
  await assert.rejects(raw.read(1), /closed before 1 bytes/);
  raw.close();
});

test('an event stream keeps ids, names, comments and many lines of data', async (t) => {
  const server = http.createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.end(': hello\n\nid: 7\nevent: x\ndata: {"a":\ndata: 1}\n\nid: 8\n\n');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const sse = await SseClient.connect(`http://127.0.0.1:${server.address().port}/`);
  await sse.waitClosed();
  assert.deepEqual(sse.inbox.items, [{ comment: 'hello' },
    { id: '7', event: 'x', data: '{"a":\n1}', json: { a: 1 } }, { id: '8', json: undefined }]);
  assert.equal(sse.lastEventId, '8');
});

test('until asks until it is so', async () => {
  let asked = 0;
  assert.equal(await until(() => ++asked === 3 && 'yes', 'asked thrice'), 'yes');
  await assert.rejects(until(() => false, 'never', 1), /in vain until never/);
});
