// SPDX-License-Identifier: MIT
// HTTP/1 that two readers could understand differently, or that is no HTTP at all: each refused with its own answer,
// once, and the connection closed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, head, HOST, UPGRADE } from '../lib/frames.mjs';
import { answers, Watch } from '../lib/watch.mjs';

const GET = 'GET /health HTTP/1.1';
const POST = 'POST /api/v1/publish HTTP/1.1';
const CHUNKED = 'Transfer-Encoding: chunked';
const BODY = '{"topic":"a","type":"HELLO","data":{}}';
const REFUSED = { http_refused: 1 };

const withLength = (...values) => ask(POST, values.map((value) => `Content-Length:${value}`), 'hello');
const withCoding = (value, body = '0\r\n\r\n') => ask(POST, [`Transfer-Encoding:${value}`], body);
const withField = (line) => ask(GET, [line]);
const chunks = (text) => ask(POST, [CHUNKED], text);
const hosts = (...values) => head(GET, ...values.map((value) => `Host:${value}`));
const target = (text) => head(`GET ${text} HTTP/1.1`, HOST);
const fields = (count) => Array.from({ length: count }, (_, i) => `X-${i}: 1`);

const FRAMING = [
  ['Content-Length beside Transfer-Encoding', ask(POST, ['Content-Length: 5', CHUNKED], '0\r\n\r\n')],
  ['Transfer-Encoding beside Content-Length', ask(POST, [CHUNKED, 'Content-Length: 5'], '0\r\n\r\n')],
  ['two lengths that differ', withLength(' 5', ' 6')],
  ['two lengths that agree', withLength(' 5', ' 5')],
  ['a list of lengths', withLength(' 5, 5')],
  ['an empty length', withLength('')],
  ['a blank length', withLength('  ')],
  ['a length with a plus', withLength(' +5')],
  ['a negative length', withLength(' -1')],
  ['the length -0', withLength(' -0')],
  ['a length in hex', withLength(' 0x5')],
  ['a length with an exponent', withLength(' 1e1')],
  ['a length with a fraction', withLength(' 5.0')],
  ['a length in two words', withLength(' 5 5')],
  ['a length in other digits', withLength(' \u0665')],
  ['the length 2^63', withLength(' 9223372036854775808')],
  ['the length 2^64', withLength(' 18446744073709551616')],
  ['the length 2^64 + 5', withLength(' 18446744073709551621')],
  ['a length of 100 digits', withLength(` ${'9'.repeat(100)}`)],
  ['the coding gzip', withCoding(' gzip')],
  ['the coding identity', withCoding(' identity')],
  ['chunked twice', withCoding(' chunked, chunked')],
  ['gzip, then chunked', withCoding(' gzip, chunked')],
  ['chunked, then identity', withCoding(' chunked, identity')],
  ['chunked with a parameter', withCoding(' chunked;q=1')],
  ['nearly chunked', withCoding(' xchunked')],
  ['chunked in quotes', withCoding(' "chunked"')],
  ['chunked behind a vertical tab', withCoding(' \x0bchunked')],
  ['an empty coding', withCoding('')],
  ['two fields of coding', ask(POST, [CHUNKED, CHUNKED], '0\r\n\r\n')],
  ['chunked in HTTP/1.0', Buffer.concat([head('POST /api/v1/publish HTTP/1.0', HOST, CHUNKED), Buffer.from('0\r\n\r\n')])],
];

