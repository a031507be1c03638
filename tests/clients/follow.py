# SPDX-License-Identifier: MIT
"""Follows topics with Debian's python3-websockets, for ever, over cuts: follow.py URL TOPIC...

Prints each event as a line, `ready` when caught up, and `problem TEXT` for what should not have come.
"""
import asyncio
import json
import sys

import websockets

COMMANDS = ('connected', 'pong')


class Reader:
    """Keeps the cursor; what comes in a bracket counts when the bracket is over."""

    def __init__(self, topics):
        self.topics = topics
        self.cursor = None
        self.open = set()
        self.bracket = []

    def hello(self):
        self.open = set(self.topics)
        self.bracket = []
        since = {'since': self.cursor} if self.cursor else {}
        return json.dumps({'type': 'subscribe', 'topics': self.topics, **since})

    def receive(self, text):
        message = json.loads(text)
        kind = message['type']
        if kind in COMMANDS:
            return
        if kind == 'subscribed':
            if message['recovered'] != (self.cursor is not None):
                print('problem', text)
        elif kind == 'caught_up':
            self.open.discard(message['topic'])
            if not self.open:
                print(*self.bracket, 'ready', sep='\n')
                self.cursor = message['cursor']
        elif kind in ('gap', 'WEBSOCKET_ERROR') or (kind == 'snapshot' and message['data'] is not None):
            print('problem', text)
        elif kind == 'snapshot':
            pass
        elif self.open:
            self.bracket.append(text)
        else:
            print(text)
            self.cursor = message['id']


async def follow(url, reader):
    async with websockets.connect(url) as socket:
        await socket.send(reader.hello())
        async for text in socket:
            reader.receive(text)
            sys.stdout.flush()


async def main():
    reader = Reader(sys.argv[2:])
    while True:
        try:
            await follow(sys.argv[1], reader)
        except (OSError, EOFError, websockets.exceptions.WebSocketException, asyncio.TimeoutError):
            pass
        await asyncio.sleep(0.05)


asyncio.run(main())
