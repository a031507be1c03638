// SPDX-License-Identifier: MIT
// The servers of `clairon conformance` that the clients' own tests come to, byte by byte, and the command itself.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { io } from 'socket.io-client';
import { io as io40 } from 'socket.io-client-4-0';
import { request, runCli, within } from '../lib/index.mjs';
import { bytes, enter, hole, Socket, startConformance, TRANSPORTS } from '../lib/engineio.mjs';

const ENGINE = '/engine.io/';
const SOCKET = '/socket.io/';

// ---- What the tests of socket.io-client find.

const OFFSET = '"(\\d+)"';

test('the server of socket.io-client', async (t) => {
  const { client: url } = await startConformance(t, ['client']);
  const rows = [
    ['hi', ['42["hi"]'], [`42\\["hi",${OFFSET}\\]`]],
    ['echo', ['420["echo",[1,{"a":null}]]'], ['430\\[\\[1,\\{"a":null\\}\\]\\]']],
    ['getAckDate', ['423["getAckDate",{"test":true}]'], ['433\\["\\d{4}-\\d\\d-\\d\\dT[\\d:.]{12}Z"\\]']],
    ['getDate', ['42["getDate"]'], [`42\\["takeDate","\\d{4}-\\d\\d-\\d\\dT[\\d:.]{12}Z",${OFFSET}\\]`]],
    ['getDateObj', ['42["getDateObj"]'], [`42\\["takeDateObj",\\{"date":"[^"]+Z"\\},${OFFSET}\\]`]],
    ['getUtf8', ['42["getUtf8"]'], ['てすと', 'Я Б Г Д Ж Й', 'Ä ä Ü ü ß', 'utf8 — string', 'utf8 — string'].map((text) => `42\\["takeUtf8","${text}",${OFFSET}\\]`)],
    ['false', ['42["false"]'], [`42\\["false",false,${OFFSET}\\]`]],
    ['buffa', [`451-["buffa",${hole(0)}]`, bytes(1)], [`42\\["buffack",${OFFSET}\\]`]],
    ['jsonbuff', [`451-["jsonbuff",{"hello":"lol","message":${hole(0)},"goodbye":"gotcha"}]`, bytes(1)], [`42\\["jsonbuff-ack",${OFFSET}\\]`]],
    ['abuff', [`451-["abuff1",${hole(0)}]`, bytes(1), '42["abuff2",2]'], [`42\\["abuff2-ack",${OFFSET}\\]`]],
    ['ack', ['42["ack"]'], ['420\\["ack"\\]']],
    ['ack, answered', ['42["ack"]', '430[5,{"test":true}]'], ['420\\["ack"\\]', `42\\["got it",${OFFSET}\\]`]],
    ['ack, answered twice', ['42["ack"]', '430[5,{"test":true}]', '430[5,{"test":true}]'], ['420\\["ack"\\]', `42\\["got it",${OFFSET}\\]`]],
    ['ack, answered wrong', ['42["ack"]', '430[6,{"test":true}]'], ['420\\["ack"\\]']],
    ['events nobody handles', ['421["unknown"]', `451-2["my-event",${hole(0)}]`, bytes(1)], []],
  ];
  for (const [transport, Transport] of Object.entries(TRANSPORTS)) {
    for (const [name, sent, back] of rows) {
      await t.test(`${name}, by ${transport}`, async () => {
        const link = await enter(Transport, url);
        await link.send(...sent, '4299["echo","end"]');
        for (const packet of back) {
          assert.match(await link.next(), new RegExp(`^${packet}$`));
        }
        assert.equal(await link.next(), '4399["end"]');
        await link.leave();
      });
    }
    await t.test(`getId and namespaces, by ${transport}`, async () => {
      const link = await enter(Transport, url);
      await link.send('421["getId"]');
      assert.equal(await link.next(), `431["${link.sid}"]`);
      for (const nsp of ['/foo', '/timeout_socket', '/valid', '/asd']) {
        await link.send(`40${nsp},`);
        assert.match(await link.next(), new RegExp(`^40${nsp},\\{"sid":"[\\w-]+","pid":"[\\w-]+"\\}$`));
      }
      await link.send('40/no,');
      assert.equal(await link.next(), '44/no,{"message":"Auth failed (custom namespace)"}');
      await link.leave();
    });
    await t.test(`bytes to the client, by ${transport}`, async () => {
      const link = await enter(Transport, url);
      await link.send('42["doge"]');
      assert.match(await link.next(), new RegExp(`^451-\\["doge",\\{"_placeholder":true,"num":0\\},${OFFSET}\\]$`));
      assert.equal((await link.next()).toString(), 'asdfasdf');
      await link.leave();
    });
    await t.test(`the handshake told, by ${transport}`, async () => {
      const link = await Transport.open(url, SOCKET, '&key=a%26%22b');
      await link.send('40/abc,{"token":[1]}');
      assert.match(await link.next(), /^40\/abc,/);
      const [name, { query, auth }] = JSON.parse((await link.next()).slice('42/abc,'.length));
      assert.deepEqual([name, query.EIO, query.transport, query.key, auth], ['handshake', '4', transport, 'a&"b', { token: [1] }]);
      await link.leave();
    });
  }
  await t.test('refused by the query', async () => {
    const link = await Socket.open(url, SOCKET, '&fail=1');
    await link.send('40');
    assert.equal(await link.next(), '44{"message":"Auth failed (main namespace)"}');
    await link.leave();
  });
  for (const path of ['/', '/foo', '/bar?woot', '/engine.io/?EIO=4&transport=polling']) {
    await t.test(`${path} is not there`, async () => assert.equal((await request('GET', `${url}${path}`)).status, 404));
  }
});

