// SPDX-License-Identifier: MIT
// TLS: clients of all kinds over it, what is agreed to and what is not, certificates that are no good, a new one under
// traffic, and those who come to disturb.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import https from 'node:https';
import net from 'node:net';
import { test } from 'node:test';
import { RawSocket, request, runCli, spawnCli, until, within, WsClient } from '../lib/index.mjs';
import { makeAuthority, startTlsHub, talk, tlsConnect } from '../lib/tls.mjs';

const GET = 'GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';

async function metric(hub, name) {
  const { text } = await hub.get('/metrics');
  return Number(text.split('\n').find((line) => line.startsWith(`${name} `)).slice(name.length));
}

const publish = (hub, n, topic = 'tickets') => hub.post('/api/v1/publish', { topic, type: 'X', data: { n } });

test('HTTP and WebSockets over TLS 1.2 and 1.3', async (t) => {
  const authority = makeAuthority(t);
  const hub = await startTlsHub(t, authority.issue('hub'));
  for (const version of ['TLSv1.2', 'TLSv1.3']) {
    const options = { ca: authority.ca, minVersion: version, maxVersion: version };
    const health = await request('GET', `${hub.tlsUrl}/health`, options);
    assert.equal(health.json.status, 'ok');
    const ws = await WsClient.connect(`${hub.tlsUrl.replace('https', 'wss')}/ws`, options);
    t.after(() => ws.terminate());
    await ws.waitType('connected');
    await ws.subscribe('tickets');
    const answer = await request('POST', `${hub.tlsUrl}/api/v1/publish`, {
      ...options, body: { topic: 'tickets', type: 'X', data: { version, long: 'x'.repeat(50_000) } } });
    assert.equal(answer.status, 200);
    const event = await ws.waitType('X');
    assert.deepEqual([event.id, event.data.version, event.data.long.length], [answer.json.id, version, 50_000]);
    ws.send({ type: 'subscribe', topic: 'y'.repeat(300), ref: 'long' });
    assert.equal((await ws.waitType('WEBSOCKET_ERROR')).ref, 'long');
    assert.equal((await ws.close(1000)).code, 1000);
  }
  assert.ok(await metric(hub, 'clairon_tls_handshakes_total') >= 6);
});

test('many subscribers over TLS and without get every event once and in order', async (t) => {
  const authority = makeAuthority(t);
  const hub = await startTlsHub(t, authority.issue('hub'), { env: { CLAIRON__SERVER__WORKERS: '2' } });
  const urls = Array.from({ length: 30 }, (_, i) => (i % 3 ? hub.tlsUrl : hub.url).replace('http', 'ws'));
  const clients = await Promise.all(urls.map((url) => WsClient.connect(`${url}/ws`, { ca: authority.ca })));
  t.after(() => clients.forEach((client) => client.terminate()));
  await Promise.all(clients.map((client) => client.subscribe('tickets')));
  const events = Array.from({ length: 400 }, (_, n) => ({ topic: 'tickets', type: 'X', data: { n, pad: 'p'.repeat(n * 5) } }));
  for (let i = 0; i < events.length; i += 100) {
    assert.equal((await hub.post('/api/v1/publish', { events: events.slice(i, i + 100) })).status, 200);
  }
  for (const client of clients) {
    await client.waitFor((m) => m.type === 'X' && m.data.n === events.length - 1);
    assert.deepEqual(client.messages.filter((m) => m.type === 'X').map((m) => m.data.n), events.map((_, n) => n));
  }
});

test('a reader over TLS that stops for a while misses nothing', async (t) => {
  const authority = makeAuthority(t);
  const hub = await startTlsHub(t, authority.issue('hub'));
  const ws = await WsClient.connect(`${hub.tlsUrl.replace('https', 'wss')}/ws`, { ca: authority.ca });
  t.after(() => ws.terminate());
  await ws.subscribe('tickets');
  ws.socket.pause();
  const big = { pad: 'p'.repeat(60_000) };
  for (let n = 0; n < 200; n++) {
    assert.equal((await hub.post('/api/v1/publish', { topic: 'tickets', type: 'X', data: { n, ...big } })).status, 200);
  }
  await until(async () => await metric(hub, 'clairon_sessions_behind') === 1, 'the session is behind');
  ws.socket.resume();
  await ws.waitFor((m) => m.type === 'X' && m.data.n === 199);
  assert.deepEqual(ws.messages.filter((m) => m.type === 'X').map((m) => m.data.n), Array.from({ length: 200 }, (_, n) => n));
});

