// SPDX-License-Identifier: MIT
// A session of Engine.IO belongs to one worker, and its requests come to any: their connections move.
import assert from 'node:assert/strict';
import http from 'node:http';
import https from 'node:https';
import { test } from 'node:test';
import { io } from 'socket.io-client';
import { Polling } from '../lib/engineio.mjs';
import { request, startHub, until, within } from '../lib/index.mjs';
import { makeAuthority, startTlsHub } from '../lib/tls.mjs';

const WORKERS = { CLAIRON__SERVER__WORKERS: '3' };
const PATH = '/socket.io/';
const CLIENTS = 12;

async function metric(hub, name) {
  const { text } = await hub.get('/metrics');
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)[1]);
}

// Enters the main namespace, asks for what only an answer of its own can tell, and gives it.
async function converse(link, topic) {
  await link.send('40');
  assert.match(await link.next(), /^40\{"sid":/);
  await link.send(`42${7}["subscribe",${JSON.stringify(topic)}]`);
  for (let packet; (packet = await link.next()) !== undefined;) {
    if (packet.startsWith('437')) {
      return JSON.parse(packet.slice(3))[0];
    }
  }
  return assert.fail('it is over');
}

test('sessions are served whichever worker their requests come to', async (t) => {
  const hub = await startHub({ t, env: WORKERS });
  const links = await Promise.all(Array.from({ length: CLIENTS }, () => Polling.open(hub.url, PATH)));
  assert.ok(new Set(links.map(({ open }) => open.sid.slice(0, 3))).size > 1, 'sessions of several workers');
  const answers = await Promise.all(links.map((link, i) => converse(link, `t:${i}`)));
  assert.ok(answers.every(({ ok }) => ok), JSON.stringify(answers));
  assert.ok(await metric(hub, 'clairon_connections_moved_total') > 0);
});

for (const secure of [false, true]) {
  test(`one kept connection serves the sessions of all workers${secure ? ', over TLS' : ''}`, async (t) => {
    const authority = secure && makeAuthority(t);
    const hub = secure ? await startTlsHub(t, authority.issue('hub'), { env: WORKERS }) : await startHub({ t, env: WORKERS });
    const options = secure ? { ca: authority.ca } : {};
    const url = secure ? hub.tlsUrl : hub.url;
    const agent = new (secure ? https : http).Agent({ keepAlive: true, maxSockets: 1, ...options });
    t.after(() => agent.destroy());
    const sockets = new Set();
    const ask = async (method, query, body) => {
      const answer = await request(method, `${url}${PATH}?EIO=4&transport=polling${query}`,
        { agent, body, headers: { connection: 'keep-alive', 'content-type': 'text/plain;charset=UTF-8' } });
      Object.values(agent.freeSockets).flat().forEach((socket) => sockets.add(socket.localPort));
      assert.equal(answer.status, 200, answer.text);
      return answer.text;
    };
    const sids = [];
    for (let i = 0; i < CLIENTS; i++) { // on connections of their own, so that many workers have one
      const { text } = await request('GET', `${url}${PATH}?EIO=4&transport=polling`, options);
      sids.push(JSON.parse(text.slice(1)).sid);
    }
    assert.ok(new Set(sids.map((sid) => sid.slice(0, 3))).size > 1, 'sessions of several workers');
    for (const sid of sids) {
      assert.equal(await ask('POST', `&sid=${sid}`, '40'), 'ok');
    }
    for (const sid of sids) {
      assert.match(await ask('GET', `&sid=${sid}`), /^40\{"sid":/);
    }
    assert.equal(sockets.size, 1, 'one connection did it all');
    assert.ok(await metric(hub, 'clairon_connections_moved_total') > 0);
  });
}

test('socket.io-client changes its transport wherever it comes', async (t) => {
  const hub = await startHub({ t, env: WORKERS });
  await Promise.all(Array.from({ length: CLIENTS }, async (_, i) => {
    const socket = io(hub.url, { forceNew: true, reconnection: false });
    t.after(() => socket.disconnect());
    await within(new Promise((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('connect_error', reject);
    }), 'connect');
    for (let n = 0; n < 5; n++) {
      const answer = await within(socket.emitWithAck('subscribe', `t:${i}:${n}`), 'an answer');
      assert.equal(answer.ok, true, JSON.stringify(answer));
    }
    if (socket.io.engine.transport.name !== 'websocket') {
      await within(new Promise((resolve) => socket.io.engine.once('upgrade', resolve)), 'upgrade');
    }
  }));
});

test('a hub stops while connections move', async (t) => {
  const hub = await startHub({ t, env: WORKERS });
  let stopped = false, asked = 0;
  const links = await Promise.all(Array.from({ length: CLIENTS }, () => Polling.open(hub.url, PATH)));
  const crowd = links.map(async (link) => {
    while (!stopped) {
      asked++;
      await link.post('6').catch(() => {});
    }
  });
  await until(() => asked > 20 * CLIENTS, 'they are at it');
  await hub.stop();
  stopped = true;
  await Promise.all(crowd);
});