test('connection state recovery', async (t) => {
  const { client: url } = await startConformance(t, ['client']);
  const first = async () => {
    const link = await enter(Socket, url);
    await link.send('42["hi"]');
    const [, offset] = JSON.parse((await link.next()).slice(2));
    link.ws.terminate();
    await link.closed;
    return { ...link, offset };
  };
  const back = (pid, offset) => enter(Socket, url, `40${JSON.stringify({ pid, offset })}`);
  await t.test('with the offset of the last event', async () => {
    const { sid, pid, offset } = await first();
    const link = await back(pid, offset);
    assert.deepEqual([link.sid, link.pid], [sid, pid]);
    await link.send('421["getId"]');
    assert.equal(await link.next(), `431["${sid}"]`);
    await link.leave();
  });
  const rows = [
    ['no offset', (was) => [was.pid, undefined]],
    ['another offset', (was) => [was.pid, `${Number(was.offset) - 1}`]],
    ['an offset that is no string', (was) => [was.pid, Number(was.offset)]],
    ['a pid nobody has', (was) => ['AAAAAAAAAAAAAAAAAAAA', was.offset]],
    ['a pid that is no string', (was) => [{}, was.offset]],
  ];
  for (const [name, choose] of rows) {
    await t.test(`not with ${name}`, async () => {
      const was = await first();
      const link = await back(...choose(was));
      assert.notEqual(link.sid, was.sid);
      assert.notEqual(link.pid, was.pid);
      await link.leave();
    });
  }
  await t.test('not by two, and not after leaving', async () => {
    const { sid, pid, offset } = await first();
    const [one, other] = [await back(pid, offset), await back(pid, offset)];
    assert.equal(one.sid, sid);
    assert.notEqual(other.sid, sid);
    await one.send('42["hi"]', '41');
    const [, later] = JSON.parse((await one.next()).slice(2));
    await one.leave();
    assert.notEqual((await back(pid, later)).sid, sid);
  });
});

test('socket.io-client itself', async (t) => {
  const { client: url } = await startConformance(t, ['client']);
  for (const [version, connect] of [['the newest', io], ['4.0', io40]]) {
    for (const transports of [['websocket'], ['polling'], ['polling', 'websocket']]) {
      await t.test(`${version}, ${transports.join(', then ')}`, async () => {
        const socket = connect(url, { transports, forceNew: true });
        const ask = (...args) => within(new Promise((resolve) => { socket.emit(...args, resolve); }), `the answer to ${args[0]}`);
        t.after(() => socket.disconnect());
        await within(new Promise((resolve, reject) => {
          socket.on('connect', resolve);
          socket.on('connect_error', reject);
        }), 'connect');
        assert.deepEqual([...await ask('echo', Buffer.from([1, 2, 3]))], [1, 2, 3]);
        assert.equal(await ask('getId'), socket.id);
        socket.disconnect();
      });
    }
  }
});

