// SPDX-License-Identifier: MIT
// Terminal text: splits one line into runs of text with a style (SGR, ECMA-48 8.3.117), and drops every other escape
// sequence. Nothing is hidden: other control characters become visible symbols.

const RUNS_MAX = 100; // a line's further style changes are not shown, so that no line is dear to draw

// CSI, then complete OSC/DCS/SOS/PM/APC strings, then other escapes, then lone controls (all but tab). A string ends
// before anything that could begin another, so that matching takes linear time.
const CONTROL = new RegExp(
  '(?:\\x1b\\[|\\x9b)([0-?]*)([ -/]*)([@-~]?)' +
  '|(?:\\x1b[\\]PX^_]|[\\x9d\\x90\\x98\\x9e\\x9f])[^\\x07\\x1b\\x90\\x98\\x9c-\\x9f]*(?:\\x07|\\x1b\\\\|\\x9c)' +
  '|\\x1b[ -/]*[0-~]?' +
  '|[\\x00-\\x08\\x0a-\\x1f\\x7f-\\x9f]', 'g');
const ANY_CONTROL = /[\x00-\x08\x0a-\x1f\x7f-\x9f]/;

const FLAGS = { 1: 'bold', 2: 'dim', 3: 'italic', 4: 'underline', 7: 'inverse', 9: 'strike', 21: 'underline' };
const ENDS = {
  22: ['bold', 'dim'], 23: ['italic'], 24: ['underline'], 27: ['inverse'], 29: ['strike'], 39: ['fg'], 49: ['bg'],
};

function hex(red, green, blue) {
  return '#' + [red, green, blue].map((part) => (part & 255).toString(16).padStart(2, '0')).join('');
}

// Colour `index` of the 256: a number below 16 is of the theme's palette, the others are fixed.
function indexed(index) {
  if (!(index >= 0 && index <= 255)) {
    return undefined;
  }
  if (index < 16) {
    return index;
  }
  if (index >= 232) {
    const grey = 8 + (index - 232) * 10;
    return hex(grey, grey, grey);
  }
  const level = (part) => (part === 0 ? 0 : 55 + part * 40);
  const cube = index - 16;
  return hex(level(Math.floor(cube / 36)), level(Math.floor(cube / 6) % 6), level(cube % 6));
}

// The colour that 38 or 48 names in the parameters behind it, and how many of them it took.
function extended(values) {
  if (values[0] === 5) {
    return [indexed(values[1]), 2];
  }
  if (values[0] === 2) {
    return [values.length >= 4 ? hex(values[1], values[2], values[3]) : undefined, 4];
  }
  return [undefined, values.length];
}

function setColour(style, code, values) {
  const [colour, taken] = extended(values);
  if (colour !== undefined) {
    style[code === 38 ? 'fg' : 'bg'] = colour;
  }
  return taken;
}

// One parameter written with colons, such as 4:3 or 38:2::255:0:0.
function applyColons(style, parameter) {
  const parts = parameter.split(':').map((part) => (part === '' ? undefined : Number(part)));
  const code = parts[0];
  if (code === 4) {
    style.underline = parts[1] !== 0;
  } else if (code === 38 || code === 48) {
    const values = parts.slice(1);
    if (values[0] === 2 && values.length >= 5) {
      values.splice(1, 1); // the colour space
    }
    setColour(style, code, values);
  }
}

function applyCode(style, code) {
  if (FLAGS[code]) {
    style[FLAGS[code]] = true;
  } else if (ENDS[code]) {
    ENDS[code].forEach((name) => delete style[name]);
  } else if (code >= 30 && code <= 37) {
    style.fg = code - 30;
  } else if (code >= 40 && code <= 47) {
    style.bg = code - 40;
  } else if (code >= 90 && code <= 97) {
    style.fg = code - 90 + 8;
  } else if (code >= 100 && code <= 107) {
    style.bg = code - 100 + 8;
  }
}

// The style after the SGR sequence with these parameters.
function applySgr(before, parameters) {
  let style = { ...before };
  const list = parameters.split(';');
  for (let at = 0; at < list.length; at++) {
    if (list[at].includes(':')) {
      applyColons(style, list[at]);
      continue;
    }
    const code = Number(list[at]);
    if (code === 0) {
      style = {};
    } else if (code === 38 || code === 48) {
      at += setColour(style, code, list.slice(at + 1).map(Number));
    } else {
      applyCode(style, code);
    }
  }
  return style;
}

function sameStyle(a, b) {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}

function symbol(character) {
  const code = character.charCodeAt(0);
  if (code < 32) {
    return String.fromCharCode(0x2400 + code);
  }
  return code === 127 ? '\u2421' : '\ufffd';
}

class Runs {
  constructor() {
    this.list = [];
  }

  add(text, style) {
    if (text === '') {
      return;
    }
    const last = this.list.at(-1);
    if (last && (this.list.length >= RUNS_MAX || sameStyle(last.style, style))) {
      last.text += text;
    } else {
      this.list.push({ text, style });
    }
  }
}

// The runs of one line: [{text, style}], style {fg, bg, bold, dim, italic, underline, strike, inverse}; a colour is a
// palette number (0–15) or "#rrggbb". A carriage return starts the line anew, as on a terminal.
export function parseAnsi(line) {
  if (!ANY_CONTROL.test(line)) {
    return line === '' ? [] : [{ text: line, style: {} }];
  }
  const text = line.replace(/\r+$/, '');
  let runs = new Runs();
  let style = {};
  let done = 0;
  for (const match of text.matchAll(CONTROL)) {
    runs.add(text.slice(done, match.index), style);
    done = match.index + match[0].length;
    if (match[0] === '\r') {
      runs = new Runs();
    } else if (match[3] === 'm' && match[2] === '' && !/[<=>?]/.test(match[1])) {
      style = applySgr(style, match[1]);
    } else if (match[0].length === 1 && match[0] !== '\x1b' && match[0] !== '\x9b') {
      runs.add(symbol(match[0]), style);
    }
  }
  runs.add(text.slice(done), style);
  return runs.list;
}

// One line as it reads, without styles.
export function plainText(line) {
  return parseAnsi(line).map((run) => run.text).join('');
}
