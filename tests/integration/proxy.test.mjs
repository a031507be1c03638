// SPDX-License-Identifier: MIT
// The PROXY protocol: whom the hub takes a client for, with TLS and without, and whose word it does not take.
import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';
import tls from 'node:tls';
import { RawSocket, request, runCli, startHub, until, WsClient } from '../lib/index.mjs';
import { authConfig, token } from '../lib/jwt.mjs';
import { makeAuthority, startTlsHub } from '../lib/tls.mjs';

const V1 = Buffer.from('PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n');
const V2 = Buffer.concat([Buffer.from('\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24', 'latin1'),
  Buffer.from('20010db8000000000000000000000001', 'hex'), Buffer.from('20010db8000000000000000000000002', 'hex'),
  Buffer.from('dc0401bb', 'hex')]);
const LOCAL = Buffer.from('\r\n\r\n\0\r\nQUIT\n\x20\0\0\0', 'latin1');
const TRUSTED = { ...authConfig(), server: { trusted_proxies: ['127.0.0.1'], proxy_protocol: true } };
const admin = { authorization: `Bearer ${token({ sub: 'root', role: 'admin' })}` };

async function refused(hub) {
  return Number(/^clairon_proxy_refused_total (\d+)$/m.exec((await viaProxy(hub, LOCAL, '/metrics')).text)[1]);
}

// A socket that begins with a header.
const begin = (header) => (options) => {
  const socket = net.connect(options);
  socket.write(header);
  return socket;
};

const viaProxy = (hub, header, path) => request('GET', hub.url + path, { agent: undefined, createConnection: begin(header), headers: admin });

// The addresses of the connections that the hub knows.
async function addresses(hub) {
  const { json } = await viaProxy(hub, LOCAL, '/api/v1/connections');
  return json.items.map(({ address }) => address).sort();
}

async function wsVia(hub, header, options = {}) {
  const url = (options.ca ? hub.tlsUrl : hub.url).replace('http', 'ws');
  const createConnection = ({ host, port, ...rest }) => {
    const socket = begin(header)({ host, port });
    return options.ca ? tls.connect({ ...rest, socket, ca: options.ca, servername: 'localhost' }) : socket;
  };
  const ws = await WsClient.connect(`${url}/ws`, { createConnection, headers: admin, ...options });
  hub.clients.push(() => ws.terminate());
  await ws.waitType('connected');
  return ws;
}

test('the header names the client, in both versions', async (t) => {
  const hub = await startHub({ t, config: TRUSTED });
  await wsVia(hub, V1);
  await wsVia(hub, V2);
  await wsVia(hub, LOCAL);
  await until(async () => {
    const known = await addresses(hub);
    return ['127.0.0.1', '192.0.2.1', '2001:db8::1'].every((address) => known.includes(address));
  }, 'all three are known by their addresses');
});

test('the header comes before TLS', async (t) => {
  const authority = makeAuthority(t);
  const hub = await startTlsHub(t, authority.issue('hub'), { config: TRUSTED });
  await wsVia(hub, V1, { ca: authority.ca });
  await until(async () => (await addresses(hub)).includes('192.0.2.1'), 'it is known by its address');
});

test('a trusted proxy must begin with a header, byte by byte if it likes', async (t) => {
  const hub = await startHub({ t, config: TRUSTED });
  const wrong = ['GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n', 'PROXY TCP4 192.0.2.256 198.51.100.1 1 2\r\n',
    'PROXY TCP4 192.0.2.1', `PROXY UNKNOWN ${'x'.repeat(200)}`];
  for (const text of wrong) {
    const raw = await hub.raw();
    raw.write(text);
    raw.end();
    assert.equal((await raw.readAll()).length, 0, text);
  }
  await until(async () => await refused(hub) === wrong.length, 'each is counted');
  const raw = await hub.raw();
  for (const byte of Buffer.concat([V1, Buffer.from('GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n')])) {
    raw.write(Buffer.of(byte));
  }
  assert.equal((await raw.readResponse()).status, 200);
});

test('from anyone else a header is a bad request', async (t) => {
  const configs = [undefined, { server: { trusted_proxies: ['127.0.0.1'] } },
    { server: { trusted_proxies: ['192.0.2.0/24'], proxy_protocol: true } }];
  for (const config of configs) {
    const hub = await startHub({ t, config });
    assert.equal((await hub.get('/health')).status, 200);
    const raw = await RawSocket.connect(hub.port);
    raw.write(V1);
    assert.equal((await raw.readResponse()).status, 400);
    raw.close();
  }
});

test('it needs proxies to trust', async () => {
  const { code, stderr } = await runCli(['serve', '--check'], { env: { CLAIRON__SERVER__PROXY_PROTOCOL: 'true' } });
  assert.equal(code, 1);
  assert.match(stderr, /server\.proxy_protocol needs server\.trusted_proxies/);
});
