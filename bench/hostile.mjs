#!/usr/bin/env node
// SPDX-License-Identifier: MIT
// Attacks a hub while honest clients use it: docs/hostile.md says how, and what came out. Ends with 1 if an honest
// client lost something or waited too long, or the hub did not give back what the attack took.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { makeDir, REPO } from '../tests/lib/paths.mjs';
import { idleBusy, pinSelf } from './machine.mjs';
import { CORES, honest, lookAt, newEs256, newSecret, onLoadCore, sleep, startOwn, takes, tokenOf, writeKeys } from './own.mjs';

const RATIO_MAX = 2;
const P99_FLOOR_MS = 1; // below it a ratio says more about the machine than about the hub
const RSS_SLACK = 8 * 2 ** 20; // beyond what the log in memory grew by
const BACK_MAX_S = 60;
const GONE_MAX_S = 15; // for the honest of the quiet part to be gone
const ATTACK_GRACE_S = 120; // an attack ends by itself when nobody ends it
const END_MAX_MS = 10_000; // for attackers to say what they had
const SECONDS_MAX = 3600;
const RAMP_MS = 2000; // from the first connection of an attack to the measuring
const HONEST_S = 4; // to connect and to end

// Each is one or more calls of bench_hostile. `token`: whose tokens are sent, with broken signatures.
const ATTACKS = {
  'slow-head': [{ attack: 'slow-head' }],
  'slow-body': [{ attack: 'slow-body' }],
  'slow-frame': [{ attack: 'slow-frame' }],
  connect: [{ attack: 'connect' }],
  random: [{ attack: 'random' }],
  fuzz: [{ attack: 'fuzz' }],
  ping: [{ attack: 'ping' }],
  'token-hs256': [{ attack: 'token', token: 'hs256', rate: 10000 }],
  'token-es256': [{ attack: 'token', token: 'es256', rate: 1000 }],
};
ATTACKS.all = Object.values(ATTACKS).flat();

// What of /metrics has to come back.
const KINDS = ['clairon_connections', 'clairon_sessions', 'clairon_memory_session_bytes', 'clairon_memory_topic_bytes',
  'clairon_memory_connection_bytes', 'clairon_memory_buffer_bytes', 'clairon_memory_http_bytes',
  'clairon_memory_websocket_bytes'];
const KIND_SLACK = 64 * 1024;

const USAGE = `usage: bench/hostile.mjs [--only ATTACK,...] [--seconds N] [--quiet N] [--clients N] [--rate N]
                         [--limited] [--clairon BIN] [--hostile BIN] [--json FILE]

  --only ATTACK,...  of: ${Object.keys(ATTACKS).join(' ')}
  --seconds N        of each attack, up to ${SECONDS_MAX} (20)
  --quiet N          without one, before it (10)
  --clients N        honest subscribers (1000)
  --rate N           events per second to all of them (200)
  --limited          the limits per address hold for the attackers, which on loopback they don't by themselves
  --clairon BIN      hub and honest clients (build/clairon)
  --hostile BIN      the attacker (build/bench/bench_hostile)
  --json FILE        all that was measured`;

const OPTIONS = {
  only: { type: 'string' },
  seconds: { type: 'string', default: '20' },
  quiet: { type: 'string', default: '10' },
  clients: { type: 'string', default: '1000' },
  rate: { type: 'string', default: '200' },
  limited: { type: 'boolean', default: false },
  clairon: { type: 'string', default: path.join(REPO, 'build/clairon') },
  hostile: { type: 'string', default: path.join(REPO, 'build/bench/bench_hostile') },
  json: { type: 'string' },
  help: { type: 'boolean', default: false },
};

class UsageError extends Error {}

