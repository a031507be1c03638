// SPDX-License-Identifier: MIT
// The lines of one attempt's log that are at hand: pages of lines by number, the least recently used given up when
// there are too many. A line can't be there twice, since its number is its place. Pure.

const PAGE_LINES = 500;
const PAGES_MAX = 128;
const CHARS_MAX = 32 << 20;
const PAGES_MIN = 4; // kept whatever they weigh: what is on the screen lies on at most two

// What a log event says: {attempt, line, count, restart, lines}; `lines` is null when its text is not clear, and
// the lines have to be asked for by number.
export function logPart(event) {
  const data = event.data;
  const text = data.logs ?? data.message ?? '';
  const texts = (text.endsWith('\n') ? text.slice(0, -1) : text).split('\n');
  const count = data.lines ?? texts.length;
  const goesOn = new Set(data.cont ?? []);
  const lines = texts.map((message, i) => ({
    message, level: (data.levels?.[i] ?? data.level ?? 'info').toLowerCase(), timestamp: event.timestamp,
    cont: goesOn.has(data.line + i),
  }));
  return {
    attempt: data.attempt ?? 1, line: data.line, count, restart: data.append === false,
    lines: count === lines.length ? lines : null,
  };
}

export class JobLog {
  #pages = new Map(); // number of the page → {lines, count, chars}, least recently used first
  #chars = 0;
  #recent = -1;

  constructor({ pageLines = PAGE_LINES, pagesMax = PAGES_MAX, charsMax = CHARS_MAX } = {}) {
    Object.assign(this, { pageLines, pagesMax, charsMax });
    this.restart(0);
  }

  // An empty log. Lines before `first` don't count, or no longer.
  restart(attempt, first = 1) {
    this.attempt = attempt;
    this.first = first;
    this.last = first - 1;
    this.forget();
  }

  // Gives up all lines at hand; their numbers stay.
  forget() {
    this.#pages.clear();
    this.#chars = 0;
    this.#recent = -1;
  }

  get length() {
    return this.last - this.first + 1;
  }

  // There are lines up to this one.
  extend(last) {
    this.last = Math.max(this.last, last);
  }

  // The lines before this one are gone for good.
  dropBefore(first) {
    this.first = Math.max(this.first, first);
    this.last = Math.max(this.last, this.first - 1);
  }

  // Lines with consecutive numbers from `line` on.
  put(line, lines) {
    for (let i = 0; i < lines.length; i++) {
      this.#set(line + i, lines[i]);
    }
    this.extend(line + lines.length - 1);
    this.#shrink();
  }

  // The line of that number, or undefined when it is not at hand.
  get(number) {
    const index = this.#pageOf(number);
    const page = this.#pages.get(index);
    if (page) {
      this.#touch(index, page);
    }
    return page?.lines[number % this.pageLines];
  }

  // The first run of lines in [from, to] that are not at hand, within one page, as {from, limit}; or null.
  missing(from, to) {
    const end = Math.min(to, this.last);
    for (let number = Math.max(from, this.first); number <= end; number++) {
      const index = this.#pageOf(number);
      const page = this.#pages.get(index);
      if (page?.count === this.pageLines) {
        number = (index + 1) * this.pageLines - 1;
      } else if (!page?.lines[number % this.pageLines]) {
        return { from: number, limit: Math.min((index + 1) * this.pageLines, this.last + 1) - number };
      }
    }
    return null;
  }

  #pageOf(number) {
    return Math.floor(number / this.pageLines);
  }

  #touch(index, page) {
    if (index !== this.#recent) {
      this.#pages.delete(index);
      this.#pages.set(index, page);
      this.#recent = index;
    }
  }

  #set(number, line) {
    const index = this.#pageOf(number);
    let page = this.#pages.get(index);
    if (!page) {
      page = { lines: new Array(this.pageLines), count: 0, chars: 0 };
    }
    this.#touch(index, page);
    const place = number % this.pageLines;
    if (!page.lines[place]) {
      page.lines[place] = line;
      page.count++;
      page.chars += line.message.length;
      this.#chars += line.message.length;
    }
  }

  #shrink() {
    for (const [index, page] of this.#pages) {
      const tooMany = this.#pages.size > this.pagesMax || this.#chars > this.charsMax;
      if (!tooMany || this.#pages.size <= PAGES_MIN) {
        return;
      }
      this.#pages.delete(index);
      this.#chars -= page.chars;
    }
  }
}
