// SPDX-License-Identifier: MIT
// One HTTP request on a connection of its own. Any header can be set, also those that fetch keeps to itself.
import http from 'node:http';
import https from 'node:https';
import { FAIL_AFTER_MS, within } from './wait.mjs';

// `body`: a string or Buffer goes as it is, anything else as JSON. Other options: `headers` (undefined leaves
// one out), `token`, `ms`, and for https those of node, such as `ca`. Returns {status, headers, text, json}; `json` is undefined unless text parses.
export async function request(method, url, { body, headers = {}, token, ms = FAIL_AFTER_MS, ...rest } = {}) {
  const bytes = encode(body);
  const sent = { connection: 'close', ...(token && { authorization: `Bearer ${token}` }) };
  if (bytes !== undefined) {
    Object.assign(sent, { 'content-type': 'application/json', 'content-length': bytes.length });
  }
  Object.assign(sent, headers);
  Object.keys(sent).filter((name) => sent[name] === undefined).forEach((name) => delete sent[name]);

  const answer = new Promise((resolve, reject) => {
    const { request: begin } = String(url).startsWith('https:') ? https : http;
    const call = begin(url, { agent: false, ...rest, method, headers: sent }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => resolve(decode(response, Buffer.concat(chunks))));
    });
    call.on('error', reject);
    call.end(bytes);
  });
  return within(answer, `the answer to ${method} ${url}`, ms);
}

function encode(body) {
  if (body === undefined || Buffer.isBuffer(body)) {
    return body;
  }
  return Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
}

function decode(response, bytes) {
  const text = bytes.toString('utf8');
  return { status: response.statusCode, headers: response.headers, bytes, text, json: parse(text) };
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
