// SPDX-License-Identifier: MIT
// Running programs for the test runner, and finding the files that it works on.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { REPO } from '../lib/paths.mjs';

const running = new Set();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    running.forEach((child) => child.kill('SIGTERM'));
    process.exit(130);
  });
}

// Runs a program in the repository's folder: {code, out}, out being both its outputs. A signal counts as code 1.
// `onLine` gets each line as it comes; `stderr: 'inherit'` leaves standard error out.
export function run(program, args, { env = {}, cwd = REPO, onLine, stderr = 'pipe' } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', stderr] });
    running.add(child);
    let out = '';
    let rest = '';
    const take = (text) => {
      out += text;
      if (onLine) {
        const lines = (rest + text).split('\n');
        rest = lines.pop();
        lines.forEach(onLine);
      }
    };
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', take);
    }
    child.on('error', reject);
    child.on('close', (code) => {
      running.delete(child);
      resolve({ code: code ?? 1, out });
    });
  });
}

// Configures and builds; fails with the compiler's words.
export async function build(folder, compiler, options, targets = []) {
  for (const [program, args] of [
    ['scripts/setup-build.sh', [folder, compiler, ...options]],
    ['ninja', ['-C', folder, '--quiet', ...targets]],
  ]) {
    const { code, out } = await run(program, args);
    if (code !== 0) {
      throw new Error(`${program} ${args.join(' ')} failed:\n${tail(out, 200)}`);
    }
  }
}

export function tail(text, lines) {
  const all = text.trimEnd().split('\n');
  return all.length <= lines ? all.join('\n') : [`… ${all.length - lines} lines before`, ...all.slice(-lines)].join('\n');
}

// The files under `folder` whose name matches, relative to the repository, sorted.
export function files(folder, pattern) {
  const top = path.join(REPO, folder);
  if (!fs.existsSync(top)) {
    return [];
  }
  return fs.readdirSync(top, { withFileTypes: true }).flatMap((entry) => {
    const name = path.posix.join(folder, entry.name);
    if (entry.isDirectory()) {
      return entry.name === 'node_modules' ? [] : files(name, pattern);
    }
    return pattern.test(entry.name) ? [name] : [];
  }).sort();
}

export const C_FOLDERS = ['src', 'client', 'include', 'fuzz', 'bench', 'examples', 'tests/sim'];

export function cFiles(pattern = /\.(c|h)$/) {
  return C_FOLDERS.flatMap((folder) => files(folder, pattern));
}
