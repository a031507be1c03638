// SPDX-License-Identifier: MIT
// `clairon run`: every way a command can end, its output, its progress.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { binary, makeDir, runCli, spawnCli, startHub, until } from '../lib/index.mjs';

const PATHS = { deployment: '/api/v1/deployments', ticket: '/api/tickets', build: '/api/jobs' };
const job = async (hub, id, kind = 'build') => (await hub.get(`${PATHS[kind]}/${id}`)).json;
const lines = async (hub, id, kind = 'build') => (await hub.get(`${PATHS[kind]}/${id}/log`)).json.lines;
const messages = async (hub, id, kind) => (await lines(hub, id, kind)).map(({ message }) => message);
const run = (hub, words, options) => runCli(['run', ...words], { hub, ...options });
const sh = (script) => ['--', 'sh', '-c', script];

const ENDS = {
  build: { good: 'completed', bad: 'failed', cancelled: 'cancelled' },
  deployment: { good: 'success', bad: 'failed', cancelled: 'cancelled' },
  ticket: { good: 'COMPLETED', bad: 'FAILED', cancelled: 'CANCELLED' },
};

for (const kind of Object.keys(ENDS)) {
  test(`the ends of a ${kind}`, async (t) => {
    const hub = await startHub({ t });
    const words = (id, script) => ['--kind', kind, '--id', id, ...sh(script)];

    const good = await run(hub, words('good', 'echo one; echo two >&2'));
    assert.deepEqual([good.code, good.stdout, good.stderr], [0, 'one\n', 'two\n']);
    let it = await job(hub, 'good', kind);
    assert.deepEqual([it.status, it.progress, it.error], [ENDS[kind].good, 100, null]);
    assert.deepEqual((await messages(hub, 'good', kind)).sort(), ['one', 'two']);

    assert.equal((await run(hub, words('bad', 'echo no; exit 3'))).code, 3);
    it = await job(hub, 'bad', kind);
    assert.deepEqual([it.status, it.exit_code, it.error], [ENDS[kind].bad, 3, 'exit status 3']);
    assert.deepEqual(it.result, { exit_code: 3 });

    assert.equal((await run(hub, words('killed', 'kill -9 $$'))).code, 137);
    it = await job(hub, 'killed', kind);
    assert.deepEqual([it.status, it.signal], [ENDS[kind].bad, 'SIGKILL']);

    const absent = await run(hub, ['--kind', kind, '--id', 'absent', '--', 'no-such-command-here']);
    assert.equal(absent.code, 127);
    assert.match(absent.stderr, /no-such-command-here: command not found/);
    it = await job(hub, 'absent', kind);
    assert.deepEqual([it.status, it.exit_code], [ENDS[kind].bad, 127]);
    assert.match(it.error, /not found/);
    assert.equal((await run(hub, ['--kind', kind, '--id', 'folder', '--', '/tmp'])).code, 126);

    for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143]]) {
      const child = spawnCli(['run', ...words(signal, 'echo ready; exec sleep 60')], { hub, t });
      await child.out.waitFor((line) => line === 'ready');
      child.signal(signal);
      assert.equal((await child.end()).code, code);
      it = await job(hub, signal, kind);
      assert.deepEqual([it.status, it.message], [ENDS[kind].cancelled, `cancelled by ${signal}`]);
    }
  });
}

test('a cancel by the API ends the whole process group', async (t) => {
  const hub = await startHub({ t });
  const pids = path.join(makeDir('pids'), 'pids');
  // The shell ignores TERM and so does what it starts: only the end of the grace helps.
  const script = `trap '' TERM; sleep 600 & echo $! $$ > ${pids}; echo ready; while :; do sleep 1; done`;
  const child = spawnCli(['run', '--id', 'c', ...sh(script)], { hub, t });
  await child.out.waitFor((line) => line === 'ready');
  assert.equal((await hub.post('/api/jobs/c/cancel', {})).status, 202);
  assert.equal((await child.end()).code, 137);
  assert.equal((await job(hub, 'c')).status, 'cancelled');
  for (const pid of fs.readFileSync(pids, 'utf8').trim().split(' ')) {
    assert.throws(() => process.kill(Number(pid), 0), /ESRCH/);
  }
});