function optionsFrom(words) {
  let given;
  try {
    given = parseArgs({ args: words, options: OPTIONS }).values;
  } catch (error) {
    throw new UsageError(error.message);
  }
  for (const name of ['seconds', 'quiet', 'clients', 'rate']) {
    given[name] = Number(given[name]);
    if (!(given[name] >= 1)) {
      throw new UsageError(`--${name} is a number from 1 on`);
    }
  }
  if (Math.max(given.seconds, given.quiet) > SECONDS_MAX) {
    throw new UsageError(`--seconds and --quiet go up to ${SECONDS_MAX}`);
  }
  given.attacks = given.only?.split(',') ?? Object.keys(ATTACKS);
  const unknown = given.attacks.filter((name) => !Object.hasOwn(ATTACKS, name));
  if (unknown.length) {
    throw new UsageError(`no attack named ${unknown.join(', ')}`);
  }
  for (const name of ['clairon', 'hostile']) {
    given[name] = path.resolve(given[name]);
    if (!fs.existsSync(given[name]) && !given.help) {
      throw new UsageError(`${given[name]} is not built`);
    }
  }
  return given;
}

// ---- one attack

// What an attack can't do without a hub that looks at tokens.
const possible = (parts, tokens) => parts.filter((part) => !part.token || tokens);

function beginAttack(parts, server, tokens, options) {
  const port = new URL(server.url).port;
  return parts.map((part) => {
    const words = [options.hostile, part.attack, port, '--seconds', String(options.seconds + ATTACK_GRACE_S),
      ...(part.rate ? ['--rate', String(part.rate)] : []), ...(tokens ? ['--token', tokens[part.token ?? 'attacker']] : [])];
    // The honest clients are measured on the same core, and come first there.
    return onLoadCore(words, { seconds: options.seconds + ATTACK_GRACE_S + 10, nice: 19 });
  });
}

async function endAttack(running) {
  running.forEach(({ child }) => child.kill('SIGTERM'));
  const timer = setTimeout(() => running.forEach(({ child }) => child.kill('SIGKILL')), END_MAX_MS);
  const ends = await Promise.all(running.map(({ done }) => done));
  clearTimeout(timer);
  return ends.map(({ code, out, err }) => {
    try {
      return JSON.parse(out);
    } catch {
      return { failed: `the attacker gave no result (${code}): ${err.trim().split('\n').at(-1)}` };
    }
  });
}

// What is still held of what the attack took: [] when nothing is.
function held(before, now) {
  const kinds = KINDS.filter((name) => name in before.gauges);
  const log = now.gauges.clairon_memlog_bytes - before.gauges.clairon_memlog_bytes;
  return [
    ...(now.fds > before.fds ? [`${now.fds - before.fds} descriptors`] : []),
    ...(now.rss > before.rss + Math.max(0, log) + RSS_SLACK ? [`${mib(now.rss - before.rss)} MiB`] : []),
    ...kinds.filter((name) => now.gauges[name] > before.gauges[name] + (name.endsWith('_bytes') ? KIND_SLACK : 0))
      .map((name) => `${name} ${now.gauges[name]} (was ${before.gauges[name]})`),
  ];
}

// Looks until `left(now)` has nothing in it any more, for so many seconds: {seconds, left, after}. `after` is null where
// the hub said nothing of itself.
async function lookUntil(server, tokens, secondsMax, left) {
  const began = Date.now();
  for (;;) {
    const now = await lookAt(server, tokens?.honest).catch((error) => ({ error: error.message }));
    const seconds = (Date.now() - began) / 1000;
    const still = now.error ? [`/metrics: ${now.error}`] : left(now);
    if (still.length === 0 || seconds > secondsMax || server.ended) {
      return { seconds, left: still, after: now.error ? null : now };
    }
    await sleep(250);
  }
}

// Who was there in the quiet part is gone; topics and pools that it needed stay, and so are no part of an attack.
function whenGone(server, tokens, empty) {
  const names = ['clairon_connections', 'clairon_sessions'].filter((name) => name in empty.gauges);
  return lookUntil(server, tokens, GONE_MAX_S, (now) => names.filter((name) => now.gauges[name] > empty.gauges[name]));
}

