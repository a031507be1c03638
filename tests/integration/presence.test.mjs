// SPDX-License-Identifier: MIT
// Presence: who is on a topic, over all connections and workers, and who comes and goes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startHub } from '../lib/index.mjs';
import { authConfig, token } from '../lib/jwt.mjs';

const config = { ...authConfig(), limits: { presence_grace_ms: 400 }, channels: { default: ['chat'] } };
const env = { CLAIRON__SERVER__WORKERS: '2' };
const may = (sub, subscribe = ['*']) => ({ token: token({ sub, subscribe, publish: ['*'] }) });

async function open(hub, path, options) {
  const ws = await hub.ws(path, options);
  await ws.waitType('connected');
  return ws;
}

async function ask(ws, topic, ref = 1) {
  ws.send({ type: 'presence', topic, ref });
  const { type, ...answer } = await ws.waitFor((message) => ['presence', 'WEBSOCKET_ERROR'].includes(message.type) && message.ref === ref);
  assert.equal(type, 'presence', JSON.stringify(answer));
  return answer;
}

// Watches the topic, which it is put on; what it is told first.
async function watch(ws, topic) {
  ws.send({ type: 'subscribe', topic, presence: true, ref: 'watch' });
  const { type } = await ws.waitFor(({ type }) => type === 'subscribed' || type === 'WEBSOCKET_ERROR');
  assert.equal(type, 'subscribed');
  return ws.waitType('presence');
}

// Waits until the answer about the topic is so.
async function askUntil(ws, topic, accepts) {
  for (let ref = 1000; ; ref++) {
    const answer = await ask(ws, topic, ref);
    if (accepts(answer)) {
      return answer;
    }
    await new Promise((resolve) => { setTimeout(resolve, 20); });
  }
}

const changes = (ws) => ws.messages.filter(({ type }) => /^presence_/.test(type)).map(({ type, topic, user }) => [type, topic, user]);

test('users once each, whatever brings them, and connections all', async (t) => {
  const hub = await startHub({ t, config, env });
  const ann = await open(hub, '/ws', may('ann'));
  assert.deepEqual(await ask(ann, 'channel:chat'), { topic: 'channel:chat', users: [], connections: 0, ref: 1 });
  const others = [];
  for (const sub of ['bob', 'cid', 'bob', 'bob']) {
    others.push(await open(hub, '/ws/chat', may(sub)));
  }
  const sse = await hub.sse('/api/events?channel=chat', may('eve'));
  await sse.waitFor((block) => block.id && !('data' in block));
  await Promise.all(others.map((ws) => ws.drain()));
  assert.deepEqual(await ask(ann, 'channel:chat', 'x'), { topic: 'channel:chat', users: ['bob', 'cid', 'eve'], connections: 5, ref: 'x' });
  assert.deepEqual((await ask(ann, 'channel:none')).users, []);
  const flat = await open(hub, '/ws/deployment/d1', may('bob'));
  await flat.drain();
  assert.deepEqual(await askUntil(ann, 'deployment:d1', ({ connections }) => connections === 1), { topic: 'deployment:d1', users: ['bob'], connections: 1, ref: ann.messages.at(-1).ref });
  ann.send({ type: 'presence', channel: 'chat' });
  assert.deepEqual((await ann.waitType('presence')).users, ['bob', 'cid', 'eve']);
});

test('a watcher has a list, and then each who comes and goes', async (t) => {
  const hub = await startHub({ t, config, env });
  const ann = await open(hub, '/ws', may('ann'));
  const first = await watch(ann, 'room');
  assert.deepEqual(first, { type: 'presence', topic: 'room', users: ['ann'], connections: 1, ref: 'watch' });
  const bob = await open(hub, '/ws', may('bob'));
  const list = await watch(bob, 'room');
  assert.deepEqual(list.users, ['ann', 'bob']);
  await ann.waitType('presence_join');
  const again = await open(hub, '/ws', may('bob'));
  await again.subscribe('room');
  await again.close();
  bob.send({ type: 'unsubscribe', topic: 'room' });
  await ann.waitType('presence_leave');
  await ann.drain();
  assert.deepEqual(changes(ann), [['presence_join', 'room', 'bob'], ['presence_leave', 'room', 'bob']]);
  assert.deepEqual(changes(bob), [], 'not on it any more');
  const answer = await ask(ann, 'room');
  assert.deepEqual([answer.users, answer.connections], [['ann'], 1]);
});

