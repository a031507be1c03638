// SPDX-License-Identifier: MIT
// Responders: what a client says goes to an HTTP server and comes back as a stream, and what that server may do wrong.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { makeDir, removeDir, startHub, until } from '../lib/index.mjs';
import { REPO } from '../lib/paths.mjs';
import { authConfig, token } from '../lib/jwt.mjs';
import { startResponder } from '../lib/responder.mjs';

const EVENTS = { 'content-type': 'text/event-stream' };

async function open(hub, options, target = '/ws/chat') {
  const ws = await hub.ws(target, options);
  await ws.waitType('connected');
  return ws;
}

// All that comes back for the ref, up to its end.
async function stream(ws, ref) {
  const all = [];
  for (;;) {
    const message = await ws.waitFor((m) => /^stream/.test(m.type) && m.ref === ref);
    all.push(message);
    if (message.type === 'stream_end') {
      return all;
    }
  }
}

async function ask(ws, channel, data = 'question', ref = `${channel} ${Math.random()}`) {
  ws.send({ channel, data, ref });
  const all = await stream(ws, ref);
  all.slice(0, -1).forEach(({ type, seq, channel: from }, i) => assert.deepEqual([type, seq, from], ['stream', i, channel]));
  return { pieces: all.slice(0, -1).map(({ data: piece }) => piece), end: all.at(-1), all };
}

async function hubWith(t, answers, config = {}, options = {}) {
  const responder = await startResponder(t, answers);
  const channels = { default: ['chat'], responders: responder.entries, ...config.channels };
  const hub = await startHub({ t, config: { ...config, channels }, ...options });
  return { hub, responder };
}

