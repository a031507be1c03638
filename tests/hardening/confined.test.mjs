// SPDX-License-Identifier: MIT
// What a running hub has given up, as the kernel tells it, and that no thread was forgotten.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { binary, makeDir, removeDir, request, runCli, startHub } from '../lib/index.mjs';
import { authConfig, token } from '../lib/jwt.mjs';
import { makeAuthority } from '../lib/tls.mjs';

const ROOT = process.getuid() === 0;
const NOBODY = 65534;

function statusOf(pid, thread = pid) {
  const text = fs.readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8');
  return Object.fromEntries([...text.matchAll(/^(\w+):\s*(.*)$/gm)].map(([, name, value]) => [name, value]));
}

const threads = (pid) => fs.readdirSync(`/proc/${pid}/task`).map((thread) => statusOf(pid, thread));

// "listening" is said before rights are given up: who comes meanwhile waits.
async function startConfined(options) {
  const hub = await startHub(options);
  const line = await hub.waitLog((text) => text.includes('server.confined'));
  return { hub, line };
}

// Writes a folder of keys as orchestrators do: files are links through `..data`, which is exchanged as a whole.
function publishFolder(dir, version, files) {
  fs.mkdirSync(path.join(dir, version));
  files.forEach(([name, content]) => fs.writeFileSync(path.join(dir, version, name), content, { mode: 0o600 }));
  fs.symlinkSync(version, path.join(dir, '..new'));
  fs.renameSync(path.join(dir, '..new'), path.join(dir, '..data'));
}

// A folder that every user can pass through, as a hub that becomes another one needs it.
function openDir(t) {
  const dir = makeDir('confined');
  fs.chmodSync(dir, 0o711);
  t.after(() => removeDir(dir));
  return dir;
}

test('every thread is confined and has no rights to speak of', async (t) => {
  const { certificate, key } = makeAuthority(t).issue('hub');
  const config = authConfig({}, { tls: { listen: ['127.0.0.1:0'], certificate_file: certificate, key_file: key } });
  const { hub, line } = await startConfined({ t, config, tls: 1, env: { CLAIRON__SERVER__WORKERS: '2' } });
  await hub.get('/health');
  assert.match(line, /seccomp=1/);
  // Of root's rights those to files, which Landlock then bounds; of another user's none.
  const rights = ROOT ? '0000000000000006' : '0000000000000000';
  const all = threads(hub.pid);
  assert.ok(all.length >= 11, `${all.length} threads`);
  for (const { Name, NoNewPrivs, Seccomp, CapEff, CapPrm, CapInh, CapAmb } of all) {
    assert.deepEqual([NoNewPrivs, Seccomp, CapEff, CapPrm], ['1', '2', rights, rights], Name);
    assert.deepEqual([CapInh, CapAmb], ['0000000000000000', '0000000000000000'], Name);
  }
  const names = all.map(({ Name }) => Name);
  assert.deepEqual(['worker-1', 'sequencer', 'verifier', 'reception'].filter((name) => !names.includes(name)), []);
});

test('keys and certificates that are replaced are read again', async (t) => {
  const authority = makeAuthority(t);
  const dir = makeDir('confined');
  t.after(() => removeDir(dir));
  const secrets = ['the first secret, as long as a secret has to be', 'the second secret, as long as a secret has to be'];
  const publish = (version, secret, { certificate, key }) => publishFolder(dir, version,
    [['secret', secret], ['tls.pem', fs.readFileSync(certificate)], ['tls-key.pem', fs.readFileSync(key)]]);
  const file = (name) => {
    fs.symlinkSync(`..data/${name}`, path.join(dir, name));
    return path.join(dir, name);
  };
  publish('v1', secrets[0], authority.issue('one'));
  const config = authConfig({ secret_file: file('secret') },
    { tls: { listen: ['127.0.0.1:0'], certificate_file: file('tls.pem'), key_file: file('tls-key.pem') } });
  const { hub } = await startConfined({ t, config, tls: 1 });
  const statuses = () => Promise.all(secrets.map(async (key) =>
    (await request('GET', `${hub.tlsUrls[0]}/metrics`, { ca: authority.ca, token: token({ role: 'admin' }, { key }) })).status));
  assert.deepEqual(await statuses(), [200, 401]);
  publish('v2', secrets[1], authority.issue('two'));
  hub.signal('SIGHUP');
  await hub.waitLog((line) => line.includes('the keys were read again'));
  await hub.waitLog((line) => line.includes('the certificate was read again'));
  assert.deepEqual(await statuses(), [401, 200]);
});