test('a reload is neither a leave nor a join', async (t) => {
  const hub = await startHub({ t, config: { ...config, limits: { presence_grace_ms: 60000 } }, env });
  const ann = await open(hub, '/ws', may('ann'));
  await watch(ann, 'channel:chat');
  let bob = await open(hub, '/ws/chat', may('bob'));
  await ann.waitType('presence_join');
  for (let i = 0; i < 5; i++) {
    await bob.close();
    const gone = await askUntil(ann, 'channel:chat', ({ connections }) => connections === 1);
    assert.deepEqual(gone.users, ['ann', 'bob'], 'stays for the grace');
    bob = await open(hub, '/ws/chat', may('bob'));
    await askUntil(ann, 'channel:chat', ({ connections }) => connections === 2);
  }
  assert.deepEqual(changes(ann), [['presence_join', 'channel:chat', 'bob']]);
});

test('without authentication connections are counted, and nobody is named', async (t) => {
  const hub = await startHub({ t, env, config: { limits: { presence_grace_ms: 200 } } });
  const one = await open(hub, '/ws/chat');
  assert.deepEqual((await watch(one, 'channel:chat')).users, []);
  const two = await open(hub, '/ws/chat');
  await two.drain();
  assert.equal((await askUntil(one, 'channel:chat', ({ connections }) => connections === 2)).users.length, 0);
  await two.close();
  await askUntil(one, 'channel:chat', ({ connections }) => connections === 1);
  assert.deepEqual(changes(one), []);
});

test('rights: who may follow a topic may know who does', async (t) => {
  const hub = await startHub({ t, config, env });
  const ann = await open(hub, '/ws', may('ann', ['channel:chat']));
  for (const question of [{ type: 'presence', topic: 'secret', ref: 1 }, { type: 'subscribe', topic: 'secret', presence: true, ref: 2 }]) {
    ann.send(question);
    const { data, topic, ref } = await ann.waitType('WEBSOCKET_ERROR');
    assert.deepEqual([data.code, topic, ref], ['forbidden', 'secret', question.ref]);
  }
  assert.deepEqual((await ask(ann, 'user:ann')).users, ['ann']);
  // One's own job, which no grant names.
  const worker = { token: token({ sub: 'w', role: 'worker', publish: ['*'] }) };
  const { status } = await hub.post('/api/v1/deployments/d9/status', { status: 'pending', user_id: 'ann' }, worker);
  assert.equal(status, 200);
  assert.deepEqual((await ask(ann, 'deployment:d9')).connections, 0);
});

test('bad questions', async (t) => {
  const hub = await startHub({ t });
  const ws = await open(hub, '/ws');
  for (const question of [{}, { topic: 1 }, { topic: '' }, { topic: 'a'.repeat(256) }, { topic: 'a\u0000' }, { topics: 'a' }, { topics: [1] }]) {
    ws.send({ type: 'presence', ref: 3, ...question });
    const { data, ref } = await ws.waitType('WEBSOCKET_ERROR');
    assert.deepEqual([data.code, ref], ['bad_request', 3], JSON.stringify(question));
  }
  ws.send({ type: 'presence', topics: ['a', 'b'] });
  assert.deepEqual([(await ws.waitType('presence')).topic, (await ws.waitType('presence')).topic], ['a', 'b']);
});

test('many come and go at once, over two workers: in the end all agree', async (t) => {
  const hub = await startHub({ t, config, env });
  const watchers = await Promise.all([0, 1, 2, 3].map((i) => open(hub, '/ws', may(`watcher${i}`))));
  const lists = watchers.map((ws) => watch(ws, 'hall'));
  const users = Array.from({ length: 40 }, (_, i) => `u${String(i).padStart(2, '0')}`);
  await Promise.all(users.map(async (sub, i) => {
    const ws = await open(hub, '/ws', may(sub));
    await ws.subscribe('hall');
    if (i % 2) {
      await ws.close();
    }
    if (i % 4 === 3) {
      await (await open(hub, '/ws', may(sub))).subscribe('hall');
    }
  }));
  const firsts = await Promise.all(lists);
  const there = [...users.filter((_, i) => i % 4 !== 1), ...watchers.map((_, i) => `watcher${i}`)].sort();
  const end = await askUntil(watchers[0], 'hall', (answer) => answer.users.length === there.length);
  assert.deepEqual([end.users, end.connections], [there, there.length]);
  await Promise.all(watchers.map(async (ws, i) => {
    await ws.drain();
    const known = new Set(firsts[i].users);
    for (const { type, user } of ws.messages.filter((message) => /^presence_/.test(message.type))) {
      assert.equal(known.has(user), type === 'presence_leave', `${type} ${user}`);
      known[type === 'presence_join' ? 'add' : 'delete'](user);
    }
    assert.deepEqual([...known].sort(), there);
  }));
});

test('the hub ends while questions are under way', async (t) => {
  const hub = await startHub({ t, env });
  const sockets = await Promise.all(Array.from({ length: 8 }, () => open(hub, '/ws')));
  sockets.forEach((ws, i) => {
    for (let k = 0; k < 10; k++) {
      ws.send({ type: 'subscribe', topic: `t${i * k}`, presence: true });
    }
  });
  await hub.restart();
});
