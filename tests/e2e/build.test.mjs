// SPDX-License-Identifier: MIT
// A real build of this repository, watched in Chromium: the bar moves, every line of output is on the page once and in
// order, and the end is shown; then once more as the second attempt.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { launchBrowser } from '../lib/browser.mjs';
import { makeDir, removeDir, REPO, spawnCli, startHub, within } from '../lib/index.mjs';
import { JobPage } from './jobpage.mjs';

const BUILD_MS = 300_000;
const TARGETS = ['src/base/libbase.a', 'src/wire/libwire.a'];

function freshBuildDir(t) {
  const dir = makeDir('build');
  t.after(() => removeDir(dir));
  execFileSync('meson', ['setup', '-Dtests=false', dir, REPO], { stdio: 'pipe' });
  return dir;
}

// Builds under `clairon run` while the page is open, and returns the lines that came out of it.
async function build(t, hub, job, { dir, attempt, shots }) {
  const command = ['ninja', '-j2', '-C', dir, ...TARGETS];
  const child = spawnCli(['run', '--kind', 'build', '--id', 'demo', '--project', 'clairon', '--detect-progress', '--',
    ...command], { hub, t });
  await job.page.waitForFunction(() => {
    const now = Number(document.getElementById('bar').ariaValueNow);
    return document.querySelectorAll('.row').length > 1 && now > 20 && now < 90;
  }, null, { timeout: BUILD_MS });
  await job.screenshot(`build-${shots}-during`);
  const { code } = await within(child.exit, 'the build to end', BUILD_MS);
  assert.equal(code, 0, child.stdout + child.stderr);
  await job.waitStatus('completed');
  const lines = child.stdout.trimEnd().split('\n');
  await job.waitLines(lines.length);
  await job.screenshot(`build-${shots}-after`);
  assert.equal(await job.text('percent'), '100 %');
  assert.equal((await job.facts()).Attempt, String(attempt));
  return lines;
}

test('a build of this repository, twice', async (t) => {
  const hub = await startHub({ t });
  const browser = await launchBrowser(t);
  const job = await JobPage.open(browser, hub, 'build', 'demo');
  assert.equal(await job.status(), 'waiting', 'an unknown job waits');
  await job.mark();

  const lines = await build(t, hub, job, { dir: freshBuildDir(t), attempt: 1, shots: 'first' });
  assert.ok(lines.length > 10, lines.join('\n'));
  assert.deepEqual(await job.readLog(), lines);
  const bars = await job.bars();
  assert.ok(new Set(bars).size >= 5, `the bar took the values ${bars}`);
  assert.deepEqual(bars, [...bars].sort((a, b) => a - b), 'the bar never went back');

  const again = await build(t, hub, job, { dir: freshBuildDir(t), attempt: 2, shots: 'second' });
  assert.deepEqual(await job.readLog(), again);
  await job.assertSameDocument();

  const { json } = await hub.get('/api/jobs/demo/log?attempt=1&limit=1000');
  assert.deepEqual(json.lines.map(({ message }) => message), lines, 'the log of the first attempt is kept');
  assert.deepEqual(job.page.problems, []);
});