test('what is agreed to: ALPN, tickets, no old version', async (t) => {
  const authority = makeAuthority(t);
  const hub = await startTlsHub(t, authority.issue('hub'));
  const ca = authority.ca;
  const agreed = await tlsConnect(hub.tlsUrl, { ca, ALPNProtocols: ['h2', 'http/1.1'] });
  assert.equal(agreed.alpnProtocol, 'http/1.1');
  assert.match(await talk(agreed, GET), /^HTTP\/1\.1 200 /);
  await assert.rejects(tlsConnect(hub.tlsUrl, { ca, ALPNProtocols: ['h2'] }), /alpn|no application protocol|alert number 120/i);
  for (const version of ['TLSv1', 'TLSv1.1']) {
    await assert.rejects(
      tlsConnect(hub.tlsUrl, { ca, minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' }),
      /protocol version|unsupported|alert/i);
  }
  await assert.rejects(tlsConnect(hub.tlsUrl, { ca, maxVersion: 'TLSv1.2', ciphers: 'AES128-SHA' }), /handshake failure|alert|closed/i);
  for (const version of ['TLSv1.2', 'TLSv1.3']) {
    const options = { ca, minVersion: version, maxVersion: version };
    const first = await tlsConnect(hub.tlsUrl, options);
    assert.match(await talk(first, GET), /^HTTP\/1\.1 200 /);
    const again = await tlsConnect(hub.tlsUrl, { ...options, session: first.tickets.at(-1) });
    assert.ok(again.isSessionReused(), version);
    assert.match(await talk(again, GET), /^HTTP\/1\.1 200 /);
  }
  assert.equal(await metric(hub, 'clairon_tls_resumed_total'), 2);
  assert.ok(await metric(hub, 'clairon_tls_failed_total') >= 4);
});

test('a certificate that is no good is one line at start', async (t) => {
  const authority = makeAuthority(t);
  const good = authority.issue('good');
  const other = authority.issue('other');
  const expired = authority.issue('expired', { days: 0 });
  const file = authority.file;
  fs.writeFileSync(file('cut.pem'), fs.readFileSync(good.certificate).subarray(0, 300));
  fs.writeFileSync(file('empty.pem'), '');
  fs.writeFileSync(file('cut-key.pem'), fs.readFileSync(good.key).subarray(0, 100), { mode: 0o600 });
  fs.copyFileSync(good.key, file('open-key.pem'));
  fs.chmodSync(file('open-key.pem'), 0o644);
  fs.copyFileSync(good.certificate, file('writable.pem'));
  fs.chmodSync(file('writable.pem'), 0o666);
  const rows = [
    [{ certificate_file: good.certificate, key_file: other.key }, other.key, /not that of the certificate/],
    [{ certificate_file: expired.certificate, key_file: expired.key }, expired.certificate, /expired on/],
    [{ certificate_file: file('cut.pem'), key_file: good.key }, 'cut.pem', /certificate/],
    [{ certificate_file: file('empty.pem'), key_file: good.key }, 'empty.pem', /empty/],
    [{ certificate_file: file('absent.pem'), key_file: good.key }, 'absent.pem', /No such file/],
    [{ certificate_file: good.certificate, key_file: file('cut-key.pem') }, 'cut-key.pem', /key/],
    [{ certificate_file: good.certificate, key_file: file('open-key.pem') }, 'open-key.pem', /others can read it/],
    [{ certificate_file: file('writable.pem'), key_file: good.key }, 'writable.pem', /everyone can write it/],
    [{ certificate_file: good.certificate, key_file: good.certificate }, good.certificate, /./],
    [{ certificate_file: good.certificate }, 'tls.listen', /needs tls\.certificate_file and tls\.key_file/],
  ];
  // A certificate for no days expires within a second.
  await until(() => Date.now() > fs.statSync(expired.certificate).mtimeMs + 1500, 'it has expired');
  for (const [pair, named, what] of rows) {
    const config = file('hub.yaml');
    fs.writeFileSync(config, JSON.stringify({ tls: { listen: ['127.0.0.1:0'], ...pair } }));
    const { code, stderr, stdout } = await runCli(['serve', '--config', config, '--listen', '127.0.0.1:0', '--data', file('data')]);
    assert.equal(code, 1, stderr);
    assert.equal(stdout, '');
    const lines = stderr.trim().split('\n');
    assert.equal(lines.length, 1, stderr);
    assert.ok(lines[0].includes(named), stderr);
    assert.match(lines[0], what);
  }
});

test('a new certificate under traffic: used at once, nobody dropped, nobody refused; a bad one changes nothing', async (t) => {
  const authority = makeAuthority(t);
  const first = authority.issue('hub');
  const next = authority.issue('next');
  const hub = await startTlsHub(t, first, { env: { CLAIRON__SERVER__WORKERS: '2' } });
  const live = await Promise.all(Array.from({ length: 10 }, () =>
    WsClient.connect(`${hub.tlsUrl.replace('https', 'wss')}/ws`, { ca: authority.ca })));
  t.after(() => live.forEach((client) => client.terminate()));
  await Promise.all(live.map((client) => client.subscribe('tickets')));
  const serial = async () => {
    const socket = await tlsConnect(hub.tlsUrl, { ca: authority.ca });
    const number = parseInt(socket.getPeerCertificate().serialNumber, 16);
    assert.match(await talk(socket, GET), /^HTTP\/1\.1 200 /);
    return number;
  };
  let going = true;
  let served = 0;
  const traffic = Promise.all([0, 1, 2].map(async () => {
    while (going) {
      await serial(); // throws when one is refused
      served++;
    }
  }));
  const pairs = [next, first].map((pair) => ({
    serial: pair.serial, bytes: [fs.readFileSync(pair.certificate), fs.readFileSync(pair.key)] }));
  for (let round = 0; round < 4; round++) {
    const pair = pairs[round % 2];
    fs.writeFileSync(first.certificate, pair.bytes[0]);
    fs.writeFileSync(first.key, pair.bytes[1]);
    hub.signal('SIGHUP');
    await hub.waitLog((line) => /certificate was read again/.test(line));
    await until(async () => await serial() === pair.serial, 'the new one is used');
  }
  fs.writeFileSync(first.key, 'nonsense');
  hub.signal('SIGHUP');
  assert.match(await hub.waitLog((line) => /certificate stays as it was/.test(line)), /hub-key\.pem/);
  assert.equal(await serial(), first.serial);
  const before = served;
  await until(() => served > before + 5, 'traffic goes on');
  going = false;
  await traffic;
  await publish(hub, 1);
  await Promise.all(live.map((client) => client.waitType('X')));
});

test('HTTP without TLS is told so, and TLS where there is none is refused', async (t) => {
  const authority = makeAuthority(t);
  const hub = await startTlsHub(t, authority.issue('hub'));
  const plain = await request('GET', `${hub.tlsUrl.replace('https', 'http')}/health`);
  assert.equal(plain.status, 400);
  assert.match(plain.text, /TLS/);
  await assert.rejects(request('GET', `${hub.url.replace('http', 'https')}/health`, { ca: authority.ca }));
  assert.equal((await request('GET', `${hub.tlsUrl}/health`, { ca: authority.ca })).status, 200);
});

test('handshakes that stop, break off or are no handshake leave nothing behind', async (t) => {
  const authority = makeAuthority(t);
  const hub = await startTlsHub(t, authority.issue('hub'));
  const { port, hostname } = new URL(hub.tlsUrl);
  const control = await WsClient.connect(`${hub.tlsUrl.replace('https', 'wss')}/ws`, { ca: authority.ca });
  t.after(() => control.terminate());
  await control.subscribe('tickets');
  const connect = () => RawSocket.connect(port, hostname);
  const hello = await recordHello(authority.ca);
  for (let cut = 0; cut < hello.length; cut += Math.ceil(hello.length / 30)) {
    const raw = await connect();
    raw.write(hello.subarray(0, cut));
    if (cut % 2) {
      raw.socket.resetAndDestroy();
    } else {
      raw.close();
    }
  }
  // Byte by byte up to the last one, which never comes.
  const slow = await Promise.all(Array.from({ length: 20 }, connect));
  for (const byte of hello.subarray(0, -1)) {
    slow.forEach((raw) => raw.write(Buffer.of(byte)));
  }
  const silent = await Promise.all(Array.from({ length: 20 }, connect));
  const random = await Promise.all(Array.from({ length: 20 }, connect));
  random.forEach((raw, i) => raw.write(Buffer.alloc(1000, i * 13)));
  // All of it is closed by the hub, while others are served.
  assert.equal((await request('GET', `${hub.tlsUrl}/health`, { ca: authority.ca })).status, 200);
  await Promise.all([...slow, ...silent, ...random].map((raw) => raw.closed()));
  await until(async () => await metric(hub, 'clairon_reception') === 0, 'the reception is empty');
  assert.ok(await metric(hub, 'clairon_limit_hits_total{limit="reception_ms"}') >= 40);
  await publish(hub, 1);
  assert.equal((await control.waitType('X')).data.n, 1);
});

// The first bytes of a client of node's.
async function recordHello(ca) {
  const bytes = await new Promise((resolve, reject) => {
    const server = net.createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', (chunk) => {
        socket.destroy();
        server.close();
        resolve(chunk);
      });
    });
    server.listen(0, '127.0.0.1', () => {
      tlsConnect(`https://127.0.0.1:${server.address().port}`, { ca }).then(reject, () => {});
    });
  });
  return bytes;
}