test('what CMD finds in its environment, and on which descriptors', async (t) => {
  const hub = await startHub({ t });
  const script = 'echo $CLAIRON_JOB $CLAIRON_SERVER $CLAIRON_FD; for fd in /proc/$$/fd/*; do echo ${fd##*/}; done';
  const without = await runCli(['-c', script], { bin: '/bin/sh' });
  const { stdout, stderr } = await run(hub, sh(script));
  const [, id] = /build:(run-\w+)/.exec(stderr);
  const descriptors = (text) => text.trimEnd().split('\n').length - 1;
  assert.equal(stdout.split('\n')[0], `build:${id} ${hub.url} 3`);
  assert.equal(descriptors(stdout), descriptors(without.stdout) + 1, 'no other descriptor leaks');
  assert.equal((await job(hub, id)).status, 'completed');
  const taken = await runCli(['-c', `exec 3</dev/null; "${binary()}" run ${'-- sh -c \'echo $CLAIRON_FD; readlink /proc/self/fd/3\''}`],
    { hub, bin: '/bin/sh' });
  assert.equal(taken.stdout, '4\n/dev/null\n');
  const project = makeDir('my project');
  await runCli(['run', '--id', 'p', '--', 'true'], { hub, cwd: project });
  assert.equal((await job(hub, 'p')).project, path.basename(project).replace(' ', '-'));
});

test('standard input is inherited', async (t) => {
  const hub = await startHub({ t });
  const { stdout } = await run(hub, ['--', 'cat'], { input: 'a\nb\n' });
  assert.equal(stdout, 'a\nb\n');
});

test('lines: carriage returns, no newline at the end, bytes that are not UTF-8, long ones', async (t) => {
  const hub = await startHub({ t });
  const script = 'printf "10%%\\r50%%\\r100%%\\r\\ndos\\r\\n\\n"; printf "\\377x\\342\\202\\n"; head -c 40000 /dev/zero | tr "\\0" y; echo; printf last';
  const { stdout } = await run(hub, ['--id', 'l', ...sh(script)]);
  assert.equal(stdout.length > 40000, true);
  const log = await lines(hub, 'l');
  const cont = log.filter((line) => line.cont).map(({ line }) => line);
  assert.deepEqual(log.map(({ message }) => (message.startsWith('yy') ? message.length : message)),
    ['100%', 'dos', '', '\ufffdx\ufffd\ufffd', 16384, 16384, 40000 - 32768, 'last']);
  assert.ok(cont.includes(6), 'the hub marks what goes on');
});

test('progress and steps, by the descriptor, by commands and off the output', async (t) => {
  const hub = await startHub({ t });
  const ws = await hub.ws('/ws');
  await ws.waitType('connected');
  await ws.subscribe('job:p');
  const clairon = `"${binary()}"`;
  const script = `echo "progress 10 first" >&3; sleep 0.3; ${clairon} step "Run tests" "with care"; sleep 0.3
    ${clairon} progress 42.5; sleep 0.3; echo "[3/4] CC x.c"; sleep 0.3; printf "at 80%%\\r"; sleep 0.3; echo "nonsense" >&3`;
  const { stderr } = await run(hub, ['--id', 'p', '--detect-progress', ...sh(script)]);
  assert.match(stderr, /not understood on CLAIRON_FD: nonsense/);
  const seen = await ws.collectUntil(({ type }) => type === 'JOB_COMPLETED');
  const told = seen.filter(({ type }) => type === 'JOB_PROGRESS').map(({ data }) => [data.progress, data.step ?? null, data.message]);
  assert.deepEqual(told, [[0, null, null], [0, null, null], [10, null, 'first'], [10, 'Run tests', 'with care'],
    [42.5, 'Run tests', 'with care'], [75, 'Run tests', 'with care'], [80, 'Run tests', 'with care']]);
  const at = (predicate) => seen.findIndex(predicate);
  assert.ok(at(({ data }) => data.message === '[3/4] CC x.c') < at(({ data }) => data.progress === 75), 'the line, then its progress');
});

test('output is never a command', async (t) => {
  const hub = await startHub({ t });
  await run(hub, ['--id', 'o', ...sh('echo progress 50 hacked; echo step Evil; echo 70%')]);
  const it = await job(hub, 'o');
  assert.deepEqual([it.step, it.message], [null, null]);
});

