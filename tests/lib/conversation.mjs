// SPDX-License-Identifier: MIT
// The conversations in docs/protocol: fenced blocks in which each line is said by one side, replayed on a real hub.
//
//   ```conversation ws /ws      a WebSocket; also `sse PATH [Name: value]`, lines of a stream, and `http`, requests only
//   > text                      the client says; the connection is opened by the first line of it
//   < text                      the hub says; `< close CODE` is the end of a socket
//   $ METHOD PATH [Name: value] body     somebody else's request; header and body may be left out
//   = STATUS body               its answer
//   # a remark
//   ```
//
// Cursors, times and random ids stand for themselves: a cursor on the page is one and the same of the hub wherever it
// stands again. Everything else is compared to the byte, members and all.
import fs from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { Inbox, until } from './wait.mjs';
import { SseClient } from './sse.mjs';

const CURSOR = /[0-9a-f]{16}-\d+/;
const TIME = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/;
const VARYING = new RegExp(`(${CURSOR.source}|${TIME.source})`);
const RANDOM = new Set(['connection_id', 'sid', 'pid']);
const SEPARATOR = '\x1e';
const SHOWN_SEPARATOR = '␞';

// The blocks of a page, each with the lines and where it stands.
export function conversations(file) {
  const text = fs.readFileSync(file, 'utf8');
  return [...text.matchAll(/^```conversation (\S+) ?(.*)\n([^]*?)^```$/gm)].map((match) => ({
    head: match[0].split('\n')[0],
    kind: match[1],
    path: match[2],
    line: text.slice(0, match.index).split('\n').length,
    lines: match[3].split('\n').slice(0, -1),
  }));
}

// What stands for what: of the page, of the hub.
class Bindings {
  constructor() {
    this.map = new Map();
  }

  // Text of the page as it is to be said.
  outward(text) {
    const known = [...this.map].sort(([a], [b]) => b.length - a.length);
    return known.reduce((said, [page, real]) => said.replaceAll(page, real), text).replaceAll(SHOWN_SEPARATOR, SEPARATOR);
  }

  bind(page, real) {
    if (!this.map.has(page)) {
      this.map.set(page, real);
    }
    return this.map.get(page) === real;
  }

  sameText(page, real) {
    const [a, b] = [page, real].map((text) => text.split(VARYING));
    return a.length === b.length && a.every((part, i) => {
      if (part === b[i]) {
        return i % 2 === 0 || TIME.test(part) || this.bind(part, part);
      }
      return i % 2 === 1 && TIME.test(part) === TIME.test(b[i]) && (TIME.test(part) || this.bind(part, b[i]));
    });
  }

  sameValue(page, real, key) {
    if (typeof page === 'string' && typeof real === 'string') {
      return RANDOM.has(key) ? this.bind(page, real) : this.sameText(page, real);
    }
    if (page === null || real === null || typeof page !== 'object' || typeof real !== 'object') {
      return page === real;
    }
    const keys = Object.keys(page);
    return isDeepStrictEqual(keys.sort(), Object.keys(real).sort()) && Array.isArray(page) === Array.isArray(real)
      && keys.every((name) => this.sameValue(page[name], real[name], name));
  }

  // JSON, with or without something before it, or plain text.
  same(page, real) {
    const [a, b] = [page, real].map((text) => text.replaceAll(SHOWN_SEPARATOR, SEPARATOR));
    if (/^retry: \d+$/.test(a)) {
      return /^retry: \d+$/.test(b);
    }
    const at = a.search(/[[{]/);
    if (at < 0) {
      return this.sameText(a, b);
    }
    try {
      const values = [a, b].map((text) => JSON.parse(text.slice(at)));
      return this.sameText(a.slice(0, at), b.slice(0, at)) && this.sameValue(...values);
    } catch {
      return this.sameText(a, b);
    }
  }
}

// The client's end of a conversation. `rest`: what came that nobody asked for.
async function openWs(hub, path) {
  const ws = await hub.ws(path);
  let heard = 0;
  return {
    say: (text) => ws.send(text),
    async hear(expected) {
      if (expected.startsWith('close')) {
        return `close ${(await ws.waitClosed()).code}`;
      }
      await ws.next();
      heard = ws.inbox.position;
      return ws.texts[heard - 1];
    },
    async rest() {
      const [question, answer] = path.includes('EIO=') ? ['42999["unsubscribe","x"]', '43999['] : ['ping', '{"type":"pong"'];
      if (ws.inbox.ended === null) {
        ws.send(question);
        await until(() => ws.texts.slice(heard).some((text) => text.startsWith(answer)), `the answer to ${question}`);
        ws.terminate();
      }
      return ws.texts.slice(heard).filter((text) => !text.startsWith(answer));
    },
  };
}

async function openSse(hub, path, headers) {
  const sse = await SseClient.connect(hub.url + path, { headers });
  const lines = new Inbox(path);
  let rest = '';
  sse.response.on('data', (text) => {
    const parts = (rest + text).split('\n');
    rest = parts.pop();
    parts.forEach((line) => lines.push(line));
  });
  return {
    hear: () => lines.next(),
    async rest() {
      sse.close();
      return [];
    },
  };
}

const headersOf = (text) => (text ? Object.fromEntries([text.split(': ')]) : {});

async function ask(hub, text) {
  const [, method, path, , header, body] = /^(\S+) (\S+)( \[([^\]]*)\])?(?: ([^]*))?$/.exec(text);
  const answer = await hub.request(method, path, { headers: headersOf(header), ...(body !== undefined && { body }) });
  return `${answer.status} ${answer.text}`.trimEnd();
}

// Replays a conversation: its lines as they went, and where they differ from the page.
export async function replay(hub, { kind, path, lines }, outward = (text) => text) {
  const bindings = new Bindings();
  const went = [];
  const faults = [];
  const [where, header] = path.split(/ \[|\]/);
  const tell = (text) => outward(bindings.outward(text));
  let end = null;
  let answer = null;
  for (const line of lines) {
    const [mark, text] = [line[0], line.slice(2)];
    let real = text;
    if (mark === '>' || mark === '<') {
      end ??= await { ws: openWs, sse: openSse }[kind](hub, tell(where), headersOf(header && tell(header)));
    }
    if (mark === '>') {
      end.say(tell(text));
    } else if (mark === '$') {
      answer = await ask(hub, tell(text));
    } else if (mark === '=' || mark === '<') {
      real = mark === '=' ? answer : await end.hear(text);
      if (!bindings.same(text, real)) {
        faults.push(`${line}\n${mark} ${real}`);
      }
    }
    went.push(`${mark} ${real.replaceAll(SEPARATOR, SHOWN_SEPARATOR)}`.trimEnd());
  }
  const rest = (await end?.rest()) ?? [];
  return { went, faults: [...faults, ...rest.map((text) => `not on the page:\n< ${text}`)] };
}
