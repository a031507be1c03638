// SPDX-License-Identifier: MIT
// The hubs that are compared: whether each can run here, how it is started on its core, and what the load generator
// has to know of it.
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import net from 'node:net';
import path from 'node:path';
import { makeDir, removeDir, REPO } from '../tests/lib/paths.mjs';
import { filesMax } from './machine.mjs';

const START_MS = 20_000;
const STOP_MS = 60_000;
const READY = /^listening on (http:\/\/\S+:(\d+))$/m;
const READY_TLS = /^listening on (https:\/\/\S+:(\d+))$/m;
const PEERS = path.join(REPO, 'bench/peers');
const NCHAN_MODULE = ['/usr/lib/nginx/modules/ngx_nchan_module.so', '/usr/lib64/nginx/modules/ngx_nchan_module.so'];

// An event as builds report it: as it is published to Clairon, and as subscribers get it.
const DATA = '{"deployment_id":"5f0c9a3e-7d41-4b8e-9c52-1f6a2b7d8e90","progress":%s,"step_index":3,"total_steps":8,'
  + '"message":"%p"}';
const ITEM = `{"topics":%T,"type":"BENCH_PROGRESS","data":${DATA}}`;
const EVENT = `{"type":"BENCH_PROGRESS","id":"1c5e9f20-%s","timestamp":"2026-01-02T03:04:05.678Z","topic":"bench:0","data":${DATA}}`;

// What is not Clairon has one topic, which everyone is on, takes bare payloads on a WebSocket, and says nothing first.
// Where the payload is to be an event, it is the whole object there, as Clairon's subscribers get it.
function plainPublishing(url, { mode, event }) {
  return publishes(mode) ? ['--publish', `${url.replace('http', 'ws')}/publish`, '--publish-body', event ? EVENT : '%p'] : [];
}

const plainWords = (url, load) => ['--subscribe', `${url.replace('http', 'ws')}/`, '--on-open', '', '--ready', '', ...plainPublishing(url, load)];
const plainSse = (url, load) => ['--subscribe', `sse+${url}/events`, ...plainPublishing(url, load)];

// Clairon's subscribers choose their topics, and events come by POST, on several connections at a rate so that one is
// free whenever the next is due: the rest is as the generator has it by itself. A storm of connections is about
// accepting and upgrading alone, as it is for the others.
function ownPublishing(url, { mode, event }) {
  const words = ['--publish', `${url}/api/v1/publish`, '--publishers', mode === 'rate' ? '8' : '1', ...(event ? ['--publish-item', ITEM] : [])];
  return publishes(mode) ? words : [];
}

function ownWords(url, load) {
  const topics = load.mode === 'connect' ? ['--on-open', '', '--ready', ''] : ['--topics-extra', '1'];
  return ['--subscribe', `${url.replace('http', 'ws')}/ws`, ...topics, ...ownPublishing(url, load)];
}

const ownSse = (url, load) => ['--subscribe', `sse+${url}/api/events?%q`, '--topics-extra', '1', ...ownPublishing(url, load)];

// By Socket.IO all hubs are asked in the same way, whether for a WebSocket or by polling.
const socketio = (publishing) => ({
  socketio: (url, load) => ['--subscribe', `socketio+${url.replace('http', 'ws')}/socket.io/`, '--topics-extra', '1', ...publishing(url, load)],
  polling: (url, load) => ['--subscribe', `socketio+${url}/socket.io/`, '--topics-extra', '1', ...publishing(url, load)],
});
const deflated = (words) => (url, load) => [...words(url, load), '--deflate'];

const publishes = (mode) => mode === 'serial' || mode === 'rate';

// The same over TLS, whose certificate the generator trusts.
const secure = (words) => (url, load) => [...words(url.replace(/^http:/, 'https:'), load), '--ca', tlsPair().certificate];

const APART = 'over TLS it is measured in scenarios of its own';

