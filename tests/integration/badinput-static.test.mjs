// SPDX-License-Identifier: MIT
// Paths that try to leave the files of the pages, and what every answer says about how it may be used.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask } from '../lib/frames.mjs';
import { answers, Watch } from '../lib/watch.mjs';

// The files are in the binary, found by their whole name: no path of these can name a file of the machine.
const NOTHING = ['/../', '/..', '/../../../../etc/passwd', '/assets/..', '/assets/../index.html', '/assets/../../etc/passwd', '/assets/./index.js',
  '/./', '/.', '/health/.', '/health/../health', '/%2e%2e/', '/%2e%2e%2f', '/%2e%2e%2fetc%2fpasswd', '/assets/%2e%2e/index.html',
  '/assets/%2E%2E%2Findex.html', '/assets/.%2e/index.html', '/assets%2findex.js', '/assets/%2findex.js', '/assets/%252e%252e%252findex.html',
  '/%252e%252e/', '/..%5cetc', '/assets/..%5cindex.html', '/assets/..\\index.html', '/assets/%5c..%5cindex.html', '//', '//health', '/health//',
  '///assets/index.js', '/assets//index.js', '//evil.example/', '/assets/index.js%00', '/assets/index.js%00.css', '/%00', '/assets/%c0%ae%c0%ae/',
  '/assets/%c0%afindex.js', '/assets/%e0%80%ae', '/assets/%f0%80%80%ae', '/assets/%ff', '/assets/%ed%a0%80', '/assets/index.js%0a', '/%0d%0aX:%20y',
  '/assets/%7f', '/.git', '/.git/config', '/.git/HEAD', '/assets/.git', '/.env', '/assets/.env', '/.htaccess', '/.well-known/x', '/assets/.', '/assets/',
  '/assets', '/assets/dev', '/dev/null', '/dev/zero', '/proc/self/environ', '/etc/passwd', '/assets//etc/passwd', '/assets/%2fproc%2fself%2fenviron',
  '/clairon.yaml', '/data', '/assets/index.js/x', '/assets/INDEX.JS', '/index.html', '/jobs', '/jobs/build', '/jobs/build/a/b', '/jobs/%3Cscript%3E/x',
  '/assets/con', '/assets/index.js::$DATA', '/assets/index.js.', '/assets/index.js%20', '/assets/~', '/api', '/api/v1', '/api/v2/publish'];

const BROKEN = ['/%', '/%4', '/%zz', '/assets/%', '/assets/%2', '/assets/%u002e'];

const RANGES = ['bytes=0-0', 'bytes=0-1,0-1', 'bytes=0-1,1-2,2-3,4-', 'bytes=-1', 'bytes=9223372036854775808-', 'bytes=0-18446744073709551616',
  'bytes=5-1', 'bytes=--1', 'bytes=', 'lines=1-2', `bytes=${'0-1,'.repeat(1000)}`, 'bytes=0-0\t,'];

const policyOf = ({ headers }) => headers['content-security-policy'];

test('bad paths', async (t) => {
  const watch = await Watch.start(t);
  const { hub } = watch;
  const paths = (list, status, code) => watch.rows({ http_client_errors: 1 }, list.map((path) => [path]), async ([path]) => {
    const { headers } = await answers(hub, ask(`GET ${path} HTTP/1.1`), { status, code });
    assert.equal(headers['content-type'], 'application/json');
  });
  await paths(NOTHING, 404, 'not_found');
  await paths(BROKEN, 400, 'bad_request');

  // Ranges are not known: the whole file, which is always right.
  const whole = await hub.get('/assets/index.js');
  await watch.rows({ http_client_errors: 0 }, RANGES.map((range) => [range]), async ([range]) => {
    const { headers, text } = await answers(hub, ask('GET /assets/index.js HTTP/1.1', [`Range: ${range}`]), { status: 200 });
    assert.deepEqual([text, headers['content-range'], headers['accept-ranges']], [whole.text, undefined, undefined]);
  });

  const pages = [['/'], ['/jobs/build/x'], ['/assets/index.js'], ['/assets/log.css'], ['/favicon.ico'], ['/jobs/build/%22%3E%3Cscript%3E']];
  await watch.rows({ http_client_errors: 0 }, pages, async ([path]) => {
    const { headers, text } = await hub.get(path);
    assert.equal(headers['x-content-type-options'], 'nosniff');
    assert.match(policyOf({ headers }), /default-src 'self'/);
    assert.match(policyOf({ headers }), /frame-ancestors 'none'/);
    assert.doesNotMatch(policyOf({ headers }), /unsafe|\*/);
    assert.doesNotMatch(text, /%22%3E|"><script>/, 'the path is not put into the page');
  });
  const data = [['/health'], ['/metrics'], ['/api/v1/history?topic=a'], ['/api/jobs'], ['/nothing', { counts: { http_client_errors: 1 } }]];
  await watch.rows({ http_client_errors: 0 }, data, async ([path]) => {
    const answer = await hub.get(path);
    assert.equal(answer.headers['x-content-type-options'], 'nosniff');
    assert.equal(answer.headers['cache-control'], 'no-store');
    assert.equal(policyOf(answer), "default-src 'none'; frame-ancestors 'none'");
  });
  watch.report();
});

// What we write into heads is ours: nothing of a request comes back in one, but what was looked at.
test('what an answer repeats of its request', async (t) => {
  const watch = await Watch.start(t, { env: { CLAIRON__WEBSOCKET__CORS_ORIGIN: 'https://app.example' } });
  const { hub } = watch;
  const text = async (bytes) => {
    const raw = await hub.raw();
    raw.write(bytes);
    const { headers } = await raw.readResponse();
    raw.close();
    return JSON.stringify(headers);
  };
  const preflight = (names) => ask('OPTIONS /api/v1/publish HTTP/1.1', ['Origin: https://app.example', 'Access-Control-Request-Method: POST', `Access-Control-Request-Headers: ${names}`]);
  const rows = [
    ['the Origin that is allowed', ask('GET /health HTTP/1.1', ['Origin: https://app.example']), /"access-control-allow-origin":"https:\/\/app.example"/],
    ['a Host', ask('GET /health HTTP/1.1'), /^(?!.*127\.0\.0\.1)/],
    ['a target', ask('GET /canary-path?canary=query HTTP/1.1'), /^(?!.*canary)/, { counts: { http_client_errors: 1 } }],
    ['names a preflight asks for', preflight('x-a, x-b'), /"access-control-allow-headers":"x-a, x-b"/],
    ['names that are none', preflight('x-a<canary>'), /^(?!.*canary)/],
    ['a method that is none', ask('OPTIONS /api/v1/publish HTTP/1.1', ['Origin: https://app.example', 'Access-Control-Request-Method: CANARY']), /^(?!.*CANARY)/],
    ['any other field', ask('GET /health HTTP/1.1', ['X-Request-Id: canary', 'Cookie: canary', 'X-Forwarded-Host: canary']), /^(?!.*canary)/],
  ];
  await watch.rows({ http_client_errors: 0 }, rows, async ([, bytes, what]) => assert.match(await text(bytes), what));
  watch.report();
});
