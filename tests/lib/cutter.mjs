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
    this.server = net.createServer((client) => this.#relay(client));
  }

  get url() {
    return `http://127.0.0.1:${this.server.address().port}`;
  }

  #relay(client) {
    const upstream = net.connect(this.port, '127.0.0.1');
    const pair = { client, upstream, cutting: false };
    const drop = () => {
      this.pairs.delete(pair);
      client.destroy();
      upstream.destroy();
    };
    this.pairs.add(pair);
    [client, upstream].forEach((socket) => socket.on('error', drop).on('close', drop).setNoDelay(true));
    client.on('data', (bytes) => upstream.write(bytes));
    upstream.on('data', (bytes) => {
      if (pair.cutting) {
        client.write(bytes.subarray(0, bytes.length >> 1), drop);
      } else if (!client.write(bytes)) {
        upstream.pause();
        client.once('drain', () => upstream.resume());
      }
    });
  }

  // Ends every connection that is open now, each in the middle of the next bytes that it carries to its client; those
  // that carry nothing any more are ended by `finish`.
  cut() {
    this.pairs.forEach((pair) => {
      pair.cutting = true;
    });
  }

  finish() {
    [...this.pairs].filter(({ cutting }) => cutting).forEach(({ client }) => client.destroy());
  }

  close() {
    this.server.close();
    [...this.pairs].forEach(({ client }) => client.destroy());
  }
}
