#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes docs/limits.md out of the table of limits that the hub is made of.

limits_doc.py DEF_DIR > docs/limits.md
"""
import csv
import re
import sys
from pathlib import Path

HEAD = """<!-- Made from src/def/limits.def by scripts/limits_doc.py: change the table, not this page. -->
# Limits

Everything a client can make the hub keep or do has an end. A limit with bounds in the third column is set by the key of
its name in section `limits` of the configuration, or by `CLAIRON__LIMITS__NAME`; a value outside of its bounds is refused
at start, with file and line. The others belong to the formats on the wire or to the inside of the hub and are the same
everywhere.

```yaml
limits:
  connections_per_address: 200
  messages_per_second: 50
  exempt: [127.0.0.0/8, "::1", 10.20.0.0/16]
```

`exempt` lists addresses and blocks that the limits per address, and the one on new connections in all, don't concern:
of themselves those of this machine, since there everyone has the same address. Proxies in `server.trusted_proxies`
are exempt too; what they bring counts for the client that they name (`docs/deploy.md`). An IPv6 address counts
together with all others of its /64.

Where the last column is empty, nobody is stopped, or what breaks the limit is refused like any other mistake: by 400 or
413, or `bad_request` or `too_large` on a socket, counted in `clairon_http_client_errors_total` and
`clairon_ws_messages_refused_total`. Each time one of the others stops somebody,
`clairon_limit_hits_total{limit="NAME"}` of `/metrics` goes up by one. Whoever is told 429 or 503 finds in `Retry-After`
when to come again, in seconds.

| limit | default | bounds | what it bounds | who is stopped gets |
| --- | --- | --- | --- | --- |
"""


def rows(path):
    """The arguments of each LIMIT(...) line."""
    text = Path(path).read_text(encoding='utf-8')
    lines = re.findall(r'^LIMIT\((.*)\)$', text, re.MULTILINE)
    return csv.reader(lines, skipinitialspace=True)


def number(text):
    return f'{int(text):,}'


def main():
    out = [HEAD]
    for name, value, least, most, unit, answer, why in rows(Path(sys.argv[1]) / 'limits.def'):
        bounds = f'{number(least)} to {number(most)}' if int(most) else ''
        out.append(f'| `{name.lower()}` | {number(value)} {unit} | {bounds} | {why} | {answer} |\n')
    print(''.join(out), end='')


if __name__ == '__main__':
    main()
