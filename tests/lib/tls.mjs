// SPDX-License-Identifier: MIT
// For tests of TLS: certificates made on the spot by `openssl`, a hub that has one, and what node itself says of a
// connection.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import tls from 'node:tls';
import { startHub } from './hub.mjs';
import { makeDir, removeDir } from './paths.mjs';
import { within } from './wait.mjs';

// A folder with a certificate authority, removed after test `t`. `issue(name, {days, ca})` writes name.pem and
// name-key.pem for localhost, 127.0.0.1 and ::1 and returns their paths and contents.
export function makeAuthority(t) {
  const dir = makeDir('tls');
  t.after(() => removeDir(dir));
  const file = (name) => path.join(dir, name);
  const openssl = (...args) => execFileSync('openssl', args, { cwd: dir, stdio: ['ignore', 'pipe', 'pipe'] });
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  openssl('req', '-x509', ...newKey, '-keyout', 'ca-key.pem', '-out', 'ca.pem', '-days', '30', '-subj', '/CN=test CA');
  fs.writeFileSync(file('names'), 'subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1\n');
  let serial = 1;
  return {
    file,
    openssl,
    ca: fs.readFileSync(file('ca.pem')),
    caFile: file('ca.pem'),
    issue(name, { days = 30 } = {}) {
      openssl('req', ...newKey, '-keyout', `${name}-key.pem`, '-out', `${name}.csr`, '-subj', '/CN=localhost');
      openssl('x509', '-req', '-in', `${name}.csr`, '-CA', 'ca.pem', '-CAkey', 'ca-key.pem', '-set_serial', String(++serial),
        '-days', String(days), '-extfile', 'names', '-out', `${name}.pem`);
      fs.chmodSync(file(`${name}-key.pem`), 0o600);
      return { certificate: file(`${name}.pem`), key: file(`${name}-key.pem`), serial };
    },
  };
}

// A hub that listens without TLS and with it. `config`: further sections.
export async function startTlsHub(t, { certificate, key }, { config = {}, ...options } = {}) {
  return startHub({
    t,
    tls: 1,
    config: { ...config, tls: { listen: ['127.0.0.1:0'], certificate_file: certificate, key_file: key, ...config.tls } },
    ...options,
  });
}

// A TLS connection of node's: resolves when the handshake is done, rejects with its error. `socket.tickets` holds the
// sessions that can be resumed, `socket.tcp` is the connection below.
export async function tlsConnect(url, options) {
  const { hostname, port } = new URL(url);
  const tcp = net.connect({ host: hostname, port });
  const socket = tls.connect({ socket: tcp, servername: 'localhost', ...options });
  Object.assign(socket, { tcp, tickets: [] });
  tcp.on('error', () => {}); // told by `socket` too
  socket.on('session', (session) => socket.tickets.push(session));
  await within(new Promise((resolve, reject) => {
    socket.once('secureConnect', resolve);
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed')));
  }), `a TLS connection to ${url}`);
  return socket;
}

// Sends a request on a TLS socket and returns the text up to the end of the connection.
export async function talk(socket, text) {
  let got = '';
  socket.setEncoding('utf8');
  socket.on('data', (chunk) => {
    got += chunk;
  });
  socket.on('error', () => {});
  socket.write(text);
  await within(new Promise((resolve) => socket.once('close', resolve)), 'the end of the connection');
  return got;
}
