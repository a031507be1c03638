// SPDX-License-Identifier: MIT
// Jobs: their kinds and states, and the reducer that turns events into the state of a job. Pure.

import { isAfter } from './cursor.js';

export const KINDS = {
  deployment: {
    label: 'Deployment', prefix: 'deployment:', wide: 'deployment_events', events: 'DEPLOYMENT_', first: 'pending',
  },
  ticket: { label: 'Ticket', prefix: 'ticket:', wide: 'tickets', events: 'TICKET_', first: 'IDLE' },
  build: { label: 'Build', prefix: 'job:', wide: 'jobs', events: 'JOB_', first: 'queued' },
};

const LOG_TYPES = new Set(['DEPLOYMENT_LOGS_UPDATE', 'TICKET_LOG', 'JOB_LOG']);
const ENDS = { success: 'good', completed: 'good', failed: 'bad', cancelled: 'off' };
const WAITING = new Set(['idle', 'pending', 'queued']);

// The kind of that name; "job" is another word for build. undefined for others.
export function kindNamed(name) {
  const kind = name === 'job' ? 'build' : name;
  return Object.hasOwn(KINDS, kind) ? kind : undefined;
}

export function kindOfEvent(event) {
  return Object.keys(KINDS).find((kind) => event.type?.startsWith(KINDS[kind].events));
}

export function idOfEvent(event) {
  const data = event.data ?? {};
  const id = data.deployment_id ?? data.deploymentId ?? data.ticket_id ?? data.jobId;
  return id === undefined || id === null ? undefined : String(id);
}

export function topicOf(kind, id) {
  return KINDS[kind].prefix + id;
}

export function isLog(event) {
  return LOG_TYPES.has(event.type);
}

function lower(job) {
  return (job.status ?? '').toLowerCase();
}

export function hasEnded(job) {
  return lower(job) in ENDS;
}

// An attempt is under way.
export function isOpen(job) {
  return lower(job) !== '' && lower(job) !== 'idle' && !hasEnded(job) && !job.settled;
}

// How a status looks: "waiting", "active", "good", "bad" or "off".
export function toneOf(job) {
  const status = lower(job);
  if (status in ENDS) {
    return ENDS[status];
  }
  if (job.settled) {
    return 'good';
  }
  return status === '' || WAITING.has(status) ? 'waiting' : 'active';
}

// The step as it is worth showing: not where it only repeats the status.
export function stepOf(job) {
  const step = job?.step ?? job?.phase ?? '';
  return step === job?.status ? '' : step;
}

// When the attempt took up work, and for how long it has.
export function elapsedMs(job, now) {
  const from = Date.parse(job.started_at ?? job.created_at ?? '');
  const to = job.ended_at ? Date.parse(job.ended_at) : now;
  return Number.isNaN(from) ? null : Math.max(0, to - from);
}

// An attempt that just began.
function blank(kind, id, timestamp) {
  return {
    kind, id, attempt: 0, status: KINDS[kind].first, progress: 0, step: null, message: null, error: null, result: null,
    owner: null, project: null, created_at: timestamp, started_at: null, updated_at: timestamp, ended_at: null,
    cursor: null,
  };
}

function nextAttempt(job, attempt, timestamp) {
  const { owner, project, name, iteration } = job;
  return { ...blank(job.kind, job.id, timestamp), attempt, owner, project, name, iteration };
}

// Copies the members that are there under any of their names.
function take(job, data, names) {
  for (const [name, ...sources] of names) {
    const source = sources.find((key) => data[key] !== undefined && data[key] !== null);
    if (source !== undefined) {
      job[name] = data[source];
    }
  }
}

function takeState(job, data) {
  take(job, data, [
    ['progress', 'progress'], ['message', 'message'], ['step', 'step'], ['phase', 'phase'],
    ['step_index', 'step_index'], ['total_steps', 'total_steps'],
    ['error', 'error', 'error_message'], ['result', 'result'], ['owner', 'user_id'], ['project', 'projectId'],
    ['name', 'name'], ['exit_code', 'exit_code'], ['signal', 'signal'], ['iteration', 'iteration'],
    ['stalled', 'stalled'], ['settled', 'settled'],
  ]);
}

function takeStatus(job, data, timestamp) {
  const ended = hasEnded(job);
  job.status = data.status ?? job.status;
  if (hasEnded(job)) {
    job.ended_at = ended ? job.ended_at : timestamp;
    job.progress = toneOf(job) === 'good' ? data.progress ?? 100 : job.progress;
  } else if (!WAITING.has(lower(job))) {
    job.started_at ??= timestamp;
  }
}

// The job after an event about it; the same object when the event is nothing new to it. `job` may be null.
export function reduce(job, event) {
  const kind = kindOfEvent(event);
  const id = idOfEvent(event);
  if (!kind || id === undefined || (job && !isAfter(event.id, job.cursor))) {
    return job;
  }
  if (event.type === 'DEPLOYMENT_DELETED') {
    return null;
  }
  const data = event.data;
  let next = { ...(job ?? blank(kind, id, event.timestamp)) };
  const attempt = data.attempt ?? Math.max(1, next.attempt);
  if (attempt < next.attempt) {
    return job;
  }
  if (attempt > next.attempt) {
    next = nextAttempt(next, attempt, event.timestamp);
  }
  if (!isLog(event)) {
    takeState(next, event.type === 'JOB_COMPLETED' ? { phase: 'completed', ...data } : data);
    takeStatus(next, data, event.timestamp);
  }
  next.updated_at = event.timestamp;
  next.cursor = event.id;
  return next;
}
