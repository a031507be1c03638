#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes the TypeScript types of events and jobs out of the tables the C side is made of.

event_types.py DEF_DIR > clairon-types.d.ts
"""
import re
import sys
from pathlib import Path


def rows(path, macro):
    """The arguments of each MACRO(...) line, stripped of quotes."""
    text = Path(path).read_text(encoding='utf-8')
    for line in re.findall(rf'^{macro}\((.*)\)$', text, re.MULTILINE):
        yield [cell.strip().strip('"') for cell in line.split(',')]


def union(name, comment, values):
    body = '\n'.join(f"  | '{value}'" for value in values)
    return f'/** {comment} */\nexport type {name} =\n{body};\n'


def main():
    folder = Path(sys.argv[1])
    events = list(rows(folder / 'events.def', 'EVENT'))
    kinds = list(rows(folder / 'kinds.def', 'KIND'))
    states = list(rows(folder / 'states.def', 'STATE'))
    errors = list(rows(folder / 'errors.def', 'ERROR'))
    out = ['// Made from src/def: do not edit.\n']
    out.append(union('EventType', 'Event types the hub knows; other names are free.', [e[0] for e in events]))
    for family, _, _ in sorted({(e[1], '', '') for e in events if e[1] != 'NONE'}):
        names = [e[0] for e in events if e[1] == family]
        out.append(union(f'{family.capitalize()}EventType', f'Reports about a {family.lower()}.', names))
    out.append(union('HubEventType', 'Only the hub sends these.', [e[0] for e in events if e[2] == 'HUB']))
    out.append(union('JobKind', 'Kinds of jobs.', [k[1] for k in kinds]))
    for kind in kinds:
        names = [s[2] for s in states if s[0] == kind[0]]
        out.append(union(f'{kind[0].capitalize()}Status', f'States of a {kind[1]}, in order.', names))
    out.append(union('ErrorCode', 'Codes of refusals.', list(dict.fromkeys(e[1] for e in errors))))
    out.append('/** The event object, the same everywhere. */\n'
               'export interface EventObject<Data = unknown> {\n'
               '  type: EventType | (string & {});\n'
               '  /** A cursor: everything up to here. */\n'
               '  id: string;\n'
               '  /** RFC 3339, milliseconds, UTC. */\n'
               '  timestamp: string;\n'
               '  topic: string;\n'
               '  channel?: string;\n'
               '  data: Data;\n'
               '}\n')
    print('\n'.join(out), end='')


if __name__ == '__main__':
    main()
