// SPDX-License-Identifier: MIT
// The conversations in docs/protocol are replayed on a real hub: what the pages show is what it says.
// CLAIRON_RECORD=1 writes down what it says where that differs.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { conversations, replay } from '../lib/conversation.mjs';
import { REPO, startHub } from '../lib/index.mjs';

const FOLDER = path.join(REPO, 'docs/protocol');
const EPOCH = '5d0c1f7e9a3b2468'; // of all cursors on the pages

async function record(hub, file, conversation) {
  const { cursor } = (await hub.get('/api/v1/history?topic=x')).json;
  const epoch = cursor.split('-')[0];
  const { went } = await replay(hub, conversation, (text) => text.replaceAll(EPOCH, epoch));
  const block = (lines) => [conversation.head, ...lines, '```'].join('\n');
  const text = fs.readFileSync(file, 'utf8');
  assert.ok(text.includes(block(conversation.lines)));
  fs.writeFileSync(file, text.replace(block(conversation.lines), () => block(went).replaceAll(epoch, EPOCH)));
}

for (const page of fs.readdirSync(FOLDER).filter((name) => name.endsWith('.md'))) {
  const file = path.join(FOLDER, page);
  test(`docs/protocol/${page}`, async (t) => {
    for (const conversation of conversations(file)) {
      const { faults } = await replay(await startHub({ t }), conversation);
      if (faults.length > 0 && process.env.CLAIRON_RECORD) {
        await record(await startHub({ t }), file, conversation);
      } else {
        assert.deepEqual(faults, [], `docs/protocol/${page}:${conversation.line}\n${faults.join('\n')}`);
      }
    }
  });
}
