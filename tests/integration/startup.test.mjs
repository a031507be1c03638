// SPDX-License-Identifier: MIT
// Faults at start: one line on standard error that names the port or the path, exit 1, and nothing listens.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { makeDir, removeDir, REPO, runCli, startHub } from '../lib/index.mjs';

const ANY = '127.0.0.1:0';

function dirFor(t) {
  const dir = makeDir('startup');
  t.after(() => removeDir(dir));
  return dir;
}

async function refused(args, says, options) {
  const { code, stdout, stderr } = await runCli(['serve', ...args], options);
  assert.equal(code, 1, stderr);
  assert.equal(stdout, '');
  assert.match(stderr, says);
  assert.equal(stderr.trimEnd().split('\n').length, 1, stderr);
}

test('a port already taken', async (t) => {
  const other = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => other.once('listening', resolve));
  t.after(() => other.close());
  const { port } = other.address();
  await refused(['--listen', `127.0.0.1:${port}`, '--data', dirFor(t)], new RegExp(`127\\.0\\.0\\.1:${port}: the port is taken`));
});

test('an address that is none, or not of this machine, or open to others', async (t) => {
  const dir = dirFor(t);
  await refused(['--listen', 'nonsense', '--data', dir], /"nonsense" is not HOST:PORT/);
  await refused(['--listen', '127.0.0.1:70000', '--data', dir], /is not HOST:PORT/);
  await refused(['--listen', '0.0.0.0:0', '--data', dir], /authentication is off/);
});

test('listening for others is possible when asked for, and said', async (t) => {
  const hub = await startHub({ t, env: { CLAIRON__AUTH__ALLOW_REMOTE_WITHOUT_AUTH: 'true' }, args: ['--listen', '0.0.0.0:0'] });
  const { json } = await hub.get('/health');
  assert.equal(json.auth.remote_without_auth, true);
});

test('a data directory in use', async (t) => {
  const hub = await startHub({ t });
  await refused(['--listen', ANY, '--data', hub.dataDir], /is in use by another hub/);
  assert.equal((await hub.get('/health')).status, 200);
});

test('a data directory that is a file', async (t) => {
  const file = path.join(dirFor(t), 'file');
  fs.writeFileSync(file, '');
  await refused(['--listen', ANY, '--data', file], /file can't be used/);
});

test('a data directory that can not be written', async (t) => {
  await refused(['--listen', ANY, '--data', '/proc/clairon'], /data directory \/proc\/clairon can't be used/);
});

test('what everyone can write is not believed', async (t) => {
  const dir = dirFor(t);
  const file = path.join(dir, 'clairon.yaml');
  fs.writeFileSync(file, '');
  fs.chmodSync(file, 0o666);
  await refused(['--config', file, '--listen', ANY, '--data', dir], new RegExp(`everyone can write it: chmod o-w ${file}$`, 'm'));
  fs.chmodSync(file, 0o644);
  for (const name of ['', '/realms', '/realms/default']) {
    fs.mkdirSync(dir + name, { recursive: true });
    fs.chmodSync(dir + name, 0o777);
    await refused(['--config', file, '--listen', ANY, '--data', dir], new RegExp(`: everyone can write ${dir}${name}: chmod o-w ${dir}${name}$`, 'm'));
    fs.chmodSync(dir + name, 0o700);
  }
});

test('a full disk', async (t) => {
  if (process.getuid() !== 0) {
    t.skip('mounting a small file system needs root');
    return;
  }
  const dir = makeDir('startup');
  let mounted = false;
  t.after(() => {
    if (mounted) {
      execFileSync('umount', [dir]);
    }
    removeDir(dir);
  });
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16k,mode=700', 'tmpfs', dir], { stdio: 'ignore' });
  } catch {
    t.skip('no file system can be mounted here');
    return;
  }
  mounted = true;
  await refused(['--listen', ANY, '--data', dir], /data directory .* (full|disk)/);
});

test('a database from a newer version, and one that is not ours', async (t) => {
  const dir = dirFor(t);
  const hub = await startHub({ dataDir: dir });
  await hub.stop();
  const database = path.join(dir, 'realms/default/clairon.db');
  const whole = fs.readFileSync(database);
  // The user version and the application id are big-endian words of the file's header.
  whole.writeUInt32BE(9999, 60);
  fs.writeFileSync(database, whole);
  fs.rmSync(`${database}-wal`, { force: true });
  fs.rmSync(`${database}-shm`, { force: true });
  await refused(['--listen', ANY, '--data', dir], /newer version of clairon/);
  whole.writeUInt32BE(1, 60);
  whole.writeUInt32BE(12345, 68);
  fs.writeFileSync(database, whole);
  await refused(['--listen', ANY, '--data', dir], /database of another program/);
});

test('a damaged database is put aside, with a word, and the hub begins anew', async (t) => {
  const dir = dirFor(t);
  const before = await startHub({ dataDir: dir });
  await before.stop();
  const database = path.join(dir, 'realms/default/clairon.db');
  fs.writeFileSync(database, 'not a database at all, but long enough to look at'.repeat(400));
  fs.rmSync(`${database}-wal`, { force: true });
  const hub = await startHub({ t, dataDir: dir });
  assert.equal((await hub.get('/health')).status, 200);
  assert.match(hub.stderr, /put aside/);
  assert.ok(fs.readdirSync(path.dirname(database)).some((name) => name.includes('quarantined')));
});

test('configuration faults name file, line and key', async (t) => {
  const file = path.join(dirFor(t), 'clairon.yaml');
  const rows = [
    ['server:\n  lisen: [a]\n', /clairon\.yaml:2: unknown key: lisen/],
    ['server:\n  workers: many\n', /clairon\.yaml:2: server\.workers must be a whole number/],
    ['sever:\n  workers: 1\n', /clairon\.yaml:1: unknown section: sever/],
    ['server: [\n', /clairon\.yaml:\d+: /],
    ['websocket:\n  cors_origin: "not an origin"\n', /neither an origin nor a host name/],
  ];
  for (const [text, says] of rows) {
    fs.writeFileSync(file, text);
    await refused(['--config', file, '--listen', ANY], says);
  }
  await refused(['--config', '/nonexistent.yaml'], /\/nonexistent\.yaml: No such file/);
  await refused(['--listen', ANY], /CLAIRON__SERVER__NONE: unknown key/, { env: { CLAIRON__SERVER__NONE: '1' } });
  await refused(['--listen', ANY], /server\.send must be auto, uring or plain, not "fast"/, { env: { CLAIRON__SERVER__SEND: 'fast' } });
});

test('each way of sending can be chosen', async (t) => {
  for (const mode of ['plain', 'auto']) {
    const hub = await startHub({ t, args: ['--send', mode], env: { CLAIRON__SERVER__SEND: 'overridden' } });
    assert.equal((await hub.get('/health')).status, 200);
  }
  await refused(['--listen', ANY, '--send', 'none'], /server\.send must be auto, uring or plain, not "none"/);
});

test('--check reads the configuration and starts nothing', async () => {
  const { code, stdout, stderr } = await runCli(['serve', '--check', '--config', 'examples/clairon.yaml'], { cwd: REPO });
  assert.equal(code, 0, stderr);
  assert.equal(stdout, 'configuration ok\n');
});
