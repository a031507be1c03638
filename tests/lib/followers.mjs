// SPDX-License-Identifier: MIT
// Clients of every kind that follow jobs over cuts and restarts, each by the rules of its protocol alone, and write down
// what they were shown: event objects in `seen`, or messages of their own dialect.
import { spawn } from 'node:child_process';
import http from 'node:http';
import { EventSource } from 'eventsource';
import { io } from 'socket.io-client';
import WebSocket from 'ws';
import { NativeReader } from './native.mjs';
import { cleanEnv } from './process.mjs';
import { SseParser } from './sse.mjs';
import { Inbox, readLines, until } from './wait.mjs';

const PAUSE_MS = 50; // before the next try to connect
const pause = () => new Promise((resolve) => setTimeout(resolve, PAUSE_MS));

// One that comes back by itself: `once()` is one connection, from its start to its end.
class Follower {
  // `topics`: what it follows.
  constructor(name, base, topics) {
    Object.assign(this, { name, base, topics, cursor: undefined, ready: 0, stopped: false, problems: [] });
    this.seen = new Inbox(name);
  }

  start(t) {
    this.running = this.run();
    t.after(() => this.stop());
    return this;
  }

  async run() {
    while (!this.stopped) {
      await this.once().catch(() => {});
      await pause();
    }
  }

  // Waits until it has been caught up more than `times` times.
  async again(times) {
    await until(() => this.ready > times, `${this.name} is caught up again`);
  }

  async stop() {
    this.stopped = true;
    this.drop?.();
    await this.running;
  }

  get socketUrl() {
    return this.base.replace('http', 'ws');
  }

  query(more = '') {
    return `${this.topics.map((topic) => `topic=${encodeURIComponent(topic)}`).join('&')}${more}`;
  }

  // One connection of a `ws` WebSocket.
  async socket(url, { open = () => {}, message }) {
    const socket = new WebSocket(url, { perMessageDeflate: false, ...this.wsOptions });
    this.drop = () => socket.terminate();
    socket.on('open', () => {
      if (this.wsOptions?.perMessageDeflate && !socket.extensions.includes('permessage-deflate')) {
        this.problems.push('nothing is compressed');
      }
      open(socket);
    });
    socket.on('message', (bytes) => message(bytes.toString()));
    socket.on('error', () => {});
    await new Promise((resolve) => socket.once('close', resolve));
  }
}

// npm's `ws` and the native dialect.
export class NativeFollower extends Follower {
  constructor(name, base, topics, path = '/ws', wsOptions = {}) {
    super(name, base, topics);
    Object.assign(this, { path, wsOptions });
    this.reader = new NativeReader(topics, (event) => this.seen.push(event), () => this.ready++);
    this.problems = this.reader.problems;
  }

  once() {
    return this.socket(this.socketUrl + this.path, {
      open: (socket) => socket.send(this.reader.hello()),
      message: (text) => this.reader.receive(text),
    });
  }
}

// A socket that is on the default channels without asking, and goes on by `?since=`.
export class ChannelFollower extends Follower {
  once() {
    const since = this.cursor ? `?since=${this.cursor}` : '';
    let bracket = this.cursor ? [] : null;
    const open = new Set(this.topics);
    const take = (event) => this.seen.push(event);
    return this.socket(`${this.socketUrl}/ws/chat${since}`, {
      message: (text) => {
        const message = JSON.parse(text);
        if (message.type === 'connected') {
          this.cursor ??= message.data.cursor;
          this.ready += since ? 0 : 1;
        } else if (message.type === 'subscribed' || message.type === 'caught_up') {
          if (message.recovered === false) {
            this.problems.push(text);
          }
          open.delete(message.type === 'caught_up' && message.topic);
          if (open.size === 0 && bracket) {
            bracket.forEach(take);
            bracket = null;
            this.cursor = message.cursor;
            this.ready++;
          }
        } else if (message.type !== 'message') {
          this.problems.push(text);
        } else if (bracket) {
          bracket.push(message);
        } else {
          this.cursor = message.id;
          take(message);
        }
      },
    });
  }
}

// A page of one deployment or ticket. `seen` has its messages; those made from one event count with the last of them,
// which carries the id. The dialect does not say when all is caught up: `ready` counts greetings.
export class FlatFollower extends Follower {
  constructor(name, base, path) {
    super(name, base, []);
    this.path = path;
  }

  once() {
    let parts = [];
    return this.socket(`${this.socketUrl}${this.path}${this.cursor ? `?since=${this.cursor}` : ''}`, {
      message: (text) => {
        const message = JSON.parse(text);
        if (message.type === 'connected') {
          this.ready++;
          return;
        }
        if (message.snapshot || message.gap) {
          this.problems.push(text);
        }
        parts.push(message);
        if (message.id) {
          parts.forEach((part) => this.seen.push(part));
          parts = [];
          this.cursor = message.id;
        }
      },
    });
  }
}

// What the stream of `/api/events` says, however it came.
function takeBlock(follower, { id, event, json }) {
  if (event === 'gap' || (event === 'snapshot' && json.data !== null)) {
    follower.problems.push(JSON.stringify(json));
  } else if (id && json) {
    follower.seen.push(json);
  } else if (id) {
    follower.ready++;
  }
}

