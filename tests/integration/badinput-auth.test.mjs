// SPDX-License-Identifier: MIT
// Tokens that must not be taken, by every door that tokens come in: each is refused in one and the same words, so that
// whoever tries learns nothing; and what a good token may not have is refused alike whether or not it is there.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { test } from 'node:test';
import { ask, rawSocket, readClose, readFrame, say, UPGRADE } from '../lib/frames.mjs';
import { authConfig, forge, keyFile, SECRET, token } from '../lib/jwt.mjs';
import { Watch } from '../lib/watch.mjs';

const rsa = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
const ed = crypto.generateKeyPairSync('ed25519');
const other = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });
const pemOf = (key) => key.publicKey.export({ type: 'spki', format: 'pem' });
const derOf = (key) => key.publicKey.export({ type: 'spki', format: 'der' });
const jwkOf = (key) => key.publicKey.export({ format: 'jwk' });
const JWKS = JSON.stringify({ keys: [{ ...jwkOf(ed), kid: 'ed' }] });
const config = authConfig({ public_key_file: keyFile(pemOf(rsa) + pemOf(ec)), jwks_file: keyFile(JWKS), cookie: 'clairon', leeway_s: 0,
  default_subscribe: ['control'], default_publish: [] });
const ADMIN = token({ role: 'admin' }, { ttl: 3600 });

const now = Math.floor(Date.now() / 1000);
const LATER = { exp: now + 3600 };
const HS = { alg: 'HS256', typ: 'JWT' };
const mac = (key, hash = 'sha256') => (text) => crypto.createHmac(hash, key).update(text).digest();
const hs = mac(SECRET);
const good = token({ sub: 'ann', ...LATER });
const [HEAD, BODY, SIGNATURE] = good.split('.');
const b64 = (value) => Buffer.from(value).toString('base64url');
const header = (more, sign = hs) => forge({ ...HS, ...more }, LATER, sign);
const claims = (value, more = LATER) => forge(HS, typeof value === 'string' ? value : { ...more, ...value }, hs);
const ecdsa = (signature) => forge({ alg: 'ES256' }, LATER, () => signature);
const ORDER = Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex');

const FORMS = [
  ['nothing in it', ''],
  ['one letter', 'x'],
  ['a dot', '.'],
  ['two dots', '..'],
  ['three dots', '...'],
  ['8 KiB of dots', '.'.repeat(8192)],
  ['one part', HEAD],
  ['two parts', `${HEAD}.${BODY}`],
  ['four parts', `${good}.${SIGNATURE}`],
  ['five parts', 'eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0..AAAA.AAAA.AAAA'],
  ['a dot behind it', `${good}.`],
  ['a dot before it', `.${good}`],
  ['no header', `.${BODY}.${SIGNATURE}`],
  ['no claims', `${HEAD}..${SIGNATURE}`],
  ['no signature', `${HEAD}.${BODY}.`],
  ['padding behind the header', `${HEAD}=.${BODY}.${SIGNATURE}`],
  ['padding behind the claims', `${HEAD}.${BODY}=.${SIGNATURE}`],
  ['padding behind the signature', `${good}=`],
  ['a blank inside', `${HEAD}. ${BODY}.${SIGNATURE}`],
  ['a line end inside', `${HEAD}.\n${BODY}.${SIGNATURE}`],
  ['a NUL behind it', `${good}\0`],
  ['plain base64 with a plus', `${HEAD}.${BODY}.+${SIGNATURE.slice(1)}`],
  ['plain base64 with a slash', `${HEAD}.${BODY}./${SIGNATURE.slice(1)}`],
  ['bits that mean nothing', `${HEAD}.${BODY}.${SIGNATURE.slice(0, -1)}${{ A: 'B', E: 'F', I: 'J', M: 'N', Q: 'R', U: 'V', Y: 'Z', c: 'd', g: 'h', k: 'l', o: 'p', s: 't', w: 'x', 0: '1', 4: '5', 8: '9' }[SIGNATURE.at(-1)]}`],
  ['letters of another alphabet', `${HEAD}.${BODY}.${SIGNATURE.slice(0, -1)}\u0410`],
  ['a signature of one byte', `${HEAD}.${BODY}.AA`],
  ['a signature cut by a byte', `${HEAD}.${BODY}.${b64(Buffer.from(SIGNATURE, 'base64url').subarray(0, 31))}`],
  ['a signature a byte too long', `${HEAD}.${BODY}.${b64(Buffer.concat([Buffer.from(SIGNATURE, 'base64url'), Buffer.alloc(1)]))}`],
  ['a signature of 4 KiB', `${HEAD}.${BODY}.${'A'.repeat(4096)}`],
  ['8 KiB and a byte', claims({ x: 'x'.repeat(6100) }).padEnd(8193, 'A')],
  ['claims that were changed', `${HEAD}.${b64(JSON.stringify({ sub: 'root', role: 'admin', ...LATER }))}.${SIGNATURE}`],
  ['a header that was changed', `${b64('{"alg":"HS256"}')}.${BODY}.${SIGNATURE}`],
];