const LINES = [
  ['line feeds alone', Buffer.from(`${GET}\n${HOST}\n\n`)],
  ['one line feed alone', Buffer.from(`${GET}\r\n${HOST}\nX: 1\r\n\r\n`)],
  ['a carriage return alone', Buffer.from(`${GET}\r\n${HOST}\r\nX: a\rb\r\n\r\n`)],
  ['two carriage returns', Buffer.from(`${GET}\r\n${HOST}\r\r\n\r\n`)],
  ['a line folded with a blank', withField('X: 1\r\n 2')],
  ['a line folded with a tab', withField('X: 1\r\n\t2')],
  ['a first field that is folded', head(GET, ` ${HOST}`)],
  ['a blank before the colon', withField('Content-Length : 5')],
  ['a tab before the colon', withField('X\t: 1')],
  ['a field without a colon', withField('X')],
  ['a field without a name', withField(': 1')],
  ['a name in brackets', withField('X[]: 1')],
  ['a name with a blank', withField('X Y: 1')],
  ['a name beyond ASCII', withField('X\u00e9: 1')],
  ['a NUL in a name', withField('X\0Y: 1')],
  ['a NUL in a value', withField('X: a\0b')],
  ['a NUL at the end of a value', withField('X: a\0')],
  ['a control character in a value', withField('X: a\x01b')],
  ['an escape in a value', withField('X: \x1b[2J')],
  ['a DEL in a value', withField('X: a\x7fb')],
  ['a NUL in the target', target('/health\0.js')],
  ['a tab in the target', target('/hea\tlth')],
  ['a byte beyond ASCII in the target', target('/health\u00e9')],
  ['a fragment in the target', target('/health#x')],
];

const HOSTS = [
  ['no Host', head(GET)],
  ['two that differ', hosts(' 127.0.0.1', ' evil.example')],
  ['two that agree', hosts(' 127.0.0.1', ' 127.0.0.1')],
  ['an empty one', hosts('')],
  ['a list', hosts(' 127.0.0.1, evil.example')],
  ['user and name', hosts(' 127.0.0.1@evil.example')],
  ['a path in it', hosts(' 127.0.0.1/x')],
  ['a port too large', hosts(' 127.0.0.1:65536')],
  ['a port that is none', hosts(' 127.0.0.1:x')],
  ['an open bracket', hosts(' [::1')],
  ['a name beyond ASCII', hosts(' 127.0.0.\u00b9')],
  ['an absolute target of another host', target('http://evil.example/health')],
  ['an absolute target of another port', target('http://127.0.0.1:9/health')],
  ['an absolute target with a user', target('http://127.0.0.1@evil.example/health')],
  ['an authority as target', target('127.0.0.1:80')],
  ['a target that is a word', target('health')],
  ['an asterisk for GET', target('*')],
];

const START_LINES = [
  ['HTTP/0.9', Buffer.from('GET /health\r\n'), 400, 'bad_request'],
  ['three blanks', head('GET /health HTTP/1.1 x', HOST), 400, 'bad_request'],
  ['two blanks in a row', head('GET  /health HTTP/1.1', HOST), 400, 'bad_request'],
  ['a blank before the method', head(' GET /health HTTP/1.1', HOST), 400, 'bad_request'],
  ['a method with a bracket', head('G(T /health HTTP/1.1', HOST), 400, 'bad_request'],
  ['two empty lines in front', Buffer.from(`\r\n\r\n${GET}\r\n${HOST}\r\n\r\n`), 400, 'bad_request'],
  ['a version in lower case', head('GET /health http/1.1', HOST), 400, 'bad_request'],
  ['a version of two digits', head('GET /health HTTP/1.10', HOST), 400, 'bad_request'],
  ['no version behind the slash', head('GET /health HTTP/', HOST), 400, 'bad_request'],
  ['HTTP/2.0', head('GET /health HTTP/2.0', HOST), 505, 'http_version'],
  ['HTTP/3.0', head('GET /health HTTP/3.0', HOST), 505, 'http_version'],
  ['the preface of HTTP/2', Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), 505, 'http_version'],
  ['a TLS hello', Buffer.from('16030100a5010000a10303', 'hex'), 400, 'bad_request'],
  ['NUL bytes', Buffer.alloc(64), 400, 'bad_request'],
  ['bytes of all values', Buffer.from(Array.from({ length: 256 }, (_, i) => 255 - i)), 400, 'bad_request'],
  ['another protocol', Buffer.from('SSH-2.0-OpenSSH_9.2\r\n'), 400, 'bad_request'],
  ['the header of a proxy, as text', Buffer.from(`PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n${GET}\r\n${HOST}\r\n\r\n`), 400, 'bad_request'],
  ['the header of a proxy, as bytes', Buffer.from('0d0a0d0a000d0a515549540a2111000c', 'hex'), 400, 'bad_request'],
  ['a method nobody knows', head('BREW /health HTTP/1.1', HOST), 501, 'not_implemented'],
  ['a method in lower case', head('get /health HTTP/1.1', HOST), 501, 'not_implemented'],
  ['CONNECT', head('CONNECT 127.0.0.1:80 HTTP/1.1', HOST), 501, 'not_implemented'],
  ['an expectation nobody meets', ask(POST, ['Expect: 200-ok', 'Content-Length: 38'], BODY), 417, 'expectation_failed'],
  ['two expectations', ask(POST, ['Expect: 100-continue', 'Expect: 100-continue', 'Content-Length: 38'], BODY), 417, 'expectation_failed'],
];