test('--id of an open attempt: CMD is not started', async (t) => {
  const hub = await startHub({ t });
  const mark = path.join(makeDir('mark'), 'mark');
  for (const [kind, body] of [['build', { projectId: 'x', jobId: 'o' }]]) {
    await hub.post(PATHS[kind], body);
    const { code, stderr } = await run(hub, ['--id', 'o', '--', 'touch', mark]);
    assert.equal(code, 2);
    assert.match(stderr, /^clairon run: build:o: [^\n]+\n$/);
    assert.equal(fs.existsSync(mark), false);
  }
  await hub.post('/api/jobs/o/completed', {});
  assert.equal((await run(hub, ['--id', 'o', '--', 'touch', mark])).code, 0);
  assert.equal((await job(hub, 'o')).attempt, 2);
});

test('--pty: a terminal without echo, its size, and what is typed', async (t) => {
  const hub = await startHub({ t });
  const { code, stdout } = await run(hub, ['--id', 'p', '--pty', ...sh('test -t 1 && test -t 2 && echo yes; stty size <&1; exit 4')]);
  assert.deepEqual([code, stdout], [4, 'yes\n24 80\n']);
  assert.deepEqual(await messages(hub, 'p'), ['yes', '24 80']);
  const piped = await run(hub, ['--pty', '--', 'cat'], { input: 'through\n' });
  assert.equal(piped.stdout, 'through\n');
  const killed = spawnCli(['run', '--id', 'k', '--pty', ...sh('echo ready; exec sleep 60')], { hub, t });
  await killed.out.waitFor((line) => line === 'ready');
  killed.signal('SIGINT');
  assert.equal((await killed.end()).code, 130);
  assert.equal((await job(hub, 'k')).status, 'cancelled');
});

test('on a terminal of ours: Ctrl-C, and a command that reads', async (t) => {
  const hub = await startHub({ t });
  const onTerminal = (words) => spawnCli(['-qefc', `"${binary()}" run ${words}`, '/dev/null'], { hub, t, bin: '/usr/bin/script', input: 'open' });
  const interrupted = onTerminal("--id i -- sh -c 'echo ready; exec sleep 60'");
  await interrupted.out.waitFor((line) => line.includes('ready'));
  interrupted.write('\x03');
  await interrupted.end();
  assert.equal((await job(hub, 'i')).status, 'cancelled');
  for (const [id, words] of [['r', ''], ['q', '--pty']]) {
    const reader = onTerminal(`--id ${id} ${words} -- sh -c 'echo ready; read x; echo got $x'`);
    await reader.out.waitFor((line) => line.includes('ready'));
    reader.write('word\n');
    await reader.end();
    assert.deepEqual(await messages(hub, id), ['ready', 'got word'], words);
  }
});

test('a reader of our output that goes away does not end the job', async (t) => {
  const hub = await startHub({ t });
  const script = `"${binary()}" run --id g -- sh -c 'i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done' | head -n 1`;
  const { stdout } = await runCli(['-c', script], { hub, bin: '/bin/sh' });
  assert.equal(stdout, 'line 0\n');
  await until(async () => (await job(hub, 'g')).status === 'completed', 'the job to complete');
  const { json } = await hub.get('/api/jobs/g/log?from=-1');
  assert.deepEqual([json.lines[0].line, json.lines[0].message], [2000, 'line 1999']);
});

test('what others hold open does not hold us, and output that comes at once is whole', async (t) => {
  const hub = await startHub({ t });
  const { code, stdout } = await run(hub, ['--id', 'h', ...sh('sleep 600 & echo $!; seq 1 100000')]);
  assert.equal(code, 0);
  const [pid, ...numbers] = stdout.trimEnd().split('\n');
  process.kill(Number(pid)); // it lives: that is its own affair
  assert.deepEqual([numbers.length, numbers.at(-1)], [100000, '100000']);
  const { json } = await hub.get('/api/jobs/h/log?from=-1');
  assert.deepEqual([json.lines[0].line, json.lines[0].message], [100001, '100000']);
});

test('a token is sent, and refused reports are told', async (t) => {
  const hub = await startHub({ t });
  const refused = await runCli(['run', '--', 'true'], { env: { CLAIRON_SERVER: hub.url, CLAIRON_TOKEN: 'a b' } });
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /token holds a blank/);
});
