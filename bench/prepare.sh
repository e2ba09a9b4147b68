#!/usr/bin/env bash
# Builds bench_prepare in a folder of its own and runs it on two cores:
#   bench/prepare.sh [rows] [folder]
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD:-$root/build/bench}
cmake -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=Release -DRANKINE_BENCH=ON \
    -DRANKINE_TESTS=OFF >/dev/null
cmake --build "$build" --target bench_prepare -j 2 >/dev/null
grep -m1 "model name" /proc/cpuinfo || true
exec taskset -c 0,1 "$build/bench/bench_prepare" "$@"
