#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Fills the tables of docs/protocol/*.md from the tables that the hub is made of.

protocol_doc.py DEF_DIR PAGE...          writes the pages anew
protocol_doc.py --check DEF_DIR PAGE...  prints those that are stale, and fails if there are any

A table stands between `<!-- table: WHAT -->` and `<!-- end -->`. WHAT is one of
    errors            every code, with its HTTP status
    socket-errors     those that come in WEBSOCKET_ERROR
    closes            close codes
    events FAMILY...  event types (NONE, DEPLOYMENT, TICKET, BUILD)
    states KIND       the states of a kind of job
    kinds             the kinds of jobs
    limits NAME...    limits
    metrics PREFIX... metrics whose names begin so
"""
import csv
import re
import sys
from pathlib import Path

MARKED = re.compile(r'(<!-- table: ([^>]*?) -->\n)(.*?)(<!-- end -->)', re.DOTALL)

# The codes of the protocol between hub and socket. The others of the table belong to HTTP requests.
ON_SOCKETS = ('bad_json bad_request unknown_type unauthorized forbidden not_found conflict too_large rate_limited '
              'limit_reached unavailable').split()

WHO = {'ANY': 'whoever may publish there', 'HUB': 'the hub; administrators by HTTP'}
KINDS = {'NONE': '', 'DEPLOYMENT': 'deployment', 'TICKET': 'ticket', 'BUILD': 'build'}


class Tables:
    def __init__(self, folder):
        self.folder = Path(folder)

    def rows(self, name):
        """The arguments of each line MACRO(...) of NAME.def."""
        text = (self.folder / f'{name}.def').read_text(encoding='utf-8')
        lines = re.findall(r'^[A-Z]+\((.*)\)$', text, re.MULTILINE)
        return list(csv.reader(lines, skipinitialspace=True))


def table(heads, rows):
    lines = [heads, ['---'] * len(heads), *rows]
    return ''.join(f'| {" | ".join(cells)} |\n' for cells in lines)


def number(text):
    return f'{int(text):,}'


def errors(tables, only=None):
    rows, seen = [], set()
    for _, code, status, _, text in tables.rows('errors'):
        if code not in seen and (only is None or code in only):
            seen.add(code)
            rows.append([f'`{code}`', status, text])
    return table(['code', 'HTTP status', 'means'], rows)


def socket_errors(tables):
    rows = [[f'`{code}`', text] for _, code, _, _, text in tables.rows('errors') if code in ON_SOCKETS]
    first = {row[0]: row for row in reversed(rows)}
    return table(['code', 'means'], [first[key] for key in dict.fromkeys(row[0] for row in rows)])


def closes(tables):
    found = {}
    for _, _, _, close, text in tables.rows('errors'):
        if close != '0':
            found.setdefault(int(close), text)
    return table(['code', 'means'], [[f'`{close}`', found[close]] for close in sorted(found)])


def events(tables, *families):
    rows = [[f'`{name}`', KINDS[family] or 'none', WHO[who]]
            for name, family, who in tables.rows('events') if not families or family in families]
    return table(['type', 'reports on a', 'published by'], rows)


def states(tables, kind):
    rows = [[f'`{text}`', rank, 'yes' if ends == 'true' else 'no']
            for of, _, text, rank, ends in tables.rows('states') if of == kind]
    return table(['status', 'rank', 'ends the attempt'], rows)


def kinds(tables):
    rows = [[name, f'`{prefix}ID`', f'`{wide}`', f'`{field}`'] for _, name, prefix, wide, field in tables.rows('kinds')]
    return table(['kind', 'topic of one', 'topic of all', 'id in the data'], rows)


def limits(tables, *names):
    known = {row[0]: row for row in tables.rows('limits')}
    rows = [[f'`{name.lower()}`', f'{number(known[name][1])} {known[name][4]}', known[name][6], known[name][5]] for name in names]
    return table(['limit', 'unless set', 'what it bounds', 'who is stopped gets'], rows)


def metrics(tables, *prefixes):
    rows = [[f'`{name}`', kind.lower(), text] for _, kind, name, text in tables.rows('metrics')
            if name.startswith(tuple(prefixes or ('',)))]
    return table(['metric', 'kind', 'means'], rows)


MAKERS = {'errors': errors, 'socket-errors': socket_errors, 'closes': closes, 'events': events, 'states': states,
          'kinds': kinds, 'limits': limits, 'metrics': metrics}


def fill(tables, text):
    def made(match):
        what, *words = match.group(2).split()
        return match.group(1) + MAKERS[what](tables, *words) + match.group(4)
    return MARKED.sub(made, text)


def main(words):
    check = words[:1] == ['--check']
    folder, *pages = words[check:]
    stale = []
    for page in map(Path, pages):
        old = page.read_text(encoding='utf-8')
        new = fill(Tables(folder), old)
        if new != old:
            stale.append(str(page))
            if not check:
                page.write_text(new, encoding='utf-8')
    print(*stale, sep='\n', end='\n' if stale else '')
    return 1 if check and stale else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
