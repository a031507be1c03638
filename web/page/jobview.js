// SPDX-License-Identifier: MIT
// Shows the state of one job. Draws at most once per frame.

import * as api from './api.js';
import { count, duration, moment, percent, readable } from './format.js';
import { elapsedMs, hasEnded, isOpen, KINDS, stepOf, toneOf } from './jobs.js';

const MARKS = { good: '✓', bad: '✗', off: '⊘' };

function byId(id) {
  return document.getElementById(id);
}

function setText(node, text) {
  if (node.textContent !== text) {
    node.textContent = text;
  }
}

// What clairon run leaves as result is among the facts already.
function isOnlyExit(result) {
  return Object.keys(result ?? {}).join() === 'exit_code' || Object.keys(result ?? {}).join() === 'signal';
}

export class JobView {
  onFollow = () => {};
  onWrap = () => {};
  #kind;
  #id;
  #log;
  #cancel;
  #job = null;
  #frame = 0;
  #announced = '';
  #asked = 0; // the attempt that was asked to end

  // `cancel` asks the hub to end the job and answers with a promise.
  constructor(kind, id, { log, cancel }) {
    this.#kind = kind;
    this.#id = id;
    this.#log = log;
    this.#cancel = cancel;
    byId('kind').textContent = KINDS[kind].label;
    byId('title').textContent = id;
    byId('home').href = api.homeUrl();
    byId('download').download = `${kind}-${id}.log`;
    byId('cancel').addEventListener('click', () => byId('confirm').showModal());
    byId('confirm').addEventListener('close', () => this.#closed());
    byId('follow').addEventListener('click', () => this.onFollow(byId('follow').ariaPressed !== 'true'));
    byId('wrap').addEventListener('click', () => this.#toggleWrap());
    setInterval(() => this.#job && this.#showFacts(), 1000);
    this.#draw();
  }

  // The job, or null as long as there is none.
  show(job) {
    this.#job = job;
    this.#schedule();
  }

  showLog() {
    this.#schedule();
  }

  showFollow(on) {
    byId('follow').ariaPressed = String(on);
  }

  refuse(reason) {
    setText(byId('message'), reason ?? 'You may not see this job.');
    byId('status').textContent = 'not allowed';
  }

  #schedule() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  #draw() {
    const job = this.#job;
    const tone = job ? toneOf(job) : 'waiting';
    const status = job?.status ?? (job ? 'started' : 'waiting');
    const badge = byId('status');
    setText(badge, `${MARKS[tone] ? `${MARKS[tone]} ` : ''}${status}`);
    badge.dataset.tone = tone;
    this.#drawBar(job, tone);
    setText(byId('project'), job?.project ?? job?.name ?? '');
    setText(byId('step'), stepOf(job));
    this.#drawWords(job, tone);
    this.#drawCancel(job);
    this.#drawLog();
    this.#showFacts();
    this.#announce(job, status);
  }

  #drawBar(job, tone) {
    const progress = job?.progress;
    const known = progress !== null && progress !== undefined;
    const bar = byId('bar');
    bar.dataset.tone = tone;
    bar.classList.toggle('unknown', Boolean(job) && !known && !hasEnded(job));
    byId('fill').style.transform = `scaleX(${known ? progress / 100 : 0})`;
    setText(byId('percent'), known ? percent(progress) : '');
    if (known) {
      bar.ariaValueNow = String(Math.round(progress));
    } else {
      bar.ariaValueNow = null;
    }
    document.title = `${job && known && !hasEnded(job) ? `${percent(progress)} ` : ''}${MARKS[tone] ?? ''} ${this.#id} · Clairon`;
  }

  // Message, error and result. An error that only repeats the message is shown once.
  #drawWords(job, tone) {
    const error = tone === 'off' && job?.error === job?.message ? null : job?.error;
    const message = error && error === job.message ? '' : job?.message ?? '';
    setText(byId('message'), job ? message : 'Nothing is known of it yet. It appears here as soon as it starts.');
    this.#drawOutcome('error', error);
    this.#drawOutcome('result', isOnlyExit(job?.result) ? null : job?.result);
  }

  #drawOutcome(name, value) {
    const there = value !== null && value !== undefined && value !== '';
    byId(name).hidden = !there;
    setText(byId(`${name}-text`), there ? readable(value) : '');
  }

  #drawCancel(job) {
    const asked = Boolean(job?.cancel_requested) || (job !== null && this.#asked === job.attempt);
    const button = byId('cancel');
    button.hidden = !job || !isOpen(job);
    button.disabled = asked;
    setText(button, asked ? 'Cancelling…' : 'Cancel');
  }

  #drawLog() {
    const { length, attempt } = this.#log;
    setText(byId('lines'), length > 0 ? count(length, 'line', 'lines') : '');
    byId('empty').hidden = length > 0;
    const url = api.rawLogUrl(this.#kind, this.#id, attempt || undefined);
    if (byId('raw').getAttribute('href') !== url) {
      byId('raw').href = url;
      byId('download').href = url;
    }
  }

  #facts(job) {
    const elapsed = elapsedMs(job, Date.now());
    return [
      ['Elapsed', elapsed === null ? null : duration(elapsed)],
      ['Attempt', job.attempt > 0 ? String(job.attempt) : null],
      ['Step', job.step_index != null && job.total_steps != null ? `${job.step_index} of ${job.total_steps}` : null],
      ['Iteration', job.iteration ?? null],
      ['Started', moment(job.started_at)],
      ['Ended', moment(job.ended_at)],
      ['Owner', job.owner],
      ['Exit code', job.exit_code ?? null],
      ['Signal', job.signal],
      ['Note', job.stalled ? 'no word from its worker' : null],
    ].filter(([, value]) => value !== null && value !== undefined && value !== '');
  }

  #showFacts() {
    const list = byId('facts');
    const facts = this.#job ? this.#facts(this.#job) : [];
    while (list.children.length > facts.length) {
      list.lastChild.remove();
    }
    facts.forEach(([name, value], i) => {
      if (!list.children[i]) {
        const pair = document.createElement('div');
        pair.append(document.createElement('dt'), document.createElement('dd'));
        list.append(pair);
      }
      setText(list.children[i].firstChild, name);
      setText(list.children[i].lastChild, String(value));
    });
  }

  // Spoken by screen readers: status and step, not each move of the bar.
  #announce(job, status) {
    const text = job ? [status, stepOf(job)].filter(Boolean).join(', ') : '';
    if (text !== this.#announced) {
      this.#announced = text;
      setText(byId('announcement'), text);
    }
  }

  #toggleWrap() {
    const on = byId('wrap').ariaPressed !== 'true';
    byId('wrap').ariaPressed = String(on);
    this.onWrap(on);
  }

  async #closed() {
    if (byId('confirm').returnValue !== 'cancel' || !this.#job) {
      return;
    }
    byId('confirm').returnValue = '';
    this.#asked = this.#job.attempt;
    this.#schedule();
    try {
      await this.#cancel();
    } catch (error) {
      this.#asked = 0;
      this.#schedule();
      setText(byId('announcement'), `It could not be cancelled: ${error.message}`);
    }
  }
}
