// SPDX-License-Identifier: MIT
// Where the repository and the binary under test are, and temporary folders that clean up after themselves.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const REPO = fileURLToPath(new URL('../..', import.meta.url));

// The binary under test: $CLAIRON_BIN, else the sanitizer build, else the release build.
export function binary() {
  const asked = process.env.CLAIRON_BIN;
  const known = ['build-asan/clairon', 'build/clairon'].map((name) => path.join(REPO, name));
  const found = asked ? path.resolve(asked) : known.find((name) => fs.existsSync(name));
  if (!found || !fs.existsSync(found)) {
    throw new Error(`no binary to test: ${asked ?? known.join(', ')}; run ./run or ./test build first`);
  }
  return found;
}

const folders = new Set();
process.on('exit', () => folders.forEach(removeDir));

export function makeDir(label = 'test') {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), `clairon-${label}-`));
  folders.add(dir);
  return dir;
}

export function removeDir(dir) {
  folders.delete(dir);
  fs.rmSync(dir, { recursive: true, force: true });
}