const ALGORITHMS = [
  ...['none', 'None', 'NONE', 'nOnE', 'none ', ''].map((alg) => [`alg ${JSON.stringify(alg)}, not signed`, `${b64(JSON.stringify({ alg }))}.${BODY}.`]),
  ...['none', 'NONE', 'hs256', 'HS256 ', 'HS256\0', 'HS384', 'HS512', 'RS384', 'PS256', 'ES384', 'ES256K', 'dir', 'A128KW', '__proto__'].map((alg) => [`alg ${JSON.stringify(alg)}, signed as HS256`, header({ alg })]),
  ...[null, 0, true, ['HS256'], { alg: 'HS256' }].map((alg) => [`alg ${JSON.stringify(alg)}`, header({ alg })]),
  ['no alg', forge({ typ: 'JWT' }, LATER, hs)],
  ['HS512 in truth', header({ alg: 'HS512' }, mac(SECRET, 'sha512'))],
  ['HS256 by SHA-512', header({}, mac(SECRET, 'sha512'))],
  ['an empty key', header({}, mac(''))],
  ['a key of a NUL', header({}, mac('\0'))],
  ['a key nearly ours', header({}, mac(SECRET.slice(0, -1)))],
  ['our key and its line end', header({}, mac(`${SECRET}\n`))],
  ['our key in capitals', header({}, mac(SECRET.toUpperCase()))],
  ['the public RSA key as a secret', header({}, mac(pemOf(rsa)))],
  ['the same without its last line end', header({}, mac(pemOf(rsa).trim()))],
  ['the same in DER', header({}, mac(derOf(rsa)))],
  ['its modulus as a secret', header({}, mac(Buffer.from(jwkOf(rsa).n, 'base64url')))],
  ['the public EC key as a secret', header({}, mac(pemOf(ec)))],
  ['the file of public keys as a secret', header({}, mac(pemOf(rsa) + pemOf(ec)))],
  ['the JWK as a secret', header({ kid: 'ed' }, mac(JSON.stringify({ ...jwkOf(ed), kid: 'ed' })))],
  ['the point of the JWK as a secret', header({ kid: 'ed' }, mac(Buffer.from(jwkOf(ed).x, 'base64url')))],
  ['RS256 signed as HS256', header({ alg: 'RS256' })],
  ['HS256 signed by RSA', header({}, (text) => crypto.sign('sha256', text, rsa.privateKey))],
  ['RS256 by another key', token(LATER, { alg: 'RS256', key: other.privateKey })],
  ['RS256 by the EC key', forge({ alg: 'RS256' }, LATER, (text) => crypto.sign('sha256', text, ec.privateKey))],
  ['RS256 with SHA-1', forge({ alg: 'RS256' }, LATER, (text) => crypto.sign('sha1', text, rsa.privateKey))],
  ['RS256 with PSS padding', forge({ alg: 'RS256' }, LATER, (text) => crypto.sign('sha256', text, { key: rsa.privateKey, padding: crypto.constants.RSA_PKCS1_PSS_PADDING }))],
  ['RS256 of zeros', forge({ alg: 'RS256' }, LATER, () => Buffer.alloc(256))],
  ['ES256 in DER', forge({ alg: 'ES256' }, LATER, (text) => crypto.sign('sha256', text, ec.privateKey))],
  ['ES256 of zeros', ecdsa(Buffer.alloc(64))],
  ['ES256 of the order of the curve', ecdsa(Buffer.concat([ORDER, ORDER]))],
  ['ES256 of ones', ecdsa(Buffer.alloc(64, 0xff))],
  ['ES256 of r = 1, s = 0', ecdsa(Buffer.concat([Buffer.alloc(31), Buffer.from([1]), Buffer.alloc(32)]))],
  ['ES256 of 96 bytes', ecdsa(Buffer.alloc(96, 1))],
  ['ES256 of 5,000 bytes', ecdsa(Buffer.alloc(5000, 1))],
  ['EdDSA of zeros', forge({ alg: 'EdDSA', kid: 'ed' }, LATER, () => Buffer.alloc(64))],
  ['EdDSA of the neutral point', forge({ alg: 'EdDSA', kid: 'ed' }, LATER, () => Buffer.concat([Buffer.from([1]), Buffer.alloc(63)]))],
  ['EdDSA with the key of another id', token(LATER, { alg: 'EdDSA', key: ed.privateKey, header: { kid: 'de' } })],
];

