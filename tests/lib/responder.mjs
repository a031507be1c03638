// SPDX-License-Identifier: MIT
// Responders for tests, in this process: each path of theirs answers in a way of its own.
import http from 'node:http';
import { once } from 'node:events';

// `answers`: by path, a function of (response, question, request), or of the bare socket when it is marked `raw`.
export async function startResponder(t, answers) {
  const seen = [];
  const server = http.createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (part) => { text += part; }).on('error', () => {}).on('end', () => {
      const question = { path: request.url, headers: request.headers, method: request.method, body: JSON.parse(text), closed: once(response, 'close') };
      seen.push(question);
      response.on('error', () => {});
      answers[request.url](response, question, request);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${server.address().port}`;
  return {
    url,
    seen,
    // For channels.responders: a channel named after each path, without its slash.
    entries: Object.keys(answers).map((path) => `${path.slice(1)}=${url}${path}`),
  };
}