test('a connection that breaks off in the middle of anything is only its own loss', async (t) => {
  const authority = makeAuthority(t);
  const hub = await startTlsHub(t, authority.issue('hub'));
  const control = await WsClient.connect(`${hub.tlsUrl.replace('https', 'wss')}/ws`, { ca: authority.ca });
  t.after(() => control.terminate());
  await control.subscribe('tickets');
  const texts = ['', 'GET / HT', 'POST /api/v1/publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{', GET];
  for (const text of texts) {
    for (const end of ['destroy', 'end', 'resetAndDestroy']) {
      for (const layer of ['tls', 'tcp']) {
        const socket = await tlsConnect(hub.tlsUrl, { ca: authority.ca });
        const which = layer === 'tcp' || end === 'resetAndDestroy' ? socket.tcp : socket;
        socket.on('error', () => {}).resume();
        await new Promise((resolve) => socket.write(text, resolve));
        which[end]();
        await within(new Promise((resolve) => socket.once('close', resolve)), `the end after ${end} of ${layer}`);
      }
    }
  }
  // Somebody who writes nonsense where a record should be.
  const raw = await RawSocket.connect(new URL(hub.tlsUrl).port, '127.0.0.1');
  raw.write(Buffer.from('1703030010' + '00'.repeat(16), 'hex'));
  await raw.closed();
  await until(async () => await metric(hub, 'clairon_connections') <= 2, 'only the control and this one are left');
  await publish(hub, 7);
  assert.equal((await control.waitType('X')).data.n, 7);
});

