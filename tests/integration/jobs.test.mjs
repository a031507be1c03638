// SPDX-License-Identifier: MIT
// The job APIs: create, report, read, list, log, cancel, delete, for the three kinds of job.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startHub, until } from '../lib/index.mjs';

const CURSOR = /^[0-9a-f]{16}-\d+$/;
const number = (cursor) => Number(cursor.split('-').at(-1));
const DEPLOYMENTS = '/api/v1/deployments';
const PATHS = { deployment: DEPLOYMENTS, ticket: '/api/tickets', build: '/api/jobs' };

// Posts and expects that status.
async function post(hub, path, body, status = 200) {
  const answer = await hub.post(path, body);
  assert.equal(answer.status, status, `${path} ${JSON.stringify(body)}: ${answer.text}`);
  return answer.json;
}

test('a deployment from creation to its end', async (t) => {
  const hub = await startHub({ t });
  const created = await post(hub, DEPLOYMENTS, { stack_id: 's', target_id: 't', name: 'shop', user_id: 'u', variables: { KEY: 'secret' } }, 201);
  assert.deepEqual(Object.keys(created).sort(), ['attempt', 'cursor', 'durability', 'id', 'status', 'websocket_url']);
  const { id } = created;
  assert.match(id, /^dep-[0-9a-z]{12}$/);
  assert.deepEqual([created.status, created.websocket_url, created.durability], ['pending', `/api/v1/ws/deployment/${id}`, 'disk']);
  assert.match(created.cursor, CURSOR);
  const path = `${DEPLOYMENTS}/${id}`;

  const first = await post(hub, `${path}/status`, { status: 'DEPLOYING', message: 'go' });
  assert.deepEqual(Object.keys(first).sort(), ['attempt', 'durability', 'id', 'status']);
  assert.deepEqual([first.status, first.durability], ['deploying', 'disk']);
  assert.ok(number(first.id) > number(created.cursor));
  assert.equal((await post(hub, `${path}/logs`, { logs: 'one\ntwo', append: true })).durability, 'process');
  await post(hub, `${path}/logs`, { message: 'three', level: 'Success' });
  await post(hub, `${path}/logs`, { lines: [{ message: 'four', level: 'debug' }, { message: 'five' }] });
  await post(hub, `${path}/progress`, { progress: 60, step: 'pull', current_step: 6, total_steps: 10 });
  const running = await post(hub, `${path}/status`, { status: 'running' });
  assert.equal(running.status, 'running');
  assert.equal((await hub.get(path)).json.settled, true);
  const done = await post(hub, `${path}/complete`, { status: 'success', message: 'done', result: { n: 1.5 } });
  assert.equal(done.status, 'success');
  const again = await post(hub, `${path}/complete`, { status: 'success' });
  assert.equal(again.id, done.id, 'once per attempt');

  const { json: job } = await hub.get(path);
  const { created_at: a, started_at: b, updated_at: c, ended_at: d, log, ...rest } = job;
  assert.ok([a, b, c, d].every((time) => !Number.isNaN(Date.parse(time))));
  assert.deepEqual(log.map(({ line, level, message }) => [line, level, message]),
    [[1, 'info', 'one'], [2, 'info', 'two'], [3, 'success', 'three'], [4, 'debug', 'four'], [5, 'info', 'five']]);
  for (const [name, value] of Object.entries({ kind: 'deployment', id, deployment_id: id, attempt: 1, status: 'success', progress: 100,
    step: 'pull', message: 'done', error: null, result: { n: 1.5 }, owner: 'u', project: null, name: 'shop', cursor: done.id })) {
    assert.deepEqual(rest[name], value, name);
  }
  assert.equal(JSON.stringify(job).includes('secret'), false);
});

