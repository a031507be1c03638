// SPDX-License-Identifier: MIT
// A build, a deployment, a ticket and a channel, each reported on in an order of its own while connections are cut and
// the hub is restarted; and the ledger: what everyone who watched must have been shown, once and in order.
import assert from 'node:assert/strict';
import http from 'node:http';
import { Inbox, until, within } from './wait.mjs';

// Somebody who reports without losing or doubling anything: each report is sent again, with the same number, until it is
// answered, and the next only then.
export class Producer {
  constructor(hub, job) {
    Object.assign(this, { hub, job, seq: 0, lines: [], produced: new Inbox(`reports on ${job}`) });
    this.agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  }

  async post(target, body) {
    const bytes = Buffer.from(JSON.stringify(body));
    const headers = { 'content-type': 'application/json', 'content-length': bytes.length };
    return within(new Promise((resolve, reject) => {
      const call = http.request(this.hub.url + target, { method: 'POST', agent: this.agent, headers }, async (response) => {
        let text = '';
        try {
          for await (const chunk of response) {
            text += chunk;
          }
          resolve({ status: response.statusCode, text });
        } catch (error) {
          reject(error);
        }
      });
      call.on('error', reject);
      call.end(bytes);
    }), `the answer to ${target}`);
  }

  async report(verb, members) {
    const body = { producer: 'course', seq: ++this.seq, ...members };
    await until(async () => {
      const { status, text } = await this.post(`${this.job}/${verb}`, body).catch(() => ({ status: 503 }));
      assert.ok([200, 202, 503].includes(status), `${this.job}/${verb}: ${status} ${text}`);
      return status !== 503;
    }, `${this.job}/${verb} is taken`);
  }

  // The `i`th report: mostly a line, now and then three, or progress, or a step.
  async one(i) {
    const levels = ['info', 'warning', 'error', 'debug', 'success'];
    const line = () => ({ message: `line ${this.lines.length} of ${this.job}: Grüße \u{1F680} "${i}"`, level: levels[i % 5] });
    const add = (count) => Array.from({ length: count }, () => {
      this.lines.push(line());
      return this.lines.at(-1);
    });
    if (i % 10 === 4) {
      await this.report(this.words.log, { lines: add(3) });
    } else if (i % 10 === 9) {
      await this.progress(i);
    } else {
      await this.report(this.words.log, add(1)[0]);
    }
    this.produced.push(i);
  }

  async produce(count) {
    for (let i = 0; i < count; i++) {
      await this.one(this.produced.items.length);
    }
  }

  // Waits until so many reports have been answered.
  reached(count) {
    return until(() => this.produced.items.length >= count, `${count} reports on ${this.job}`);
  }
}

export class BuildProducer extends Producer {
  words = { log: 'log' };

  static phases = ['preparing', 'installing', 'building', 'completed'];

  constructor(hub, id, total) {
    super(hub, `/api/jobs/${id}`);
    Object.assign(this, { id, total, phase: -1 });
  }

  async begin() {
    const { status, text } = await this.post('/api/jobs', { projectId: 'shop', jobId: this.id });
    assert.equal(status, 201, text);
  }

  // The phases one after the other; within one, mere progress.
  async progress(i) {
    const phase = Math.min(3, Math.floor(4 * i / this.total));
    const changed = phase !== this.phase;
    this.phase = phase;
    const progress = Math.min(90, Math.floor(100 * i / this.total));
    await this.report('progress', { phase: BuildProducer.phases[phase], progress, ...(changed && { message: `now ${BuildProducer.phases[phase]}` }) });
  }

  end() {
    return this.report('completed', { message: 'all done', result: { artifacts: 3 } });
  }
}

export class DeploymentProducer extends Producer {
  words = { log: 'logs' };

  constructor(hub, id, total) {
    super(hub, `/api/v1/deployments/${id}`);
    Object.assign(this, { id, total });
  }

  async begin() {
    const { status, text } = await this.post('/api/v1/deployments', { stack_id: 's', target_id: 't', id: this.id });
    assert.equal(status, 201, text);
    await this.report('status', { status: 'deploying' });
  }

  progress(i) {
    return this.report('progress', { progress: Math.floor(100 * i / this.total), step: `step ${Math.floor(i / 50)}`, current_step: Math.floor(i / 50), total_steps: 10 });
  }

  end() {
    return this.report('complete', { status: 'success', message: 'deployed', result: { containers: ['web', 'db'] } });
  }
}

export class TicketProducer extends Producer {
  words = { log: 'log' };

  constructor(hub, id, total) {
    super(hub, `/api/tickets/${id}`);
    Object.assign(this, { id, total });
  }

  async begin() {
    const { status, text } = await this.post('/api/tickets/processing/start', { ticket_id: this.id });
    assert.equal(status, 200, text);
  }

  progress(i) {
    return this.report('status', { status: 'IN_PROGRESS', progress: Math.floor(100 * i / this.total), message: `at ${i}`, step: 'call_llm' });
  }

