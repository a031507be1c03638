// SPDX-License-Identifier: MIT
// A reader of server-sent events for tests. It keeps what an EventSource hides: comments, retry, empty events.
import http from 'node:http';
import { Inbox, within } from './wait.mjs';

// Bytes of a stream into {id, event, data, json, retry} and {comment}.
export class SseParser {
  constructor(push) {
    this.push = push;
    this.pending = {};
    this.rest = '';
    this.lastEventId = undefined;
  }

  feed(text) {
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop();
    lines.forEach((line) => this.#line(line.replace(/\r$/, '')));
  }

  #line(line) {
    if (line === '') {
      this.#dispatch();
      return;
    }
    if (line.startsWith(':')) {
      this.push({ comment: line.slice(1).trimStart() });
      return;
    }
    const [, name, value] = /^([^:]*):? ?([^]*)$/.exec(line);
    if (name === 'data' && 'data' in this.pending) {
      this.pending.data += `\n${value}`;
    } else {
      this.pending[name] = value;
    }
  }

  #dispatch() {
    const event = this.pending;
    this.pending = {};
    if (Object.keys(event).length === 0) {
      return;
    }
    this.lastEventId = event.id ?? this.lastEventId;
    try {
      event.json = JSON.parse(event.data);
    } catch {
      event.json = undefined;
    }
    this.push(event);
  }
}

export class SseClient {
  // Options: `headers`, `token`, `lastEventId`. Resolves when the head of the answer is there, whatever its status.
  static async connect(url, { headers = {}, token, lastEventId } = {}) {
    const sent = {
      accept: 'text/event-stream',
      ...(token && { authorization: `Bearer ${token}` }),
      ...(lastEventId && { 'last-event-id': lastEventId }),
      ...headers,
    };
    const call = http.get(url, { headers: sent, agent: false });
    const response = await within(new Promise((resolve, reject) => {
      call.once('response', resolve);
      call.once('error', reject);
    }), `the answer to ${url}`);
    return new SseClient(call, response, url);
  }

  constructor(call, response, url) {
    this.call = call;
    this.response = response;
    this.status = response.statusCode;
    this.headers = response.headers;
    this.inbox = new Inbox(url); // Of {id, event, data, json, retry}, and {comment}.
    this.lastEventId = undefined;
    const parser = new SseParser((item) => this.inbox.push(item));
    response.setEncoding('utf8');
    response.on('data', (text) => {
      parser.feed(text);
      this.lastEventId = parser.lastEventId;
    });
    this.closed = new Promise((resolve) => {
      response.on('error', () => {}); // Always followed by `close`.
      response.on('close', () => {
        this.inbox.end('closed');
        resolve();
      });
    });
    call.on('error', () => {});
  }

  get events() {
    return this.inbox.items.filter((item) => !('comment' in item));
  }

  // The next event; comments are passed over.
  next(options) {
    return this.waitFor(() => true, { what: 'the next event', ...options });
  }

  // The first unread event that `predicate` accepts; comments are passed over.
  waitFor(predicate, options) {
    return this.inbox.waitFor((item) => !('comment' in item) && predicate(item), { what: String(predicate), ...options });
  }

  close() {
    this.call.destroy();
  }

  waitClosed() {
    return within(this.closed, 'the event stream to close');
  }
}