test('the example answers word by word', async (t) => {
  const child = spawn(process.execPath, [path.join(REPO, 'examples/responder/responder.mjs'), '0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill());
  const [line] = await once(child.stdout.setEncoding('utf8'), 'data');
  const url = /http:\S+/.exec(line)[0];
  const hub = await startHub({ t, config: { channels: { responders: [`chat=${url}/chat`] } } });
  const ws = await open(hub);
  const { pieces, end, all } = await ask(ws, 'chat', { message: 'hello there' }, 1);
  assert.equal(pieces.slice(0, -1).map(({ text }) => text).join(''), 'You said: hello there');
  assert.equal(all.at(-2).event, 'done');
  assert.deepEqual(end, { type: 'stream_end', channel: 'chat', ref: 1 });
});

test('who asks what is told, and each kind of answer comes in pieces', async (t) => {
  const { hub, responder } = await hubWith(t, {
    '/sse': (response) => response.writeHead(200, EVENTS).end(': hello\n\ndata: {"n": 1.10}\n\nevent: named\ndata: two\ndata: lines\n\ndata: not ended'),
    '/lines': (response) => response.writeHead(200, { 'content-type': 'application/x-ndjson' }).end('1\n\n{"a": [1]}\r\n"last"'),
    '/json': (response) => response.writeHead(200, { 'content-type': 'application/json; charset=utf-8' }).end(' {"whole" : true} '),
    '/nothing': (response) => response.writeHead(204).end(),
    '/empty': (response) => response.writeHead(200, EVENTS).end(),
    '/text': async (response) => {
      response.writeHead(200, { 'content-type': 'text/plain' });
      const bytes = Buffer.from('é€😀 end');
      for (let i = 0; i < bytes.length; i++) {
        response.write(bytes.subarray(i, i + 1));
        await new Promise((resolve) => { setTimeout(resolve, 2); });
      }
      response.end();
    },
  }, authConfig());
  const ws = await open(hub, { token: token({ sub: 'ann', subscribe: '*', publish: '*' }) });
  const sse = await ask(ws, 'sse', { deep: [1.10, 'é'] }, 'a "ref"');
  assert.deepEqual(sse.pieces, [{ n: 1.1 }, 'two\nlines']);
  assert.deepEqual(sse.all.map(({ event }) => event), [undefined, 'named', undefined]);
  assert.ok(ws.texts.some((text) => text.includes('"data":{"n":1.10}')), ws.texts.join('\n'));
  const [{ headers, method, body }] = responder.seen;
  assert.deepEqual(body, { channel: 'sse', ref: 'a "ref"', user_id: 'ann', connection_id: ws.messages[0].data.connection_id, data: { deep: [1.1, 'é'] } });
  assert.deepEqual([method, headers['content-type'], headers.authorization, headers.expect], ['POST', 'application/json', undefined, undefined]);
  assert.deepEqual((await ask(ws, 'lines')).pieces, [1, { a: [1] }, 'last']);
  assert.deepEqual((await ask(ws, 'json')).pieces, [{ whole: true }]);
  assert.equal((await ask(ws, 'text')).pieces.join(''), 'é€😀 end');
  for (const channel of ['nothing', 'empty']) {
    const { pieces, end } = await ask(ws, channel);
    assert.deepEqual([pieces, end.error], [[], undefined]);
  }
  ws.send({ channel: 'json', data: 1 }); // without a ref
  assert.equal((await ws.waitFor(({ type }) => type === 'stream_end')).ref, null);
});

test('the question is between the client and the responder, unless it is shown', async (t) => {
  const responder = await startResponder(t, { '/x': (response) => response.writeHead(200, EVENTS).end('data: 1\n\n') });
  const hub = await startHub({ t, config: { channels: { default: ['chat', 'open'], responders: [`chat=${responder.url}/x`, `open+=${responder.url}/x`] } } });
  const [ws, other] = [await open(hub), await open(hub)];
  await ask(ws, 'chat', 'private', 1);
  assert.ok(!ws.messages.some(({ type }) => type === 'published'));
  await ask(ws, 'open', 'public', 2);
  await until(() => ws.messages.some(({ type, ref }) => type === 'published' && ref === 2), 'published');
  await other.waitFor(({ data }) => data === 'public');
  await other.drain();
  assert.deepEqual(other.messages.filter(({ channel }) => channel).map(({ data }) => data), ['public']);
  // What is published by other doors is not a client's question.
  await hub.post('/api/v1/publish', { channel: 'chat', type: 'message', data: 'by HTTP' });
  await other.waitFor(({ data }) => data === 'by HTTP');
  assert.equal(responder.seen.length, 2);
});

test('rights: only who may publish on the channel may ask', async (t) => {
  const { hub, responder } = await hubWith(t, { '/x': (response) => response.writeHead(204).end() }, authConfig());
  const ws = await open(hub, { token: token({ sub: 'ann', subscribe: '*', publish: ['channel:other'] }) });
  ws.send({ channel: 'x', data: 1, ref: 1 });
  assert.equal((await ws.waitType('WEBSOCKET_ERROR')).data.code, 'forbidden');
  assert.equal(responder.seen.length, 0);
});

test('cancelled: the connection to the responder is closed', async (t) => {
  const { hub, responder } = await hubWith(t, { '/x': (response) => response.writeHead(200, EVENTS).write('data: 1\n\n') });
  const ws = await open(hub);
  ws.send({ channel: 'x', data: 1, ref: 'a' });
  await ws.waitType('stream');
  ws.send({ channel: 'x', data: 1, ref: 'a' });
  assert.equal((await ws.waitType('WEBSOCKET_ERROR')).data.code, 'conflict');
  ws.send({ type: 'stream_cancel', ref: 'a' });
  assert.deepEqual(await ws.waitType('stream_end'), { type: 'stream_end', channel: 'x', ref: 'a', cancelled: true });
  await responder.seen[0].closed;
  for (const [message, code] of [[{ ref: 'a' }, 'not_found'], [{}, 'bad_request']]) {
    ws.send({ type: 'stream_cancel', ...message });
    assert.equal((await ws.waitType('WEBSOCKET_ERROR')).data.code, code);
  }
  // A socket that goes takes its questions along, and so does the hub.
  ws.send({ channel: 'x', data: 1, ref: 'b' });
  await ws.waitType('stream');
  await ws.close();
  await responder.seen[1].closed;
  const last = await open(hub);
  last.send({ channel: 'x', data: 1, ref: 'c' });
  await last.waitType('stream');
  await hub.restart();
  await responder.seen[2].closed;
});

test('what a responder may do wrong ends in a clear error, and nothing else does', async (t) => {
  const answers = {
    '/fails': (response) => response.writeHead(500).end('data: secret\n\n'),
    '/moved': (response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(),
    '/image': (response) => response.writeHead(200, { 'content-type': 'image/png' }).end('x'),
    '/untyped': (response) => response.writeHead(200).end('x'),
    '/latin': (response) => response.writeHead(200, { 'content-type': 'text/plain; charset=latin1' }).end('x'),
    '/no_utf8': (response) => response.writeHead(200, { 'content-type': 'text/plain' }).end(Buffer.from([0x61, 0xff])),
    '/half_utf8': (response) => response.writeHead(200, { 'content-type': 'text/plain' }).end(Buffer.from([0x61, 0xe2, 0x82])),
    '/bad_lines': (response) => response.writeHead(200, { 'content-type': 'application/x-ndjson' }).end('1\n{oops\n2\n'),
    '/bad_json': (response) => response.writeHead(200, { 'content-type': 'application/json' }).end('{"a":'),
    '/cut': (response) => { response.writeHead(200, { ...EVENTS, 'content-length': 100 }).write('data: 1\n\n'); setTimeout(() => response.destroy(), 20); },
    '/reset': (response) => { response.socket.resetAndDestroy(); },
    '/head': (response) => { response.socket.write(`HTTP/1.1 200 OK\r\n${'X-A: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n'.repeat(3000)}`); },
    '/garbage': (response) => { response.socket.end('\x00\x01\x02 this is no HTTP\r\n\r\n'); },
    '/good': (response) => response.writeHead(200, EVENTS).end('data: 1\n\n'),
  };
  const { hub, responder } = await hubWith(t, answers);
  const ws = await open(hub);
  const errors = {};
  for (const channel of Object.keys(answers).map((name) => name.slice(1))) {
    const { end } = await ask(ws, channel);
    errors[channel] = end.error?.message;
    assert.equal(end.error?.code, channel === 'good' ? undefined : 'unavailable', `${channel}: ${JSON.stringify(end)}`);
  }
  assert.match(errors.fails, /status 500/);
  assert.match(errors.moved, /status 302/);
  assert.match(errors.cut, /broke off/);
  assert.equal(errors.bad_lines, errors.bad_json);
  assert.equal(errors.image, errors.untyped);
  assert.ok(!ws.texts.join('').includes('secret'));
  assert.equal(responder.seen.length, Object.keys(answers).length, 'asked once each');
  assert.deepEqual((await hub.ws('/ws').then((one) => one.next())).type, 'connected');
});

test('a responder that is down, is not found, or is no responder', async (t) => {
  const server = net.createServer((socket) => socket.on('error', () => {}).end('SSH-2.0-x\r\n')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const closed = net.createServer().listen(0, '127.0.0.1');
  await once(closed, 'listening');
  const { port } = closed.address();
  closed.close();
  const responders = [`down=http://127.0.0.1:${port}/`, `unknown=http://clairon.invalid/`, `other=http://127.0.0.1:${server.address().port}/`, `tls=https://127.0.0.1:${server.address().port}/`];
  const hub = await startHub({ t, config: { channels: { responders }, limits: { responder_connect_ms: 20000 } } });
  const ws = await open(hub);
  for (const [channel, message] of [['down', /can't be reached/], ['unknown', /not known/], ['other', /HTTP/], ['tls', /HTTP|broke off|reached/]]) {
    const { end } = await ask(ws, channel);
    assert.deepEqual([end.error?.code, message.test(end.error?.message)], ['unavailable', true], JSON.stringify(end));
  }
});

test('a client that does not read holds the responder back, and then has all of it', async (t) => {
  const line = `data: ${'x'.repeat(8000)}\n\n`;
  const total = 1500; // 12 MB
  let sent = 0, ended = false;
  const { hub } = await hubWith(t, {
    '/much': (response) => {
      response.writeHead(200, EVENTS);
      const go = () => {
        while (sent < total) {
          sent++;
          if (!response.write(line)) {
            response.once('drain', go);
            return;
          }
        }
        ended = true;
        response.end();
      };
      go();
    },
  });
  const ws = await open(hub);
  ws.socket.pause();
  ws.send({ channel: 'much', data: 1, ref: 1 });
  let before = -1;
  await until(() => {
    const still = sent > 0 && sent === before;
    before = sent;
    return new Promise((resolve) => { setTimeout(() => resolve(still), 300); });
  }, 'the responder to be held back');
  assert.ok(!ended && sent < total, `${sent} of ${total} were taken`);
  ws.socket.resume();
  const all = await stream(ws, 1);
  assert.deepEqual([all.length, all.at(-1).error], [total + 1, undefined]);
  assert.ok(all.slice(0, -1).every(({ data }, i) => data.length === 8000 && all[i].seq === i));
});

test('the token of the configuration goes along, and to no one else', async (t) => {
  const dir = makeDir('responder');
  t.after(() => removeDir(dir));
  const file = path.join(dir, 'token');
  fs.writeFileSync(file, 'top.secret\n', { mode: 0o600 });
  const { hub, responder } = await hubWith(t, { '/x': (response) => response.writeHead(500).end() }, { channels: { responder_token_file: file } });
  const ws = await open(hub);
  await ask(ws, 'x');
  assert.equal(responder.seen[0].headers.authorization, 'Bearer top.secret');
  assert.ok(!hub.stderr.includes('top.secret') && !ws.texts.join('').includes('top.secret'));
});

test('bad configurations are named', async () => {
  for (const [channels, message] of [
    [{ responders: ['chat'] }, 'CHANNEL=URL'],
    [{ responders: ['=http://a/'] }, 'CHANNEL=URL'],
    [{ responders: ['chat=ftp://a/'] }, 'http or https'],
    [{ responders: ['chat=http://user:pw@a/'] }, 'without a user'],
    [{ responders: ['chat=http://a/', 'chat=http://b/'] }, 'already'],
    [{ responders: ['chat=http://a/'], responder_token_file: '/nowhere/token' }, '/nowhere/token'],
  ]) {
    await assert.rejects(startHub({ config: { channels } }), (error) => error.message.includes(message), JSON.stringify(channels));
  }
});
