#!/usr/bin/env bash
# For the scripts of this folder: a scratch folder to work in, and expectations that say what went
# wrong. A script sources this, and ends with `finish`.
#
#   run CODE COMMAND...   runs it; its exit code must be CODE; leaves the files out and err
#   says TEXT...          err holds each text
#   prints TEXT...        out holds each text
#   silent / no_output    err / out is empty
#   absent PATH...        none of them is there
#   json PYTHON           out is JSON; with it in `j`, the expression is true
#   until_there PID FILE  waits until the process has written something to it, or has ended
#   until_heard PID       waits until the process hears SIGTERM, or has ended
set -uo pipefail

: "${RANKINE:?the program to test}"
rankine=$RANKINE
failures=0
command_line=""
scratch=$(mktemp -d "${TMPDIR:-/tmp}/rankine-cli-XXXXXX")
trap 'cd /; rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1
# Small data and two tests at a time: threads would only wait for each other.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-2}
unset NO_COLOR
# HDF5 loses memory of its own when it meets a damaged file, LLVM's OpenMP keeps that of threads.
printf 'leak:libhdf5\nleak:libomp\n' >suppressions
export LSAN_OPTIONS="suppressions=$scratch/suppressions:print_suppressions=0"

fail() {
    failures=$((failures + 1))
    echo "FAILED: $*"
    [ -z "$command_line" ] || echo "  command: $command_line"
    for file in out err; do
        [ ! -s $file ] || head -c 2000 $file | sed "s/^/  $file: /"
    done
    [ $failures -lt 12 ] || finish # the rest would follow from these
}

run() {
    local wanted=$1 code
    shift
    command_line="$*"
    "$@" >out 2>err </dev/null
    code=$?
    [ $code = "$wanted" ] || fail "exit code $code, expected $wanted"
}

says() {
    for text; do
        grep -qF -e "$text" err || fail "standard error does not say: $text"
    done
}

prints() {
    for text; do
        grep -qF -e "$text" out || fail "standard output does not hold: $text"
    done
}

silent() {
    [ ! -s err ] || fail "standard error is not empty"
}

no_output() {
    [ ! -s out ] || fail "standard output is not empty"
}

absent() {
    for path; do
        [ ! -e "$path" ] || fail "$path is there"
    done
}

# Nothing half-written in these folders.
no_leftovers() {
    local found
    found=$(find "$@" -name '*.tmp' 2>/dev/null)
    [ -z "$found" ] || fail "left behind: $found"
}

json() {
    python3 - "$1" <<'PYTHON' || fail "JSON: $1"
import json, math, sys
def unique(pairs):
    keys = [k for k, _ in pairs]
    assert len(keys) == len(set(keys)), "a key twice"
    return dict(pairs)
with open("out", encoding="utf-8") as file:
    j = json.load(file, object_pairs_hook=unique, parse_constant=lambda x: 1 / 0)
sys.exit(0 if eval(sys.argv[1]) else 1)
PYTHON
}

until_there() {
    for _ in $(seq 6000); do
        [ ! -s "$2" ] && kill -0 "$1" 2>/dev/null || break
        sleep 0.01
    done
}

until_heard() {
    for _ in $(seq 1000); do
        ! awk '/^Name/ { name = $2 } /^SigCgt/ { caught = substr($2, 13, 1) }
            END { exit !(name != "bash" && caught ~ /[4-7c-f]/) }' "/proc/$1/status" 2>/dev/null &&
            kill -0 "$1" 2>/dev/null || break
        sleep 0.05
    done
}

finish() {
    if [ $failures -gt 0 ]; then
        echo "$failures expectations failed"
        exit 1
    fi
    echo "all expectations met"
    exit 0
}

# Sets `python` to one that imports MODULES: PYTHON, python3, or under CI an environment of its own,
# build/env-NAME, with the packages of the file REQUIREMENTS. The test is skipped without.
needs_python() { # NAME REQUIREMENTS MODULES
    local environment=$RANKINE_SOURCE/build/env-$1
    python=${PYTHON:-python3}
    if [ -n "${CI:-}" ] && [ -z "${PYTHON:-}" ]; then
        python=$environment/bin/python
        "$RANKINE_SOURCE/tools/python_environment.sh" "$environment" "$2"
    fi
    "$python" -c "import $3" 2>/dev/null || {
        echo "skip: $python cannot import $3 (pip install -r ${2#"$RANKINE_SOURCE/"}; PYTHON=...)"
        exit 77
    }
}

# A small generated data set in DIR, and a config that trains on it in a second or two.
small_data() {
    "$rankine" synth "$1" --users 300 --items 120 --interactions 6000 --clusters 4 --seed 7 \
        --quiet >/dev/null || fail "synth $1"
}
