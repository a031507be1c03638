// SPDX-License-Identifier: MIT
// Follows topics with node's own WebSocket, for ever, over cuts: node --experimental-websocket follow.mjs URL TOPIC...
// Prints each event as a line, `ready` when caught up, and `problem TEXT` for what should not have come.
import { NativeReader } from '../lib/native.mjs';

const [url, ...topics] = process.argv.slice(2);
const say = (line) => process.stdout.write(`${line}\n`);
const reader = new NativeReader(topics, (event) => say(JSON.stringify(event)), () => say('ready'));

function connect() {
  const socket = new WebSocket(url);
  socket.onopen = () => socket.send(reader.hello());
  socket.onmessage = ({ data }) => {
    reader.receive(data);
    reader.problems.splice(0).forEach((text) => say(`problem ${text}`));
  };
  let over = false;
  const again = () => {
    if (!over) {
      over = true;
      setTimeout(connect, 50);
    }
  };
  socket.onerror = again; // of a connection that never came to be, node 20 says nothing else
  socket.onclose = again;
}

connect();
