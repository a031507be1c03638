// SPDX-License-Identifier: MIT
// The ledger: a build, a deployment, a ticket and a channel, watched at the same time by one client of each kind, while
// connections are cut and the hub is restarted and killed. Everyone sees everything once and in order, and what they see
// agrees. CLAIRON_LEDGER=10000 reports so many times on each; CLAIRON_LEDGER_ROWS names the disturbances.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  assertLedger, BuildProducer, caughtUp, ChannelProducer, DeploymentProducer, linesOf, past, runCourse, TicketProducer,
} from '../lib/course.mjs';
import { Cutter } from '../lib/cutter.mjs';
import {
  ChannelFollower, CurlFollower, EventSourceFollower, FlatFollower, NativeFollower, PollFollower, SocketIoFollower, SseFollower,
} from '../lib/followers.mjs';
import { launchBrowser } from '../lib/browser.mjs';
import { startHub } from '../lib/index.mjs';
import { JobPage } from './jobpage.mjs';

const TOTAL = Number(process.env.CLAIRON_LEDGER ?? 400);
const ROWS = (process.env.CLAIRON_LEDGER_ROWS ?? 'cut restart kill cut').split(' ');
const TOPICS = ['job:b1', 'deployment:d1', 'ticket:k1', 'channel:progress'];
const JOB_TYPES = ['JOB_PROGRESS', 'JOB_LOG', 'JOB_COMPLETED', 'JOB_ERROR'];

// Messages of pages as they follow from event objects.
const flatOf = {
  deployment(event) {
    const { data } = event;
    const common = { deployment_id: 'd1', timestamp: data.timestamp };
    switch (event.type) {
      case 'DEPLOYMENT_LOGS_UPDATE':
        return linesOf(event).map((line) => ({ type: 'log', ...common, ...line }));
      case 'DEPLOYMENT_STATUS_CHANGED':
        return [{ type: 'status', ...common, status: data.status, message: data.message, old_status: data.old_status, attempt: 1 }];
      case 'DEPLOYMENT_PROGRESS':
        return [{ type: 'progress', ...common, progress: data.progress, step: data.current_step, current_step: data.step_index,
          total_steps: data.total_steps, message: data.message, attempt: 1 }];
      case 'DEPLOYMENT_COMPLETE':
        return [{ type: 'complete', ...common, status: data.status, message: data.message, result: data.result, attempt: 1 }];
      default:
        return [{ ...data, type: event.type }];
    }
  },
  ticket(event) {
    const { data } = event;
    if (event.type === 'TICKET_LOG') {
      return linesOf(event).map((line) => ({ type: 'log', ticket_id: 'k1', timestamp: data.timestamp, ...line }));
    }
    return [{ ...data, type: 'status_update', ticket_id: 'k1' }];
  },
};

// Messages of Socket.IO as they follow from events on the build.
function chefOf(event) {
  const { data } = event;
  const ids = { jobId: 'b1', projectId: 'shop' };
  switch (event.type) {
    case 'JOB_LOG':
      return linesOf(event).map((line) => ({ name: 'job:log', data: { jobId: 'b1', timestamp: data.timestamp, ...line } }));
    case 'JOB_PROGRESS':
      return [{ name: 'job:progress', data: { ...ids, status: data.status, progress: data.progress, message: data.message, phase: data.phase } }];
    default:
      return [{ name: 'job:completed', data: { ...ids, status: 'completed', progress: 100, message: data.message, result: data.result, timestamp: data.timestamp } }];
  }
}

// Without members that are not known, which some messages leave out.
const tidy = (object) => Object.fromEntries(Object.entries(object).filter(([, value]) => (value ?? null) !== null)
  .map(([name, value]) => [name, name === 'data' ? tidy(value) : value]));

// What a page was shown is what follows from the events that others saw by the same ids; progress may have merged
// differently before a crash, but each message is of an event.
function assertMessages(follower, truth, known, of) {
  const events = new Map([...known.values(), ...truth].map((event) => [event.id, event]));
  const logged = new Set(truth.map(({ id }) => id));
  const expected = [];
  for (const { id } of follower.seen.items.filter((message) => message.id)) {
    assert.ok(events.has(id) || !logged.has(id), `${follower.name}: ${id}`);
    const messages = events.has(id) ? of(events.get(id)) : [null];
    messages.forEach((message, i) => expected.push(message && { ...message, ...(i === messages.length - 1 && { id }) }));
  }
  assert.equal(follower.seen.items.length, expected.length, `${follower.name}: so many messages`);
  follower.seen.items.forEach((message, i) => expected[i]
    && assert.deepEqual(tidy(message), tidy(expected[i]), `${follower.name}: message ${i}`));
  const shown = new Set(follower.seen.items.map(({ id }) => id));
  assert.deepEqual(truth.filter(({ id }) => !shown.has(id)), [], `${follower.name}: nothing is missing`);
}

