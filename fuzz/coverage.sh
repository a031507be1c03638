#!/bin/sh
# SPDX-License-Identifier: MIT
# What the committed inputs, and SECONDS of fuzzing on top of each, reach: fuzz/coverage.sh SECONDS BUILDDIR [NAME...]
# One line per source file: lines and branches, worst first. BUILDDIR: configured with -Dfuzz_coverage=true.
set -eu
if [ $# -lt 2 ]; then
    echo "usage: $0 SECONDS BUILDDIR [NAME...]" >&2
    exit 2
fi
seconds=$1
build=$2
shift 2
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
if [ $# -eq 0 ]; then
    for source in "$here"/*_fuzz.c; do
        set -- "$@" "$(basename "$source" _fuzz.c)"
    done
fi

objects=""
for name in "$@"; do
    mkdir -p "$scratch/$name"
    dirs="$scratch/$name $here/corpus/$name"
    if [ -d "$here/regression/$name" ]; then
        dirs="$dirs $here/regression/$name"
    fi
    limit=-runs=0
    if [ "$seconds" -gt 0 ]; then
        limit=-max_total_time=$seconds
    fi
    # shellcheck disable=SC2086
    LLVM_PROFILE_FILE="$scratch/$name.raw" "$build/fuzz/fuzz_$name" "$limit" -max_len=4096 $dirs >"$scratch/log" 2>&1 || {
        cat "$scratch/log" >&2
        exit 1
    }
    objects="$objects -object $build/fuzz/fuzz_$name"
done
llvm-profdata merge -o "$scratch/all" "$scratch"/*.raw
# Columns: file, regions 3, functions 3, lines 3, branches 3.
# shellcheck disable=SC2086
llvm-cov report -instr-profile "$scratch/all" ${objects# -object } "$root/src" 2>/dev/null |
    awk '$1 ~ /^src\/.*\.c$/ && $NF != "-" {
        printf "%6.1f %% of %4d branches  %6.1f %% of %5d lines  %s\n", $NF, $(NF-2), $(NF-3), $(NF-5), $1
    }' | sort -n
