// SPDX-License-Identifier: MIT
// The npm package `socket.io` as a hub: who asks by `subscribe` joins that room; each message that comes on a plain
// WebSocket on `/publish` is an event object, and is emitted by its type's name to the room of its topic. No
// compression, as it is by itself.
//
//   node bench/peers/socketio.mjs [PORT]
//
// Prints `listening on http://127.0.0.1:PORT`. Ends with SIGTERM.
import { createServer } from 'node:http';
import { createRequire } from 'node:module';

const require = createRequire(new URL('../../tests/package.json', import.meta.url));
const { Server } = require('socket.io');
const { WebSocketServer } = require('ws');

const server = createServer();
const hub = new Server(server, { serveClient: false, destroyUpgrade: false });

hub.on('connection', (socket) => {
  socket.on('subscribe', (topic, answer) => {
    socket.join(topic);
    answer?.({ ok: true });
  });
});

const publishers = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: 1 << 20 });
publishers.on('connection', (client) => {
  client.on('error', () => {}); // A generator that leaves without a word is no matter.
  client.on('message', (bytes) => {
    const event = JSON.parse(bytes);
    hub.to(event.topic).emit(event.type, event);
  });
});
server.on('upgrade', (request, socket, head) => {
  if (request.url === '/publish') {
    publishers.handleUpgrade(request, socket, head, (client) => publishers.emit('connection', client));
  }
});

server.listen({ host: '127.0.0.1', port: Number(process.argv[2] ?? 0), backlog: 4096 }, () => {
  process.stdout.write(`listening on http://127.0.0.1:${server.address().port}\n`);
});
process.on('SIGTERM', () => process.exit(0));
