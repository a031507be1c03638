// SPDX-License-Identifier: MIT
// The npm package `ws` as a hub: who comes on `/` is on the topic `bench` and on a quiet one of its own; each message
// that comes on `/publish` is published to `bench`. With `takeover` it compresses as it does by itself when it is told to
// compress, with `each` every message alone.
//
//   node bench/peers/ws.mjs [PORT [takeover|each]]
//
// Prints `listening on http://127.0.0.1:PORT`. Ends with SIGTERM.
import { createServer } from 'node:http';
import { createRequire } from 'node:module';

const { WebSocketServer } = createRequire(new URL('../../tests/package.json', import.meta.url))('ws');

// Without a threshold: by itself it leaves messages below 1 KiB as they are when each is compressed alone.
const COMPRESSION = { takeover: true, each: { serverNoContextTakeover: true, threshold: 0 } };
const perMessageDeflate = COMPRESSION[process.argv[3]] ?? false;

const topics = new Map();
let connections = 0;

function subscribe(client, topic) {
  if (!topics.has(topic)) {
    topics.set(topic, new Set());
  }
  topics.get(topic).add(client);
  client.on('close', () => {
    const members = topics.get(topic);
    members.delete(client);
    if (members.size === 0) {
      topics.delete(topic);
    }
  });
}

const hub = new WebSocketServer({ noServer: true, perMessageDeflate, maxPayload: 1 << 20 });

hub.on('connection', (client, request) => {
  client.on('error', () => {}); // A generator that leaves without a word is no matter.
  if (request.url.startsWith('/publish')) {
    client.on('message', (bytes) => {
      for (const member of topics.get('bench') ?? []) {
        member.send(bytes, { binary: false });
      }
    });
    return;
  }
  subscribe(client, 'bench');
  connections += 1;
  subscribe(client, `quiet:${connections}`);
});

const server = createServer();
server.on('upgrade', (request, socket, head) => {
  hub.handleUpgrade(request, socket, head, (client) => hub.emit('connection', client, request));
});
server.listen({ host: '127.0.0.1', port: Number(process.argv[2] ?? 0), backlog: 4096 }, () => {
  process.stdout.write(`listening on http://127.0.0.1:${server.address().port}\n`);
});
process.on('SIGTERM', () => process.exit(0));
