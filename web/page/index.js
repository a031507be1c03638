// SPDX-License-Identifier: MIT
// The page of all jobs. After each connect it reads the lists, then follows the events from the lists' cursors on.

import * as api from './api.js';
import { Connection } from './connection.js';
import { isAfter } from './cursor.js';
import { idOfEvent, isLog, kindOfEvent, KINDS, reduce } from './jobs.js';
import { JobTable } from './jobtable.js';
import { LinkState } from './linkstate.js';

const PAGE_JOBS = 100;

class IndexPage {
  #jobs = new Map(); // "kind/id" → job
  #older = new Map(); // kind → where its list goes on
  #opening = 0; // counts connections, so that answers for an old one are dropped
  #table = new JobTable({ onMore: () => this.#more() });
  #link = new LinkState(document.getElementById('connection'));
  #connection;

  constructor() {
    document.getElementById('home').href = api.homeUrl();
    this.#connection = new Connection(api.socketUrl(), api.socketProtocols(), {
      onOpen: () => this.#open(),
      onMessage: (message) => this.#receive(message),
      onState: (state) => this.#link.set(state),
    });
  }

  async #open() {
    const opening = ++this.#opening;
    try {
      const lists = await Promise.all(Object.keys(KINDS).map((kind) => this.#list(kind)));
      if (opening !== this.#opening) {
        return;
      }
      this.#jobs.clear();
      this.#table.clear();
      lists.forEach(({ kind, cursor, ...list }) => {
        this.#take(kind, list);
        this.#connection.send({ type: 'subscribe', topic: KINDS[kind].wide, since: cursor });
      });
      this.#table.ready(this.#older.size > 0);
      this.#connection.settled();
    } catch (error) {
      this.#table.problem(`The list could not be read: ${error.message}`);
      if (opening === this.#opening && error.status !== 401 && error.status !== 403) {
        this.#connection.restart();
      }
    }
  }

  // What may not be seen is an empty list, as long as something may be.
  async #list(kind, after) {
    const list = await api.getJobs(kind, { limit: PAGE_JOBS, after });
    return { kind, ...list };
  }

  #take(kind, { items, next }) {
    if (next) {
      this.#older.set(kind, next);
    } else {
      this.#older.delete(kind);
    }
    items.forEach((item) => this.#put({ ...item, kind }));
  }

  #put(job) {
    const key = `${job.kind}/${job.id}`;
    const known = this.#jobs.get(key);
    if (!known || isAfter(job.cursor, known.cursor)) {
      this.#jobs.set(key, job);
      this.#table.put(key, job);
    }
  }

  async #more() {
    const kinds = [...this.#older.keys()];
    try {
      const lists = await Promise.all(kinds.map((kind) => this.#list(kind, this.#older.get(kind))));
      lists.forEach((list) => this.#take(list.kind, list));
      this.#table.ready(this.#older.size > 0);
    } catch (error) {
      this.#table.problem(`The list could not be read: ${error.message}`);
    }
  }

  #receive(message) {
    if (message.type === 'gap') {
      this.#open(); // something was missed: the lists know
    } else if (message.type === 'WEBSOCKET_ERROR') {
      this.#table.problem(message.data?.message ?? 'The hub refused.');
    } else if (message.id && kindOfEvent(message) && !isLog(message)) {
      this.#event(message);
    }
  }

  #event(event) {
    const key = `${kindOfEvent(event)}/${idOfEvent(event)}`;
    const known = this.#jobs.get(key) ?? null;
    const job = reduce(known, event);
    if (job === null) {
      this.#jobs.delete(key);
      this.#table.remove(key);
    } else if (job !== known) {
      this.#jobs.set(key, job);
      this.#table.put(key, job);
    }
  }
}

new IndexPage();
