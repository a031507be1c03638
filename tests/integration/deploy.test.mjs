// SPDX-License-Identifier: MIT
// The proxies of docs/deploy.md, run as the document has them in front of a hub: WebSockets and answers come through,
// and the hub knows whose they are. Each where it is installed: they start as services when they are installed, so
// that ./test does not do it.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { before, test } from 'node:test';
import tls from 'node:tls';
import { makeDir, REPO, startHub, until, WsClient } from '../lib/index.mjs';
import { authConfig, token } from '../lib/jwt.mjs';
import { RawSocket } from '../lib/raw.mjs';
import { Child } from '../lib/process.mjs';

const NAME = 'hub.example.org';
const CLIENT = '127.0.0.7'; // another address of this machine, which is no proxy
const ADMIN = token({ sub: 'root', role: 'admin' });
const dir = makeDir('deploy');

// The example in that language, the `which`-th of them.
function example(language, which = 0) {
  const text = fs.readFileSync(path.join(REPO, 'docs/deploy.md'), 'utf8');
  const found = [...text.matchAll(/^```(\w+)\n([^]*?)^```$/gm)].filter(([, name]) => name === language);
  assert.ok(found[which], `${language} in docs/deploy.md`);
  return found[which][2];
}

// Nobody else takes it in the moment until the proxy does, since the kernel gives out others first.
async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function here(text, hub, port) {
  return text.replaceAll('/etc/ssl/hub/', `${dir}/`).replaceAll('127.0.0.1:8000', `127.0.0.1:${hub.port}`)
    .replaceAll('127.0.0.1:8443', hub.tlsUrl ? new URL(hub.tlsUrl).host : 'nowhere')
    .replace(/(bind |listen )(:?)443\b/, `$1127.0.0.1:${port}`);
}

function write(name, text) {
  const file = path.join(dir, name);
  fs.writeFileSync(file, text);
  return file;
}