// apart: why a hub is not in the scenarios that all are in. kind: `own` is what is judged, `peer` what it is compared with, `floor` what could not be less.
// probe(options): {version} or {absent: why}. launch(options, settings): {words, env?, port?, dir?, worker?}: port where it is known
// beforehand, ready what it says when it is up, dir goes with the hub, worker if a child of what is started serves.
// words: by the way its subscribers come, words(url, load) for the generator.
export const HUBS = {
  'clairon-uring': clairon('Clairon, io_uring', 'uring'),
  'clairon-plain': clairon('Clairon, plain send', 'plain'),
  'clairon-tls': { ...clairon('Clairon over TLS', 'auto', true), apart: APART },
  uws: {
    name: 'uWebSockets',
    kind: 'peer',
    probe: probeUws,
    launch: ({ uws }) => ({ words: [uwsProgram(uws)] }),
    words: { ws: plainWords },
  },
  'floor-plain': floor('floor: send', []),
  'floor-uring': floor('floor: io_uring', ['--uring']),
  nchan: { name: 'nginx with nchan', kind: 'peer', probe: probeNchan, launch: () => launchNchan(false), words: { ws: plainWords, sse: plainSse } },
  'nchan-tls': {
    name: 'nginx with nchan over TLS',
    kind: 'peer',
    probe: probeNchan,
    launch: () => launchNchan(true),
    apart: APART,
    words: { ws: secure(plainWords) },
  },
  ws: {
    name: 'npm ws',
    kind: 'peer',
    probe: () => probePackage('ws'),
    launch: () => launchPeer('ws.mjs'),
    words: { ws: plainWords },
  },
  'ws-deflate': wsDeflate('npm ws, compressed', 'takeover'),
  'ws-deflate-each': wsDeflate('npm ws, each message compressed alone', 'each'),
  socketio: {
    name: 'npm socket.io',
    kind: 'peer',
    probe: () => probePackage('socket.io'),
    launch: () => launchPeer('socketio.mjs'),
    words: socketio(plainPublishing),
    apart: 'it is measured with what speaks Socket.IO',
  },
};

function output(command, words, options = {}) {
  return execFileSync(command, words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], ...options });
}

const firstLine = (error) => String(error.stderr || error.message).trim().split('\n')[0].replace(/\/\S*\//g, '');

// ---- Clairon

const sendEnv = (send) => ({ CLAIRON__SERVER__SEND: send });

function clairon(name, send, tls = false) {
  return {
    name,
    kind: 'own',
    probe({ clairon: bin }) {
      if (!fs.existsSync(bin)) {
        return { absent: 'it is not built: ./run or ./test build' };
      }
      if (send === 'uring' && uringForbidden()) {
        return { absent: 'kernel.io_uring_disabled forbids it' };
      }
      try {
        output(bin, ['serve', '--check'], { env: { ...cleanEnv(), ...sendEnv(send) } });
        return { version: output(bin, ['--version']).trim().replace(/^clairon /, '') };
      } catch (error) {
        return { absent: firstLine(error) };
      }
    },
    launch({ clairon: bin, data }, settings) {
      const dir = data ? fs.mkdtempSync(path.join(data, 'clairon-bench-')) : makeDir('bench');
      const words = [bin, 'serve', '--listen', '127.0.0.1:0', '--data', dir];
      const { certificate, key } = tls ? tlsPair() : {};
      const env = tls && { CLAIRON__TLS__LISTEN: '127.0.0.1:0', CLAIRON__TLS__CERTIFICATE_FILE: certificate, CLAIRON__TLS__KEY_FILE: key };
      return { words, env: { ...sendEnv(send), ...env, ...settings }, ready: tls ? READY_TLS : READY, dir };
    },
    words: tls ? { ws: secure(ownWords) } : { ws: ownWords, sse: ownSse, deflate: deflated(ownWords), ...socketio(ownPublishing) },
  };
}

// One certificate for all hubs: P-256, as most are today.
let pair;
function tlsPair() {
  if (!pair) {
    const dir = makeDir('bench-tls');
    process.on('exit', () => removeDir(dir));
    pair = { certificate: path.join(dir, 'hub.pem'), key: path.join(dir, 'key.pem') };
    output('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '30',
      '-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', pair.key, '-out', pair.certificate]);
    fs.chmodSync(pair.key, 0o600);
  }
  return pair;
}

// Ours without what would change a hub's configuration.
function cleanEnv() {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(CLAIRON_|WEBSOCKET_)/.test(name)));
}

// 1 leaves it to some groups, 2 to nobody.
function uringForbidden() {
  const file = '/proc/sys/kernel/io_uring_disabled';
  return fs.existsSync(file) && fs.readFileSync(file, 'utf8').trim() !== '0';
}

// ---- the floor

function floor(name, words) {
  return {
    name,
    kind: 'floor',
    probe({ floor: bin }) {
      if (!fs.existsSync(bin)) {
        return { absent: 'it is not built: ninja -C build bench/bench_floor' };
      }
      const forbidden = words.includes('--uring') && uringForbidden();
      return forbidden ? { absent: 'kernel.io_uring_disabled forbids it' } : { version: '' };
    },
    launch: ({ floor: bin }) => ({ words: [bin, ...words] }),
    words: { ws: plainWords },
  };
}

