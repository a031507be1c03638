#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs every fuzz target on its corpus and its regressions, two at a time: fuzz/run.sh SECONDS BUILDDIR [NAME...]
# SECONDS is per target; 0 only replays the committed inputs. One line per target; not 0 when one failed.
set -u
if [ $# -lt 2 ]; then
    echo "usage: $0 SECONDS BUILDDIR [NAME...]" >&2
    exit 2
fi
seconds=$1
build=$2
shift 2
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
if [ $# -eq 0 ]; then
    for source in "$here"/*_fuzz.c; do
        set -- "$@" "$(basename "$source" _fuzz.c)"
    done
fi

one() {
    name=$1
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
    if "$build/fuzz/fuzz_$name" "$limit" -max_len=4096 -timeout=10 -artifact_prefix="$found/" "$@" >"$found/log" 2>&1; then
        echo "ok $name"
    else
        echo "FAIL $name (see $found)"
        : >"$scratch/failed"
    fi
}

# Each of two takes every other target.
every_other() {
    skip=$1
    shift
    for name in "$@"; do
        if [ "$skip" -eq 0 ]; then
            one "$name"
        fi
        skip=$((1 - skip))
    done
}
every_other 0 "$@" &
every_other 1 "$@"
wait
[ ! -e "$scratch/failed" ]
