// SPDX-License-Identifier: MIT
// Bodies and messages that are not JSON, or JSON that is no message: each by its code, and its byte where it is not JSON.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rawSocket, readFrame, say } from '../lib/frames.mjs';
import { Watch } from '../lib/watch.mjs';

const latin1 = (text) => Buffer.from(text, 'latin1');

const NOT_JSON = [
  ['nothing', '', 0],
  ['blanks', ' \r\n\t', 4],
  ['a comma too many', '{"topic":"a",}', 13],
  ['no end', '{"a":1', 6],
  ['a leading zero', '{"a":01}', 6],
  ['a plus', '{"a":+1}', 5],
  ['a number without digits before the point', '{"a":.5}', 5],
  ['a number without digits behind it', '{"a":1.}', 7],
  ['an exponent without digits', '{"a":1e}', 7],
  ['hex', '{"a":0x10}', 6],
  ['NaN', '{"a":NaN}', 5],
  ['Infinity', '{"a":Infinity}', 5],
  ['half a word', 'nul', 3],
  ['a word in capitals', 'True', 0],
  ['a byte order mark', '\ufeff{}', 0],
  ['a second value', '{} {}', 3],
  ['text behind the value', '{}x', 2],
  ['a NUL behind the value', '{}\0', 2],
  ['a NUL in a string', '{"a":"\0"}', 6],
  ['a line feed in a string', '{"a":"\n"}', 6],
  ['a tab in a string', '{"a":"\t"}', 6],
  ['an escape of four digits that are three', '{"a":"\\u12"}', 10],
  ['an escape nobody knows', '{"a":"\\x41"}', 7],
  ['a string without end', '{"a":"b', 7],
  ['a backslash at the end', '{"a":"\\', 7],
  ['single quotes', "{'a':1}", 1],
  ['a name without quotes', '{a:1}', 1],
  ['a comment', '{}//x', 2],
  ['a comma at the end of an array', '[1,]', 3],
  ['the wrong bracket', '[1}', 2],
  ['a colon in an array', '["a":1]', 4],
  ['a byte that is no UTF-8', latin1('"\xff"'), 1],
  ['overlong UTF-8', latin1('"\xc0\x80"'), 1],
  ['a surrogate in UTF-8', latin1('"\xed\xa0\x80"'), 2],
  ['UTF-16', Buffer.from('{}', 'utf16le'), 1],
  ['33 arrays', '['.repeat(33) + ']'.repeat(33), 32],
  ['33 objects', `${'{"a":'.repeat(33)}1${'}'.repeat(33)}`, 160],
  ['100,000 arrays', '['.repeat(100000), 32],
];

const event = (more) => ({ topic: 'a', type: 'HELLO', data: {}, ...more });
const publish = (more) => ['/api/v1/publish', event(more)];