// ---- uWebSockets

// The program: as given, or built from sources into build-peers/.
const uwsProgram = (given) => (fs.statSync(given).isDirectory() ? path.join(REPO, 'build-peers/uws') : given);

function probeUws({ uws }) {
  if (!uws) {
    return { absent: 'no sources given: --uws or CLAIRON_BENCH_UWS, see bench/README.md' };
  }
  if (!fs.existsSync(uws)) {
    return { absent: 'what --uws names is not there' };
  }
  if (!fs.statSync(uws).isDirectory()) {
    return { version: 'as built' };
  }
  try {
    buildUws(uws);
    return { version: uwsVersion(uws) };
  } catch (error) {
    return { absent: `it does not build: ${firstLine(error)}` };
  }
}

function uwsVersion(sources) {
  try {
    return output('git', ['-C', sources, 'log', '-1', '--format=%h of %cs']).trim();
  } catch {
    return 'unknown';
  }
}

function buildUws(sources) {
  const program = uwsProgram(sources);
  const source = path.join(PEERS, 'uws.cpp');
  if (fs.existsSync(program) && fs.statSync(program).mtimeMs > fs.statSync(source).mtimeMs) {
    return;
  }
  const folder = path.dirname(program);
  const flags = ['-O3', '-march=native', '-DLIBUS_NO_SSL', '-DUWS_NO_ZLIB', `-I${path.join(sources, 'uSockets/src')}`];
  const parts = ['', 'eventing'].flatMap((sub) => {
    const dir = path.join(sources, 'uSockets/src', sub);
    return fs.readdirSync(dir).filter((name) => name.endsWith('.c')).map((name) => path.join(dir, name));
  });
  fs.mkdirSync(folder, { recursive: true });
  const objects = parts.map((part) => {
    const object = path.join(folder, `${path.basename(part, '.c')}.o`);
    output('gcc', [...flags, '-c', part, '-o', object]);
    return object;
  });
  output('g++', [...flags, '-std=c++20', `-I${path.join(sources, 'src')}`, source, ...objects, '-o', program]);
}

// ---- nchan

