// SPDX-License-Identifier: MIT
// Waiting in tests: always for a condition, never for time. The time-out only turns a hang into a failure.
export const FAIL_AFTER_MS = 30_000;

// Resolves as `promise` does, or fails naming `what` was waited for.
export async function within(promise, what, ms = FAIL_AFTER_MS) {
  let timer;
  const late = new Promise((_, reject) => {
    const error = new Error(`waited ${ms} ms in vain for ${what}`);
    timer = setTimeout(() => reject(error), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

// Asks `question` again and again until its answer is truthy, and returns that answer. For what can't
// tell of its change by itself, such as a file or a counter in /metrics.
export async function until(question, what, ms = FAIL_AFTER_MS) {
  const end = Date.now() + ms;
  for (;;) {
    const answer = await question();
    if (answer) {
      return answer;
    }
    if (Date.now() > end) {
      throw new Error(`waited ${ms} ms in vain until ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function brief(items) {
  const tail = items.slice(-12).map((item) => {
    const text = typeof item === 'string' ? item : JSON.stringify(item);
    return `  ${text.length > 300 ? `${text.slice(0, 300)}…` : text}`;
  });
  return `${items.length} received${tail.length ? ', the last of them:\n' : ''}${tail.join('\n')}`;
}

// What arrives on a connection, in order, with one reading position. `items` keeps everything for
// inspection; `next`, `waitFor` and `collectUntil` read on from the position and move it.
export class Inbox {
  constructor(what) {
    this.what = what;
    this.items = [];
    this.position = 0;
    this.ended = null;
    this.wakers = new Set();
  }

  push(item) {
    this.items.push(item);
    this.#wake();
  }

  end(reason) {
    this.ended ??= reason;
    this.#wake();
  }

  #wake() {
    this.wakers.forEach((wake) => wake());
    this.wakers.clear();
  }

  // The items not read yet.
  unread() {
    return this.items.slice(this.position);
  }

  async next(options = {}) {
    return this.waitFor(() => true, { what: 'the next message', ...options });
  }

  // The first unread item that `predicate` accepts; those before it count as read.
  async waitFor(predicate, { what = String(predicate), ms = FAIL_AFTER_MS } = {}) {
    const deadline = Date.now() + ms;
    for (let i = this.position; ; i++) {
      await this.#arrived(i, deadline, what);
      if (predicate(this.items[i])) {
        this.position = i + 1;
        return this.items[i];
      }
    }
  }

  // All unread items up to and including the first that `predicate` accepts.
  async collectUntil(predicate, options) {
    const from = this.position;
    await this.waitFor(predicate, options);
    return this.items.slice(from, this.position);
  }

  async #arrived(index, deadline, what) {
    while (this.items.length <= index) {
      const left = deadline - Date.now();
      if (this.ended !== null) {
        throw new Error(`${this.what} ended (${this.ended}) before ${what}; ${brief(this.items)}`);
      }
      if (left <= 0) {
        throw new Error(`${this.what}: waited in vain for ${what}; ${brief(this.items)}`);
      }
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, left);
        this.wakers.add(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }
}

// Feeds the lines of a readable stream into `inbox`; a last line without its newline counts.
export function readLines(stream, inbox) {
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (text) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop();
    lines.forEach((line) => inbox.push(line));
  });
  stream.on('close', () => {
    if (rest !== '') {
      inbox.push(rest);
    }
    inbox.end('closed');
  });
}
