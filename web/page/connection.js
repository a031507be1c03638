// SPDX-License-Identifier: MIT
// The native protocol: `Connection` keeps a WebSocket open, `Subscription` knows where one topic goes on after a break.

import { isAfter } from './cursor.js';

const BACKOFF_MIN_MS = 500;
const BACKOFF_MAX_MS = 10000;
const PONG_MS = 10000;
const REFUSED = new Set([4401, 4403]);

// How long to wait before try number `tries` (from 0): doubling, half of it by chance.
export function backoffMs(tries, random = Math.random) {
  const top = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** (tries + 1));
  return top / 2 + (random() * top) / 2;
}

// Calls onOpen after each `connected`, onMessage for each further message, onState with
// {name: "connecting" | "live" | "waiting" | "refused", until}; `until` is when it tries again.
export class Connection {
  #url;
  #protocols;
  #handlers;
  #socket = null;
  #tries = 0;
  #retry = 0;
  #beat = 0;
  #deadline = 0;
  #heartbeatMs = 25000;

  constructor(url, protocols, handlers) {
    this.#url = url;
    this.#protocols = protocols;
    this.#handlers = handlers;
    addEventListener('online', () => this.#hurry());
    document.addEventListener('visibilitychange', () => this.#hurry());
    this.#open();
  }

  send(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) {
      this.#socket.send(JSON.stringify(message));
    }
  }

  // The caller has all it wants: the next break starts with short waits again.
  settled() {
    this.#tries = 0;
    this.#handlers.onState({ name: 'live' });
  }

  // Leaves the present socket and starts over, as after a break.
  restart() {
    this.#lose(this.#socket, 0);
  }

  #open() {
    this.#handlers.onState({ name: 'connecting' });
    const socket = new WebSocket(this.#url, this.#protocols);
    this.#socket = socket;
    socket.onmessage = (event) => this.#receive(socket, event.data);
    socket.onclose = (event) => this.#lose(socket, event.code);
    this.#expect(socket, PONG_MS); // "connected", else it is given up
  }

  #receive(socket, text) {
    if (socket !== this.#socket) {
      return;
    }
    const message = JSON.parse(text);
    clearTimeout(this.#deadline);
    this.#deadline = 0;
    this.#scheduleBeat(socket);
    if (message.type === 'connected') {
      this.#heartbeatMs = (message.data?.heartbeat ?? 25) * 1000;
      this.#handlers.onOpen(message);
    } else {
      this.#handlers.onMessage(message);
    }
  }

  // Silence for one heartbeat is answered with a ping; no word after that and the socket is given up.
  #scheduleBeat(socket) {
    clearTimeout(this.#beat);
    this.#beat = setTimeout(() => {
      this.send({ type: 'ping' });
      this.#expect(socket, PONG_MS);
    }, this.#heartbeatMs);
  }

  #expect(socket, ms) {
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(() => this.#lose(socket, 0), ms);
  }

  #lose(socket, code) {
    if (socket !== this.#socket) {
      return;
    }
    this.#socket = null;
    socket.onmessage = null;
    socket.onclose = null;
    socket.close();
    clearTimeout(this.#beat);
    clearTimeout(this.#deadline);
    this.#handlers.onClose?.();
    if (REFUSED.has(code)) {
      this.#handlers.onState({ name: 'refused' });
      return;
    }
    const wait = backoffMs(this.#tries++);
    this.#handlers.onState({ name: 'waiting', until: Date.now() + wait });
    this.#retry = setTimeout(() => this.#reopen(), wait);
  }

  #reopen() {
    clearTimeout(this.#retry);
    this.#retry = 0;
    this.#open();
  }

  // The network is back, or someone looks at the page again: no more waiting.
  #hurry() {
    if (this.#retry !== 0 && document.visibilityState === 'visible') {
      this.#reopen();
    }
  }
}

// One topic across any number of connections. No clock, no socket: it says what to ask, and what a message means.
export class Subscription {
  #topic;
  #cursor = null; // everything up to here was received
  #applied = null; // the last event handed on; ahead of #cursor in a bracket that broke off
  #inBracket = false;

  constructor(topic) {
    this.#topic = topic;
  }

  get cursor() {
    return this.#cursor;
  }

  // The subscription to send on a new connection.
  request() {
    this.#inBracket = false;
    const message = { type: 'subscribe', topic: this.#topic };
    return this.#cursor ? { ...message, since: this.#cursor } : message;
  }

  // What there is to do for a message: {kind: "event" | "snapshot" | "gap" | "caught_up" | "refused", message}, or null.
  receive(message) {
    switch (message.type) {
      case 'subscribed':
        this.#inBracket ||= message.topic === this.#topic;
        return null;
      case 'snapshot':
        this.#applied = message.cursor;
        return { kind: 'snapshot', message };
      case 'caught_up':
        this.#inBracket = false;
        this.#cursor = message.cursor;
        this.#applied = message.cursor;
        return { kind: 'caught_up', message };
      case 'gap':
        return { kind: 'gap', message, inBracket: this.#inBracket };
      case 'pong':
        this.#move(message.cursor);
        return null;
      case 'WEBSOCKET_ERROR':
        return message.topic === this.#topic ? { kind: 'refused', message } : null;
      default:
        return message.id ? this.#event(message) : null;
    }
  }

  #event(message) {
    this.#move(message.id);
    if (!isAfter(message.id, this.#applied)) {
      return null;
    }
    this.#applied = message.id;
    return { kind: 'event', message };
  }

  #move(cursor) {
    if (cursor && !this.#inBracket) {
      this.#cursor = cursor;
    }
  }
}