test('a ticket and a build, their own fields', async (t) => {
  const hub = await startHub({ t });
  const started = await post(hub, '/api/tickets/processing/start', { ticket_id: 12345 });
  assert.deepEqual([started.success, started.status, started.websocket_url, started.ticket_id, started.attempt],
    [true, 'PENDING', '/ws/tickets/12345', '12345', 1]);
  assert.equal((await hub.get('/api/tickets/12345')).json.ticket_id, '12345');

  const created = await post(hub, '/api/jobs', { projectId: 'p' }, 201);
  assert.deepEqual([created.projectId, created.status], ['p', 'queued']);
  assert.match(created.jobId, /^job-[0-9a-z]{12}$/);
  const path = `/api/jobs/${created.jobId}`;
  assert.equal((await post(hub, `${path}/progress`, { phase: 'preparing' })).status, 'preparing');
  assert.equal((await post(hub, `${path}/progress`, { phase: 'completed', progress: 90 })).status, 'building');
  assert.equal((await hub.get(path)).json.progress, 90);
  await post(hub, `${path}/log`, { message: 'x', level: 'warn' });
  const end = await post(hub, `${path}/progress`, { phase: 'completed', progress: 100 });
  assert.equal(end.status, 'completed');
  assert.equal((await post(hub, `${path}/completed`, { result: { url: 'u' } })).id, end.id);
  const { json } = await hub.get(path);
  assert.deepEqual([json.kind, json.jobId, json.projectId, json.status, json.progress, json.result, json.log[0].level],
    ['build', created.jobId, 'p', 'completed', 100, { url: 'u' }, 'warning']);
  const failed = await post(hub, '/api/jobs/other/error', { error: 'boom' });
  assert.equal(failed.status, 'failed');
  assert.equal((await hub.get('/api/jobs/other')).json.error, 'boom');
});

test('ids with a space to them are as good as any', async (t) => {
  const hub = await startHub({ t });
  const created = await post(hub, DEPLOYMENTS, { stack_id: 's', target_id: 't', id: 'é?#%:1' }, 201);
  const encoded = encodeURIComponent('é?#%:1');
  assert.equal(created.websocket_url, `/api/v1/ws/deployment/${encoded}`);
  assert.equal((await hub.get(`${DEPLOYMENTS}/${encoded}`)).json.id, 'é?#%:1');
  const ws = await hub.ws(created.websocket_url);
  assert.equal((await ws.waitType('connected')).deployment_id, 'é?#%:1');
});

test('what the state machine does not allow is 409 and changes nothing', async (t) => {
  const hub = await startHub({ t });
  await post(hub, `${DEPLOYMENTS}/d/status`, { status: 'running' });
  const ws = await hub.ws('/ws/deployment/d?tail=0');
  await ws.waitType('status');
  for (const [path, body] of [['status', { status: 'pending' }], ['status', { status: 'deploying', logs: 'never' }],
    ['status', { status: 'success', attempt: 2 }], ['status', { status: 'success', attempt: 7 }]]) {
    const { error } = await post(hub, `${DEPLOYMENTS}/d/${path}`, body, 409);
    assert.equal(error.code, 'conflict');
    assert.ok(error.message.length > 10);
  }
  const { error } = await post(hub, `${DEPLOYMENTS}/d/status`, { status: 'flying' }, 400);
  assert.equal(error.code, 'bad_request');
  await post(hub, DEPLOYMENTS, { stack_id: 's', target_id: 't', id: 'd' }, 409);
  await post(hub, `${DEPLOYMENTS}/d/status`, { status: 'failed' });
  await post(hub, `${DEPLOYMENTS}/d/progress`, { progress: 5 }, 409);
  await post(hub, `${DEPLOYMENTS}/d/logs`, { message: 'after the end' });
  const reopened = await post(hub, DEPLOYMENTS, { stack_id: 's', target_id: 't', id: 'd' }, 201);
  assert.equal(reopened.attempt, 2);
  await post(hub, `${DEPLOYMENTS}/d/status`, { status: 'success', attempt: 1 }, 409);
  assert.deepEqual((await ws.collectUntil(({ type }) => type === 'DEPLOYMENT_CREATED')).map(({ type, status }) => status ?? type),
    ['failed', 'log', 'pending']);
});

