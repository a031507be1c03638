// SPDX-License-Identifier: MIT
// Hubs of a few lines for the tests of the load generator: each publishes what is posted to it to all its subscribers.
import http from 'node:http';
import { WebSocketServer } from 'ws';

// Listens on a free port until test `t` ends; returns host:port.
async function listen(t, server) {
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `127.0.0.1:${server.address().port}`;
}

async function bodyOf(request) {
  const chunks = [];
  for await (const chunk of request) {
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

// WebSockets on every path; what comes on /publish goes to the others. `deliver(client, text, n)` may do otherwise with
// the n-th message; `opened(client)` is told of each subscriber; `deflate` is what the package takes for it.
export async function wsHub(t, { deliver = (client, text) => client.send(text), opened = () => {}, deflate = false } = {}) {
  const members = new Set();
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: deflate });
  let count = 0;
  sockets.on('connection', (client, request) => {
    client.on('error', () => {});
    if (request.url === '/publish') {
      client.on('message', (bytes) => {
        members.forEach((member) => deliver(member, bytes.toString(), count));
        count += 1;
      });
      return;
    }
    members.add(client);
    client.on('close', () => members.delete(client));
    opened(client);
  });
  const server = http.createServer();
  server.on('upgrade', (request, socket, head) => {
    sockets.handleUpgrade(request, socket, head, (client) => sockets.emit('connection', client, request));
  });
  t.after(() => sockets.clients.forEach((client) => client.terminate()));
  return listen(t, server);
}

// Socket.IO: who asks by `subscribe` joins that room, and what comes on /publish goes to the rooms that it names first.
// {host, hub}, hub being the package's server, for what a test has to say of it.
export async function socketioHub(t, options = {}) {
  const { Server } = await import('socket.io');
  const server = http.createServer();
  const hub = new Server(server, { serveClient: false, destroyUpgrade: false, ...options });
  hub.on('connection', (socket) => socket.on('subscribe', (topic, answer) => {
    socket.join(topic);
    answer({ ok: true });
  }));
  const publishers = new WebSocketServer({ noServer: true });
  publishers.on('connection', (client) => client.on('error', () => {}).on('message', (bytes) => {
    const [topic, event] = JSON.parse(bytes);
    hub.to(topic).emit('BENCH', event);
  }));
  server.on('upgrade', (request, socket, head) => {
    if (request.url === '/publish') {
      publishers.handleUpgrade(request, socket, head, (client) => publishers.emit('connection', client));
    }
  });
  t.after(() => {
    hub.disconnectSockets(true);
    publishers.clients.forEach((client) => client.terminate());
  });
  return { host: await listen(t, server), hub };
}

// Event streams: each event is cut into pieces, so that markers are too.
export async function sseHub(t) {
  const members = new Set();
  return listen(t, http.createServer(async (request, response) => {
    if (request.method === 'POST') {
      const text = await bodyOf(request);
      for (const member of members) {
        member.write(`data: ${text.slice(0, 12)}`);
        member.write(`${text.slice(12)}\n\n`);
      }
      response.end('{}');
      return;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
    response.write(': hello\n\n');
    members.add(response);
    response.on('close', () => members.delete(response));
  }));
}

// Long polling with a cursor, as Clairon answers it: the first question at once.
export async function pollHub(t) {
  const log = [];
  const waiting = new Set();
  const answer = (response, since) => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ events: log.slice(since), cursor: `e-${log.length}`, recovered: true }));
  };
  return listen(t, http.createServer(async (request, response) => {
    if (request.method === 'POST') {
      log.push(await bodyOf(request));
      response.end('{}');
      waiting.forEach(({ held, since }) => answer(held, since));
      waiting.clear();
      return;
    }
    const cursor = new URL(request.url, 'http://x').searchParams.get('since');
    const since = Number(cursor?.slice(2) ?? log.length);
    if (cursor === null || since < log.length) {
      answer(response, since);
    } else {
      waiting.add({ held: response, since });
    }
  }));
}

// Answers everything as `handle(request, response)` does, upgrades too.
export async function httpServer(t, handle) {
  const server = http.createServer(handle);
  server.on('upgrade', (request, socket) => {
    const response = new http.ServerResponse(request);
    response.assignSocket(socket);
    handle(request, response);
  });
  return listen(t, server);
}