test('no core, no memory and no environment to be read by others', async (t) => {
  // As root the hub becomes a user, so that a reader of the same user can try.
  const user = ROOT && { CLAIRON__SERVER__USER: 'nobody' };
  const dataDir = path.join(openDir(t), 'data');
  const { hub } = await startConfined({ t, dataDir, env: { CLAIRON_TOKEN: 'a-secret-in-the-environment', ...user } });
  assert.match(fs.readFileSync(`/proc/${hub.pid}/limits`, 'utf8'), /Max core file size +0 +0 /);
  if (ROOT) {
    assert.equal(fs.readFileSync(`/proc/${hub.pid}/environ`).every((byte) => byte === 0), true);
  }
  // The same user, without root's rights: the file belongs to root because the process is not dumpable.
  assert.equal(fs.statSync(`/proc/${hub.pid}/environ`).uid, 0);
  if (ROOT) {
    for (const name of ['environ', 'mem', 'maps']) {
      const asked = spawnSync('cat', [`/proc/${hub.pid}/${name}`], { uid: NOBODY, gid: NOBODY, encoding: 'utf8' });
      assert.match(asked.stderr, /Permission denied/, name);
    }
  }
});

test('descriptors that come from outside are closed, and what is made is for its user alone', async (t) => {
  const dir = makeDir('confined');
  t.after(() => removeDir(dir));
  const script = `exec 7</etc/passwd; exec "${binary()}" serve --check`;
  assert.equal(execFileSync('bash', ['-c', script], { encoding: 'utf8' }), 'configuration ok\n');
  const hub = await startHub({ t, dataDir: path.join(dir, 'data') });
  await hub.post('/api/v1/publish', { topic: 't', type: 'X', data: {} });
  const files = fs.readdirSync(hub.dataDir, { recursive: true }).map((name) => path.join(hub.dataDir, name));
  assert.deepEqual(files.filter((file) => fs.statSync(file).mode & 0o077), []);
});

test('a hub that root starts becomes the user named, with low ports and a data directory of its own', async (t) => {
  if (!ROOT) {
    t.skip('only root can become another user');
    return;
  }
  const dir = openDir(t);
  const dataDir = path.join(dir, 'data');
  const { hub } = await startConfined({ t, dataDir, env: { CLAIRON__SERVER__USER: 'nobody' } });
  const { Uid, Gid, Groups, CapEff, CapPrm, Seccomp } = statusOf(hub.pid);
  assert.deepEqual(new Set(Uid.split('\t')), new Set([String(NOBODY)]));
  assert.deepEqual(new Set(Gid.split('\t')), new Set([String(NOBODY)]));
  assert.equal(Groups.trim(), String(NOBODY));
  assert.deepEqual([CapEff, CapPrm, Seccomp], ['0000000000000000', '0000000000000000', '2']);
  assert.equal(fs.statSync(dataDir).uid, NOBODY);
  const { status } = await hub.post('/api/v1/publish', { topic: 't', type: 'X', data: {} });
  assert.equal(status, 200);
  assert.doesNotMatch(hub.stderr, /running as root/);
  await hub.restart(); // on the data that is there
  assert.equal((await hub.get('/api/v1/history?topic=t')).json.events.length, 1);
});

test('a user that can not be become is a fault at start', async (t) => {
  const words = ['serve', '--listen', '127.0.0.1:0', '--data', openDir(t)];
  const nobody = await runCli(words, { env: { CLAIRON__SERVER__USER: 'no-such-user-here' } });
  assert.deepEqual([nobody.code, nobody.stderr], [1, 'clairon: server.user: "no-such-user-here" is no user of this machine\n']);
});

test('root is warned of once, unless it is meant', async (t) => {
  if (!ROOT) {
    t.skip('needs root');
    return;
  }
  const { hub } = await startConfined({ t });
  assert.equal(hub.stderr.match(/^warn server\.root /gm).length, 1);
  const { hub: meant } = await startConfined({ t, env: { CLAIRON__SERVER__USER: 'root' } });
  assert.doesNotMatch(meant.stderr, /server\.root/);
});

test('the sandbox can be left out, with a warning', async (t) => {
  const hub = await startHub({ t, env: { CLAIRON__SERVER__SANDBOX: 'off' } });
  await hub.waitLog((line) => line.includes('sandbox.off'));
  assert.equal(statusOf(hub.pid).Seccomp, '0');
  const { code, stderr } = await runCli(['serve', '--check'], { env: { CLAIRON__SERVER__SANDBOX: 'yes' } });
  assert.deepEqual([code, stderr], [1, 'clairon: server.sandbox must be on, strict or off, not "yes"\n']);
});