// The page of the build in Chromium: a follower as runCourse wants them.
class PageFollower {
  static async open(t, url) {
    const follower = new PageFollower();
    follower.job = await JobPage.open(await launchBrowser(t), { url }, 'build', 'b1');
    await follower.job.mark();
    return follower;
  }

  again() {
    return this.job.waitLink('Live');
  }

  async assertLedger(lines) {
    await this.job.waitStatus('completed');
    await this.job.waitLines(lines.length);
    assert.deepEqual(await this.job.readLog(), lines.map(({ message }) => message), 'job page');
    await this.job.assertSameDocument();
    assert.equal((await this.job.facts()).Attempt, '1');
  }
}

test(`one client of each kind, ${TOTAL} reports on each, ${ROWS.join(', ')}`, async (t) => {
  const hub = await startHub({ t, config: { websocket: { compression_threshold: 1 } } });
  const cutter = await Cutter.start(t, hub);
  const { url } = cutter;
  const native = new NativeFollower('native', url, TOPICS);
  const compressed = new NativeFollower('native, compressed', url, TOPICS, '/ws', { perMessageDeflate: true });
  const channel = new ChannelFollower('channel socket', url, ['channel:chat', 'channel:playqueue', 'channel:system', 'channel:progress']);
  const chat = new NativeFollower('channel socket on a build', url, ['job:b1'], '/ws/chat');
  const deployment = new FlatFollower('flat deployment', url, '/api/v1/ws/deployment/d1');
  const ticket = new FlatFollower('flat ticket', url, '/ws/tickets/k1');
  const streams = [SseFollower, CurlFollower, PollFollower].map((Kind) => new Kind(Kind.name, url, ['job:b1']));
  const wide = [SseFollower, PollFollower].map((Kind) => new Kind(`${Kind.name} on all`, url, TOPICS));
  const source = new EventSourceFollower('eventsource', url, ['job:b1'], JOB_TYPES);
  const sockets = [['websocket'], ['polling'], ['polling', 'websocket']].map((transports) =>
    new SocketIoFollower(`socket.io by ${transports.join(' and ')}`, url, 'b1', { transports }));
  const followers = [native, compressed, channel, chat, deployment, ticket, ...streams, ...wide, source, ...sockets];
  followers.forEach((follower) => follower.start(t));
  const page = await PageFollower.open(t, url);

  const producers = [new BuildProducer(hub, 'b1', TOTAL), new DeploymentProducer(hub, 'd1', TOTAL), new TicketProducer(hub, 'k1', TOTAL), new ChannelProducer(hub, 'progress')];
  await runCourse({ hub, cutter, producers, followers: [...followers, page], total: TOTAL, rows: ROWS });
  const [build, deployments, tickets, messages] = await Promise.all(TOPICS.map((topic) => past(hub, topic)));
  const all = [...build, ...deployments, ...tickets, ...messages].sort((a, b) => a.id.split('-')[1] - b.id.split('-')[1]);
  const truths = new Map([[native, all], [compressed, all], [channel, messages], [chat, build], [deployment, deployments], [ticket, tickets],
    ...streams.map((follower) => [follower, build]), ...wide.map((follower) => [follower, all]), [source, build], ...sockets.map((follower) => [follower, build])]);
  const pages = new Map([[deployment, flatOf.deployment], [ticket, flatOf.ticket], ...sockets.map((follower) => [follower, chefOf])]);
  for (const [follower, truth] of truths) {
    await caughtUp(follower, truth.at(-1).id);
    await follower.stop();
  }
  const known = new Map();
  for (const [follower, truth] of truths) {
    if (!pages.has(follower)) {
      assertLedger(follower.name, follower.seen.items, truth, known);
    }
  }
  pages.forEach((of, follower) => assertMessages(follower, truths.get(follower), known, of));
  sockets.forEach(({ name, connects }) => assert.deepEqual(connects, connects.map((_, i) => i > 0), `${name}: recovered each time`));
  assert.deepEqual(build.flatMap(linesOf), producers[0].lines.map((line, i) => ({ line: i + 1, ...line })));
  await page.assertLedger(producers[0].lines);
  assert.deepEqual(messages.map(({ data }) => data.n), Array.from({ length: messages.length }, (_, n) => n));
  t.diagnostic(`${all.length} events in the past, ${[...truths.keys()].map(({ name, seen }) => `${name} ${seen.items.length}`).join(', ')}`);
});
