// SPDX-License-Identifier: MIT
// Shows the state of the connection in the page's head.

const TEXTS = { connecting: 'Connecting…', live: 'Live', refused: 'Access ended: a new token is needed' };

export class LinkState {
  #node;
  #state = { name: 'connecting' };
  #shown = '';

  constructor(node) {
    this.#node = node;
    setInterval(() => this.#show(), 1000);
  }

  set(state) {
    // Trying again is no news while it has not worked yet.
    if (state.name !== 'connecting' || this.#state.name === 'live') {
      this.#state = state;
    }
    this.#show();
  }

  #show() {
    const { name, until } = this.#state;
    const seconds = Math.ceil((until - Date.now()) / 1000);
    const text = TEXTS[name] ?? (seconds > 0 ? `Reconnecting in ${seconds} s` : 'Reconnecting…');
    if (text !== this.#shown) {
      this.#shown = text;
      this.#node.textContent = text;
      this.#node.dataset.state = name;
    }
  }
}