test('mere progress is merged, and the last of it always arrives', async (t) => {
  const hub = await startHub({ t });
  await post(hub, '/api/jobs', { projectId: 'p', jobId: 'j' }, 201);
  await post(hub, '/api/jobs/j/progress', { phase: 'building', progress: 50 });
  const ws = await hub.ws('/ws');
  await ws.waitType('connected');
  await ws.subscribe('job:j');
  const answers = [];
  for (let n = 51; n <= 70; n++) {
    answers.push(await hub.post('/api/jobs/j/progress', { progress: n }));
  }
  const merged = answers.filter(({ status }) => status === 202);
  assert.ok(merged.length > 0 && merged.every(({ json }) => json.merged === true));
  assert.ok(answers.every(({ status }) => status === 200 || status === 202));
  assert.equal(answers[0].status, 200, 'the first at once');
  assert.equal(answers[0].json.durability, 'memory');
  const seen = (await ws.collectUntil(({ data }) => data?.progress === 70)).map(({ data }) => data.progress);
  assert.deepEqual(seen, [...seen].sort((a, b) => a - b));
  assert.ok(seen.length < 20);
  assert.equal((await hub.get('/api/jobs/j')).json.progress, 70);
});

test('a list has everything up to its cursor, pages and filters', async (t) => {
  const hub = await startHub({ t });
  for (const [kind, path] of Object.entries(PATHS)) {
    const empty = await hub.get(path);
    assert.deepEqual([empty.status, Object.keys(empty.json), empty.json.items, empty.json.next], [200, ['items', 'next', 'cursor'], [], null], kind);
  }
  const ids = Array.from({ length: 7 }, (_, i) => `j${i}`);
  for (const jobId of ids) {
    await post(hub, '/api/jobs', { projectId: 'p', jobId }, 201);
  }
  await post(hub, '/api/jobs/j3/completed', {});
  await post(hub, '/api/jobs/j5/progress', { progress: 1 });
  const { json } = await hub.get('/api/jobs');
  assert.deepEqual(json.items.map(({ id }) => id), [...ids].reverse(), 'newest first');
  assert.ok(json.items.every((job) => job.kind === 'build' && !('log' in job) && number(job.cursor) <= number(json.cursor)));

  const seen = [];
  for (let after = ''; after !== null;) {
    const page = await hub.get(`/api/jobs?limit=3${after && `&after=${encodeURIComponent(after)}`}`);
    assert.ok(page.json.items.length <= 3);
    seen.push(...page.json.items.map(({ id }) => id));
    after = page.json.next;
  }
  assert.deepEqual(seen, [...ids].reverse());
  const completed = await hub.get('/api/jobs?status=Completed');
  assert.deepEqual(completed.json.items.map(({ id }) => id), ['j3']);
  assert.equal((await hub.get('/api/jobs?status=queued')).json.items.length, 6);
  for (const bad of ['status=flying', 'limit=0', 'limit=x', 'limit=-1']) {
    const { status, json: { error } } = await hub.get(`/api/jobs?${bad}`);
    assert.deepEqual([status, error.code], [400, 'bad_request'], bad);
  }
});

test('a list and the stream behind it fit together while work goes on', async (t) => {
  const hub = await startHub({ t });
  let running = true;
  const work = async (jobId) => {
    await post(hub, '/api/jobs', { projectId: 'p', jobId }, 201);
    for (let n = 1; running; n++) {
      await post(hub, `/api/jobs/${jobId}/progress`, { phase: 'building', step: `s${n}`, progress: 50 });
    }
  };
  const workers = Array.from({ length: 4 }, (_, i) => work(`j${i}`));
  await until(async () => (await hub.get('/api/jobs')).json.items.filter(({ step }) => step).length === 4, 'all are under way');
  for (let round = 0; round < 5; round++) {
    const { json } = await hub.get('/api/jobs');
    const known = new Map(json.items.map((job) => [job.id, job]));
    const ws = await hub.ws('/ws');
    const events = await ws.subscribe('jobs', { since: json.cursor });
    while (events.length < 20) {
      events.push(await ws.waitType('JOB_PROGRESS'));
    }
    for (const event of events.filter(({ type }) => type === 'JOB_PROGRESS')) {
      const job = known.get(event.data.jobId);
      if (number(event.id) > number(job.cursor)) {
        assert.equal(Number(event.data.step.slice(1)), Number(job.step.slice(1)) + 1, 'the next step, none missed, none twice');
        known.set(job.id, { ...job, step: event.data.step, cursor: event.id });
      }
    }
    await ws.close();
  }
  running = false;
  await Promise.all(workers);
});

