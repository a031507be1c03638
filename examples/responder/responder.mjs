// SPDX-License-Identifier: MIT
// A responder for a channel: answers each question word by word, as an assistant does that thinks aloud.
//
//   node examples/responder/responder.mjs [PORT]
//   CLAIRON__CHANNELS__RESPONDERS=chat=http://127.0.0.1:9000/chat build/clairon serve
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

const port = Number(process.argv[2] ?? 9000);

async function readJson(request) {
  let text = '';
  for await (const part of request.setEncoding('utf8')) {
    text += part;
  }
  return JSON.parse(text);
}

// What comes in is {channel, ref, user_id, connection_id, data}, data as the client sent it.
async function answer(request, response) {
  const { data, user_id: user } = await readJson(request);
  const said = typeof data === 'string' ? data : data?.message ?? JSON.stringify(data);
  const words = `${user ? `${user}, you` : 'You'} said: ${said}`.split(/(?<= )/);
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.flushHeaders();
  for (const word of words) {
    if (response.destroyed) {
      return; // the client cancelled, or left
    }
    response.write(`data: ${JSON.stringify({ text: word })}\n\n`);
    await sleep(50);
  }
  response.end('event: done\ndata: {}\n\n');
}

const server = http.createServer((request, response) => {
  answer(request, response).catch((error) => {
    console.error(error.message);
    response.destroy();
  });
});
server.listen(port, '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${server.address().port}`));
