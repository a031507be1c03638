// SPDX-License-Identifier: MIT
// What breaks Engine.IO and Socket.IO, on the hub: each ends its own connection, is counted, and nobody else notices.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { enter, expectEnd, Polling, Socket, TRANSPORTS } from '../lib/engineio.mjs';
import { ask } from '../lib/frames.mjs';
import { BREAKS } from '../lib/breaks.mjs';
import { Watch } from '../lib/watch.mjs';

const PATHS = ['/socket.io/', '/ws'];

test('bad packets of Socket.IO', async (t) => {
  const watch = await Watch.start(t);
  for (const [transport, Transport] of Object.entries(TRANSPORTS)) {
    const rows = BREAKS.map(([name, ...row]) => [`${name}, by ${transport}`, ...row]);
    await watch.rows({ socketio_errors: 1 }, rows, async ([, said, raw]) => {
      const link = raw ? await Transport.open(watch.hub.url, '/socket.io/') : await enter(Transport, watch.hub.url);
      await link.send(...said);
      await expectEnd(link);
    });
  }
  watch.report();
});

// Those of a query, with the number of the error that is answered.
const QUERIES = [
  ['no transport', 'GET', 'EIO=4', 0],
  ['an unknown transport', 'GET', 'EIO=4&transport=flashsocket', 0],
  ['a transport in capital letters', 'GET', 'EIO=4&transport=POLLING', 0],
  ['no version', 'GET', 'transport=polling', 5],
  ['version 3', 'GET', 'EIO=3&transport=polling', 5],
  ['two versions, the last is wrong', 'GET', 'EIO=4&EIO=3&transport=polling', 5],
  ['a POST for a handshake', 'POST', 'EIO=4&transport=polling', 2],
  ['websocket without an Upgrade', 'GET', 'EIO=4&transport=websocket', 3],
  ['a sid nobody has', 'GET', `EIO=4&transport=polling&sid=${'A'.repeat(24)}`, 1],
  ['a sid of 5,000 characters', 'GET', `EIO=4&transport=polling&sid=${'A'.repeat(5000)}`, 1],
  ['a sid that is no base64', 'GET', 'EIO=4&transport=polling&sid=%22%3c%20', 1],
  ['a POST with a sid nobody has', 'POST', `EIO=4&transport=polling&sid=${'A'.repeat(24)}`, 1],
];

test('bad requests of Engine.IO', async (t) => {
  const watch = await Watch.start(t);
  const rows = PATHS.flatMap((path) => QUERIES.map(([name, ...row]) => [`${name}, on ${path}`, path, ...row]));
  await watch.rows({}, rows, async ([, path, method, query, code]) => {
    const { status, json } = await watch.hub.request(method, `${path}?${query}`, { headers: { 'content-length': '0' } });
    assert.deepEqual([status, json?.code], [400, code]);
  });
  await watch.rows({}, [['a POST of 100 MB']], async () => {
    const link = await Polling.open(watch.hub.url, '/socket.io/');
    const raw = await watch.hub.raw();
    raw.write(ask(`POST /socket.io/?EIO=4&transport=polling&sid=${link.open.sid} HTTP/1.1`, ['Content-Type: text/plain', 'Content-Length: 104857600'], '4'.repeat(1000)));
    assert.equal((await raw.readResponse()).status, 413);
    await raw.closed();
  });
  await watch.rows({}, [['the sid of one who has left']], async () => {
    const link = await Polling.open(watch.hub.url, '/socket.io/');
    await link.leave();
    assert.equal((await link.get()).json.code, 1);
  });
  await watch.rows({}, [['polling with the sid of a WebSocket']], async () => {
    const link = await Socket.open(watch.hub.url, '/socket.io/');
    const { status, json } = await watch.hub.get(`/socket.io/?EIO=4&transport=polling&sid=${link.open.sid}`);
    assert.deepEqual([status, json.code], [400, 3]);
    await link.leave();
  });
  watch.report();
});