function probeNchan() {
  if (!NCHAN_MODULE.some((file) => fs.existsSync(file))) {
    return { absent: 'it is not installed: Debian packages nginx-light and libnginx-mod-nchan' };
  }
  try {
    const nginx = output('sh', ['-c', 'nginx -v 2>&1']).trim().replace(/^nginx version: nginx\//, '');
    const nchan = output('sh', ['-c', "dpkg-query -W -f '${Version}' libnginx-mod-nchan 2>/dev/null || echo unknown"]);
    return { version: `${nchan.trim().replace(/^1:|\+.*$/g, '')}, nginx ${nginx}` };
  } catch (error) {
    return { absent: firstLine(error) };
  }
}

async function launchNchan(tls) {
  const dir = makeDir('bench-nchan');
  fs.chmodSync(dir, 0o755); // Workers may run as another user.
  const port = await freePort();
  const module = NCHAN_MODULE.find((file) => fs.existsSync(file));
  const ssl = tls && `ssl_certificate ${tlsPair().certificate}; ssl_certificate_key ${tlsPair().key}; ssl_protocols TLSv1.3;`;
  const values = { PORT: port, SSL: tls ? 'ssl ' : '', CERTIFICATE: ssl || '', DIR: dir, MODULE: module, FILES: Math.min(filesMax(), 1 << 20) };
  const text = fs.readFileSync(path.join(PEERS, 'nchan.conf.in'), 'utf8');
  fs.writeFileSync(path.join(dir, 'nginx.conf'), text.replace(/@([A-Z]+)@/g, (all, key) => values[key] ?? all));
  return { words: ['nginx', '-p', dir, '-c', path.join(dir, 'nginx.conf')], port, dir, worker: true };
}

async function freePort() {
  const server = net.createServer();
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  const { port } = server.address();
  await new Promise((resolve) => { server.close(resolve); });
  return port;
}

// ---- npm packages

function probePackage(name) {
  try {
    const require = createRequire(new URL('../tests/package.json', import.meta.url));
    return { version: `${require(`${name}/package.json`).version}, node ${process.versions.node}` };
  } catch {
    return { absent: 'it is not installed: npm ci in tests/' };
  }
}

const launchPeer = (file, ...words) => ({ words: [process.execPath, path.join(PEERS, file), '0', ...words] });

function wsDeflate(name, how) {
  return {
    name,
    kind: 'peer',
    probe: () => probePackage('ws'),
    launch: () => launchPeer('ws.mjs', how),
    words: { deflate: deflated(plainWords) },
    apart: 'compression is measured in scenarios of its own',
  };
}

// ---- running them

const running = new Set();
process.on('exit', () => running.forEach((self) => self.killAll()));

// A hub that is up, alone on its core.
export class Running {
  // Throws when it does not come up.
  static async start(hub, options, settings) {
    const launch = await hub.launch(options, settings);
    const self = new Running(launch, options.serverCore);
    try {
      await self.#up(launch);
    } catch (error) {
      await self.stop('SIGKILL');
      throw error;
    }
    return self;
  }

  constructor({ words, env, dir, ready = READY }, core) {
    this.dir = dir;
    this.text = '';
    this.ended = null;
    const options = { env: { ...cleanEnv(), ...env }, stdio: ['ignore', 'pipe', 'pipe'] };
    this.child = spawn('taskset', ['-c', String(core), ...words], options);
    running.add(this);
    this.said = new Promise((resolve) => {
      const take = (bytes) => {
        this.text = (this.text + bytes).slice(-100_000);
        if (ready.test(this.text)) {
          resolve(ready.exec(this.text)[1]);
        }
      };
      this.child.stdout.on('data', take);
      this.child.stderr.on('data', take);
    });
    this.gone = new Promise((resolve) => {
      this.child.on('error', (error) => resolve({ error: error.message }));
      this.child.on('close', (code, signal) => resolve({ code, signal }));
    }).then((end) => {
      running.delete(this);
      this.ended = end;
    });
  }

  async #up({ port, worker }) {
    let timer;
    const late = new Promise((resolve) => { timer = setTimeout(resolve, START_MS); });
    const up = port ? this.#answers(port) : this.said;
    this.url = await Promise.race([up, this.gone, late]);
    clearTimeout(timer);
    if (!this.url) {
      throw new Error(`it did not start: ${this.lastWords() || 'no word of it'}`);
    }
    this.pid = worker ? await this.#workerPid() : this.child.pid;
  }

  async #answers(port) {
    while (!this.ended) {
      const open = await new Promise((resolve) => {
        const socket = net.connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false));
        socket.on('connect', () => socket.destroy());
      });
      if (open) {
        return `http://127.0.0.1:${port}`;
      }
      await new Promise((resolve) => { setTimeout(resolve, 50); });
    }
    return null;
  }

  // Whoever serves is the only child of what was started, and may come later than its port.
  async #workerPid() {
    const { pid } = this.child;
    while (!this.ended) {
      const children = fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
      if (children) {
        return Number(children.split(' ')[0]);
      }
      await new Promise((resolve) => { setTimeout(resolve, 20); });
    }
    throw new Error(`it did not start: ${this.lastWords()}`);
  }

  // Killing nginx alone would leave its worker behind.
  killAll() {
    this.child.kill('SIGKILL');
    if (this.pid && this.pid !== this.child.pid) {
      process.kill(this.pid, 'SIGKILL');
    }
  }

  lastWords() {
    return this.text.trim().split('\n').filter((line) => !READY.test(line) && !READY_TLS.test(line)).slice(-3).join(' | ').replace(/\/\S*\//g, '');
  }

  // null, or what was wrong with its end. To be asked once.
  async stop(signal = 'SIGTERM') {
    const unasked = this.ended;
    this.child.kill(signal);
    const timer = setTimeout(() => this.killAll(), STOP_MS);
    await this.gone;
    clearTimeout(timer);
    if (this.dir) {
      removeDir(this.dir);
    }
    const { code, signal: by } = this.ended;
    const how = by ?? `exit ${code}`;
    if (unasked) {
      return `it ended unasked (${how}): ${this.lastWords()}`;
    }
    return code === 0 || by === signal ? null : `it ended badly (${how}): ${this.lastWords()}`;
  }
}

// What of HUBS can run here: {present: {id: version}, absent: {id: why}}.
export function probeAll(ids, options) {
  const present = {};
  const absent = {};
  for (const id of ids) {
    const { version, absent: why } = HUBS[id].probe(options);
    if (why) {
      absent[id] = why;
    } else {
      present[id] = version;
    }
  }
  return { present, absent };
}

export const DEFAULTS = {
  clairon: path.join(REPO, 'build/clairon'),
  floor: path.join(REPO, 'build/bench/bench_floor'),
  uws: process.env.CLAIRON_BENCH_UWS,
};
