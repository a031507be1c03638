// SPDX-License-Identifier: MIT
// The machine that figures come from: what it is, and what its cores did while something was measured.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';

const TICKS_PER_S = 100; // USER_HZ, the same on all Linux
const PAGE_BYTES = 4096;

export function describeMachine() {
  const release = /^PRETTY_NAME="(.*)"$/m.exec(readIfThere('/etc/os-release') ?? '')?.[1] ?? 'unknown';
  const meminfo = /^MemTotal:\s+(\d+)/m.exec(readIfThere('/proc/meminfo') ?? '')?.[1] ?? 0;
  return {
    cpu: os.cpus()[0].model.replace(/\s+/g, ' ').trim(),
    cores: os.cpus().length,
    memory_gib: Math.round(Number(meminfo) / 2 ** 20),
    kernel: os.release(),
    system: release,
    files_max: filesMax(),
    notsent_lowat: Number(readIfThere('/proc/sys/net/ipv4/tcp_notsent_lowat') ?? 0),
  };
}

function readIfThere(file) {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}

// How many descriptors a process can have at most.
export function filesMax() {
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(readIfThere('/proc/self/limits') ?? '')?.[1];
  return hard === 'unlimited' ? 2 ** 30 : Number(hard ?? 1024);
}

// {busy, steal, idle} of a core in seconds since the machine started; `text` is that of /proc/stat.
export function coreTimes(core, text = fs.readFileSync('/proc/stat', 'utf8')) {
  const line = new RegExp(`^cpu${core} (.*)$`, 'm').exec(text);
  if (!line) {
    throw new Error(`this machine has no core ${core}`);
  }
  const [user, nice, system, idle, iowait, irq, softirq, steal] = line[1].trim().split(/\s+/).map(Number);
  const seconds = (ticks) => ticks / TICKS_PER_S;
  return { busy: seconds(user + nice + system + irq + softirq), idle: seconds(idle + iowait), steal: seconds(steal) };
}

// The memory of all TCP sockets of the machine, in bytes.
export function kernelTcp(text = fs.readFileSync('/proc/net/sockstat', 'utf8')) {
  return Number(/^TCP:.* mem (\d+)/m.exec(text)?.[1] ?? 0) * PAGE_BYTES;
}

// What the kernel holds for its own structures, sockets among them, in bytes.
export function kernelSlab(text = fs.readFileSync('/proc/meminfo', 'utf8')) {
  return Number(/^SUnreclaim:\s+(\d+) kB/m.exec(text)?.[1] ?? 0) * 1024;
}

// Looks at the machine every half second until stop(), which says: the highest share of the load's core that was used
// in such a half second, how much of both cores the machine below took away, what TCP held every few seconds, and by
// how much the kernel's structures grew.
export class Watch {
  constructor({ serverCore, loadCore, everyMs = 500, tcpEvery = 10 }) {
    Object.assign(this, { serverCore, loadCore, tcpEvery, loadMax: 0, looks: 0, tcp: [] });
    this.slab = this.slabMax = kernelSlab();
    this.first = this.last = this.#look();
    this.timer = setInterval(() => this.#tick(), everyMs);
  }

  #look() {
    const text = fs.readFileSync('/proc/stat', 'utf8');
    return { server: coreTimes(this.serverCore, text), load: coreTimes(this.loadCore, text) };
  }

  #tick() {
    const now = this.#look();
    const busy = now.load.busy - this.last.load.busy;
    const all = busy + now.load.idle - this.last.load.idle;
    this.loadMax = all > 0.2 ? Math.max(this.loadMax, busy / all) : this.loadMax;
    this.last = now;
    this.slabMax = Math.max(this.slabMax, kernelSlab());
    if (this.looks++ % this.tcpEvery === 0) {
      this.tcp.push(kernelTcp());
    }
  }

  stop() {
    clearInterval(this.timer);
    const now = this.#look();
    const steal = (side) => now[side].steal - this.first[side].steal;
    return {
      load_core_max: round(this.loadMax),
      steal_s: round(steal('server') + steal('load')),
      kernel_tcp: this.tcp,
      kernel_slab_growth: this.slabMax - this.slab,
    };
  }
}

const round = (value) => Math.round(value * 100) / 100;

// How busy each core is by itself, over that many milliseconds: {server, load}, from 0 to 1.
export async function idleBusy({ serverCore, loadCore }, ms = 1000) {
  const cores = { server: serverCore, load: loadCore };
  const before = Object.entries(cores).map(([side, core]) => [side, coreTimes(core).busy]);
  await new Promise((resolve) => { setTimeout(resolve, ms); });
  return Object.fromEntries(before.map(([side, busy]) =>
    [side, round(((coreTimes(cores[side]).busy - busy) * 1000) / ms)]));
}

const STEERING = '/sys/class/net/lo/queues/rx-0/rps_cpus';
let steered = null;

// Lets the receiving half of TCP on loopback run on that core, or, with undefined, wherever it did before: on the
// sender's. False: the kernel or its owner forbids it.
export function receiveOn(core) {
  try {
    const before = fs.readFileSync(STEERING, 'utf8').trim();
    if (steered === null) {
      steered = before;
      process.on('exit', () => receiveOn());
    }
    fs.writeFileSync(STEERING, core === undefined ? steered : (1 << core).toString(16));
    return true;
  } catch {
    return false;
  }
}

// Puts this very process, and so all that it starts, on one core.
export function pinSelf(core) {
  execFileSync('taskset', ['-a', '-c', '-p', String(core), String(process.pid)], { stdio: 'ignore' });
}
