// SPDX-License-Identifier: MIT
// A relay between clients and a hub whose connections a test can cut, in the middle of what they carry.
import net from 'node:net';
import { once } from 'node:events';

export class Cutter {
  // Relays to `hub`, also after a restart on the same port. Closed when test `t` ends.
  static async start(t, hub) {
    const cutter = new Cutter(hub);
    cutter.server.listen(0, '127.0.0.1');
    await once(cutter.server, 'listening');
    t.after(() => cutter.close());
    return cutter;
  }

  constructor(hub) {
    this.hub = hub;
    this.port = hub.port;
    this.pairs = new Set();
    this.cutting = false;
    this.server = net.createServer((client) => this.#relay(client));
  }

  get url() {
    return `http://127.0.0.1:${this.server.address().port}`;
  }

  #relay(client) {
    const upstream = net.connect(this.port, '127.0.0.1');
    const pair = { client, upstream, cut: this.cutting };
    const drop = () => {
      this.pairs.delete(pair);
      client.destroy();
      upstream.destroy();
    };
    this.pairs.add(pair);
    [client, upstream].forEach((socket) => socket.on('error', drop).on('close', drop).setNoDelay(true));
    client.on('data', (bytes) => upstream.write(bytes));
    upstream.on('data', (bytes) => {
      if (pair.cut) {
        client.write(bytes.subarray(0, bytes.length >> 1), drop);
      } else if (!client.write(bytes)) {
        upstream.pause();
        client.once('drain', () => upstream.resume());
      }
    });
  }

  // From now on every connection, open or new, ends in the middle of the next bytes that it carries to its client.
  cut() {
    this.cutting = true;
    this.pairs.forEach((pair) => {
      pair.cut = true;
    });
  }

  // No more of that: what still stands of those connections goes at once, and new ones are whole.
  finish() {
    this.cutting = false;
    [...this.pairs].filter(({ cut }) => cut).forEach(({ client }) => client.destroy());
  }

  close() {
    this.server.close();
    [...this.pairs].forEach(({ client }) => client.destroy());
  }
}