// What is run, and how its example becomes a whole configuration that leaves this machine alone.
const PROXIES = {
  nginx: (text) => ['/usr/sbin/nginx', ['-e', 'stderr', '-c', write('nginx.conf', `daemon off; pid ${dir}/nginx.pid; error_log stderr; master_process off;
    events {} http { access_log off; client_body_temp_path ${dir}/b; proxy_temp_path ${dir}/p; fastcgi_temp_path ${dir}/f;
    uwsgi_temp_path ${dir}/u; scgi_temp_path ${dir}/s; ${text} }`)]],
  caddy: (text, port) => ['/usr/bin/caddy', ['run', '--adapter', 'caddyfile', '--config',
    write('Caddyfile', `{\n admin off\n auto_https disable_redirects\n}\n${text.replace(`${NAME} {`, `https://${NAME}:${port} {\n    bind 127.0.0.1`)}`)]],
  haproxy: (text) => ['/usr/sbin/haproxy', ['-db', '-f', write('haproxy.cfg', `global\n    maxconn 100\n${text}`)]],
};

before(() => {
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', `/CN=${NAME}`,
    '-addext', `subjectAltName=DNS:${NAME}`, '-keyout', path.join(dir, 'key.pem'), '-out', path.join(dir, 'fullchain.pem')], { stdio: 'ignore' });
  write('hub.pem', fs.readFileSync(path.join(dir, 'fullchain.pem'), 'utf8') + fs.readFileSync(path.join(dir, 'key.pem'), 'utf8'));
});

async function startProxy(t, proxy, text, hub) {
  const port = await freePort();
  const [bin, args] = PROXIES[proxy](here(text, hub, port), port);
  const child = new Child(bin, args, { env: { HOME: dir, XDG_DATA_HOME: dir, XDG_CONFIG_HOME: dir } });
  t.after(async () => {
    child.signal('SIGKILL');
    await child.end();
  });
  await until(() => new Promise((resolve) => {
    assert.ok(!child.ended, child.stderr);
    const socket = net.connect(port, '127.0.0.1', () => resolve(socket.destroy() && true)).on('error', () => resolve(false));
  }), `${proxy} to listen`);
  return port;
}

// As a browser at CLIENT would see the hub.
class Browser {
  constructor(port) {
    this.port = port;
    this.options = { host: '127.0.0.1', port, localAddress: CLIENT, servername: NAME, ca: fs.readFileSync(path.join(dir, 'fullchain.pem')) };
    this.origin = `https://${NAME}:${port}`;
  }

  // One request on a connection of its own.
  async ask(method, target, fields = [], body = '') {
    const raw = new RawSocket(tls.connect(this.options));
    raw.write([`${method} ${target} HTTP/1.1`, `Host: ${NAME}:${this.port}`, `Content-Length: ${Buffer.byteLength(body)}`,
      'Connection: close', `Authorization: Bearer ${ADMIN}`, ...fields, '', body].join('\r\n'));
    const response = await raw.readResponse();
    raw.close();
    return response;
  }

  ws(target, options = {}) {
    const { host, localAddress, ca } = this.options;
    return WsClient.connect(`wss://${NAME}:${this.port}${target}`, { token: token({ sub: 'ann', subscribe: '*' }), origin: this.origin,
      lookup: (_, options, done) => (options.all ? done(null, [{ address: host, family: 4 }]) : done(null, host, 4)), localAddress, ca, ...options });
  }
}

async function check(t, port) {
  const browser = new Browser(port);
  const ws = await browser.ws('/ws');
  t.after(() => ws.terminate());
  assert.equal((await ws.waitType('connected')).data.user_id, 'ann');
  await ws.subscribe('news');
  const published = await browser.ask('POST', '/api/v1/publish', [`Origin: ${browser.origin}`], JSON.stringify({ topic: 'news', type: 'N', data: { n: 1 } }));
  assert.equal(published.status, 200, published.text);
  assert.equal((await ws.waitType('N')).id, published.json.id);
  const { json } = await browser.ask('GET', '/api/v1/connections', ['X-Forwarded-For: 203.0.113.9', 'Forwarded: for=203.0.113.9']);
  assert.deepEqual(json.items.map(({ user_id, address }) => [user_id, address]), [['ann', CLIENT]]);
  // Nobody passes for somebody else, nor a page of another origin for one of the hub's.
  const liar = await browser.ws('/ws', { headers: { 'x-forwarded-for': '203.0.113.9', forwarded: 'for=203.0.113.9' } });
  const both = (await browser.ask('GET', '/api/v1/connections')).json.items;
  assert.deepEqual(both.map(({ address }) => address), [CLIENT, CLIENT]);
  await liar.close();
  await assert.rejects(browser.ws('/ws', { origin: 'https://evil.example' }), (error) => error.status === 403);
  await ws.close();
}

const installed = (bin) => spawnSync(bin, ['--version'], { stdio: 'ignore' }).error === undefined;

const PROXY_PROTOCOL = { server: { proxy_protocol: true } };
const OWN_TLS = { ...PROXY_PROTOCOL, tls: { listen: ['127.0.0.1:0'], certificate_file: path.join(dir, 'fullchain.pem'), key_file: path.join(dir, 'key.pem') } };

// proxy, which of its examples, what it is about, further configuration of the hub.
for (const [proxy, which, what, more] of [['nginx', 0, 'HTTP', {}], ['caddy', 0, 'HTTP', {}], ['haproxy', 0, 'HTTP', {}],
  ['haproxy', 1, 'PROXY protocol, TLS taken off', PROXY_PROTOCOL], ['haproxy', 2, 'PROXY protocol, TLS to the hub', OWN_TLS]]) {
  const bin = PROXIES[proxy]('', 0)[0];
  test(`${proxy} as in docs/deploy.md: ${what}`, { skip: !installed(bin) && `${bin} is not there` }, async (t) => {
    const server = { hosts: [NAME], trusted_proxies: ['127.0.0.1'], ...more.server };
    const hub = await startHub({ t, tls: more.tls ? 1 : 0, config: authConfig({}, { ...more, server }) });
    await check(t, await startProxy(t, proxy, example(proxy, which), hub));
  });
}
