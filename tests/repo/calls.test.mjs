// SPDX-License-Identifier: MIT
// Calls that are made nowhere, or only in the one place made for them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codeOnly, isTest, read, walk } from './tree.mjs';

const EVERYWHERE = /./;
const PRODUCT = /^(src|client)\//;
const PURE = /^src\/(wire|hub)\//;

// `names` are called in no file of `where` unless it is also in `but`. Unit tests are held to rows with `tests` alone.
const RULES = [
  { names: 'strcpy stpcpy strcat strncat sprintf vsprintf strtok atoi atol atoll atof gets alloca rand srand '
    + 'signal system popen tmpnam mktemp', where: EVERYWHERE, tests: true, why: 'unsafe, or a better one exists' },
  { names: 'scanf sscanf fscanf', where: PRODUCT, why: 'they overflow in silence; see base/str.h' },
  { names: 'malloc calloc realloc free strdup strndup asprintf vasprintf', where: PRODUCT, but: /^src\/base\/mem\.c$/,
    why: 'memory comes from base/mem.h' },
  { names: 'recv recvfrom recvmsg send sendto sendmsg sendmmsg accept accept4', where: PRODUCT,
    but: /^(src\/(net|load)|client)\//, why: 'sockets belong to net, client and load' },
  { names: 'connect getaddrinfo gethostbyname gethostbyname2', where: PRODUCT, but: /^(src\/(load|cli)|client)\//,
    why: 'the hub calls nobody: no address that comes with a request can lead anywhere' },
  { names: 'exit _exit _Exit sigaction', where: PRODUCT, but: /^src\/(server|cli)\//, why: 'the hub can be embedded' },
  { names: 'abort', where: PRODUCT, but: /^src\/base\/(assert|mem)\.c$/, why: 'ASSERT says where and why' },
  { names: 'printf puts putchar fprintf vprintf vfprintf', where: /^src\/(base|wire|hub|store|net|http|dialect|ingest)\//,
    but: /^src\/base\/(assert|log|mem)\.c$/, why: 'only commands write to the terminal; the rest returns errors or logs' },
  { names: 'clock_gettime gettimeofday time getrandom read write open close poll epoll_wait socket connect log_write',
    where: PURE, why: 'wire and hub see no clock, descriptor, randomness or log' },
];

// Single exceptions, "file: call", each with its reason.
const EXCEPTIONS = {
  'src/net/listener.c: getaddrinfo': 'the configuration names addresses to listen on',
  'src/net/tcp_pair.h: connect': 'of unit tests',
  'src/server/notify.c: connect': 'the service manager, whose socket the environment names',
};

function calls(text, names) {
  const pattern = new RegExp(`(?<![\\w.>])(${names.split(' ').join('|')})\\s*\\(`, 'g');
  return [...codeOnly(text).matchAll(pattern)].map((match) => match[1]);
}

function violations(files) {
  return files.flatMap(([file, text]) => RULES
    .filter(({ where, but, tests }) => where.test(file) && !but?.test(file) && (tests || !isTest(file)))
    .flatMap(({ names, why }) => calls(text, names).map((name) => ({ key: `${file}: ${name}`, why }))));
}

const sources = walk().filter((file) => /\.[ch]$/.test(file)).map((file) => [file, read(file)]);

test('no call is made where it does not belong', () => {
  const found = violations(sources);
  assert.deepEqual(found.filter(({ key }) => !(key in EXCEPTIONS)).map(({ key, why }) => `${key} (${why})`), []);
  const stale = Object.keys(EXCEPTIONS).filter((key) => !found.some((other) => other.key === key));
  assert.deepEqual(stale, [], 'exempt without need');
});

test('planted calls are found, words in comments and members are not', () => {
  const keys = (file, text) => violations([[file, text]]).map(({ key }) => key);
  assert.deepEqual(keys('src/hub/a.c', 'x = malloc(3); // free(x)\n'), ['src/hub/a.c: malloc']);
  assert.deepEqual(keys('src/hub/a.c', 'x->send(1); ops.free(2); say("strcpy(a)"); my_free(1);'), []);
  assert.deepEqual(keys('src/http/a.c', 'n = send (fd, p, 1, 0);'), ['src/http/a.c: send']);
  assert.deepEqual(keys('src/net/a.c', 'n = send(fd, p, 1, 0);'), []);
  assert.deepEqual(keys('src/hub/a_test.c', 'free(p); strcpy(a, b);'), ['src/hub/a_test.c: strcpy']);
  assert.deepEqual(keys('src/auth/a.c', 'rc = connect(fd, &a, n);'), ['src/auth/a.c: connect']);
  assert.deepEqual(keys('src/wire/a.c', 'clock_gettime(0, &t);'), ['src/wire/a.c: clock_gettime']);
});

test('no struct has a typedef', () => {
  const found = sources.filter(([, text]) => /\btypedef\s+(struct|union)\b/.test(codeOnly(text))).map(([file]) => file);
  assert.deepEqual(found, []);
});
