#!/usr/bin/env bash
# usage: planted.sh PATTERN PROGRAM ARGUMENTS...
# A program with a planted fault must fail, and say PATTERN (extended regular expression): so the
# emulator finds faults of this kind.
pattern=$1
shift
out=$(timeout 120 bash "$(dirname "$0")/run.sh" "$@" 2>&1)
status=$?
if [ $status -eq 0 ] || [ $status -eq 124 ]; then
    echo "the planted fault was not found (exit code $status)"
    exit 1
fi
if ! grep -aqE -e "$pattern" <<<"$out"; then
    tail -40 <<<"$out"
    echo "the program failed (exit code $status) without saying: $pattern"
    exit 1
fi
grep -aE -m1 -e "$pattern" <<<"$out"