const SIZES = [
  ['101 fields', ask(GET, fields(100)), 431, 'head_too_large'],
  ['a thousand fields', ask(GET, fields(1000)), 431, 'head_too_large'],
  ['a head of 16 KiB and a byte', ask(GET, [`X: ${'x'.repeat(16384 - ask(GET, ['X: ']).length + 1)}`]), 431, 'head_too_large'],
  ['a head of 64 KiB', ask(GET, [`X: ${'x'.repeat(65536)}`]), 431, 'head_too_large'],
  ['a target of 8 KiB and a byte', target(`/${'x'.repeat(8192)}`), 414, 'uri_too_long'],
  ['a target of 64 KiB', target(`/${'x'.repeat(65536)}`), 414, 'uri_too_long'],
  ['a query of 16 KiB', target(`/health?${'x'.repeat(16384)}`), 414, 'uri_too_long'],
  ['a method without end', Buffer.alloc(9000, 'A'), 400, 'bad_request'],
];

const BODIES = [
  ['a length over the limit, nothing sent', ask(POST, ['Content-Length: 1048577']), 413, 'too_large'],
  ['the length 2^63 - 1', ask(POST, ['Content-Length: 9223372036854775807']), 413, 'too_large'],
  ['a length over the limit, waiting for 100', ask(POST, ['Content-Length: 1048577', 'Expect: 100-continue']), 413, 'too_large'],
  ['a chunk over the limit', chunks('100001\r\n'), 413, 'too_large'],
  ['chunks over the limit together', chunks(`${`10000\r\n${'x'.repeat(65536)}\r\n`.repeat(16)}1\r\n`), 413, 'too_large'],
  ['a chunk of 2^31 + 1 bytes', chunks('80000001\r\n'), 400, 'bad_request'],
  ['a chunk of 2^32 bytes', chunks('100000000\r\n'), 400, 'bad_request'],
  ['a chunk of 2^64 bytes', chunks('10000000000000000\r\n'), 400, 'bad_request'],
  ['a chunk size of many zeros', chunks(`${'0'.repeat(64)}5\r\nhello\r\n`), 400, 'bad_request'],
  ['a negative chunk', chunks('-5\r\nhello\r\n'), 400, 'bad_request'],
  ['a chunk with a plus', chunks('+5\r\nhello\r\n'), 400, 'bad_request'],
  ['a chunk size with 0x', chunks('0x5\r\nhello\r\n'), 400, 'bad_request'],
  ['no chunk size', chunks('\r\nhello\r\n'), 400, 'bad_request'],
  ['a chunk size with a blank', chunks('5 \r\nhello\r\n'), 400, 'bad_request'],
  ['a chunk size with a line feed alone', chunks('5\nhello\n'), 400, 'bad_request'],
  ['a chunk longer than it says', chunks('5\r\nhello!\r\n'), 400, 'bad_request'],
  ['a chunk without its line end', chunks('5\r\nhello0\r\n\r\n'), 400, 'bad_request'],
  ['an extension of 257 bytes', chunks(`5;${'x'.repeat(257)}\r\nhello\r\n`), 400, 'bad_request'],
  ['an extension with a line feed', chunks('5;a\nb\r\nhello\r\n'), 400, 'bad_request'],
  ['extensions of 16 KiB together', chunks(`1;${'x'.repeat(250)}\r\na\r\n`.repeat(70)), 400, 'bad_request'],
  ['a trailer without a colon', chunks('0\r\nX\r\n\r\n'), 400, 'bad_request'],
  ['a trailer with a NUL', chunks('0\r\nX: \0\r\n\r\n'), 400, 'bad_request'],
  ['trailers of 16 KiB', chunks(`0\r\n${`X: ${'x'.repeat(1000)}\r\n`.repeat(17)}`), 400, 'bad_request'],
];

