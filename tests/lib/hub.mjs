// SPDX-License-Identifier: MIT
// A real hub for a test: started on a free port of 127.0.0.1 with data in a folder of its own, stopped with
// SIGTERM, and failed if it did not exit 0 or a sanitizer found something.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { request } from './http.mjs';
import { binary, makeDir, removeDir } from './paths.mjs';
import { Child } from './process.mjs';
import { RawSocket } from './raw.mjs';
import { SseClient } from './sse.mjs';
import { WsClient } from './ws.mjs';

const READY = /^listening on (http:\/\/(.+):(\d+))$/;
const READY_TLS = /^listening on (https:\/\/.+:\d+)$/;

// Options, all of them optional:
//   t        the test's context: the hub is stopped and checked when that test ends
//   args     further words for `clairon serve`
//   env      further environment, e.g. { CLAIRON__SERVER__WORKERS: '2' }
//   config   clairon.yaml as text, or as an object
//   dataDir  keep the data here; otherwise in a temporary folder that goes with the hub
//   tls      how many addresses the configuration has in tls.listen: their URLs are in `tlsUrls`
//   listen   the --listen words, ['127.0.0.1:0'] unless given; [] leaves it to the configuration
//   bin      the binary, unless the one of paths.mjs
export async function startHub(options = {}) {
  const hub = new Hub(options);
  options.t?.after(() => hub.stop());
  try {
    await hub.start();
  } catch (error) {
    await hub.discard();
    throw error;
  }
  return hub;
}

export class Hub {
  constructor({ args = [], env = {}, config, dataDir, tls = 0, listen = ['127.0.0.1:0'], bin = binary() }) {
    Object.assign(this, { args, env, listen, tls, bin });
    this.tempDir = makeDir('hub');
    this.dataDir = dataDir ?? path.join(this.tempDir, 'data');
    this.child = null;
    this.urls = [];
    this.clients = []; // Functions that drop what was connected by the calls below.
    this.setConfig(config);
  }

  // Takes effect at the next start, or at a reload.
  setConfig(config) {
    this.configFile = config === undefined ? null : path.join(this.tempDir, 'clairon.yaml');
    if (this.configFile) {
      fs.writeFileSync(this.configFile, typeof config === 'string' ? config : JSON.stringify(config, null, 2));
    }
  }

  async start() {
    assert.equal(this.child, null, 'the hub is running already');
    const words = ['serve', ...this.listen.flatMap((where) => ['--listen', where]), '--data', this.dataDir];
    if (this.configFile) {
      words.push('--config', this.configFile);
    }
    // A system call that the hub should not need ends it, and with it the test.
    const env = { CLAIRON__SERVER__SANDBOX: 'strict', ...this.env };
    this.child = new Child(this.bin, [...words, ...this.args], { env });
    this.urls = [];
    while (this.urls.length < Math.max(1, this.listen.length)) {
      const line = await this.child.out.waitFor((text) => READY.test(text), { what: '"listening on"' })
        .catch((error) => this.#failStart(error));
      this.urls.push(READY.exec(line)[1]);
    }
    this.tlsUrls = [];
    while (this.tlsUrls.length < this.tls) {
      const line = await this.child.out.waitFor((text) => READY_TLS.test(text), { what: '"listening on https"' })
        .catch((error) => this.#failStart(error));
      this.tlsUrls.push(READY_TLS.exec(line)[1]);
    }
    this.listen = this.listen.map((_, i) => new URL(this.urls[i]).host);
  }

  async #failStart(error) {
    this.child.signal('SIGKILL');
    const { code, signal } = await this.child.end();
    throw new Error(`the hub did not start (${signal ?? `exit ${code}`}): ${error.message}\n${this.child.stderr}`);
  }

  get url() {
    return this.urls[0];
  }

  get tlsUrl() {
    return this.tlsUrls[0];
  }

  get port() {
    return Number(new URL(this.url).port);
  }

  get pid() {
    return this.child.pid;
  }

  get stderr() {
    return this.child?.stderr ?? '';
  }

  // The first line on standard error, from the last one read on, that `predicate` accepts.
  async waitLog(predicate, options) {
    return this.child.err.waitFor(predicate, options);
  }

  signal(name) {
    this.child.signal(name);
  }

  // SIGTERM, then exit 0 without a report. Also fails for a hub that is gone already, unasked.
  async terminate() {
    const child = this.child;
    this.child = null;
    if (!child) {
      return;
    }
    const died = child.ended;
    child.signal('SIGTERM');
    const { code, signal } = await child.end('the hub to drain after SIGTERM');
    child.assertClean();
    assert.ok(!died, `the hub ended unasked (${signal ?? code}):\n${child.stderr}`);
    assert.equal(signal ?? code, 0, `the hub ended badly (${signal ?? code}):\n${child.stderr}`);
  }

  // The end without a farewell.
  async kill9() {
    const child = this.child;
    this.child = null;
    child.signal('SIGKILL');
    await child.end();
    child.assertClean();
  }

  // Stops a running hub and starts it again on the same data and the same ports.
  async restart() {
    await this.terminate();
    await this.start();
  }

  // The end: terminates, and removes the temporary folder.
  async stop() {
    try {
      await this.terminate();
    } finally {
      this.#forget();
    }
  }

  async discard() {
    this.child?.signal('SIGKILL');
    this.child = null;
    this.#forget();
  }

  #forget() {
    this.clients.forEach((drop) => drop());
    removeDir(this.tempDir);
  }

  request(method, target, options) {
    return request(method, this.url + target, options);
  }

  get(target, options) {
    return this.request('GET', target, options);
  }

  post(target, body, options) {
    return this.request('POST', target, { ...options, body });
  }

  delete(target, options) {
    return this.request('DELETE', target, options);
  }

  async ws(target = '/ws', options = undefined) {
    const client = await WsClient.connect(this.url.replace('http', 'ws') + target, options);
    this.clients.push(() => client.terminate());
    return client;
  }

  async sse(target, options) {
    const client = await SseClient.connect(this.url + target, options);
    this.clients.push(() => client.close());
    return client;
  }

  async raw() {
    const client = await RawSocket.connect(this.port, new URL(this.url).hostname);
    this.clients.push(() => client.close());
    return client;
  }
}
