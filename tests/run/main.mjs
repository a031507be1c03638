// SPDX-License-Identifier: MIT
// ./test after the installation: runs the parts, prints what failed and the totals.
import { PARTS } from './parts.mjs';
import { Tally } from './tally.mjs';

const USAGE = `usage: ./test [--list] [PART...]`;

async function runPart(name) {
  const began = Date.now();
  const live = () => process.stdout.isTTY && process.stdout.write(`  ${tally}\r`);
  const tally = new Tally(live);
  console.log(`== ${name}: ${PARTS[name].about}`);
  try {
    await PARTS[name].run(tally);
    if (tally.total === 0) {
      tally.fail(name, 'this part ran no test');
    }
  } catch (error) {
    tally.fail(name, error.message);
  }
  console.log(`   ${name}: ${tally} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
  return tally;
}

async function main(words) {
  if (words.includes('--list') || words.includes('--help')) {
    console.log(USAGE);
    Object.entries(PARTS).forEach(([name, { about }]) => console.log(`  ${name.padEnd(12)} ${about}`));
    return 0;
  }
  const unknown = words.filter((word) => !Object.hasOwn(PARTS, word));
  if (unknown.length) {
    console.error(`test: no part named ${unknown.join(', ')}; ${USAGE}`);
    return 2;
  }
  const total = new Tally();
  const failed = [];
  for (const name of words.length ? words : Object.keys(PARTS)) {
    const tally = await runPart(name);
    total.add(tally);
    if (tally.failed) {
      failed.push(name);
    }
  }
  console.log(failed.length ? `\nfailed parts: ${failed.join(' ')}` : '');
  console.log(String(total));
  return total.failed ? 1 : 0;
}

process.exitCode = await main(process.argv.slice(2));
