// SPDX-License-Identifier: MIT
// Engine.IO and Socket.IO byte by byte against `clairon conformance`: what the public test suites look at, by both
// transports, and what they leave out of broken packets.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { request, within } from '../lib/index.mjs';
import { bytes, enter, expectEnd, hole, Polling, Socket, startConformance, TRANSPORTS } from '../lib/engineio.mjs';
import { BREAKS } from '../lib/breaks.mjs';

const ENGINE = '/engine.io/';
const SOCKET = '/socket.io/';

// ---- Engine.IO: the handshake and its refusals.

test('Engine.IO handshakes', async (t) => {
  const { protocol: url } = await startConformance(t, ['protocol'], { hasty: true });
  await t.test('polling', async () => {
    const { open, answer } = await Polling.open(url, ENGINE);
    assert.match(open.sid, /^[\w-]{20,}$/);
    assert.deepEqual({ ...open, sid: '' }, { sid: '', upgrades: ['websocket'], pingInterval: 300, pingTimeout: 200, maxPayload: 1000000 });
    assert.match(answer.headers['content-type'], /^text\/plain; ?charset=UTF-8$/i);
  });
  await t.test('websocket', async () => {
    const link = await Socket.open(url, ENGINE);
    assert.deepEqual({ ...link.open, sid: '' }, { sid: '', upgrades: [], pingInterval: 300, pingTimeout: 200, maxPayload: 1000000 });
    await link.leave();
  });
  const refusals = [
    ['no version', 'GET', 'transport=polling', 5, 'Unsupported protocol version'],
    ['unknown version', 'GET', 'EIO=abc&transport=polling', 5, 'Unsupported protocol version'],
    ['no transport', 'GET', 'EIO=4', 0, 'Transport unknown'],
    ['unknown transport', 'GET', 'EIO=4&transport=abc', 0, 'Transport unknown'],
    ['POST without a session', 'POST', 'EIO=4&transport=polling', 2, 'Bad handshake method'],
    ['PUT without a session', 'PUT', 'EIO=4&transport=polling', 2, 'Bad handshake method'],
    ['a session nobody has', 'GET', 'EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAAAAAA', 1, 'Session ID unknown'],
    ['websocket without an Upgrade', 'GET', 'EIO=4&transport=websocket', 3, 'Bad request'],
  ];
  for (const [name, method, query, code, message] of refusals) {
    await t.test(name, async () => {
      const { status, json } = await request(method, `${url}${ENGINE}?${query}`, { headers: { 'content-length': '0' } });
      assert.deepEqual([status, json], [400, { code, message }]);
    });
  }
  for (const query of ['EIO=abc&transport=websocket', 'EIO=4&transport=abc', 'EIO=4', 'transport=websocket']) {
    await t.test(`an Upgrade with ${query}`, async () => {
      await assert.rejects(Socket.dial(`${url.replace('http', 'ws')}${ENGINE}?${query}`));
    });
  }
});

// ---- Engine.IO: messages.

test('Engine.IO messages by polling', async (t) => {
  const { protocol: url } = await startConformance(t, ['protocol']);
  const rows = [
    ['one text', '4hello', '4hello'],
    ['three in their order, in one body', '4test1\x1e4test2\x1e4test3', '4test1\x1e4test2\x1e4test3'],
    ['text and bytes', '4hello\x1ebAQIDBA==', '4hello\x1ebAQIDBA=='],
    ['text of more bytes than characters', '4Я\u2028€😀', '4Я\u2028€😀'],
    ['an empty message', '4', '4'],
  ];
  for (const [name, sent, back] of rows) {
    await t.test(name, async () => {
      const link = await Polling.open(url, ENGINE);
      const posted = await link.post(sent);
      assert.deepEqual([posted.status, posted.text], [200, 'ok']);
      const { status, text } = await link.get();
      assert.deepEqual([status, text], [200, back]);
    });
  }
  for (const broken of ['abc', '', '4a\x1e', '\x1e4a', '9', 'b!!!', '2']) {
    await t.test(`a body of ${JSON.stringify(broken)} ends the session`, async () => {
      const link = await Polling.open(url, ENGINE);
      await link.send(broken);
      assert.equal((await link.get()).status, 400);
    });
  }
  await t.test('two polls at once', async () => {
    const link = await Polling.open(url, ENGINE);
    const first = link.get();
    await new Promise((resolve) => { setTimeout(resolve, 5); }); // the order in which they come is the point
    const answers = await Promise.all([first, link.get()]);
    const [good, bad] = answers[0].status === 200 ? answers : answers.reverse();
    assert.deepEqual([good.status, good.text, bad.status], [200, '1', 400]);
    assert.equal((await link.get()).status, 400);
  });
  await t.test('close while a poll waits', async () => {
    const link = await Polling.open(url, ENGINE);
    const poll = link.get();
    const posted = await link.post('1');
    assert.equal(posted.text, 'ok');
    const { status, text } = await poll.catch(() => ({ status: 400, text: '6' })); // it came second
    assert.ok(text === '6' || status === 400, text);
    assert.equal((await link.get()).status, 400);
  });
});

