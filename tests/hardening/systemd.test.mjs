// SPDX-License-Identifier: MIT
// The service: how exposed its unit leaves it, and what the hub tells the service manager.
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { makeDir, removeDir, REPO, startHub, within } from '../lib/index.mjs';
import { Inbox, readLines } from '../lib/wait.mjs';

const EXPOSURE_MAX = 1.5;
const UNIT = fs.readFileSync(path.join(REPO, 'packaging/systemd/clairon.service'), 'utf8').replaceAll('@bindir@', '/usr/bin');

function exposure(t, text) {
  const dir = makeDir('unit');
  t.after(() => removeDir(dir));
  const file = path.join(dir, 'clairon.service');
  fs.writeFileSync(file, text);
  const out = execFileSync('systemd-analyze', ['security', '--offline=true', '--no-pager', file], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  return Number(/Overall exposure level for \S+: ([\d.]+)/.exec(out)[1]);
}

test('the unit is hardly exposed, and one that is would be seen', (t) => {
  if (spawnSync('systemd-analyze', ['--version']).error) {
    t.skip('systemd-analyze is not installed');
    return;
  }
  assert.ok(exposure(t, UNIT) < EXPOSURE_MAX);
  assert.ok(exposure(t, UNIT.replace(/^SystemCallFilter=.*\n/gm, '')) > EXPOSURE_MAX);
});

// What comes to a datagram socket, line by line. Node has none of that kind, Python has.
const LISTEN = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1].replace("@", "\\0", 1))
print("ready", flush=True)
while True:
    print(s.recv(4096).decode(), end="", flush=True)
`;

async function manager(t, name) {
  const child = spawn('python3', ['-c', LISTEN, name], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  const said = new Inbox('what the hub told the service manager');
  readLines(child.stdout, said);
  await said.waitFor((line) => line === 'ready');
  return said;
}

test('ready, alive, reloading, ready again, stopping', async (t) => {
  const dir = makeDir('notify');
  t.after(() => removeDir(dir));
  for (const name of [path.join(dir, 'socket'), `@clairon-test-${process.pid}`]) {
    const said = await manager(t, name);
    const hub = await startHub({ t, env: { NOTIFY_SOCKET: name, WATCHDOG_USEC: '300000' } });
    for (const line of ['READY=1', 'WATCHDOG=1', 'WATCHDOG=1']) {
      await said.waitFor((text) => text === line);
    }
    hub.signal('SIGHUP');
    await said.waitFor((text) => text === 'RELOADING=1');
    await said.waitFor((text) => text.startsWith('MONOTONIC_USEC='));
    await said.waitFor((text) => text === 'READY=1');
    await within(hub.terminate(), 'the end of the hub');
    await said.waitFor((text) => text === 'STOPPING=1');
  }
});

test('a watchdog meant for another process is not fed, and no manager is no fault', async (t) => {
  const dir = makeDir('notify');
  t.after(() => removeDir(dir));
  const name = path.join(dir, 'socket');
  const said = await manager(t, name);
  const hub = await startHub({ t, env: { NOTIFY_SOCKET: name, WATCHDOG_USEC: '30000', WATCHDOG_PID: '1' } });
  await said.waitFor((text) => text === 'READY=1');
  await hub.terminate();
  await said.waitFor((text) => text === 'STOPPING=1');
  assert.deepEqual(said.items.filter((text) => text === 'WATCHDOG=1'), []);
  const alone = await startHub({ t, env: { NOTIFY_SOCKET: path.join(dir, 'nobody') } });
  assert.equal((await alone.get('/health')).status, 200);
});
