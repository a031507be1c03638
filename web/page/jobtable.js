// SPDX-License-Identifier: MIT
// Shows the list of jobs, the newest attempt first. Draws at most once per frame, and only the rows that changed.

import * as api from './api.js';
import { ago, count, moment, percent } from './format.js';
import { isOpen, stepOf, toneOf } from './jobs.js';

function byId(id) {
  return document.getElementById(id);
}

function make(tag, className, ...children) {
  const node = document.createElement(tag);
  node.className = className;
  node.append(...children);
  return node;
}

function setText(node, text) {
  if (node.textContent !== text) {
    node.textContent = text;
  }
}

// When the attempt began, as a number to sort by.
function born(job) {
  return Date.parse(job.started_at ?? job.created_at ?? job.updated_at ?? '') || 0;
}

class Row {
  constructor(job) {
    this.badge = make('span', 'badge');
    this.kind = make('span', 'kind');
    this.link = make('a', 'id');
    this.project = make('td', 'project');
    this.fill = make('div', 'fill');
    this.bar = make('div', 'bar', this.fill);
    this.bar.role = 'progressbar';
    this.bar.ariaLabel = 'Progress';
    this.percent = make('span', 'percent');
    this.step = make('strong', '');
    this.message = make('span', '');
    this.updated = make('td', 'updated');
    this.node = make('tr', '',
      make('td', 'state', this.badge), make('td', 'name', this.link, this.kind), this.project,
      make('td', 'done', make('div', 'progress', this.bar, this.percent)),
      make('td', 'now', this.step, ' ', this.message), this.updated);
    this.link.textContent = job.id;
    this.link.href = api.pageUrl(job.kind, job.id);
    this.kind.textContent = job.kind;
    this.job = job;
    this.born = born(job);
    this.drawn = null;
  }

  draw() {
    const { job } = this;
    if (this.drawn === job) {
      return;
    }
    this.drawn = job;
    const tone = toneOf(job);
    const progress = job.progress ?? 0;
    setText(this.badge, job.status ?? 'started');
    this.badge.dataset.tone = tone;
    setText(this.project, job.project ?? job.name ?? '');
    this.bar.dataset.tone = tone;
    this.bar.ariaValueNow = String(Math.round(progress));
    this.fill.style.transform = `scaleX(${progress / 100})`;
    setText(this.percent, percent(progress));
    setText(this.step, stepOf(job));
    setText(this.message, job.error ?? job.message ?? '');
    this.updated.title = moment(job.updated_at);
    this.drawAge();
  }

  drawAge() {
    const time = Date.parse(this.job.updated_at ?? '');
    setText(this.updated, Number.isNaN(time) ? '' : ago(Date.now() - time));
  }
}

export class JobTable {
  #rows = new Map();
  #body = byId('jobs');
  #filters = byId('filters');
  #frame = 0;
  #ready = false;

  constructor({ onMore }) {
    const wanted = new URLSearchParams(location.search);
    for (const name of ['status', 'kind']) {
      this.#filters.elements[name].value = wanted.get(name) ?? '';
    }
    this.#filters.addEventListener('change', () => this.#filtered());
    byId('more').addEventListener('click', onMore);
    setInterval(() => this.#rows.forEach((row) => row.drawAge()), 1000);
  }

  clear() {
    this.#rows.clear();
    this.#schedule();
  }

  put(key, job) {
    const row = this.#rows.get(key);
    if (!row) {
      this.#rows.set(key, new Row(job));
    } else {
      if (row.job.attempt !== job.attempt) {
        row.born = born(job);
      }
      row.job = job;
    }
    this.#schedule();
  }

  remove(key) {
    this.#rows.delete(key);
    this.#schedule();
  }

  // The lists are there; `older` tells whether they go on.
  ready(older) {
    this.#ready = true;
    byId('more').hidden = !older;
    byId('problem').hidden = true;
    this.#schedule();
  }

  problem(text) {
    setText(byId('problem'), text);
    byId('problem').hidden = false;
  }

  #filtered() {
    const url = new URL(location.href);
    for (const name of ['status', 'kind']) {
      const { value } = this.#filters.elements[name];
      if (value) {
        url.searchParams.set(name, value);
      } else {
        url.searchParams.delete(name);
      }
    }
    history.replaceState(null, '', url);
    this.#schedule();
  }

  #fits(job) {
    const status = this.#filters.elements.status.value;
    const kind = this.#filters.elements.kind.value;
    const statusFits = status === '' || (status === 'open' ? isOpen(job) : toneOf(job) === status);
    return statusFits && (kind === '' || job.kind === kind);
  }

  #schedule() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  #draw() {
    const rows = [...this.#rows.values()].filter((row) => this.#fits(row.job)).sort((a, b) => b.born - a.born);
    const shown = new Set(rows.map((row) => row.node));
    [...this.#body.children].filter((node) => !shown.has(node)).forEach((node) => node.remove());
    let place = this.#body.firstChild;
    for (const row of rows) {
      row.draw();
      if (row.node === place) {
        place = place.nextSibling;
      } else {
        this.#body.insertBefore(row.node, place);
      }
    }
    setText(byId('count'), this.#ready ? count(rows.length, 'job', 'jobs') : '');
    const empty = byId('empty');
    empty.hidden = rows.length > 0;
    setText(empty, this.#emptyText());
  }

  #emptyText() {
    if (!this.#ready) {
      return 'Loading…';
    }
    return this.#rows.size > 0 ? 'No job fits the filter.' : 'No jobs yet. Start one: clairon run -- make';
  }
}
