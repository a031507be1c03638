// SPDX-License-Identifier: MIT
// Shows a log of any length: only the lines in view are in the document. The rows stand in a window that sticks to the
// top of the scrolled element, so their places stay small numbers however long the log is.

import { parseAnsi, plainText } from './ansi.js';
import { ScrollMap } from './scrollmap.js';

const SETTLE_MS = 150; // after the last scroll the scroll bar may be put right
const AHEAD_LINES = 100;
const LINE_CHARS_MAX = 4096; // the rest of a longer line is shown when asked for
const REST_MIN = 3; // times as long as drawing took, the page is left alone
const DEAR_MS = 8; // less than this costs nothing
const LEVELS = new Set(['debug', 'info', 'success', 'warning', 'error']);
const FLAGS = ['bold', 'dim', 'italic', 'underline', 'strike'];

function element(tag, className, text = '') {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

function paint(span, property, colour) {
  if (typeof colour === 'number') {
    span.classList.add(property === 'color' ? `fg-${colour}` : `bg-${colour}`);
  } else if (colour) {
    span.style.setProperty(property, colour);
  }
}

// Text on a background of its own: dark on light, light on dark.
function legibleOn(colour) {
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  return red * 0.3 + green * 0.59 + blue * 0.11 > 140 ? '#000000' : '#ffffff';
}

function runNode({ text, style }) {
  if (Object.keys(style).length === 0) {
    return document.createTextNode(text);
  }
  const span = element('span', FLAGS.filter((flag) => style[flag]).join(' '), text);
  span.classList.toggle('inverse', Boolean(style.inverse));
  paint(span, style.inverse ? 'background-color' : 'color', style.fg);
  paint(span, style.inverse ? 'color' : 'background-color', style.bg);
  if (typeof style.bg === 'string' && style.fg === undefined && !style.inverse) {
    paint(span, 'color', legibleOn(style.bg));
  }
  return span;
}

export class LogView {
  #scroller;
  #source;
  #space;
  #window;
  #rows;
  #shown = new Map(); // number of a line → its row
  #map = new ScrollMap();
  #lineHeight = 20;
  #frame = 0;
  #rest = 0;
  #stale = false;
  #settle = 0;
  #view = 0; // height of the scroller when last drawn
  #width = 0; // of the widest line drawn so far
  #follow = true;
  #wrap = false;
  #whole = new Set(); // long lines that are shown to their end

  // source: {log, want(from, to), onFollow(following)}
  constructor(scroller, source) {
    this.#scroller = scroller;
    this.#source = source;
    this.#space = element('div', 'log-space');
    this.#window = element('div', 'log-window');
    this.#rows = element('div', 'log-rows');
    this.#window.append(this.#rows);
    this.#space.append(this.#window);
    scroller.append(this.#space);
    scroller.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    scroller.addEventListener('wheel', (event) => event.deltaY < 0 && this.#leave(), { passive: true });
    scroller.addEventListener('keydown', (event) => this.#key(event));
    scroller.addEventListener('copy', (event) => this.#copy(event));
    new ResizeObserver(() => this.#measure()).observe(scroller);
    this.#measure();
  }

  // Something has changed: drawn at the next frame, or when the page had its rest.
  invalidate() {
    this.#scroller.ariaBusy = 'true';
    this.#stale = true;
    if (this.#rest === 0) {
      this.#frame ||= requestAnimationFrame(() => this.#renderTimed());
    }
  }

  // Lines that are dear to draw come less often, so that the page stays responsive.
  #renderTimed() {
    const before = performance.now();
    this.#frame = 0;
    this.#stale = false;
    this.#render();
    this.#scroller.ariaBusy = String(this.#stale || this.#rows.querySelector('.missing') !== null);
    const took = performance.now() - before;
    if (took >= DEAR_MS) {
      this.#rest = setTimeout(() => this.#rested(), took * REST_MIN);
    }
  }

  #rested() {
    this.#rest = 0;
    if (this.#stale) {
      this.invalidate();
    }
  }

  // Another log: from its end, and as wide as its own lines.
  reset() {
    this.#whole.clear();
    this.#width = 0;
    this.follow(true);
  }

  get following() {
    return this.#follow;
  }

  follow(on) {
    if (on !== this.#follow) {
      this.#follow = on;
      this.#source.onFollow(on);
    }
    this.invalidate();
  }

  wrap(on) {
    this.#wrap = on;
    this.#width = 0;
    this.#scroller.classList.toggle('wrapped', on);
    this.invalidate();
  }

  #measure() {
    this.#lineHeight = parseFloat(getComputedStyle(this.#scroller).lineHeight) || 20;
    this.invalidate();
  }

  // The ends are far: there at once, instead of by the browser's animation.
  #key(event) {
    if (event.key === 'End') {
      this.follow(true);
    } else if (event.key === 'Home') {
      this.#leave();
      this.#map.go(0);
      this.#scroller.scrollLeft = 0;
      this.invalidate();
    } else {
      return;
    }
    clearTimeout(this.#settle);
    this.#settle = 0;
    event.preventDefault();
  }

  #leave() {
    if (this.#map.range > 0) {
      this.follow(false);
    }
  }

  // Takes note of how somebody scrolled since the last look.
  #scrolled() {
    if (this.#scroller.clientHeight !== this.#view) {
      this.invalidate(); // the layout has moved it, nobody scrolled
      return;
    }
    const moved = this.#map.scrolled(this.#scroller.scrollTop, this.#view);
    if (moved === 0) {
      return;
    }
    if (moved < 0) {
      this.#leave();
    } else if (this.#map.atEnd) {
      this.follow(true);
    }
    clearTimeout(this.#settle);
    this.#settle = setTimeout(() => {
      this.#settle = 0;
      this.invalidate();
    }, SETTLE_MS);
    this.invalidate();
  }

  #render() {
    this.#scrolled(); // the event may not have come yet
    const { log } = this.#source;
    const view = this.#scroller.clientHeight;
    this.#view = view;
    // Wrapped lines may be taller than one: then the last line can go up to the top.
    const overlap = this.#wrap ? Math.min(view, this.#lineHeight) : view;
    const height = this.#map.resize(log.length * this.#lineHeight - overlap, view);
    this.#space.style.height = `${height}px`;
    this.#window.style.height = `${view}px`;
    if (this.#follow) {
      this.#map.top = this.#map.range;
    }
    const fits = Math.ceil(view / this.#lineHeight) + 1;
    const start = this.#follow ? Math.max(0, log.length - fits) : Math.floor(this.#map.top / this.#lineHeight);
    const from = log.first + start;
    const to = Math.min(log.last, from + fits);
    this.#draw(from, to);
    this.#place(start, view);
    this.#source.want(Math.max(log.first, from - AHEAD_LINES), to + AHEAD_LINES);
  }

  // Puts the rows where the place in the log wants them, and the scroll bar too, unless somebody is at it.
  #place(start, view) {
    const first = this.#rows.querySelector('.row:not(.kept)');
    let offset = start * this.#lineHeight - this.#map.top;
    if (this.#wrap && first) {
      offset = this.#follow ? Math.min(0, view - this.#rows.offsetHeight)
        : (offset / this.#lineHeight) * first.offsetHeight;
    }
    this.#rows.style.transform = `translateY(${offset}px)`;
    if (!this.#wrap) {
      this.#width = Math.max(this.#width, this.#rows.offsetWidth);
      this.#space.style.minWidth = `max(100%, ${this.#width}px)`;
    } else {
      this.#space.style.minWidth = '100%';
    }
    if (!this.#settle || this.#follow || this.#map.stuck) {
      this.#scroller.scrollTop = this.#map.scrollTop;
    }
    this.#map.place(this.#scroller.scrollTop);
  }

  // Makes the rows those of the lines from…to, in order, touching only what differs.
  #draw(from, to) {
    const kept = this.#selectedRows();
    for (const [number, row] of this.#shown) {
      const inView = number >= from && number <= to;
      row.classList.toggle('kept', !inView);
      if (!inView && !kept.has(row)) {
        row.remove();
        this.#shown.delete(number);
      }
    }
    let before = this.#rows.firstChild;
    for (let number = from; number <= to; number++) {
      while (before && before.number < number) {
        before = before.nextSibling;
      }
      let row = this.#shown.get(number);
      if (!row) {
        row = this.#newRow(number);
        this.#rows.insertBefore(row, before);
      } else {
        before = row.nextSibling;
      }
      this.#fill(row, this.#source.log.get(number));
    }
  }

  // The rows where a selection starts and ends stay in the document, or it would be lost.
  #selectedRows() {
    const selection = document.getSelection();
    const ends = selection.isCollapsed ? [] : [selection.anchorNode, selection.focusNode];
    return new Set(ends.map((node) => this.#rowOf(node)).filter(Boolean));
  }

  #rowOf(node) {
    const row = (node instanceof Element ? node : node?.parentElement)?.closest('.row');
    return row && this.#rows.contains(row) ? row : null;
  }

  #newRow(number) {
    const row = element('div', 'row');
    row.number = number;
    row.line = null;
    const gutter = element('span', 'number');
    gutter.dataset.number = number;
    row.append(gutter, element('span', 'text'));
    this.#shown.set(number, row);
    return row;
  }

  #fill(row, line) {
    if (row.line === line) {
      return;
    }
    row.line = line;
    const level = LEVELS.has(line?.level) ? line.level : 'info';
    row.className = `row ${line ? level : 'missing'}${line?.cont ? ' cont' : ''}`;
    row.title = line?.timestamp ?? '';
    row.lastChild.replaceChildren(...(line ? this.#content(row, line.message) : []));
  }

  #content(row, message) {
    if (message.length <= LINE_CHARS_MAX || this.#whole.has(row.number)) {
      return parseAnsi(message).map(runNode);
    }
    const more = element('button', 'rest', `${message.length - LINE_CHARS_MAX} more characters`);
    more.addEventListener('click', () => {
      this.#whole.add(row.number);
      row.line = null;
      this.invalidate();
    });
    return [...parseAnsi(message.slice(0, LINE_CHARS_MAX)).map(runNode), more];
  }

  // A selection over several rows is copied from the log, whatever of it is in the document.
  #copy(event) {
    const range = document.getSelection().getRangeAt(0);
    const first = this.#rowOf(range.startContainer);
    const last = this.#rowOf(range.endContainer);
    if (!first || !last || first === last) {
      return;
    }
    event.clipboardData.setData('text/plain', this.#textBetween(range, first, last));
    event.preventDefault();
  }

  #textBetween(range, first, last) {
    const head = range.cloneRange();
    head.setEndAfter(first.lastChild);
    const tail = range.cloneRange();
    tail.setStartBefore(last.lastChild);
    let text = head.toString();
    for (let number = first.number + 1; number <= last.number; number++) {
      const line = this.#source.log.get(number);
      const part = number === last.number ? tail.toString() : plainText(line?.message ?? '…');
      text += (line?.cont ? '' : '\n') + part;
    }
    return text;
  }
}