// name, [path, body], status, code
const REFUSED = [
  ['an array', ['/api/v1/publish', '[]'], 400, 'bad_request'],
  ['a string', ['/api/v1/publish', '"x"'], 400, 'bad_request'],
  ['null', ['/api/v1/publish', 'null'], 400, 'bad_request'],
  ['nothing in it', ['/api/v1/publish', {}], 400, 'unknown_type'],
  ['no topic', publish({ topic: undefined }), 400, 'bad_request'],
  ['a topic that is a number', publish({ topic: 1 }), 400, 'bad_request'],
  ['a topic that is an object', publish({ topic: {} }), 400, 'bad_request'],
  ['an empty topic', publish({ topic: '' }), 400, 'bad_request'],
  ['a topic of 256 bytes', publish({ topic: 't'.repeat(256) }), 400, 'bad_request'],
  ['a topic of 128 characters in 256 bytes', publish({ topic: 'é'.repeat(128) }), 400, 'bad_request'],
  ['a topic with NUL', publish({ topic: 'a\0b' }), 400, 'bad_request'],
  ['a topic with a line end', publish({ topic: 'a\r\nb' }), 400, 'bad_request'],
  ['a topic with a C1 control', publish({ topic: 'a\u0085b' }), 400, 'bad_request'],
  ['nine topics', publish({ topic: undefined, topics: [...'abcdefghi'] }), 400, 'bad_request'],
  ['topics that are no array', publish({ topic: undefined, topics: 'a' }), 400, 'bad_request'],
  ['topics that are no texts', publish({ topic: undefined, topics: [1] }), 400, 'bad_request'],
  ['no topics', publish({ topic: undefined, topics: [] }), 400, 'bad_request'],
  ['a user who can be none', publish({ topic: undefined, user: 'a/b' }), 400, 'bad_request'],
  ['a user without a name', publish({ topic: undefined, user: '' }), 400, 'bad_request'],
  ['a type that is a number', publish({ type: 1 }), 400, 'unknown_type'],
  ['a type that begins with a digit', publish({ type: '1x' }), 400, 'unknown_type'],
  ['an empty type', publish({ type: '' }), 400, 'unknown_type'],
  ['a type of 65 bytes', publish({ type: 'x'.repeat(65) }), 400, 'unknown_type'],
  ['a type with a line end', publish({ type: 'A\nB' }), 400, 'unknown_type'],
  ['a type beyond ASCII', publish({ type: 'HÉ' }), 400, 'unknown_type'],
  ['a word of the envelope as type', publish({ type: 'gap' }), 400, 'unknown_type'],
  ['data that is a text', publish({ data: 'x' }), 400, 'bad_request'],
  ['data that is an array', publish({ data: [] }), 400, 'bad_request'],
  ['data over 64 KiB', publish({ data: { x: 'x'.repeat(65536) } }), 413, 'too_large'],
  ['events that are no array', ['/api/v1/publish', { events: {} }], 400, 'bad_request'],
  ['events that are no objects', ['/api/v1/publish', { events: [1] }], 400, 'bad_request'],
  ['1,001 events', ['/api/v1/publish', { events: Array.from({ length: 1001 }, () => event()) }], 413, 'too_large'],
  ['a bad one among good ones', ['/api/v1/publish', { events: [event(), event({ topic: '' }), event()] }], 400, 'bad_request'],
  ['a durability nobody knows', ['/api/v1/publish?durability=marble', event()], 400, 'bad_request'],
  ['a status nobody knows', ['/api/v1/deployments/d/status', { status: 'flying' }], 400, 'bad_request'],
  ['a status that is an object', ['/api/v1/deployments/d/status', { status: {} }], 400, 'bad_request'],
  ['a progress of 1e999', ['/api/v1/deployments/d/progress', '{"progress":1e999}'], 400, 'bad_request'],
  ['a progress that is a text', ['/api/v1/deployments/d/progress', { progress: 'x' }], 400, 'bad_request'],
  ['a progress of minus one', ['/api/v1/deployments/d/progress', { progress: -1 }], 400, 'bad_request'],
  ['a phase nobody knows', ['/api/jobs/j/progress', { phase: 'done' }], 400, 'bad_request'],
  ['an attempt of 2^53 + 1', ['/api/v1/deployments/d/status', '{"status":"running","attempt":9007199254740993}'], 400, 'bad_request'],
  ['an attempt of 2^64', ['/api/v1/deployments/d/status', '{"status":"running","attempt":18446744073709551616}'], 400, 'bad_request'],
  ['a seq that is a text', ['/api/v1/deployments/d/status', { status: 'running', producer: 'p', seq: 'x' }], 400, 'bad_request'],
  ['a lease of 1e999', ['/api/v1/deployments/d/status', '{"status":"running","lease":1e999}'], 400, 'bad_request'],
  ['1,001 lines', ['/api/jobs/j/log', { lines: Array.from({ length: 1001 }, () => ({ message: 'x' })) }], 413, 'too_large'],
  ['a level nobody knows', ['/api/jobs/j/log', { message: 'x', level: 'loud' }], 400, 'bad_request'],
  ['an id of 129 bytes', [`/api/jobs/${'j'.repeat(129)}/log`, { message: 'x' }], 400, 'bad_request'],
  ['an id with a blank', ['/api/jobs/a%20b/log', { message: 'x' }], 400, 'bad_request'],
  ['an id with a star', ['/api/jobs/a*/log', { message: 'x' }], 400, 'bad_request'],
  ['an id in the body with a slash', ['/api/jobs', { projectId: 'p', jobId: '../x' }], 400, 'bad_request'],
  ['no id', ['/api/jobs', {}], 400, 'bad_request'],
  ['multipart', [...publish({}), { 'content-type': 'multipart/form-data; boundary=x' }], 415, 'unsupported_media_type'],
  ['UTF-16 by name', [...publish({}), { 'content-type': 'application/json; charset=utf-16' }], 415, 'unsupported_media_type'],
  ['Latin-1 by name', [...publish({}), { 'content-type': 'text/plain; charset="iso-8859-1"' }], 415, 'unsupported_media_type'],
  ['an empty Idempotency-Key', [...publish({}), { 'idempotency-key': '' }], 400, 'bad_request'],
  ['an Idempotency-Key of 129 bytes', [...publish({}), { 'idempotency-key': 'k'.repeat(129) }], 400, 'bad_request'],
];

// JSON that is right, whatever is in it: kept as it came.
const KEPT = ['1e999', '-0', '9007199254740993', '18446744073709551616', '1.10', '1E+2', '"\\u0000"', '"\\ud800"', '"\\udc00\\ud800"', '"\\/"',
  '{"a":1,"a":2}', '{"__proto__":{"x":1}}', '{"constructor":1}', '{"":0}', '"\u202e\u2028"', '"</script>"'];

