#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Formats the C files named, or all of them.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ $# -gt 0 ]; then
    exec clang-format -i "$@"
fi
find src client include fuzz bench examples tests/sim \( -name '*.c' -o -name '*.h' \) -print0 | xargs -0 clang-format -i