// ---- What the tests of engine.io-client find.

test('the server of engine.io-client', async (t) => {
  const { engine: url } = await startConformance(t, ['engine']);
  await t.test('a greeting with the handshake, and cookies', async () => {
    const { status, text, headers } = await request('GET', `${url}${ENGINE}?EIO=4&transport=polling`);
    const [open, hi] = text.split('\x1e');
    assert.deepEqual([status, JSON.parse(open.slice(1)).maxPayload, hi], [200, 100, '4hi']);
    assert.deepEqual(headers['set-cookie'].slice(0, 3), ['1=1; Max-Age=86400', '2=2; Path=/; HttpOnly; Secure; SameSite=Strict', '3=3; Max-Age=0']);
    assert.match(headers['set-cookie'][3], /^4=4; Expires=\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT$/);
  });
  await t.test('refused', async () => {
    const { status, json } = await request('GET', `${url}${ENGINE}?EIO=4&transport=polling&deny=1`);
    assert.deepEqual([status, json], [403, { code: 4, message: 'Forbidden' }]);
  });
  await t.test('answers', async () => {
    const link = await Socket.open(url, ENGINE);
    await link.send('4give binary', '4give utf8', '4other', bytes(9));
    const got = [];
    while (got.length < 5) {
      got.push(await link.next());
    }
    assert.deepEqual(got, ['4hi', bytes(0, 1, 2, 3, 4), '4пойду спать всем спокойной ночи', '4other', bytes(9)]);
    await link.leave();
  });
  await t.test('headers of a POST', async () => {
    const { text } = await request('GET', `${url}${ENGINE}?EIO=4&transport=polling`);
    const address = `${url}${ENGINE}?EIO=4&transport=polling&sid=${JSON.parse(text.split('\x1e')[0].slice(1)).sid}`;
    await request('POST', address, { body: '4sendHeaders', headers: { 'content-type': 'text/plain', 'X-Extra': 'a"b' } });
    assert.equal(JSON.parse((await request('GET', address)).text.slice(1))['x-extra'], 'a"b');
  });
  await t.test('too large a message: a code and no words', async () => {
    const link = await Socket.open(url, ENGINE);
    const closed = new Promise((resolve) => { link.ws.once('close', (code, reason) => resolve([code, reason.length])); });
    await link.send('4'.repeat(102));
    assert.deepEqual(await within(closed, 'the connection to close'), [1009, 0]);
  });
});

// ---- The command.

test('clairon conformance takes loopback only', async (t) => {
  const rows = [
    [[], /say where to listen/],
    [['--protocol-listen', '0.0.0.0:0'], /takes HOST:PORT, HOST one of/],
    [['--client-listen', '[::]:0'], /takes HOST:PORT, HOST one of/],
    [['--engine-listen', '192.0.2.1:0'], /takes HOST:PORT, HOST one of/],
    [['--protocol-listen', ':0'], /takes HOST:PORT, HOST one of/],
    [['--protocol-listen', '127.0.0.1'], /takes HOST:PORT, HOST one of/],
    [['--protocol-listen', '127.0.0.1:65536'], /takes HOST:PORT, HOST one of/],
    [['--data', 'x'], /--data/],
  ];
  for (const [args, what] of rows) {
    await t.test(args.join(' ') || 'nothing', async () => {
      const { code, stderr } = await runCli(['conformance', ...args]);
      assert.equal(code, 2);
      assert.match(stderr, what);
    });
  }
  await t.test('a port that is taken', async (t2) => {
    const { protocol } = await startConformance(t2, ['protocol']);
    const { code, stderr } = await runCli(['conformance', '--client-listen', protocol.replace('http://', '')]);
    assert.equal(code, 1);
    assert.match(stderr, /in use/);
  });
});
