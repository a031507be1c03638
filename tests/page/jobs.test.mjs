// SPDX-License-Identifier: MIT
// The reducer of the pages: from events to the state of a job.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { elapsedMs, hasEnded, isOpen, kindNamed, reduce, stepOf, toneOf } from '../../web/page/jobs.js';

let number = 0;
const at = (second) => new Date(Date.UTC(2024, 0, 1, 0, 0, second)).toISOString();
function event(type, data, second = 0) {
  number += 1;
  return { type, id: `e-${number}`, timestamp: at(second), topic: 't', data };
}
const build = (type, data, second) => event(type, { jobId: 'a', projectId: 'p', attempt: 1, ...data }, second);
const after = (...events) => events.reduce(reduce, null);

test('a build from its first report to its end', () => {
  const job = after(
    build('JOB_PROGRESS', { status: 'queued', phase: 'queued', progress: 0 }, 1),
    build('JOB_PROGRESS', { status: 'building', phase: 'building', progress: 50, message: 'half' }, 3),
    build('JOB_COMPLETED', { status: 'completed', progress: 100, message: 'done', result: { files: 3 } }, 9));
  assert.equal(job.kind, 'build');
  assert.equal(job.status, 'completed');
  assert.equal(job.progress, 100);
  assert.equal(job.message, 'done');
  assert.equal(stepOf(job), '');
  assert.equal(job.project, 'p');
  assert.deepEqual(job.result, { files: 3 });
  assert.equal(job.created_at, at(1));
  assert.equal(job.started_at, at(3));
  assert.equal(job.ended_at, at(9));
  assert.equal(elapsedMs(job, Date.now()), 6000);
});

test('an exit code and a signal are kept', () => {
  const failed = after(build('JOB_ERROR', { status: 'failed', error: 'exit status 2', exit_code: 2 }));
  assert.equal(failed.error, 'exit status 2');
  assert.equal(failed.exit_code, 2);
  assert.equal(after(build('JOB_ERROR', { status: 'failed', signal: 'SIGKILL' })).signal, 'SIGKILL');
});

test('a deployment: numbers or names of steps, settled is not open', () => {
  const of = (type, data) => event(type, { deployment_id: 'd', attempt: 1, ...data });
  const job = after(of('DEPLOYMENT_STATUS_CHANGED', { status: 'deploying', user_id: 'u', name: 'shop' }),
    of('DEPLOYMENT_PROGRESS', { progress: 75, current_step: 'Validating', step: 'Validating', step_index: 3 }));
  assert.equal(job.owner, 'u');
  assert.equal(job.name, 'shop');
  assert.equal(job.step, 'Validating');
  assert.equal(isOpen(job), true);
  const settled = reduce(job, of('DEPLOYMENT_STATUS_CHANGED', { status: 'running', settled: true }));
  assert.equal(isOpen(settled), false);
  assert.equal(hasEnded(settled), false);
  assert.equal(toneOf(settled), 'good');
  assert.equal(reduce(settled, of('DEPLOYMENT_DELETED', {})), null);
});

test('a ticket', () => {
  const job = after(event('TICKET_STATUS_CHANGED', { ticket_id: 12, status: 'PENDING', progress: 0 }),
    event('TICKET_STATUS_CHANGED', { ticket_id: 12, status: 'IN_PROGRESS', step: 'call_llm', progress: 50 }),
    event('TICKET_STATUS_CHANGED', { ticket_id: 12, status: 'FAILED', error: 'no' }));
  assert.equal(job.id, '12');
  assert.equal(job.step, 'call_llm');
  assert.equal(job.error, 'no');
  assert.equal(toneOf(job), 'bad');
});

test('a higher attempt starts anew, a lower one is not heard', () => {
  const ended = after(build('JOB_ERROR', { status: 'failed', error: 'no', exit_code: 1, progress: 40 }, 1));
  const again = reduce(ended, build('JOB_PROGRESS', { status: 'queued', progress: 0, attempt: 2 }, 5));
  assert.equal(again.attempt, 2);
  assert.equal(again.error, null);
  assert.equal(again.exit_code, undefined);
  assert.equal(again.ended_at, null);
  assert.equal(again.started_at, null);
  assert.equal(again.project, 'p');
  assert.equal(again.created_at, at(5));
  assert.equal(reduce(again, build('JOB_PROGRESS', { status: 'building', attempt: 1 })), again);
});

test('what is not after the cursor changes nothing', () => {
  const old = build('JOB_PROGRESS', { status: 'queued' });
  const job = after(build('JOB_PROGRESS', { status: 'building' }));
  assert.equal(reduce(job, old), job);
});

test('a log line leaves the state alone', () => {
  const job = after(build('JOB_PROGRESS', { status: 'building', message: 'work', progress: 5 }));
  assert.equal(after(build('JOB_LOG', { message: 'a line', line: 1, lines: 1 })).status, 'queued');
  const next = reduce(job, build('JOB_LOG', { message: 'a line', level: 'info', line: 1, lines: 1 }, 7));
  assert.equal(next.message, 'work');
  assert.equal(next.status, 'building');
  assert.equal(next.updated_at, at(7));
});

test('events about nothing and of other types', () => {
  assert.equal(reduce(null, event('JOB_PROGRESS', { progress: 5 })), null);
  assert.equal(reduce(null, event('NOTIFICATION_SENT', { jobId: 'a' })), null);
});

test('kinds, steps and tones', () => {
  assert.equal(kindNamed('job'), 'build');
  assert.equal(kindNamed('ticket'), 'ticket');
  assert.equal(kindNamed('constructor'), undefined);
  assert.equal(stepOf({ status: 'building', phase: 'building' }), '');
  assert.equal(stepOf({ status: 'building', phase: 'completed' }), 'completed');
  assert.equal(stepOf({ status: 'building', phase: 'building', step: null }), '');
  assert.equal(stepOf({ status: 'building', step: 'link' }), 'link');
  assert.equal(toneOf({ status: null }), 'waiting');
  assert.equal(toneOf({ status: 'IN_PROGRESS' }), 'active');
  assert.equal(toneOf({ status: 'CANCELLED' }), 'off');
});
