// SPDX-License-Identifier: MIT
// The TypeScript types that are made from the tables of the C side: they compile, know what the tables say, and refuse
// what they don't.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { test } from 'node:test';
import { makeDir, removeDir, REPO } from '../lib/index.mjs';

const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');

function compile(dir, text) {
  fs.writeFileSync(path.join(dir, 'use.ts'), text);
  const { status, stdout } = spawnSync(process.execPath, [tsc, '--noEmit', '--strict', path.join(dir, 'use.ts')], { encoding: 'utf8' });
  return { status, stdout };
}

test('types are made from the tables, and compile', (t) => {
  const dir = makeDir('types');
  t.after(() => removeDir(dir));
  const types = execFileSync('python3', [path.join(REPO, 'scripts/event_types.py'), path.join(REPO, 'src/def')], { encoding: 'utf8' });
  fs.writeFileSync(path.join(dir, 'clairon-types.d.ts'), types);
  const events = [...fs.readFileSync(path.join(REPO, 'src/def/events.def'), 'utf8').matchAll(/^EVENT\((\w+),/gm)].map(([, name]) => name);
  assert.ok(events.length > 20);
  const all = events.map((name) => `'${name}'`).join(', ');
  const good = compile(dir, `import type { BuildStatus, EventObject, EventType, JobKind } from './clairon-types';
    const all: EventType[] = [${all}];
    const kind: JobKind = 'build';
    const status: BuildStatus = 'installing';
    export function show(e: EventObject<{ progress: number }>): string { return e.id + e.data.progress + kind + status + all.length; }`);
  assert.equal(good.status, 0, good.stdout);
  for (const wrong of ["const x: T.EventType = 'NO_SUCH_EVENT';", "const x: T.TicketStatus = 'installing';", "const x: T.JobKind = 'cake';"]) {
    assert.notEqual(compile(dir, `import type * as T from './clairon-types';\n${wrong}\nexport { x };`).status, 0, wrong);
  }
});