const MESSAGES = [
  ['nothing', '', 'bad_json'],
  ['half an object', '{"type":"ping"', 'bad_json'],
  ['two objects', '{"type":"ping"} {}', 'bad_json'],
  ['33 levels', '['.repeat(33), 'bad_json'],
  ['an array', '[]', 'unknown_type'],
  ['a number', '1', 'unknown_type'],
  ['an object without a type', '{}', 'unknown_type'],
  ['a type that is an object', '{"type":{}}', 'unknown_type'],
  ['a type that is an array', '{"type":["subscribe"]}', 'unknown_type'],
  ['a type that is null', '{"type":null}', 'unknown_type'],
  ['a type nobody knows, without data', '{"type":"toString"}', 'unknown_type'],
  ['a type of the prototype', '{"type":"__proto__","data":{}}', 'unknown_type'],
  ['a type of the hub', '{"type":"SESSION_EXPIRED","data":{}}', 'unknown_type'],
  ['a word of the hub', '{"type":"subscribed","topic":"a"}', 'unknown_type'],
  ['a subscription to nothing', '{"type":"subscribe"}', 'bad_request'],
  ['a topic that is an object', '{"type":"subscribe","topic":{}}', 'bad_request'],
  ['topics that are an object', '{"type":"subscribe","topics":{}}', 'bad_request'],
  ['topics that are no texts', '{"type":"subscribe","topics":[[]]}', 'bad_request'],
  ['an empty topic', '{"type":"subscribe","topic":""}', 'bad_request'],
  ['a topic with a line end', '{"type":"subscribe","topic":"a\\nb"}', 'bad_request'],
  ['a topic with NUL', '{"type":"subscribe","topic":"a\\u0000b"}', 'bad_request'],
  ['a topic of 256 bytes', JSON.stringify({ type: 'subscribe', topic: 't'.repeat(256) }), 'bad_request'],
  ['a cursor that is a number', '{"type":"subscribe","topic":"a","since":1}', 'bad_request'],
  ['1,001 topics', JSON.stringify({ type: 'subscribe', topics: Array.from({ length: 1001 }, (_, i) => `t${i}`) }), 'limit_reached'],
  ['a ref of 257 bytes', JSON.stringify({ type: 'ping', ref: 'r'.repeat(257) }), 'bad_request'],
  ['a history of nothing', '{"type":"history"}', 'bad_request'],
  ['a history of a negative number', '{"type":"history","topic":"a","limit":-1}', 'bad_request'],
  ['a history of 1e999', '{"type":"history","topic":"a","limit":1e999}', 'bad_request'],
  ['data that is a text', '{"type":"HELLO","data":"x"}', 'bad_request'],
  ['a channel that is an object', '{"channel":{},"data":1}', 'bad_request'],
  ['a channel with a line end', '{"channel":"a\\nb","data":1}', 'bad_request'],
  ['a message without data', '{"channel":"a"}', 'unknown_type'],
];

test('bad bodies', async (t) => {
  const watch = await Watch.start(t);
  const { hub } = watch;
  await watch.rows({ http_client_errors: 1 }, NOT_JSON, async ([, body, offset]) => {
    const { status, json } = await hub.post('/api/v1/publish', body);
    assert.deepEqual([status, json.error.code, json.error.offset], [400, 'bad_json', offset]);
    assert.ok(json.error.message.includes(`byte ${offset}`));
  });
  await watch.rows({ http_client_errors: 1 }, REFUSED, async ([, [path, body, headers], status, code]) => {
    const { status: got, json } = await hub.post(path, body, { headers });
    assert.deepEqual([got, json?.error?.code], [status, code], JSON.stringify(json));
  });
  await watch.rows({ http_client_errors: 0, submits_refused: 0 }, KEPT.map((value) => [value]), async ([value]) => {
    const { status, json } = await hub.post('/api/v1/publish', `{"topic":"kept","type":"KEPT","data":{"x":${value}}}`);
    assert.equal(status, 200);
    const { text } = await hub.get('/api/v1/history?topic=kept&limit=300');
    assert.ok(text.includes(`"id":"${json.id}"`) && text.includes(`"data":{"x":${value}}`), value);
  });
  const key = { headers: { 'idempotency-key': 'k' } };
  assert.equal((await hub.post('/api/v1/publish', event(), key)).status, 200);
  await watch.rows({ http_client_errors: 1 }, [['the same key, another body']], async () => {
    const { status, json } = await hub.post('/api/v1/publish', event({ data: { x: 1 } }), key);
    assert.deepEqual([status, json.error.code], [409, 'conflict']);
  });
  watch.report();
});

test('bad messages', async (t) => {
  const watch = await Watch.start(t);
  const { hub } = watch;
  const raw = await rawSocket(hub);
  const hear = async () => JSON.parse((await readFrame(raw)).payload.toString());
  await watch.rows({ ws_messages_refused: 1, ws_errors: 0 }, MESSAGES, async ([, message, code]) => {
    raw.write(say(message));
    const refusal = await hear();
    assert.deepEqual([refusal.type, refusal.data?.code], ['WEBSOCKET_ERROR', code], JSON.stringify(refusal));
    raw.write(say({ type: 'ping' }));
    assert.equal((await hear()).type, 'pong', 'one refusal, and the connection stays');
  });
  watch.report();
});