test('Engine.IO pings', async (t) => {
  const { protocol, client } = await startConformance(t, ['protocol', 'client'], { hasty: true });
  for (const [transport, Transport] of Object.entries(TRANSPORTS)) {
    await t.test(`who does not answer is gone, by ${transport}`, async () => {
      const link = await Transport.open(protocol, ENGINE);
      if (transport === 'websocket') {
        link.pong = () => {};
        await expectEnd(link);
      } else {
        await expectEnd({ next: async () => ((await link.get()).status === 200 ? '' : undefined) });
      }
    });
  }
  await t.test('who answers stays, without any namespace too', async () => {
    const link = await enter(Polling, client);
    await link.send('41');
    for (let i = 0; i < 2; i++) {
      assert.equal((await link.get()).text, '2');
      await link.send('3');
    }
    await link.leave();
  });
  await t.test('who enters no namespace is gone', async () => {
    await expectEnd(await Socket.open(protocol, SOCKET));
  });
});

test('Engine.IO messages by WebSocket', async (t) => {
  const { protocol: url } = await startConformance(t, ['protocol']);
  await t.test('text and bytes come back', async () => {
    const link = await Socket.open(url, ENGINE);
    await link.send('4hello', bytes(1, 2, 3, 4), '4', Buffer.alloc(0));
    assert.deepEqual([await link.next(), await link.next(), await link.next(), await link.next()], ['4hello', bytes(1, 2, 3, 4), '4', Buffer.alloc(0)]);
    await link.leave();
  });
  for (const broken of ['abc', '', '9', '2']) {
    await t.test(`${JSON.stringify(broken)} ends the session`, async () => {
      const link = await Socket.open(url, ENGINE);
      await link.send(broken);
      await expectEnd(link);
    });
  }
  await t.test('close', async () => {
    const link = await Socket.open(url, ENGINE);
    await link.send('1');
    await expectEnd(link);
  });
});

test('Engine.IO from polling to WebSocket', async (t) => {
  const { protocol: url } = await startConformance(t, ['protocol']);
  const link = await Polling.open(url, ENGINE);
  const dial = () => Socket.dial(`${url.replace('http', 'ws')}${ENGINE}?EIO=4&transport=websocket&sid=${link.open.sid}`);
  const socket = await dial();
  await socket.send('2probe');
  assert.equal(await socket.next(), '3probe');
  assert.equal((await link.get()).text, '6');
  await socket.send('5', '4hello');
  assert.equal(await socket.next(), '4hello');
  const { status, json } = await link.get();
  assert.deepEqual([status, json.code], [400, 3]);
  await expectEnd(await dial()); // opened, and closed
  await socket.send('4still');
  assert.equal(await socket.next(), '4still');
  await socket.leave();
});

// ---- Socket.IO: what is answered, byte by byte.