test('a log is read by number, from the end, and as text', async (t) => {
  const hub = await startHub({ t });
  const total = 2500;
  const lines = Array.from({ length: total }, (_, i) => ({ message: `line ${i + 1}`, level: i % 2 ? 'error' : 'info' }));
  for (let i = 0; i < total; i += 500) {
    await post(hub, '/api/jobs/j/log', { lines: lines.slice(i, i + 500) });
  }
  const log = async (query) => (await hub.get(`/api/jobs/j/log${query}`)).json;
  const numbers = ({ lines: list }) => [list.at(0)?.line, list.at(-1)?.line, list.length];
  const start = await log('?limit=10');
  assert.deepEqual(Object.keys(start), ['lines', 'attempt', 'first', 'next', 'last', 'complete']);
  assert.deepEqual([numbers(start), start.first, start.next, start.last, start.complete], [[1, 10, 10], 1, 11, total, false]);
  assert.deepEqual(Object.keys(start.lines[0]), ['line', 'level', 'message', 'timestamp']);
  assert.deepEqual([start.lines[1].level, start.lines[1].message], ['error', 'line 2']);
  const cases = [['?from=2491', [2491, 2500, 10], 2501, true], ['?from=-5', [2496, 2500, 5], 2501, true], ['?from=-5&limit=2', [2496, 2497, 2], 2498, false],
    ['?from=-100000', [1, 1000, 1000], 1001, false], ['?from=5000', [undefined, undefined, 0], 2501, true], ['?from=0&limit=1', [1, 1, 1], 2, false],
    ['?limit=100000', [1, 1000, 1000], 1001, false], ['?from=2500', [2500, 2500, 1], 2501, true]];
  for (const [query, expected, next, complete] of cases) {
    const page = await log(query);
    assert.deepEqual([numbers(page), page.next, page.complete], [expected, next, complete], query);
  }
  const seen = [];
  for (let from = 1, complete = false; !complete;) {
    const page = await log(`?from=${from}&limit=700`);
    seen.push(...page.lines.map(({ message }) => message));
    ({ next: from, complete } = page);
  }
  assert.deepEqual(seen, lines.map(({ message }) => message));

  const text = lines.map(({ message }) => `${message}\n`).join('');
  const plain = await hub.get('/api/jobs/j/log', { headers: { accept: 'text/plain' } });
  assert.equal(plain.text, text);
  assert.match(plain.headers['content-type'], /^text\/plain; ?charset=utf-8$/i);
  assert.equal((await hub.get('/api/jobs/j/log?format=text&from=-2')).text, 'line 2499\nline 2500\n');
  assert.equal((await hub.get('/api/jobs/j/log?format=text&from=3&limit=2')).text, 'line 3\nline 4\n');
  assert.equal((await hub.get('/api/jobs/j/log?format=text&from=9999')).text, '');
  assert.ok((await hub.get('/api/jobs/j/log', { headers: { accept: 'application/json, text/plain;q=0.1' } })).json);
  assert.ok((await hub.get('/api/jobs/j/log', { headers: { accept: '*/*' } })).json);
  assert.equal((await hub.request('HEAD', '/api/jobs/j/log?format=text')).status, 200);
  for (const bad of ['from=x', 'limit=0', 'limit=x', 'attempt=0', 'attempt=x', 'from=--1', 'from=']) {
    const { status, json: { error } } = await hub.get(`/api/jobs/j/log?${bad}`);
    assert.deepEqual([status, error.code], [400, 'bad_request'], bad);
  }
});

test('a large log goes out piece by piece, also to who reads slowly or leaves', async (t) => {
  const hub = await startHub({ t });
  const filler = 'x'.repeat(1000);
  const total = 4000;
  for (let i = 0; i < total; i += 50) {
    await post(hub, '/api/jobs/j/log', { lines: Array.from({ length: 50 }, (_, k) => ({ message: `${i + k + 1} ${filler}` })) });
  }
  const request = 'GET /api/jobs/j/log?format=text HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n';
  for (let i = 0; i < 5; i++) {
    const gone = await hub.raw();
    gone.pause();
    gone.write(request);
    gone.close();
  }
  const raw = await hub.raw();
  raw.pause();
  raw.write(request);
  await post(hub, '/api/jobs/j/log', { message: 'meanwhile' });
  raw.resume();
  const { status, text } = await raw.readResponse();
  assert.equal(status, 200);
  const got = text.split('\n');
  assert.equal(got[0], `1 ${filler}`);
  assert.ok(got.length - 1 === total || got.length - 1 === total + 1, `${got.length}`);
  assert.deepEqual(got.slice(0, total).map((line) => Number(line.split(' ')[0])), Array.from({ length: total }, (_, i) => i + 1));
});