const own = jwkOf(other);
const HEADERS = [
  ['jku', header({ jku: 'http://127.0.0.1:9/keys' })],
  ['x5u', header({ x5u: 'http://127.0.0.1:9/cert' })],
  ['a JWK of its own', forge({ alg: 'RS256', jwk: own }, LATER, (text) => crypto.sign('sha256', text, other.privateKey))],
  ['a certificate of its own', header({ x5c: [derOf(other).toString('base64')] })],
  ['a JWK that is a secret', header({ jwk: { kty: 'oct', k: b64('x') } }, mac('x'))],
  ['crit', header({ crit: ['exp'] })],
  ['an empty crit', header({ crit: [] })],
  ['b64', header({ crit: ['b64'], b64: false })],
  ['a kid that leads to an empty file', header({ kid: '../../../../dev/null' }, mac(''))],
  ['a kid that leads to a known file', header({ kid: '/proc/sys/kernel/randomize_va_space' }, mac('2\n'))],
  ['a kid with SQL', header({ kid: "x' UNION SELECT 'key" }, mac('key'))],
  ['a kid that is an address', header({ kid: 'http://127.0.0.1:9/' }, mac('x'))],
  ['a kid with a command', header({ kid: '|id' }, mac('x'))],
  ['a kid with NUL', header({ kid: 'ed\0' }, mac('x'))],
  ['a kid that is a number', header({ kid: 1 })],
  ['a kid that is an object', header({ kid: {} })],
  ['a kid of 2,000 bytes', header({ kid: 'k'.repeat(2000) })],
  ['alg twice', forge('{"alg":"none","alg":"HS256"}', LATER, hs)],
  ['alg twice, once by an escape', forge('{"alg":"HS256","\\u0061lg":"none"}', LATER, hs)],
  ['an array', forge('["HS256"]', LATER, hs)],
  ['a text', forge('"HS256"', LATER, hs)],
  ['not JSON', forge('{alg:HS256}', LATER, hs)],
  ['a byte order mark', forge('\ufeff{"alg":"HS256"}', LATER, hs)],
  ['more behind it', forge('{"alg":"HS256"}{}', LATER, hs)],
  ['bytes that are no UTF-8', forge(Buffer.from('{"alg":"HS256","x":"\xff"}', 'latin1'), LATER, hs)],
  ['100 levels', forge(`{"alg":"HS256","x":${'['.repeat(100)}${']'.repeat(100)}}`, LATER, hs)],
  ['2 KiB', header({ x: 'x'.repeat(2048) })],
];

