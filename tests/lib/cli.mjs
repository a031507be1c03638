// SPDX-License-Identifier: MIT
// The commands of `clairon` in tests.
import { binary } from './paths.mjs';
import { Child } from './process.mjs';

// Starts `clairon ARGS…`. Options: `hub` (its URL becomes CLAIRON_SERVER), `env`, `cwd`, `input` (text for
// standard input; 'open' leaves it open for write()), `bin`, `t` (killed when that test ends, if still there).
export function spawnCli(args, { hub, env = {}, bin = binary(), t, ...rest } = {}) {
  const server = hub && { CLAIRON_SERVER: hub.url };
  const child = new Child(bin, args, { ...rest, env: { ...server, ...env } });
  t?.after(async () => {
    if (!child.ended) {
      child.signal('SIGKILL');
      await child.end();
    }
  });
  return child;
}

// Runs it to its end: {code, signal, stdout, stderr}. Fails on a sanitizer's report.
export async function runCli(args, options) {
  const child = spawnCli(args, options);
  const { code, signal } = await child.end();
  child.assertClean();
  return { code, signal, stdout: child.stdout, stderr: child.stderr };
}
