// SPDX-License-Identifier: MIT
// What a careful client of the native dialect does with its messages: it counts what comes in a bracket only when the
// bracket is over, keeps the cursor, and knows from where to go on after a cut. No input or output of its own, so that
// it serves every WebSocket there is.
export class NativeReader {
  // `take(event)` is called once for each event of its topics, `ready()` whenever all of them are caught up.
  constructor(topics, take, ready) {
    const mine = (event) => topics.includes(event.topic) && take(event); // channel sockets hear their channels too
    Object.assign(this, { topics, take: mine, ready, cursor: undefined, bracket: null, problems: [] });
  }

  // What to say on a connection that has just opened.
  hello() {
    this.bracket = { open: new Set(this.topics), events: [] };
    return JSON.stringify({ type: 'subscribe', topics: this.topics, ...(this.cursor && { since: this.cursor }) });
  }

  receive(text) {
    const message = JSON.parse(text);
    switch (message.type) {
      case 'connected':
      case 'pong':
        return;
      case 'subscribed':
        if (message.recovered !== (this.cursor !== undefined)) {
          this.problems.push(text);
        }
        return;
      case 'snapshot':
        if (message.data !== null) {
          this.problems.push(text);
        }
        return;
      case 'caught_up':
        this.#caughtUp(message);
        return;
      case 'gap':
      case 'WEBSOCKET_ERROR':
        this.problems.push(text);
        return;
      default:
        this.#event(message);
    }
  }

  #event(message) {
    if (this.bracket) {
      this.bracket.events.push(message);
      return;
    }
    this.cursor = message.id;
    this.take(message);
  }

  #caughtUp({ topic, cursor }) {
    this.bracket.open.delete(topic);
    if (this.bracket.open.size > 0) {
      return;
    }
    this.bracket.events.forEach((event) => this.take(event));
    this.bracket = null;
    this.cursor = cursor;
    this.ready();
  }
}
