// SPDX-License-Identifier: MIT
// Values as people read them.

const counts = new Intl.NumberFormat('en');
const moments = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });

export function count(number, one, many) {
  return `${counts.format(number)} ${number === 1 ? one : many}`;
}

// "4.2 s", "3 min 07 s", "2 h 05 min", "3 d 4 h"
export function duration(ms) {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 10) {
    return `${seconds.toFixed(1)} s`;
  }
  const whole = Math.floor(seconds);
  const two = (part) => String(part).padStart(2, '0');
  if (whole < 60) {
    return `${whole} s`;
  }
  if (whole < 3600) {
    return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  }
  if (whole < 86400) {
    return `${Math.floor(whole / 3600)} h ${two(Math.floor(whole / 60) % 60)} min`;
  }
  return `${Math.floor(whole / 86400)} d ${Math.floor(whole / 3600) % 24} h`;
}

// "now", "12 s ago", "5 min ago", "3 h ago", "2 d ago"
export function ago(ms) {
  const seconds = Math.floor(Math.max(0, ms) / 1000);
  if (seconds < 2) {
    return 'now';
  }
  const units = [[86400, 'd'], [3600, 'h'], [60, 'min'], [1, 's']];
  const [size, name] = units.find((unit) => seconds >= unit[0]);
  return `${Math.floor(seconds / size)} ${name} ago`;
}

export function moment(timestamp) {
  const time = Date.parse(timestamp ?? '');
  return Number.isNaN(time) ? '' : moments.format(time);
}

export function percent(progress) {
  return `${Math.round(progress)} %`;
}

// A result or an error as text: strings as they are, everything else as JSON.
export function readable(value) {
  return typeof value === 'string' ? value : JSON.stringify(value, null, 2);
}
