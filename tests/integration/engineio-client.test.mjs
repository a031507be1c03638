// SPDX-License-Identifier: MIT
// The npm engine.io-client against `clairon conformance`: each transport, and the change between them under load.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Socket } from 'engine.io-client';
import { request, within } from '../lib/index.mjs';
import { startConformance } from '../lib/engineio.mjs';

const MESSAGES = 240;

const once = (client, event) => within(new Promise((resolve) => client.once(event, resolve)), event);

async function open(url, options) {
  const client = new Socket(url, { path: '/engine.io', ...options });
  client.binaryType = 'nodebuffer';
  client.got = [];
  client.on('message', (data) => client.got.push(Buffer.isBuffer(data) ? data.toString('hex') : data));
  await once(client, 'open');
  return client;
}

// Each third message is binary; some are larger than a frame's short length.
const message = (n) => (n % 3 === 0 ? Buffer.from([n >> 8, n & 255, 0, 255]) : `${n} ä☃ ${'x'.repeat(n)}`);
const seen = (data) => (Buffer.isBuffer(data) ? data.toString('hex') : data);

async function echoed(client, count) {
  const all = new Promise((resolve) => {
    const look = () => client.got.length >= count && resolve();
    client.on('message', look);
    look();
  });
  await within(all, `${count} messages`);
  assert.deepEqual(client.got, Array.from({ length: count }, (_, n) => seen(message(n))));
}

for (const [name, options, transport] of [
  ['polling', { transports: ['polling'] }, 'polling'],
  ['websocket', { transports: ['websocket'] }, 'websocket'],
  ['polling and then websocket', { transports: ['polling', 'websocket'] }, 'websocket'],
  ['polling, in base64', { transports: ['polling'], forceBase64: true }, 'polling'],
  ['both, in base64', { transports: ['polling', 'websocket'], forceBase64: true }, 'websocket'],
  ['websocket, without a slash', { transports: ['websocket'], addTrailingSlash: false }, 'websocket'],
]) {
  test(`engine.io-client by ${name}`, async (t) => {
    const { protocol: url } = await startConformance(t, ['protocol']);
    const client = await open(url, options);
    for (let n = 0; n < MESSAGES; n++) {
      client.send(message(n));
      if (n % 20 === 0) {
        await new Promise(setImmediate); // so that they go in many parts, some while the transport changes
      }
    }
    await echoed(client, MESSAGES);
    if (client.transport.name !== transport) {
      await once(client, 'upgrade');
    }
    assert.equal(client.transport.name, transport);
    client.send(message(MESSAGES));
    await echoed(client, MESSAGES + 1);
    const gone = once(client, 'close');
    client.close();
    assert.equal(await gone, 'forced close');
    for (let status = 0; status !== 400;) { // as soon as it has heard of it
      ({ status } = await request('POST', `${url}/engine.io/?EIO=4&transport=polling&sid=${client.id}`, { body: '6' }));
    }
  });
}

test('many clients of engine.io-client change their transport at once', async (t) => {
  const { protocol: url } = await startConformance(t, ['protocol']);
  const clients = await Promise.all(Array.from({ length: 20 }, () => open(url, { transports: ['polling', 'websocket'] })));
  clients.forEach((client) => Array.from({ length: 50 }, (_, n) => client.send(message(n))));
  await Promise.all(clients.map((client) => echoed(client, 50)));
  await Promise.all(clients.map((client) => client.transport.name === 'websocket' || once(client, 'upgrade')));
  clients.forEach((client) => client.close());
});