const ALLOW = 'GET, HEAD, OPTIONS';
const SEMANTICS = [
  ['a method the path has not', ask('PUT /health HTTP/1.1'), 405, 'method_not_allowed', { headers: { allow: ALLOW } }],
  ['DELETE of a page', ask('DELETE / HTTP/1.1'), 405, 'method_not_allowed', { headers: { allow: ALLOW } }],
  ['TRACE', ask('TRACE / HTTP/1.1'), 405, 'method_not_allowed', { headers: { allow: ALLOW } }],
  ['GET of what is only posted', ask('GET /api/v1/publish HTTP/1.1'), 405, 'method_not_allowed', { headers: { allow: 'POST, OPTIONS' } }],
  ['POST to a WebSocket', ask('POST /ws HTTP/1.1', ['Content-Length: 0']), 405, 'method_not_allowed', { headers: { allow: ALLOW } }],
  ['a body where the method is wrong', ask('PUT /health HTTP/1.1', ['Content-Length: 5'], 'hello'), 405, 'method_not_allowed', { closes: true }],
  ['an upgrade with a body', ask('GET /ws HTTP/1.1', [...UPGRADE, 'Content-Length: 1'], 'x'), 400, 'bad_request', { closes: true }],
  ['an upgrade with chunks', ask('GET /ws HTTP/1.1', [...UPGRADE, CHUNKED], '0\r\n\r\n'), 400, 'bad_request', { closes: true }],
  ['an upgrade by POST', ask('POST /ws HTTP/1.1', UPGRADE), 405, 'method_not_allowed', {}],
  ['a broken escape in the query', ask('GET /api/v1/history?topic=%zz HTTP/1.1'), 400, 'bad_request', {}],
  ['a cut escape in the query', ask('GET /api/v1/history?topic=%4 HTTP/1.1'), 400, 'bad_request', {}],
  ['a NUL in the query', ask('GET /api/v1/history?topic=a%00b HTTP/1.1'), 400, 'bad_request', {}],
  ['overlong UTF-8 in the query', ask('GET /api/v1/history?topic=%c0%ae HTTP/1.1'), 400, 'bad_request', {}],
  ['a line end in the query', ask('GET /api/v1/history?topic=a%0d%0aSet-Cookie:x HTTP/1.1'), 400, 'bad_request', {}],
  ['257 parameters', ask(`GET /health?${'a=1&'.repeat(257)} HTTP/1.1`), 400, 'bad_request', {}],
  ['a limit that is a word', ask('GET /api/v1/history?topic=a&limit=x HTTP/1.1'), 400, 'bad_request', {}],
  ['a negative limit', ask('GET /api/v1/history?topic=a&limit=-1 HTTP/1.1'), 400, 'bad_request', {}],
  ['a limit of 2^64', ask('GET /api/v1/history?topic=a&limit=18446744073709551616 HTTP/1.1'), 400, 'bad_request', {}],
];

const ORIGINS = [
  ['a foreign Origin', ask(GET, ['Origin: https://evil.example']), {}],
  ['the Origin null', ask(GET, ['Origin: null']), {}],
  ['an empty Origin', ask(GET, ['Origin:']), {}],
  ['two Origins', ask(GET, ['Origin: http://127.0.0.1', 'Origin: http://127.0.0.1']), {}],
  ['a list of Origins', ask(GET, ['Origin: http://127.0.0.1, http://evil.example']), {}],
  ['an Origin that begins like ours', ask(GET, ['Origin: http://127.0.0.1.evil.example']), {}],
  ['an Origin that ends like ours', ask(GET, ['Origin: http://evil-localhost']), {}],
  ['an Origin with a user', ask(GET, ['Origin: http://127.0.0.1@evil.example']), {}],
  ['an Origin with a path', ask(GET, ['Origin: http://127.0.0.1/x']), {}],
  ['an Origin of a file', ask(GET, ['Origin: file://']), {}],
  ['a preflight of a foreign Origin', ask('OPTIONS /api/v1/publish HTTP/1.1', ['Origin: https://evil.example', 'Access-Control-Request-Method: POST']), {}],
  ['a foreign Origin on a WebSocket', ask('GET /ws HTTP/1.1', [...UPGRADE, 'Origin: https://evil.example']), {}],
  ['a foreign Host', head(GET, 'Host: evil.example'), {}],
  ['a Host that begins like ours', head(GET, 'Host: 127.0.0.1.evil.example'), {}],
  ['a foreign Host on a WebSocket', head('GET /ws HTTP/1.1', 'Host: evil.example', ...UPGRADE), {}],
];

