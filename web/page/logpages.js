// SPDX-License-Identifier: MIT
// Fetches the lines that are wanted and not at hand. What is wanted now replaces what was wanted before.

const AT_ONCE_MAX = 2;
const RETRY_MS = 1000;

export class LogPages {
  #log;
  #fetch;
  #changed;
  #range = null;
  #running = new Set(); // pages asked for, by their first line
  #paused = 0;

  // fetch({from, limit, attempt}) answers as GET …/log does; changed() is called when lines came or went.
  constructor(log, fetch, changed) {
    this.#log = log;
    this.#fetch = fetch;
    this.#changed = changed;
  }

  want(from, to) {
    this.#range = { from, to };
    this.#pump();
  }

  // Asks where the log begins and ends: what is at hand may not tell.
  async measure() {
    const { attempt } = this.#log;
    const answer = await this.#fetch({ from: -1, limit: 1, attempt }).catch(() => null);
    if (answer && attempt === this.#log.attempt) {
      this.#bound(answer);
      this.#changed();
    }
  }

  #bound({ first, last }) {
    if (first > 0) {
      this.#log.dropBefore(first);
      this.#log.extend(last);
    }
  }

  #next() {
    let { from } = this.#range;
    for (;;) {
      const missing = this.#log.missing(from, this.#range.to);
      if (!missing || !this.#running.has(missing.from)) {
        return missing;
      }
      from = missing.from + missing.limit;
    }
  }

  #pump() {
    while (this.#range && !this.#paused && this.#running.size < AT_ONCE_MAX) {
      const missing = this.#next();
      if (!missing) {
        return;
      }
      this.#load(missing);
    }
  }

  async #load({ from, limit }) {
    const { attempt } = this.#log;
    this.#running.add(from);
    try {
      const answer = await this.#fetch({ from, limit, attempt });
      if (attempt === this.#log.attempt) {
        this.#take(from, answer);
      }
    } catch {
      this.#pause();
    }
    this.#running.delete(from);
    this.#pump();
  }

  #take(from, answer) {
    const { lines } = answer;
    this.#bound(answer);
    if (lines.length > 0) {
      this.#log.put(lines[0].line, lines);
    } else if (from >= this.#log.first) {
      this.#pause(); // there should be something
    }
    this.#changed();
  }

  // The hub is away or busy: the page's wish stands, but not at once.
  #pause() {
    clearTimeout(this.#paused);
    this.#paused = setTimeout(() => {
      this.#paused = 0;
      this.#pump();
    }, RETRY_MS);
  }
}