// Node's http and our own reading of the stream.
export class SseFollower extends Follower {
  async once() {
    const headers = { accept: 'text/event-stream', ...(this.cursor && { 'last-event-id': this.cursor }) };
    const response = await this.ask(`${this.base}/api/events?${this.query()}`, headers);
    const parser = new SseParser((block) => takeBlock(this, block));
    response.setEncoding('utf8');
    for await (const text of response) {
      parser.feed(text);
      this.cursor = parser.lastEventId ?? this.cursor;
    }
  }

  ask(url, headers = {}) {
    return new Promise((resolve, reject) => {
      const call = http.get(url, { headers, agent: false }, resolve);
      this.drop = () => call.destroy();
      call.on('error', reject);
    });
  }
}

// `curl -N`, which is started again with the last id after each end.
export class CurlFollower extends Follower {
  async once() {
    const last = this.cursor ? ['-H', `Last-Event-ID: ${this.cursor}`] : [];
    const child = spawn('curl', ['-sN', ...last, `${this.base}/api/events?${this.query()}`], { stdio: ['ignore', 'pipe', 'ignore'] });
    const parser = new SseParser((block) => takeBlock(this, block));
    this.drop = () => child.kill('SIGKILL');
    child.stdout.setEncoding('utf8');
    child.stdout.on('data', (text) => {
      parser.feed(text);
      this.cursor = parser.lastEventId ?? this.cursor;
    });
    await new Promise((resolve) => child.once('close', resolve));
  }
}

// npm's `eventsource`, which comes back by itself.
export class EventSourceFollower extends Follower {
  constructor(name, base, topics, types) {
    super(name, base, topics);
    this.types = types;
  }

  async run() {
    const source = new EventSource(`${this.base}/api/events?${this.query()}`);
    source.onopen = () => this.ready++;
    source.onmessage = ({ data }) => this.seen.push(JSON.parse(data));
    this.types.forEach((type) => source.addEventListener(type, ({ data }) => this.seen.push(JSON.parse(data))));
    source.addEventListener('gap', ({ data }) => this.problems.push(data));
    source.onerror = () => source.readyState === 2 && this.problems.push('it gave up');
    await new Promise((resolve) => {
      this.drop = () => {
        source.close();
        resolve();
      };
    });
  }
}

// Long polls.
export class PollFollower extends SseFollower {
  async once() {
    const since = this.cursor ? `&since=${this.cursor}` : '';
    const response = await this.ask(`${this.base}/api/poll?${this.query(since)}`);
    let text = '';
    for await (const chunk of response) {
      text += chunk;
    }
    const { events, cursor, recovered } = JSON.parse(text);
    for (const event of events) {
      if (event.type === 'gap' || (event.type === 'snapshot' && event.data !== null)) {
        this.problems.push(JSON.stringify(event));
      } else if (event.type !== 'snapshot') {
        this.seen.push(event);
      }
    }
    if (recovered !== (this.cursor !== undefined)) {
      this.problems.push(text.slice(-200));
    }
    this.cursor = cursor;
    this.ready++;
  }
}

// npm's socket.io-client, which comes back and recovers by itself, and subscribes at each `connect` as pages do. `all` has
// every event, `seen` what it may count: {name, id, data}, those made from one event with the last of them, whose last
// argument is the cursor. `connect` is the client's `io`.
export class SocketIoFollower extends Follower {
  static events = ['job:progress', 'job:log', 'job:completed', 'job:error'];

  constructor(name, base, job, options, connect = io) {
    super(name, base, []);
    Object.assign(this, { job, options, connect, connects: [], all: [] });
  }

  async run() {
    const socket = this.connect(this.base, { path: '/ws', forceNew: true, reconnectionDelay: 50, reconnectionDelayMax: 200, ...this.options });
    let parts = [];
    socket.on('connect', () => {
      this.connects.push(socket.recovered);
      parts = [];
      socket.emit('subscribe:job', this.job, (answer) => {
        this.ready += answer.ok ? 1 : 0;
      });
    });
    socket.on('WEBSOCKET_ERROR', (error) => this.problems.push(JSON.stringify(error)));
    SocketIoFollower.events.forEach((name) => socket.on(name, (data, cursor) => {
      parts.push({ name, data });
      this.all.push({ name, data });
      if (data.snapshot || data.gap) {
        this.problems.push(`${name} ${JSON.stringify(data)}`);
      }
      if (cursor) {
        parts.forEach((part) => this.seen.push(part));
        Object.assign(this.seen.items.at(-1), { id: cursor });
        parts = [];
      }
    }));
    await new Promise((resolve) => {
      this.drop = () => {
        socket.disconnect();
        resolve();
      };
    });
  }
}

// A client in a process of its own that prints what it sees, as tests/clients/ has them.
export class ChildFollower extends Follower {
  constructor(name, command) {
    super(name, '', []);
    this.command = command;
  }

  async run() {
    const [bin, ...args] = this.command;
    const child = spawn(bin, args, { stdio: ['ignore', 'pipe', 'inherit'], env: cleanEnv() });
    const lines = new Inbox(this.name);
    this.drop = () => child.kill('SIGKILL');
    lines.push = (line) => this.#line(line);
    readLines(child.stdout, lines);
    await new Promise((resolve) => child.once('close', resolve));
    if (!this.stopped) {
      this.problems.push('it ended');
    }
  }

  #line(line) {
    if (line === 'ready') {
      this.ready++;
    } else if (line.startsWith('problem ')) {
      this.problems.push(line.slice(8));
    } else {
      this.seen.push(JSON.parse(line));
    }
  }
}