  end() {
    return this.report('status', { status: 'COMPLETED', progress: 100, message: 'done' });
  }
}

// Messages on a channel. They have no numbers of reports, so what was left unanswered is looked up in the past.
export class ChannelProducer extends Producer {
  constructor(hub, channel) {
    super(hub, `channel:${channel}`);
    this.channel = channel;
  }

  async begin() {
    await this.one(0);
  }

  async isThere(n) {
    const { json } = await this.hub.get(`/api/v1/history?topic=${this.job}&limit=300`);
    let page = json;
    while (!page.complete) {
      page = (await this.hub.get(`/api/v1/history?topic=${this.job}&limit=300&since=${page.cursor}`)).json;
    }
    return page.events.at(-1)?.data.n === n;
  }

  async one(n) {
    await until(async () => {
      try {
        return (await this.post('/api/v1/publish', { channel: this.channel, type: 'message', data: { n, text: `Grüße ${n}` } })).status === 200;
      } catch {
        return this.isThere(n).catch(() => false);
      }
    }, `message ${n} is taken`);
    this.produced.push(n);
  }

  async end() {}
}

// --- disturbances ---

const cut = async ({ cutter }, halfway) => {
  cutter.cut();
  await halfway();
  cutter.finish();
};

export const disturbances = {
  cut,
  restart: async ({ hub }) => {
    await hub.terminate();
    await hub.start();
  },
  kill: async ({ hub }) => {
    await hub.kill9();
    await hub.start();
  },
};

// Everyone reports `total` times, and in the middle of each part of it comes one of the disturbances; afterwards all
// followers are caught up again before the next.
export async function runCourse({ hub, cutter, producers, followers, total, rows }) {
  const parts = Math.ceil(total / (rows.length + 1));
  await Promise.all(followers.map((follower) => follower.again(0)));
  await Promise.all(producers.map((producer) => producer.begin()));
  for (const row of rows) {
    const before = followers.map(({ ready }) => ready);
    const start = producers.map(({ produced }) => produced.items.length);
    const running = Promise.all(producers.map((producer) => producer.produce(parts)));
    running.catch(() => {});
    const reached = (part) => Promise.all(producers.map((producer, i) => producer.reached(start[i] + Math.floor(parts * part))));
    await reached(0.3);
    await disturbances[row]({ hub, cutter }, () => reached(0.6));
    await running;
    await Promise.all(followers.map((follower, i) => follower.again(before[i])));
  }
  await Promise.all(producers.map((producer) => producer.produce(total - producer.produced.items.length)));
  await Promise.all(producers.map((producer) => producer.end()));
}

// --- the ledger ---

// The lines of an event about a log, each {line, level, message}.
export function linesOf({ type, data }) {
  if (!/_LOG/.test(type)) {
    return [];
  }
  const text = data.logs === undefined ? data.message : data.logs.replace(/\n$/, '');
  return text.split('\n').map((message, i) => ({ line: data.line + i, level: data.levels?.[i] ?? data.level, message }));
}

const number = (cursor) => Number(cursor.split('-').at(-1));

// The whole past of a topic.
export async function past(hub, topic) {
  const events = [];
  for (let page = { complete: false }; !page.complete;) {
    const since = page.cursor ? `&since=${page.cursor}` : '';
    page = (await hub.get(`/api/v1/history?topic=${encodeURIComponent(topic)}&limit=300${since}`)).json;
    assert.equal(page.gap, undefined);
    events.push(...page.events);
  }
  return events;
}

// Waits until the follower was shown the event of that id, and fails for anything it was not to be shown.
export async function caughtUp(follower, id) {
  await until(() => follower.problems.length > 0 || number(follower.seen.items.at(-1)?.id ?? '0-0') >= number(id), `${follower.name} has seen ${id}`);
  assert.deepEqual(follower.problems, [], follower.name);
}

// Mere progress is in no past; everything else is seen exactly as the past has it. `known` has each event by id as whoever
// saw it first was shown it: everyone agrees.
export function assertLedger(name, seen, truth, known) {
  const ids = seen.map(({ id }) => number(id));
  assert.ok(ids.every((id, i) => i === 0 || id > ids[i - 1]), `${name}: ids rise`);
  const logged = new Set(truth.map(({ id }) => id));
  const kept = seen.filter(({ id, type }) => logged.has(id) || !/PROGRESS|TICKET_STATUS/.test(type));
  assert.equal(kept.length, truth.length, `${name}: as many events as the past has`);
  kept.forEach((event, i) => assert.deepEqual(event, truth[i], `${name}: event ${i}`));
  for (const event of seen) {
    const first = known.get(event.id);
    if (first) {
      assert.deepEqual({ ...event, topic: 0 }, { ...first, topic: 0 }, `${name}: ${event.id} is the same for all`);
    } else {
      known.set(event.id, event);
    }
  }
}