const TALKS = [
  ['an event', ['42["message",1,"2",{"3":[true]}]'], ['42["message-back",1,"2",{"3":[true]}]']],
  ['an event without arguments', ['42["message"]'], ['42["message-back"]']],
  ['an answer', ['42456["message-with-ack",1,"2",{"3":[false]}]'], ['43456[1,"2",{"3":[false]}]']],
  ['an answer to number 0', ['420["message-with-ack"]'], ['430[]']],
  ['the largest number', ['42999999999999999["message-with-ack"]'], ['43999999999999999[]']],
  ['numbers and keys as they came', ['42["message",1.10,18446744073709551616,{"b":1,"a":2}]'], ['42["message-back",1.10,18446744073709551616,{"b":1,"a":2}]']],
  ['attachments', [`452-["message",${hole(0)},${hole(1)}]`, bytes(1, 2, 3), bytes(4, 5, 6)],
    [`452-["message-back",${hole(0)},${hole(1)}]`, bytes(1, 2, 3), bytes(4, 5, 6)]],
  ['attachments in an answer', [`452-789["message-with-ack",${hole(0)},${hole(1)}]`, bytes(1, 2, 3), bytes(4, 5, 6)],
    [`462-789[${hole(0)},${hole(1)}]`, bytes(1, 2, 3), bytes(4, 5, 6)]],
  ['no attachments, announced as such', ['450-["message",1]'], ['42["message-back",1]']],
  ['an attachment deep inside', [`451-["message",{"a":[{"b":${hole(0)}}]}]`, bytes(7)], [`451-["message-back",{"a":[{"b":${hole(0)}}]}]`, bytes(7)]],
  ['ten attachments', [`4510-["message",${[...Array(10).keys()].map(hole)}]`, ...[...Array(10).keys()].map((i) => bytes(i))],
    [`4510-["message-back",${[...Array(10).keys()].map(hole)}]`, ...[...Array(10).keys()].map((i) => bytes(i))]],
  ['an empty attachment', [`451-["message",${hole(0)}]`, bytes()], [`451-["message-back",${hole(0)}]`, bytes()]],
  ['a placeholder that is only data', [`42["message",${hole(5)}]`], [`42["message-back",${hole(5)}]`]],
  ['an event that nobody knows, with an id', ['427["unknown"]'], []],
  ['an event with a number for a name', ['42[7,"x"]'], []],
  ['answers to what was never asked', ['430[]', '43999999999999999["x"]'], []],
  ['a name with escapes', ['42["\\u006dessage","\\u0000"]'], ['42["message-back","\\u0000"]']],
];

test('Socket.IO packets', async (t) => {
  const { protocol: url } = await startConformance(t, ['protocol']);
  for (const [transport, Transport] of Object.entries(TRANSPORTS)) {
    for (const [name, sent, back] of TALKS) {
      await t.test(`${name}, by ${transport}`, async () => {
        const link = await enter(Transport, url);
        assert.equal(await link.next(), '42["auth",{}]');
        await link.send(...sent, '42["message","end"]');
        for (const packet of [...back, '42["message-back","end"]']) {
          assert.deepEqual(await link.next(), packet);
        }
        await link.leave();
      });
    }
  }
});

test('Socket.IO namespaces', async (t) => {
  const { protocol: url } = await startConformance(t, ['protocol']);
  const SID = '\\{"sid":"[\\w-]{20}"\\}';
  const rows = [
    ['the main one', ['40'], [`40${SID}`, '42\\["auth",\\{\\}\\]']],
    ['the main one by its name', ['40/,'], [`40${SID}`, '42\\["auth",\\{\\}\\]']],
    ['the main one with a payload', ['40{"token":"123"}'], [`40${SID}`, '42\\["auth",\\{"token":"123"\\}\\]']],
    ['another', ['40/custom,'], [`40/custom,${SID}`, '42/custom,\\["auth",\\{\\}\\]']],
    ['another without its comma', ['40/custom'], [`40/custom,${SID}`, '42/custom,\\["auth",\\{\\}\\]']],
    ['another with a payload', ['40/custom,{"token":"abc"}'], [`40/custom,${SID}`, '42/custom,\\["auth",\\{"token":"abc"\\}\\]']],
    ['one that is not there', ['40/random'], ['44/random,\\{"message":"Invalid namespace"\\}']],
    ['one of another case', ['40/Custom,'], ['44/Custom,\\{"message":"Invalid namespace"\\}']],
    ['one with a query', ['40/custom?a=1,'], ['44/custom\\?a=1,\\{"message":"Invalid namespace"\\}']],
    ['left and entered again', ['40/custom', '41/custom', '40/custom,{"n":2}'],
      [`40/custom,${SID}`, '42/custom,\\["auth",\\{\\}\\]', `40/custom,${SID}`, '42/custom,\\["auth",\\{"n":2\\}\\]']],
    ['one left, the other stays', ['40', '40/custom', '41/custom', '42["message"]'],
      [`40${SID}`, '42\\["auth",\\{\\}\\]', `40/custom,${SID}`, '42/custom,\\["auth",\\{\\}\\]', '42\\["message-back"\\]']],
    ['refused, and then another', ['40/random', '40'], ['44/random,.*', `40${SID}`, '42\\["auth",\\{\\}\\]']],
  ];
  for (const [transport, Transport] of Object.entries(TRANSPORTS)) {
    for (const [name, sent, back] of rows) {
      await t.test(`${name}, by ${transport}`, async () => {
        const link = await Transport.open(url, SOCKET);
        await link.send(...sent);
        for (const packet of back) {
          assert.match(await link.next(), new RegExp(`^${packet}$`));
        }
        await link.leave();
      });
    }
  }
  await t.test('ten thousand: closed before long', async () => {
    const link = await Socket.open(url, SOCKET);
    await link.send(...[...Array(10000).keys()].map((i) => `40/n${i},`));
    await within(link.closed, 'the connection to close');
    assert.ok(link.inbox.items.length < 50, `${link.inbox.items.length} answers`);
  });
});

