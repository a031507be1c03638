// SPDX-License-Identifier: MIT
// The arithmetic of the comparison: medians over runs, and ratios of two measurements of the same run, which share
// whatever noise there was.

const numbers = (values) => values.filter((value) => Number.isFinite(value));

// null: there is none.
export function median(values) {
  const sorted = numbers(values).sort((a, b) => a - b);
  if (sorted.length === 0) {
    return null;
  }
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

// {median, low, high, count} of what is a number, or null.
export function spread(values) {
  const known = numbers(values);
  if (known.length === 0) {
    return null;
  }
  return { median: median(known), low: Math.min(...known), high: Math.max(...known), count: known.length };
}

// `above` and `below` are maps of run to value: the spread of the ratios within the runs that have both.
export function paired(above, below) {
  const ratios = [...above].filter(([run]) => below.get(run) > 0).map(([run, value]) => value / below.get(run));
  return spread(ratios);
}

// The same of differences.
export function apart(above, below) {
  return spread([...above].filter(([run]) => below.has(run)).map(([run, value]) => value - below.get(run)));
}

// The order in which run `run` (from 1) takes its hubs: each comes first once, so that none always follows the same.
export function orderOf(items, run) {
  const first = (run - 1) % items.length;
  return [...items.slice(first), ...items.slice(0, first)];
}

// Searches the highest rate that is held. `probe(rate)` resolves to {held, share}, share being the part of the core
// that was used; `start` is a guess. Ends when what is held and what is not lie closer than `within`, or after `steps`.
// Gives {rate, steps: [{rate, held, share}]}; rate 0: none was held.
export async function searchRate(probe, { start, share, within = 1.04, steps = 8 }) {
  const tried = [];
  let held = 0;
  let over = Infinity;
  let rate = Math.max(1, Math.round(start));
  while (tried.length < steps) {
    const step = await probe(rate);
    tried.push({ rate, ...step });
    held = step.held ? Math.max(held, rate) : held;
    over = step.held ? over : Math.min(over, rate);
    const next = Math.round(nextRate({ held, over, rate, used: step.share, share }));
    if (over / held <= within || next === rate || next < 1) {
      break;
    }
    rate = next;
  }
  return { rate: held, steps: tried };
}

// Between the two when both are known; otherwise where the share would be met if the cost grew with the rate.
function nextRate({ held, over, rate, used, share }) {
  if (held > 0 && over < Infinity) {
    return Math.sqrt(held * over);
  }
  const straight = used > 0 ? share / used : 1;
  return rate * (held > 0 ? Math.min(2, Math.max(1.05, straight)) : Math.min(0.95, Math.max(0.4, straight * 0.97)));
}