test('the log of each attempt is its own', async (t) => {
  const hub = await startHub({ t });
  await post(hub, '/api/jobs', { projectId: 'p', jobId: 'j' }, 201);
  await post(hub, '/api/jobs/j/log', { message: 'first' });
  await post(hub, '/api/jobs/j/error', { error: 'x' });
  await post(hub, '/api/jobs', { projectId: 'p', jobId: 'j' }, 201);
  await post(hub, '/api/jobs/j/log', { message: 'second' });
  const log = async (query) => (await hub.get(`/api/jobs/j/log${query}`)).json;
  assert.deepEqual((await log('')).lines.map(({ message, line }) => [message, line]), [['second', 1]]);
  assert.deepEqual((await log('?attempt=1')).lines.map(({ message }) => message), ['first']);
  assert.equal((await log('')).attempt, 2);
  assert.equal((await hub.get('/api/jobs/j/log?attempt=3')).status, 404);
  await post(hub, '/api/jobs/empty', {}, 405);
  await post(hub, '/api/jobs', { projectId: 'p', jobId: 'empty' }, 201);
  const { lines, next, last, complete } = (await hub.get('/api/jobs/empty/log')).json;
  assert.deepEqual([lines, next, last, complete], [[], 1, 0, true]);
  assert.equal((await hub.get('/api/jobs/empty/log?format=text')).text, '');
});

test('cancel is asked for, told in every later answer, and ended by a report', async (t) => {
  const hub = await startHub({ t });
  await post(hub, '/api/jobs', { projectId: 'p', jobId: 'j' }, 201);
  const asked = await post(hub, '/api/jobs/j/cancel', undefined, 202);
  assert.equal(asked.cancel_requested, true);
  await post(hub, '/api/jobs/j/cancel', {}, 202);
  assert.equal((await hub.get('/api/jobs/j')).json.cancel_requested, true);
  assert.equal((await post(hub, '/api/jobs/j/log', { message: 'x' })).cancel_requested, true);
  assert.equal((await post(hub, '/api/jobs/j/progress', { phase: 'building' })).cancel_requested, true);
  const published = await post(hub, '/api/v1/publish', { type: 'JOB_LOG', data: { jobId: 'j', message: 'y' } });
  assert.equal(published.cancel_requested, true);
  const answers = await Promise.all([51, 52, 53].map((progress) => hub.post('/api/jobs/j/progress', { progress })));
  assert.ok(answers.every(({ json }) => json.cancel_requested === true), 'merged ones too');
  assert.equal((await post(hub, '/api/jobs/j/error', { status: 'cancelled', error: 'told to' })).status, 'cancelled');
  await post(hub, '/api/jobs/j/cancel', {}, 409);
  await post(hub, '/api/jobs/nobody/cancel', {}, 404);
  await post(hub, '/api/jobs/j/cancel', '{', 400);
});

test('delete takes an ended one with its log, never an open one', async (t) => {
  const hub = await startHub({ t });
  await post(hub, `${DEPLOYMENTS}/d/status`, { status: 'deploying', logs: 'x' });
  const open = await hub.delete(`${DEPLOYMENTS}/d`);
  assert.deepEqual([open.status, open.json.error.code], [409, 'conflict']);
  await post(hub, `${DEPLOYMENTS}/d/status`, { status: 'failed' });
  const ws = await hub.ws('/ws');
  await ws.waitType('connected');
  await ws.subscribe('deployment_events');
  const gone = await hub.delete(`${DEPLOYMENTS}/d`);
  assert.deepEqual([gone.status, gone.text], [204, '']);
  assert.equal((await ws.waitType('DEPLOYMENT_DELETED')).data.deployment_id, 'd');
  for (const path of [`${DEPLOYMENTS}/d`, `${DEPLOYMENTS}/d/log`]) {
    assert.equal((await hub.get(path)).status, 404, path);
  }
  assert.equal((await hub.delete(`${DEPLOYMENTS}/d`)).status, 404);
  assert.deepEqual((await hub.get(DEPLOYMENTS)).json.items, []);
  const anew = await post(hub, DEPLOYMENTS, { stack_id: 's', target_id: 't', id: 'd' }, 201);
  assert.equal(anew.attempt, 1);
  await post(hub, '/api/jobs/j/error', {});
  assert.equal((await hub.delete('/api/jobs/j')).status, 204);
});

