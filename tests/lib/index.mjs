// SPDX-License-Identifier: MIT
// All that tests use, in one import. The browser is apart, in browser.mjs.
export { runCli, spawnCli } from './cli.mjs';
export { Hub, startHub } from './hub.mjs';
export { request } from './http.mjs';
export { binary, makeDir, removeDir, REPO } from './paths.mjs';
export { RawSocket } from './raw.mjs';
export { SseClient } from './sse.mjs';
export { FAIL_AFTER_MS, Inbox, until, within } from './wait.mjs';
export { Refused, WsClient } from './ws.mjs';
