#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Configures a build folder: scripts/setup-build.sh FOLDER COMPILER MESON-OPTION...
# A folder configured with exactly these words is left alone, one configured otherwise starts anew.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$1 compiler=$2
shift 2
words="$compiler $*"
if [ -f "$folder/build.ninja" ] && [ "$(cat "$folder/.configured" 2>/dev/null)" = "$words" ]; then
    exit 0
fi
rm -rf "$folder"
CC=$compiler meson setup "$folder" "$@"
echo "$words" >"$folder/.configured"
