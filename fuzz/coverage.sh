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
    LLVM_PROFILE_FILE="$scratch/$name.raw" "$build/fuzz/fuzz_$name" "$limit" -max_len=4096 $dirs >"$scratch/.said" 2>&1 || {
        cat "$scratch/.said" >&2
        exit 1
    }
    objects="$objects -object $build/fuzz/fuzz_$name"
done
llvm-profdata merge -o "$scratch/all" "$scratch"/*.raw
# Branches on lines with an assertion are left out: their other side must not be reached.
# shellcheck disable=SC2086
llvm-cov export -format=lcov -instr-profile "$scratch/all" ${objects# -object } "$root/src" >"$scratch/lcov" 2>/dev/null
awk -F '[:,]' -v root="$root/" '
    $1 == "SF" {
        file = substr($0, 4)
        sub(/^.*\/src\//, "src/", file)
        wanted = file ~ /^src\/.*\.c$/
        number = 0
        while (wanted && (getline text < (root file)) > 0) {
            skip[file, ++number] = text ~ /ASSERT\(/
        }
    }
    wanted && $1 == "DA" { lines[file]++; lines_hit[file] += $3 > 0 }
    wanted && $1 == "BRDA" && !skip[file, $2] { branches[file]++; branches_hit[file] += $5 != "-" && $5 > 0 }
    END {
        for (file in lines) {
            printf "%6.1f %% of %4d branches  %6.1f %% of %5d lines  %s\n",
                branches[file] ? 100 * branches_hit[file] / branches[file] : 100, branches[file],
                100 * lines_hit[file] / lines[file], lines[file], file
        }
    }' "$scratch/lcov" | sort -n