// The most that the hub holds, until stop().
function watchPeak(server) {
  const peak = { rss: 0, fds: 0 };
  const timer = setInterval(() => {
    try {
      const rss = Number(/^VmRSS:\s+(\d+) kB/m.exec(fs.readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
      peak.rss = Math.max(peak.rss, rss);
      peak.fds = Math.max(peak.fds, fs.readdirSync(`/proc/${server.pid}/fd`).length);
    } catch { // It is gone: that is told at its end.
      clearInterval(timer);
    }
  }, 500);
  return { peak, stop: () => clearInterval(timer) };
}

const say = (name, what) => console.log(`${new Date().toISOString().slice(11, 19)} ${name}: ${what}`);

async function measure(name, server, tokens, options) {
  const load = { clairon: options.clairon, clients: options.clients, rate: options.rate, token: tokens?.honest };
  const empty = await lookAt(server, tokens?.honest);
  say(name, `${options.quiet} s without it`);
  const quiet = await honest(server, { ...load, seconds: options.quiet });
  await whenGone(server, tokens, empty);
  const before = await lookAt(server, tokens?.honest);
  say(name, `${options.seconds} s under attack`);
  const running = beginAttack(possible(ATTACKS[name], tokens), server, tokens, options);
  await sleep(RAMP_MS);
  const watch = watchPeak(server);
  const under = await honest(server, { ...load, seconds: options.seconds });
  watch.stop();
  const attackers = await endAttack(running);
  say(name, `until the hub is as it was, ${BACK_MAX_S} s at most`);
  const back = await lookUntil(server, tokens, BACK_MAX_S, (now) => held(before, now));
  return { name, quiet, under, attackers, before, peak: watch.peak, ...back, after: back.after ?? { rss: NaN, fds: NaN } };
}

// ---- what is said

const percent = (share) => `${Math.round(share * 100)} %`;
const mib = (bytes) => (bytes / 2 ** 20).toFixed(1);
const p99 = (result) => result.latency_ms?.p99 ?? NaN;
const ratioOf = (row) => p99(row.under) / Math.max(p99(row.quiet), P99_FLOOR_MS);
const WRONG = ['lost', 'doubled', 'out_of_order', 'clients_failed', 'publish_errors'];

function faultsOf(row) {
  const failed = [row.quiet, row.under, ...row.attackers].filter((part) => part.failed).map((part) => part.failed);
  const parts = [['quiet', row.quiet], ['under attack', row.under]];
  const wrong = parts.flatMap(([when, result]) => WRONG.filter((key) => result[key] > 0)
    .map((key) => `${key} ${result[key]} ${when}${result.problem ? ` (${result.problem})` : ''}`));
  const slow = ratioOf(row) > RATIO_MAX ? [`p99 is ${ratioOf(row).toFixed(1)} times the quiet one`] : [];
  const left = row.left.length ? [`not given back within ${BACK_MAX_S} s: ${row.left.join(', ')}`] : [];
  return [...failed, ...wrong, ...slow, ...left].map((fault) => `${row.name}: ${fault}`);
}

const pairs = (counts) => Object.entries(counts).map(([key, count]) => `${key} × ${count}`);

function answersOf(attackers) {
  const sum = {};
  const add = (key, count) => { sum[key] = (sum[key] ?? 0) + count; };
  for (const one of attackers.filter((each) => !each.failed)) {
    Object.entries(one.statuses).forEach(([key, count]) => add(key, count));
    Object.entries(one.closes).forEach(([key, count]) => add(`close ${key}`, count));
    ['ends', 'resets', 'stuck', 'not_opened', 'pongs'].filter((key) => one[key]).forEach((key) => add(key.replace('_', ' '), one[key]));
  }
  return pairs(sum).join(', ') || 'nothing';
}

// How much of its core the hub had, by itself.
const coreOf = (result) => (result.cpu_process_s / result.seconds).toFixed(2);

function rowOf(row) {
  const rate = row.attackers.map((one) => (one.failed ? '-' : `${one.acts_per_s}/s on ${one.open_max}`)).join(' + ');
  const ms = (value) => value.toFixed(2);
  return [row.name, rate, answersOf(row.attackers), ms(p99(row.quiet)), ms(p99(row.under)), ratioOf(row).toFixed(2),
    String((row.quiet.lost ?? NaN) + (row.under.lost ?? NaN)), `${coreOf(row.quiet)} / ${coreOf(row.under)}`,
    [row.before, row.peak, row.after].map(({ rss }) => mib(rss)).join(' / '),
    [row.before, row.peak, row.after].map(({ fds }) => fds).join(' / '), row.seconds.toFixed(1)];
}

const HEAD = ['attack', 'acts', 'answers', 'p99 quiet, ms', 'p99 under, ms', 'ratio', 'lost', 'core quiet / under', 'RSS before / peak / after, MiB',
  'descriptors', 'back after, s'];

const table = (rows) => [HEAD, HEAD.map(() => '---'), ...rows.map(rowOf)].map((cells) => `| ${cells.join(' | ')} |`).join('\n');

// ---- all of it

function makeTokens(clairon) {
  const file = path.join(makeDir('keys'), 'jwks.json');
  const keys = { hs256: newSecret('hs'), es256: newEs256('es') };
  writeKeys(file, Object.values(keys));
  const env = { CLAIRON__AUTH__JWKS_FILE: file };
  if (!takes(clairon, env)) {
    return { env: {} };
  }
  const attacker = tokenOf(keys.hs256, { sub: 'attacker' }); // what is limited for each user is its own affair
  return { env, tokens: { honest: tokenOf(keys.hs256), attacker, hs256: attacker, es256: tokenOf(keys.es256) } };
}

async function main(words) {
  const options = optionsFrom(words);
  if (options.help) {
    console.log(USAGE);
    return 0;
  }
  pinSelf(CORES.loadCore);
  const busy = await idleBusy(CORES);
  if (Math.max(busy.server, busy.load) > 0.05) {
    console.log(`this machine is not quiet, and latencies will say nothing: its cores are busy to ${percent(busy.server)} and ` +
      `${percent(busy.load)} already`);
  }
  const { env, tokens } = makeTokens(options.clairon);
  const names = options.attacks.filter((name) => possible(ATTACKS[name], tokens).length > 0);
  options.attacks.filter((name) => !names.includes(name)).forEach((name) => console.log(`${name}: left out, this hub knows no keys`));
  const limits = options.limited ? { CLAIRON__LIMITS__EXEMPT: '127.0.0.1/32' } : {};
  const server = await startOwn({ clairon: options.clairon, env: { ...env, ...limits } });
  const rows = [];
  const broken = [];
  const each = options.quiet + options.seconds + 2 * HONEST_S + RAMP_MS / 1000;
  console.log(`attacks to come: ${names.length}, about ${Math.ceil((each * names.length) / 60)} min, and up to a minute more for each that the hub does not get over`);
  for (const name of names) {
    try {
      const row = await measure(name, server, tokens, options);
      rows.push(row);
      console.log(rowOf(row).join(' | '));
    } catch (error) {
      broken.push(`${name}: ${error.message}`);
      say(name, error.message);
    }
    if (server.ended) {
      break;
    }
  }
  const end = await server.stop();
  console.log(`\n${table(rows)}\n`);
  if (options.json) {
    fs.writeFileSync(options.json, `${JSON.stringify(rows, null, 1)}\n`);
  }
  const faults = [...rows.flatMap(faultsOf), ...broken, ...(end ? [end] : [])];
  faults.forEach((fault) => console.log(`FAULT ${fault}`));
  return faults.length ? 1 : 0;
}

if (process.argv[1] && fs.realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  ['SIGINT', 'SIGTERM'].forEach((name) => process.on(name, () => process.exit(130)));
  main(process.argv.slice(2)).then((code) => { process.exitCode = code; }, (error) => {
    console.error(error instanceof UsageError ? `hostile: ${error.message}\n${USAGE}` : error);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  });
}