test('draining says goodbye over TLS', async (t) => {
  const authority = makeAuthority(t);
  const hub = await startTlsHub(t, authority.issue('hub'));
  const ws = await WsClient.connect(`${hub.tlsUrl.replace('https', 'wss')}/ws`, { ca: authority.ca });
  await ws.subscribe('tickets');
  const agent = new https.Agent({ keepAlive: true, ca: authority.ca });
  await request('GET', `${hub.tlsUrl}/health`, { agent, headers: { connection: 'keep-alive' } });
  const stalled = await RawSocket.connect(new URL(hub.tlsUrl).port, '127.0.0.1');
  stalled.write(Buffer.from('160301', 'hex'));
  await until(async () => await metric(hub, 'clairon_reception') === 1, 'the stalled one is in the reception');
  const stopped = hub.stop();
  assert.equal((await ws.waitClosed()).code, 1001);
  await stalled.closed();
  await stopped;
  agent.destroy();
});

test('beyond loopback TLS needs authentication too', async (t) => {
  const authority = makeAuthority(t);
  const pair = authority.issue('hub');
  const config = authority.file('remote.yaml');
  fs.writeFileSync(config, JSON.stringify({
    tls: { listen: ['0.0.0.0:0'], certificate_file: pair.certificate, key_file: pair.key } }));
  const { code, stderr } = await runCli(['serve', '--config', config, '--listen', '127.0.0.1:0', '--data', authority.file('data')]);
  assert.equal(code, 1);
  assert.match(stderr, /authentication is off/);
});

test('the commands speak https, to hubs they trust', async (t) => {
  const authority = makeAuthority(t);
  const hub = await startTlsHub(t, authority.issue('hub'));
  const to = ['--server', hub.tlsUrl];
  const trusting = [...to, '--ca', authority.caFile];
  const sub = spawnCli(['sub', '--count', '2', ...to, 'tickets', 'jobs'], { t, env: { CLAIRON_CA: authority.caFile } });
  const run = () => runCli(['run', ...trusting, '--', 'sh', '-c', 'echo over TLS']);
  await until(async () => await metric(hub, 'clairon_sessions') === 1, 'the subscriber is there');
  const big = JSON.stringify({ filler: 'x'.repeat(60_000) });
  const published = await runCli(['pub', ...trusting, 'tickets', 'X', big]);
  assert.equal(published.code, 0, published.stderr);
  assert.equal(JSON.parse(await sub.out.next()).data.filler.length, 60_000);
  const ran = await run();
  assert.equal(ran.code, 0, ran.stderr);
  assert.match(ran.stdout, /over TLS/);
  assert.equal((await sub.end()).code, 0);
  for (const words of [['pub', ...to, 'tickets', 'X'], ['sub', ...to, 'tickets']]) {
    const { code, stderr } = await runCli(words);
    assert.equal(code, 1);
    assert.match(stderr, /certificate/);
  }
  const wrongName = await runCli(['pub', '--server', hub.tlsUrl.replace('127.0.0.1', '127.0.0.2'), '--ca', authority.caFile, 'a', 'X']);
  assert.notEqual(wrongName.code, 0);
  const noFile = await runCli(['pub', ...to, '--ca', authority.file('absent.pem'), 'a', 'X']);
  assert.notEqual(noFile.code, 0);
  assert.match(noFile.stderr, /absent\.pem/);
  const plain = await runCli(['pub', '--server', hub.url.replace('http', 'https'), '--ca', authority.caFile, 'a', 'X']);
  assert.notEqual(plain.code, 0);
});