const CLAIMS = [
  ['no exp', claims({}, {})],
  ['expired', claims({ exp: now - 1 })],
  ['expired in 1970', claims({ exp: 0 })],
  ['expired before', claims({ exp: -1 })],
  ['an exp that is a text', claims({ exp: String(now + 3600) })],
  ['an exp that is null', claims({ exp: null })],
  ['an exp that is true', claims({ exp: true })],
  ['an exp in an array', claims({ exp: [now + 3600] })],
  ['an exp in an object', claims({ exp: {} })],
  ['an exp of 1e300', claims('{"exp":1e300}')],
  ['an exp of 1e999', claims('{"exp":1e999}')],
  ['an exp of -1e999', claims('{"exp":-1e999}')],
  ['an exp of 2^64', claims('{"exp":18446744073709551616}')],
  ['an exp in milliseconds', claims({ exp: (now + 3600) * 1000 })],
  ['exp twice', claims(`{"exp":${now + 3600},"exp":${now + 3600}}`)],
  ['exp twice, once by an escape', claims(`{"exp":1,"\\u0065xp":${now + 3600}}`)],
  ['an nbf in the future', claims({ nbf: now + 3600 })],
  ['an nbf that is a text', claims({ nbf: 'now' })],
  ['an nbf of 1e300', claims('{"exp":4000000000,"nbf":1e300}')],
  ['an iat in the future', claims({ iat: now + 3600 })],
  ['an iat that is a text', claims({ iat: 'now' })],
  ['an audience, where none is ours', claims({ aud: 'hub' })],
  ['an aud that is a number', claims({ aud: 1 })],
  ['an aud that is an object', claims({ aud: { hub: 1 } })],
  ['an iss that is a number', claims({ iss: 1 })],
  ['a jti that is a number', claims({ jti: 1 })],
  ['an empty jti', claims({ jti: '' })],
  ['an empty sub', claims({ sub: '' })],
  ['a sub that is a number', claims({ sub: 1 })],
  ['a sub that is an object', claims({ sub: { toString: 'root' } })],
  ['a sub with a slash', claims({ sub: '../root' })],
  ['a sub with a star', claims({ sub: '*' })],
  ['a sub with a blank', claims({ sub: 'a b' })],
  ['a sub with a line end', claims({ sub: 'a\nb' })],
  ['a sub with a NUL', claims({ sub: 'root\0' })],
  ['a sub of 129 bytes', claims({ sub: 's'.repeat(129) })],
  ['sub twice', claims(`{"exp":${now + 3600},"sub":"ann","sub":"root"}`)],
  ['a role that is an array', claims({ role: ['admin'] })],
  ['a role that is true', claims({ role: true })],
  ['a subscribe that is a number', claims({ subscribe: 1 })],
  ['a subscribe that is an object', claims({ subscribe: { '*': true } })],
  ['patterns that are numbers', claims({ subscribe: [1] })],
  ['a star in the middle', claims({ subscribe: ['a*b'] })],
  ['two stars', claims({ publish: ['**'] })],
  ['an empty pattern', claims({ publish: [''] })],
  ['a pattern with a line end', claims({ publish: ['a\nb'] })],
  ['a pattern of 256 bytes', claims({ publish: ['p'.repeat(256)] })],
  ['65 patterns', claims({ publish: Array.from({ length: 65 }, (_, i) => `p${i}`) })],
  ['an array', claims('[]')],
  ['a text', claims('"root"')],
  ['null', claims('null')],
  ['not JSON', claims('exp=1')],
  ['a byte order mark', claims(`\ufeff{"exp":${now + 3600}}`)],
  ['more behind it', claims(`{"exp":${now + 3600}} {}`)],
  ['100 levels', claims(`{"exp":${now + 3600},"x":${'['.repeat(100)}${']'.repeat(100)}}`)],
];

const BAD = Object.entries({ form: FORMS, algorithm: ALGORITHMS, header: HEADERS, claims: CLAIMS })
  .flatMap(([what, list]) => list.map(([name, text]) => [`${what}: ${name}`, text]));

const GOOD = [
  ['as it should be', good],
  ['RS256', token({ ...LATER }, { alg: 'RS256', key: rsa.privateKey })],
  ['ES256', token({ ...LATER }, { alg: 'ES256', key: ec.privateKey })],
  ['EdDSA', token({ ...LATER }, { alg: 'EdDSA', key: ed.privateKey, header: { kid: 'ed' } })],
  ['a kid that leads somewhere, signed with our secret', header({ kid: '../../../../dev/null' })],
  ['an exp with a fraction', claims({ exp: now + 3600.5 })],
  ['claims nobody knows', claims({ __proto__: null, constructor: { role: 'admin' }, x: [1e999] })],
];

