// SPDX-License-Identifier: MIT
// The hub's addresses and its HTTP API. The token the page was opened with goes along.

import { addToken, takeToken } from './token.js';

const TOKEN = takeToken();

const PATHS = { deployment: '/api/v1/deployments', ticket: '/api/tickets', build: '/api/jobs' };

export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function call(path, options = {}) {
  const headers = { Accept: 'application/json' };
  if (TOKEN) {
    headers.Authorization = `Bearer ${TOKEN}`;
  }
  const response = await fetch(path, { headers, cache: 'no-store', ...options });
  const body = await response.json().catch(() => null);
  if (!response.ok) {
    throw new ApiError(response.status, body?.error?.message ?? `the hub answered ${response.status}`);
  }
  return body;
}

function query(values) {
  const set = Object.entries(values).filter(([, value]) => value !== undefined && value !== null);
  return new URLSearchParams(set).toString();
}

function jobPath(kind, id) {
  return `${PATHS[kind]}/${encodeURIComponent(id)}`;
}

export function pageUrl(kind, id) {
  return addToken(`/jobs/${kind}/${encodeURIComponent(id)}`, TOKEN);
}

export function homeUrl() {
  return addToken('/', TOKEN);
}

// The log of one attempt as plain text, for a link.
export function rawLogUrl(kind, id, attempt) {
  return addToken(`${jobPath(kind, id)}/log?${query({ format: 'text', attempt })}`, TOKEN);
}

export function getJobs(kind, options) {
  return call(`${PATHS[kind]}?${query(options)}`);
}

export function getJob(kind, id) {
  return call(jobPath(kind, id));
}

export function getLog(kind, id, options) {
  return call(`${jobPath(kind, id)}/log?${query(options)}`);
}

export function cancelJob(kind, id) {
  return call(`${jobPath(kind, id)}/cancel`, { method: 'POST' });
}

export function socketUrl() {
  return `${location.origin.replace(/^http/, 'ws')}/api/v1/ws`;
}

export function socketProtocols() {
  return TOKEN ? ['clairon.v1', `bearer.${TOKEN}`] : ['clairon.v1'];
}
