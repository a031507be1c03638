// SPDX-License-Identifier: MIT
// A client of Socket.IO, the one its users have, that writes down what it hears.
import { io } from 'socket.io-client';
import { Inbox, within } from './wait.mjs';

export const TRANSPORTS = [['websocket'], ['polling'], ['polling', 'websocket']];

// `heard`: each event as its name and arguments; the cursor at the end of some is apart, in `offsets`.
export class SioClient {
  constructor(t, url, options = {}) {
    this.heard = new Inbox(`a client of Socket.IO at ${url}`);
    this.offsets = [];
    this.connects = new Inbox('connections');
    this.refusals = new Inbox('refused connections');
    this.ends = new Inbox('ends of connections');
    this.socket = io(url, {
      path: '/ws', forceNew: true, reconnectionDelay: 20, reconnectionDelayMax: 100, ...options,
    });
    this.socket.onAny((name, ...args) => {
      if (typeof args.at(-1) === 'string') {
        this.offsets.push(args.pop());
      }
      this.heard.push([name, ...args]);
    });
    this.socket.on('connect', () => this.connects.push({ id: this.socket.id, recovered: this.socket.recovered }));
    this.socket.on('connect_error', (error) => this.refusals.push(error.message));
    this.socket.on('disconnect', (reason) => this.ends.push(reason));
    t.after(() => this.socket.disconnect());
  }

  get transport() {
    return this.socket.io.engine?.transport.name;
  }

  // The answer to an event.
  ask(name, ...args) {
    return within(this.socket.emitWithAck(name, ...args), `the answer to ${name}`);
  }

  on(name) {
    return this.heard.waitFor((event) => event[0] === name, { what: name });
  }

  // Breaks the connection off, as a network does; the client comes back by itself.
  cut() {
    this.socket.io.engine.close();
  }
}

export async function sio(t, hub, options = {}) {
  const client = new SioClient(t, hub.url, options);
  await client.connects.next({ what: 'connect' });
  return client;
}
