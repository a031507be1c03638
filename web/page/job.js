// SPDX-License-Identifier: MIT
// The page of one job: subscribes to its topic, keeps its state and its log, and shows both.

import * as api from './api.js';
import { Connection, Subscription } from './connection.js';
import { isAfter } from './cursor.js';
import { JobLog, logPart } from './joblog.js';
import { LogPages } from './logpages.js';
import { LogView } from './logview.js';
import { JobView } from './jobview.js';
import { isLog, kindNamed, reduce, topicOf } from './jobs.js';
import { LinkState } from './linkstate.js';

class JobPage {
  #kind;
  #id;
  #job = null;
  #log = new JobLog();
  #pages;
  #logView;
  #view;
  #subscription;
  #connection;
  #link = new LinkState(document.getElementById('connection'));

  constructor(kind, id) {
    this.#kind = kind;
    this.#id = id;
    this.#view = new JobView(kind, id, { log: this.#log, cancel: () => api.cancelJob(kind, id) });
    this.#pages = new LogPages(this.#log, (wanted) => api.getLog(kind, id, wanted), () => this.#logChanged());
    this.#logView = new LogView(document.getElementById('log'), {
      log: this.#log,
      want: (from, to) => this.#pages.want(from, to),
      onFollow: (on) => this.#view.showFollow(on),
    });
    this.#view.onFollow = (on) => this.#logView.follow(on);
    this.#view.onWrap = (on) => this.#logView.wrap(on);
    this.#subscription = new Subscription(topicOf(kind, id));
    this.#connection = new Connection(api.socketUrl(), api.socketProtocols(), {
      onOpen: () => this.#connection.send(this.#subscription.request()),
      onMessage: (message) => this.#receive(message),
      onState: (state) => this.#link.set(state),
    });
  }

  #receive(message) {
    const news = this.#subscription.receive(message);
    switch (news?.kind) {
      case 'event':
        this.#event(news.message);
        break;
      case 'snapshot':
        this.#snapshot(news.message.data, true);
        break;
      case 'gap':
        if (!news.inBracket) {
          this.#refresh(); // a snapshot follows a gap only in a bracket
        }
        break;
      case 'caught_up':
        this.#connection.settled();
        break;
      case 'refused':
        this.#view.refuse(news.message.data?.message);
        break;
      default:
    }
  }

  #event(event) {
    const job = reduce(this.#job, event);
    if (job === null || this.#job === null || job.attempt !== this.#job.attempt) {
      this.#startLog(job?.attempt ?? 0);
    }
    this.#job = job;
    if (job && isLog(event)) {
      this.#takeLines(logPart(event));
    }
    this.#view.show(job);
  }

  #takeLines(part) {
    if (part.attempt !== this.#log.attempt || part.line === undefined) {
      return;
    }
    if (part.restart) {
      this.#log.restart(part.attempt, part.line);
      this.#logView.reset();
    }
    if (part.lines) {
      this.#log.put(part.line, part.lines);
    } else {
      this.#log.extend(part.line + part.count - 1);
    }
    this.#logChanged();
  }

  #startLog(attempt) {
    this.#log.restart(attempt);
    this.#logView.reset();
    this.#logChanged();
  }

  // The job as the hub knows it; what it says replaces all that was known. `anew`: the lines may differ too.
  #snapshot(job, anew) {
    this.#job = job;
    if (job?.attempt !== this.#log.attempt) {
      this.#startLog(job?.attempt ?? 0);
    } else if (anew) {
      this.#log.restart(job.attempt);
    }
    if (job?.log?.length > 0) {
      this.#log.put(job.log[0].line, job.log);
    }
    if (this.#log.last > (job?.log?.length ?? 0)) {
      this.#pages.measure();
    }
    this.#logChanged();
    this.#view.show(job);
  }

  async #refresh() {
    const job = await api.getJob(this.#kind, this.#id).catch(() => null);
    if (job && isAfter(job.cursor, this.#job?.cursor)) {
      this.#snapshot(job, false);
    }
  }

  #logChanged() {
    this.#logView.invalidate();
    this.#view.showLog();
  }
}

const [, , kindName, idText] = location.pathname.split('/');
const kind = kindNamed(kindName);
if (kind && idText) {
  new JobPage(kind, decodeURIComponent(idText));
} else {
  document.getElementById('title').textContent = 'There is no such kind of job.';
}
