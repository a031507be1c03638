// SPDX-License-Identifier: MIT
// A child process under test: its output by lines, its end, and whether a sanitizer found something.
import { spawn } from 'node:child_process';
import { Inbox, readLines, within } from './wait.mjs';

const REPORTS = /ERROR: (Address|Leak|Memory|Thread)Sanitizer|WARNING: ThreadSanitizer|: runtime error: |FATAL: ThreadSanitizer/;
const HUB_ONLY = ['CLAIRON_SERVER', 'CLAIRON_TOKEN', 'CLAIRON_FD', 'WEBSOCKET_ENABLED', 'WEBSOCKET_CORS_ORIGIN',
  'WS_URL', 'SSE_URL'];
const SANITIZERS = {
  ASAN_OPTIONS: 'halt_on_error=1:detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1:exitcode=99',
  UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1:exitcode=99',
  TSAN_OPTIONS: 'halt_on_error=1:second_deadlock_stack=1:exitcode=99',
};

// The environment of a child: ours without what would steer the product by accident.
export function cleanEnv(extra = {}) {
  const env = { ...process.env, ...SANITIZERS, ...extra };
  HUB_ONLY.filter((name) => !(name in extra)).forEach((name) => delete env[name]);
  return env;
}

const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

export class Child {
  constructor(bin, args, { env, cwd, input } = {}) {
    this.command = [bin, ...args].join(' ');
    this.out = new Inbox(`standard output of ${this.command}`);
    this.err = new Inbox(`standard error of ${this.command}`);
    this.child = spawn(bin, args, { cwd, env: cleanEnv(env), stdio: ['pipe', 'pipe', 'pipe'] });
    running.add(this.child);
    readLines(this.child.stdout, this.out);
    readLines(this.child.stderr, this.err);
    this.child.stdin.on('error', () => {}); // The child may end without reading its input.
    if (input !== 'open') {
      this.child.stdin.end(input);
    }
    this.ended = null;
    // Resolves with {code, signal} when the process is gone and all its output has been read.
    this.exit = new Promise((resolve, reject) => {
      this.child.on('error', reject);
      this.child.on('close', (code, signal) => {
        running.delete(this.child);
        this.ended = { code, signal };
        resolve(this.ended);
      });
    });
    this.exit.catch(() => {});
  }

  get pid() {
    return this.child.pid;
  }

  get stdout() {
    return this.out.items.map((line) => `${line}\n`).join('');
  }

  get stderr() {
    return this.err.items.map((line) => `${line}\n`).join('');
  }

  write(text) {
    this.child.stdin.write(text);
  }

  closeInput() {
    this.child.stdin.end();
  }

  signal(name) {
    this.child.kill(name);
  }

  async end(what = `the end of ${this.command}`) {
    try {
      return await within(this.exit, what);
    } catch (error) {
      this.child.kill('SIGKILL');
      error.message += `\n${this.stderr}`;
      throw error;
    }
  }

  // Fails when a sanitizer has written a report.
  assertClean() {
    if (REPORTS.test(this.stderr) || this.ended?.code === 99) {
      throw new Error(`a sanitizer reported in ${this.command}:\n${this.stderr}`);
    }
  }
}
