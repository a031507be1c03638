#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Turns the files of a folder into the C array that http/static.h declares.

usage: embed.py OUTPUT.c DEPFILE FOLDER
"""

import hashlib
import pathlib
import sys

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


def c_bytes(data):
    rows = (data[i : i + 20] for i in range(0, len(data), 20))
    return "\n".join("    " + "".join(f"{byte}," for byte in row) for row in rows)


def main(output, depfile, folder):
    # Only what a page can ask for: the folder's tests and notes stay out.
    files = sorted(p for p in pathlib.Path(folder).iterdir() if p.suffix in TYPES and ".test." not in p.name)
    parts, table = [], []
    for i, path in enumerate(files):
        data = path.read_bytes()
        tag = hashlib.sha256(data).hexdigest()[:16]
        parts.append(f"static const unsigned char file_{i}[] = {{\n{c_bytes(data + bytes(1))}\n}};\n")
        table.append(f'    {{"{path.name}", "{TYPES[path.suffix]}", "\\"{tag}\\"", file_{i}, {len(data)}}},\n')
    text = '#include "http/static.h"\n\n' + "\n".join(parts)
    text += "\nconst struct static_file static_files[] = {\n" + "".join(table) + "    {0},\n};\n"
    text += f"const size_t static_files_count = {len(files)};\n"
    pathlib.Path(output).write_text(text, encoding="ascii")
    # The folder itself too, so that a new file is noticed.
    needs = " ".join(str(path) for path in [*files, folder])
    pathlib.Path(depfile).write_text(f"{output}: {needs}\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