test('jobs nobody knows are 404, and reading creates none', async (t) => {
  const hub = await startHub({ t });
  for (const path of Object.values(PATHS)) {
    for (const rest of ['/nobody', '/nobody/log', '/nobody/log?format=text', '/a%20b', `/${'x'.repeat(129)}`]) {
      const { status, json } = await hub.get(path + rest);
      assert.deepEqual([status, json.error.code], [404, 'not_found'], path + rest);
    }
    assert.deepEqual((await hub.get(path)).json.items, []);
  }
});

test('reports that make no sense are refused, each with its reason', async (t) => {
  const hub = await startHub({ t });
  const cases = [
    [DEPLOYMENTS, {}, 400], [DEPLOYMENTS, { stack_id: 's' }, 400], [DEPLOYMENTS, { stack_id: 's', target_id: 't', id: 'a/b' }, 400],
    [DEPLOYMENTS, { stack_id: 's', target_id: 't', id: '' }, 400], ['/api/jobs', {}, 400], ['/api/tickets/processing/start', {}, 400],
    ['/api/jobs/j/progress', { progress: 101 }, 400], ['/api/jobs/j/progress', { progress: 'x' }, 400], ['/api/jobs/j/progress', {}, 400],
    ['/api/jobs/j/progress', { phase: 'sleeping' }, 400], ['/api/jobs/j/log', {}, 400], ['/api/jobs/j/log', { lines: 5 }, 400],
    ['/api/jobs/j/log', { lines: Array.from({ length: 1001 }, () => ({ message: 'x' })) }, 413],
    ['/api/jobs/j/log', { message: 'x', attempt: 0 }, 400], ['/api/jobs/j/log', { message: 'x', lease: -1 }, 400],
    ['/api/jobs/a%20b/log', { message: 'x' }, 400], [`/api/jobs/${'x'.repeat(129)}/log`, { message: 'x' }, 400],
    ['/api/jobs/j/log', '[]', 400], ['/api/jobs/j/log', '', 400], ['/api/jobs/j/log', '{"message":"x"', 400],
    ['/api/jobs/j/log', { message: 'x', producer: 'p', seq: -1 }, 400], ['/api/tickets/k/status', { status: 5 }, 400],
  ];
  for (const [path, body, status] of cases) {
    const { error } = await post(hub, path, body, status);
    assert.ok(error.message.length > 10, path);
  }
  assert.equal((await hub.get('/api/jobs/j')).status, 404);
  assert.deepEqual((await hub.get(DEPLOYMENTS)).json.items, []);
});

test('jobs, logs and open attempts survive a restart and a kill', async (t) => {
  const hub = await startHub({ t });
  await post(hub, `${DEPLOYMENTS}/d/status`, { status: 'deploying', logs: 'one\n', name: 'n' });
  await post(hub, `${DEPLOYMENTS}/d/progress`, { progress: 40, step: 'pull' });
  const before = (await hub.get(`${DEPLOYMENTS}/d`)).json;
  await hub.restart();
  assert.deepEqual((await hub.get(`${DEPLOYMENTS}/d`)).json, before);
  await post(hub, `${DEPLOYMENTS}/d/logs`, { message: 'two' });
  await hub.kill9();
  await hub.start();
  const { json } = await hub.get(`${DEPLOYMENTS}/d`);
  assert.deepEqual([json.status, json.log.map(({ message }) => message)], ['deploying', ['one', 'two']]);
  await post(hub, `${DEPLOYMENTS}/d/complete`, { status: 'success' });
});