// ---- Socket.IO: from polling to WebSocket, also when that comes to nothing. Each step says more; the WebSocket is cut
// after one of them. What is answered comes once and in order.

const STEPS = [
  async ({ say }) => say(0, 1),
  async (at) => { at.socket = await at.dial(); },
  async ({ socket }) => socket.send('2probe'),
  async ({ say }) => say(2),
  async ({ socket }) => assert.equal(await socket.next(), '3probe'),
  async ({ say }) => say(3, 4),
];

test('Socket.IO answers while the transport changes', async (t) => {
  const { protocol: url } = await startConformance(t, ['protocol']);
  const begin = async () => {
    const link = await enter(Polling, url);
    const packets = (numbers) => numbers.map((n) => `42${n}["message-with-ack",${n}]`);
    assert.equal(await link.next(), '42["auth",{}]');
    return {
      link,
      packets,
      say: (...numbers) => link.post(...packets(numbers)),
      dial: () => Socket.dial(`${url.replace('http', 'ws')}${SOCKET}?EIO=4&transport=websocket&sid=${link.open.sid}`),
    };
  };
  const expect = async (from, first, last) => {
    for (let n = first; n <= last; n++) {
      assert.equal(await from.next(), `43${n}[${n}]`);
    }
  };
  for (let cut = 2; cut <= STEPS.length; cut++) {
    await t.test(`cut after step ${cut}`, async () => {
      const at = await begin();
      for (const step of STEPS.slice(0, cut)) {
        await step(at);
      }
      at.socket.ws.terminate();
      await at.say(9);
      await expect(at.link, 0, [1, 1, 2, 2, 4][cut - 2]);
      await expect(at.link, 9, 9);
      await at.link.leave();
    });
  }
  for (const polled of [false, true]) {
    await t.test(`all the way, ${polled ? 'polled' : 'not polled'} before the end`, async () => {
      const at = await begin();
      for (const step of STEPS) {
        await step(at);
      }
      if (polled) {
        await expect(at.link, 0, 4);
      }
      await at.socket.send('5', ...at.packets([5, 6]));
      await expect(at.socket, polled ? 5 : 0, 6);
      assert.equal((await at.link.get()).status, 400);
      await at.socket.leave();
    });
  }
});

// ---- Socket.IO: what ends the connection.

test('Socket.IO packets that end the connection', async (t) => {
  const { protocol: url } = await startConformance(t, ['protocol']);
  const witness = await enter(Socket, url);
  assert.equal(await witness.next(), '42["auth",{}]');
  for (const [transport, Transport] of Object.entries(TRANSPORTS)) {
    for (const [name, sent, raw] of BREAKS) {
      await t.test(`${name}, by ${transport}`, async () => {
        const link = raw ? await Transport.open(url, SOCKET) : await enter(Transport, url);
        await link.send(...sent);
        await expectEnd(link);
      });
    }
  }
  await witness.send('42["message","here"]');
  assert.equal(await witness.next(), '42["message-back","here"]');
  await witness.leave();
});