// What looks odd and is right all the same: it must not be refused, and counts nowhere.
const FINE = [
  ['an empty line in front', Buffer.from(`\r\n${GET}\r\n${HOST}\r\n\r\n`), 200],
  ['an absolute target of this host', target('http://127.0.0.1/health'), 200],
  ['HTTP/1.0 without a Host', head('GET /health HTTP/1.0', 'Connection: keep-alive'), 200],
  ['a coding in capitals', withCoding(' CHUNKED', `26\r\n${BODY}\r\n0\r\n\r\n`), 200],
  ['an extension of 256 bytes', chunks(`26;${'x'.repeat(255)}\r\n${BODY}\r\n0\r\n\r\n`), 200],
  ['a trailer', chunks(`26\r\n${BODY}\r\n0\r\nX: 1\r\n\r\n`), 200],
  ['100 fields', ask(GET, fields(99)), 200],
  ['a value beyond ASCII', ask(GET, ['X: \u00e9']), 200],
  ['an empty value', ask(GET, ['X:']), 200],
  ['addresses claimed by nobody we trust', ask(GET, ['X-Forwarded-For: 10.0.0.1, "<script>"', 'Forwarded: for=_x;;;,', 'X-Real-IP: \u00ff']), 200],
];

test('bad HTTP', async (t) => {
  const watch = await Watch.start(t);
  const { hub } = watch;
  const refused = (table) => watch.rows(REFUSED, table, ([, bytes, status = 400, code = 'bad_request']) =>
    answers(hub, bytes, { status, code, closes: true }));
  for (const table of [FRAMING, LINES, HOSTS, START_LINES, SIZES, BODIES]) {
    await refused(table);
  }
  await watch.rows({ http_client_errors: 1, http_refused: 0 }, SEMANTICS, ([, bytes, status, code, more]) => answers(hub, bytes, { status, code, ...more }));
  await watch.rows({ origin_refused: 1, http_client_errors: 1 }, ORIGINS, async ([, bytes, more]) => {
    const { headers } = await answers(hub, bytes, { status: 403, code: 'forbidden', ...more });
    assert.deepEqual(Object.keys(headers).filter((name) => name.startsWith('access-control')), [], 'nothing a page could read');
  });
  await watch.rows({ http_refused: 0, http_client_errors: 0 }, FINE, ([, bytes, status]) => answers(hub, bytes, { status }));
  watch.report();
});

// One request at a time: what comes behind it waits, at first unread in our memory, then in the sender's.
test('3,000 requests behind one that takes its time are answered in order', async (t) => {
  const watch = await Watch.start(t);
  const { hub } = watch;
  await watch.rows({ http_refused: 0, http_client_errors: 1500 }, [['one after the other']], async () => {
    const raw = await hub.raw();
    const held = ask('GET /api/poll?topic=a&since=0-0&timeout=1 HTTP/1.1');
    const two = Buffer.concat([ask('GET /health HTTP/1.1'), ask('GET /gone HTTP/1.1')]);
    raw.write(Buffer.concat([held, ...Array.from({ length: 1500 }, () => two)]));
    assert.equal((await raw.readResponse()).status, 200);
    for (let i = 0; i < 1500; i++) {
      assert.equal((await raw.readResponse()).status, 200, `request ${2 * i}`);
      assert.equal((await raw.readResponse()).status, 404, `request ${2 * i + 1}`);
    }
    raw.close();
  });
  watch.report();
});
