#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs every fuzz target on its corpus and its regressions: fuzz/run.sh SECONDS BUILDDIR
# SECONDS is per target; 0 only replays the committed inputs. One line per target; not 0 when one failed.
set -u
if [ $# -ne 2 ]; then
    echo "usage: $0 SECONDS BUILDDIR" >&2
    exit 2
fi
seconds=$1
build=$2
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
status=0
for source in "$here"/*_fuzz.c; do
    name=$(basename "$source" _fuzz.c)
    program=$build/fuzz/fuzz_$name
    found=$build/fuzz/found/$name
    mkdir -p "$scratch/$name" "$found"
    if [ "$seconds" -eq 0 ]; then
        limit=-runs=0
    else
        limit=-max_total_time=$seconds
    fi
    set -- "$scratch/$name" "$here/corpus/$name"
    if [ -d "$here/regression/$name" ]; then
        set -- "$@" "$here/regression/$name"
    fi
    if "$program" "$limit" -max_len=4096 -timeout=10 -artifact_prefix="$found/" "$@" >"$found/log" 2>&1; then
        echo "ok $name"
    else
        echo "FAIL $name (see $found)"
        status=1
    fi
done
exit $status