const visible = (text) => /^[\x21-\x7e]*$/.test(text);
const tchars = (text) => /^[!#$%&'*+.^_`|~0-9A-Za-z-]*$/.test(text);
const PLACE = '/api/v1/history?topic=control';

// Where a token can come in: what can be sent there, and how.
const DOORS = {
  Authorization: { can: visible, bytes: (text) => ask(`GET ${PLACE} HTTP/1.1`, [`Authorization: Bearer ${text}`]) },
  query: { can: (text) => text.length <= 8100 && !text.includes('\0'), bytes: (text) => ask(`GET ${PLACE}&token=${encodeURIComponent(text)} HTTP/1.1`) },
  cookie: { can: (text) => visible(text) && !/[;,"\\]/.test(text), bytes: (text) => ask(`GET ${PLACE} HTTP/1.1`, [`Cookie: a=b; clairon=${text}`]) },
  handshake: { can: visible, bytes: (text) => ask('GET /ws HTTP/1.1', [...UPGRADE, `Authorization: Bearer ${text}`]) },
  stream: { can: tchars, every: 8, bytes: (text) => ask('GET /api/events?topic=control HTTP/1.1', [`Authorization: Bearer ${text}`]) },
  poll: { can: tchars, every: 8, bytes: (text) => ask('GET /api/poll?topic=control HTTP/1.1', [`Authorization: Bearer ${text}`]) },
  pages: { can: tchars, every: 8, bytes: (text) => ask(`GET /metrics?token=${text} HTTP/1.1`) },
  subprotocol: { can: tchars, bytes: (text) => ask('GET /ws HTTP/1.1', [...UPGRADE, `Sec-WebSocket-Protocol: clairon.v1, bearer.${text}`]) },
};

const REFUSAL = '{"error":{"code":"unauthorized","message":"A valid token is needed."}}';
const REFUSED = { auth_refused: 1, http_client_errors: 1 };

async function answer(hub, bytes) {
  const raw = await hub.raw();
  raw.write(bytes);
  const got = await raw.readResponse();
  raw.close();
  const { date, ...headers } = got.headers;
  return { ...got, headers };
}

test('bad tokens', async (t) => {
  const watch = await Watch.start(t, { config, token: ADMIN });
  const { hub } = watch;
  const first = await answer(hub, ask(`GET ${PLACE} HTTP/1.1`));
  assert.deepEqual([first.status, first.text, first.headers['www-authenticate']], [401, REFUSAL, 'Bearer']);
  for (const [door, { can, bytes, every = 1 }] of Object.entries(DOORS)) {
    const rows = BAD.filter(([, text], i) => can(text) && i % every === 0).map(([name, text]) => [`${door}: ${name}`, text]);
    await watch.rows(REFUSED, rows, async ([, text]) => {
      const { status, text: body, headers } = await answer(hub, bytes(text));
      assert.deepEqual([status, body, headers], [401, REFUSAL, first.headers]);
    });
    const fine = GOOD.filter(([, text]) => can(text) && every === 1).map(([name, text]) => [`${door}: ${name}`, text]);
    await watch.rows({ auth_refused: 0, http_client_errors: 0 }, fine, async ([, text]) => {
      assert.ok([101, 200].includes((await answer(hub, bytes(text))).status));
    });
  }

  // A page can't see a status, so it is told; no session is kept for it.
  const pages = BAD.filter(([, text]) => tchars(text)).filter((_, i) => i % 8 === 0);
  await watch.rows({ auth_refused: 1 }, pages.map(([name, text]) => [`page: ${name}`, text]), async ([, text]) => {
    const raw = await hub.raw();
    raw.write(ask('GET /ws HTTP/1.1', [...UPGRADE, `Origin: ${hub.url}`, `Sec-WebSocket-Protocol: bearer.${text}`]));
    assert.equal((await raw.readResponse()).status, 101);
    const { code, before } = await readClose(raw);
    assert.deepEqual([code, before.map(({ payload }) => JSON.parse(payload).type)], [4401, ['SESSION_AUTH_REQUIRED']]);
    raw.close();
    assert.equal((await hub.get('/health')).json.websocket.connected_clients, 1, 'the control connection only');
  });

  // In band: refused by a message, and the session goes on with what it had.
  const told = BAD.filter(([, text]) => text.length > 0);
  await watch.rows({ auth_refused: 1, ws_messages_refused: 1 }, told.map(([name, text]) => [`in band: ${name}`, text]), async ([, text]) => {
    const raw = await rawSocket(hub, '/ws', [`Authorization: Bearer ${good}`]);
    const hear = async () => JSON.parse((await readFrame(raw)).payload.toString());
    raw.write(say({ type: 'AUTH_TOKEN_REFRESH', data: { token: text } }));
    const { type, data } = await hear();
    assert.deepEqual([type, data], ['WEBSOCKET_ERROR', { code: 'unauthorized', message: 'A valid token is needed.' }]);
    raw.write(say({ type: 'ping' }));
    assert.equal((await hear()).type, 'pong');
    raw.close();
  });
  watch.report();
});

test('tokens in odd places, and what they may not do', async (t) => {
  const watch = await Watch.start(t, { config, token: ADMIN });
  const { hub } = watch;
  const get = (fields, query = '') => ask(`GET ${PLACE}${query} HTTP/1.1`, fields);
  const places = [
    ['none', get([])],
    ['an empty Authorization', get(['Authorization:'])],
    ['the word alone', get(['Authorization: Bearer'])],
    ['the token alone', get([`Authorization: ${good}`])],
    ['another scheme', get([`Authorization: Basic ${Buffer.from(`ann:${good}`).toString('base64')}`])],
    ['two Authorizations, the good one second', get(['Authorization: Bearer x', `Authorization: Bearer ${good}`])],
    ['two Authorizations, the good one first', get([`Authorization: Bearer ${good}`, 'Authorization: Bearer x'])],
    ['two tokens in one', get([`Authorization: Bearer ${good} ${good}`])],
    ['a list of tokens', get([`Authorization: Bearer ${good}, Bearer ${good}`])],
    ['a bad Authorization beside a good query', get(['Authorization: Bearer x'], `&token=${good}`)],
    ['a bad query beside a good cookie', get([`Cookie: clairon=${good}`], '&token=x')],
    ['two in the query, the good one first', get([], `&token=${good}&token=x`)],
    ['in a field of another name', get([`X-Authorization: Bearer ${good}`])],
    ['in a cookie of another name', get([`Cookie: clairon2=${good}; Clairon=${good}`])],
    ['in a cookie in quotes', get([`Cookie: clairon="${good}"`])],
    ['in a cookie, cross-site', get([`Cookie: clairon=${good}`, 'Sec-Fetch-Site: cross-site'])],
    ['in a cookie, same-site', get([`Cookie: clairon=${good}`, 'Sec-Fetch-Site: same-site'])],
    ['in a cookie, by POST without Origin', ask('POST /api/v1/publish HTTP/1.1', [`Cookie: clairon=${good}`, 'Content-Length: 2'], '{}')],
    ['in a cookie, by a handshake without Origin', ask('GET /ws HTTP/1.1', [...UPGRADE, `Cookie: clairon=${good}`])],
    ['in a subprotocol of a request', get([`Sec-WebSocket-Protocol: bearer.${token({ ...LATER, exp: 1 })}`])],
    ['in a subprotocol in capitals', ask('GET /ws HTTP/1.1', [...UPGRADE, `Sec-WebSocket-Protocol: Bearer.${good}`])],
    ['in the body', ask('POST /api/v1/publish HTTP/1.1', ['Content-Length: 12'], '{"token":"x"')],
  ];
  await watch.rows(REFUSED, places, async ([, bytes]) => {
    const { status, text } = await answer(hub, bytes);
    assert.deepEqual([status, text], [401, REFUSAL]);
  });
  const foreign = ['https://evil.example', 'null', `${hub.url}.evil.example`];
  await watch.rows({ origin_refused: 1, auth_refused: 0 }, foreign.flatMap((origin) => [
    [`a cookie from ${origin}`, get([`Cookie: clairon=${good}`, `Origin: ${origin}`])],
    [`a cookie in a handshake from ${origin}`, ask('GET /ws HTTP/1.1', [...UPGRADE, `Cookie: clairon=${good}`, `Origin: ${origin}`])],
  ]), async ([, bytes]) => assert.equal((await answer(hub, bytes)).status, 403));

  // 403: the same answer for what is there and for what is not.
  const maker = { token: token({ role: 'admin', sub: 'boss' }) };
  assert.equal((await hub.post('/api/jobs', { projectId: 'p', jobId: 'there' }, maker)).status, 201);
  assert.equal((await hub.post('/api/v1/deployments', { stack_id: 's', target_id: 't', id: 'there' }, maker)).status, 201);
  assert.equal((await hub.post('/api/tickets/processing/start', { ticket_id: 'there' }, maker)).status, 200);
  const post = (path, body) => ask(`POST ${path} HTTP/1.1`, [`Authorization: Bearer ${good}`, `Content-Length: ${body.length}`], body);
  const by = (start, more = []) => ask(`${start} HTTP/1.1`, [`Authorization: Bearer ${good}`, ...more]);
  const asked = [
    (id) => by(`GET /api/jobs/${id}`), (id) => by(`GET /api/jobs/${id}/log`), (id) => by(`DELETE /api/jobs/${id}`),
    (id) => by(`GET /api/v1/deployments/${id}`), (id) => by(`GET /api/v1/deployments/${id}/log`), (id) => by(`DELETE /api/v1/deployments/${id}`),
    (id) => by(`GET /api/tickets/${id}`), (id) => by(`GET /api/v1/history?topic=job:${id}`), (id) => by(`GET /api/v1/history?topic=deployment:${id}`),
    (id) => by(`GET /ws/deployment/${id}`, UPGRADE), (id) => by(`GET /ws/tickets/${id}`, UPGRADE),
    (id) => post(`/api/jobs/${id}/log`, '{"message":"x"}'), (id) => post(`/api/jobs/${id}/cancel`, ''), (id) => post(`/api/jobs/${id}/completed`, '{}'),
    (id) => post(`/api/v1/deployments/${id}/status`, '{"status":"running"}'), (id) => post(`/api/v1/deployments/${id}/complete`, '{"status":"success"}'),
    (id) => post(`/api/v1/deployments/${id}/progress`, '{"progress":1}'), (id) => post(`/api/tickets/${id}/status`, '{"status":"COMPLETED"}'),
    (id) => post('/api/jobs', `{"projectId":"p","jobId":"${id}"}`), (id) => post('/api/v1/deployments', `{"stack_id":"s","target_id":"t","id":"${id}"}`),
    (id) => post('/api/tickets/processing/start', `{"ticket_id":"${id}"}`),
    (id) => post('/api/v1/publish', `{"topic":"job:${id}","type":"X","data":{}}`),
    (id) => post('/api/v1/publish', `{"topic":"x","type":"JOB_LOG","data":{"jobId":"${id}","message":"x"}}`),
  ];
  const start = (bytes) => /^[A-Z]+ [^ ?]+/.exec(bytes.toString())[0];
  await watch.rows({ http_client_errors: 2, auth_refused: 0 }, asked.map((make) => [`403 alike: ${start(make('ID'))}`, make]), async ([, make]) => {
    const [there, gone] = [await answer(hub, make('there')), await answer(hub, make('gone'))];
    assert.deepEqual([there.status, there.json.error.code], [403, 'forbidden']);
    assert.deepEqual([there.text, there.headers], [gone.text, gone.headers]);
  });
  assert.equal((await hub.get('/api/jobs/there', { token: ADMIN })).json.status, 'queued', 'nothing came of it');
  assert.equal((await hub.get('/api/jobs/gone', { token: ADMIN })).status, 404);
  watch.report();
});

// Tokens and keys are in no output of the hub, wherever they came in and however they were refused.
test('what was sent as a token is in no log and in no answer', async (t) => {
  const hub = await Watch.start(t, { config, token: ADMIN }).then((watch) => watch.hub);
  const canary = 'canary0123456789';
  const texts = [canary, `${HEAD}.${canary}.${SIGNATURE}`, `${HEAD}.${BODY}.${canary}`, header({ kid: canary }, mac('x')), claims({ sub: `${canary}/` }), claims({ jti: canary, exp: 1 }),
    claims({ role: canary, subscribe: [`${canary}*x`] })];
  const answers = [];
  for (const { can, bytes } of Object.values(DOORS)) {
    for (const text of texts.filter(can)) {
      const { status, text: body, headers } = await answer(hub, bytes(text));
      assert.equal(status, 401);
      answers.push(body, JSON.stringify(headers));
    }
  }
  answers.push((await hub.get('/metrics', { token: ADMIN })).text, (await hub.get('/health')).text);
  await hub.waitLog((line) => line.includes('refused'));
  for (const secret of [canary, b64(canary).slice(0, -2), SECRET, ADMIN, SIGNATURE]) {
    assert.ok(!hub.stderr.includes(secret) && !answers.join('\n').includes(secret), secret);
  }
});
