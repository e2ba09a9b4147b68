#!/usr/bin/env bash
# Runs the fuzz targets, one after the other.
#
#   tests/fuzz/run.sh BUILD [SECONDS [TARGET...]]     SECONDS each, default 4; "1000000x" = inputs
#
# What is found lies in BUILD/fuzz/NAME: crash-..., timeout-... or leak-..., to be given to the
# target as its argument. Inputs that reached new code are kept there, too, for the next time.
set -uo pipefail
build=$(cd "$1" && pwd) || exit 2
limit=${2:-4}
shift $(($# > 2 ? 2 : $#))
here=$(cd "$(dirname "$0")" && pwd)
[ $# -gt 0 ] || set -- csv movielens adjacency inter jsonl mtx npz yaml recbole space set where \
    times dataset checkpoint target body
case $limit in
    *x) limit=-runs=${limit%x} ;;
    *) limit=-max_total_time=$limit ;;
esac
failed=()
for name in "$@"; do
    mkdir -p "$build/fuzz/$name"
    corpora=("$build/fuzz/$name")
    [ -d "$here/corpus/$name" ] && corpora+=("$here/corpus/$name")
    # Idle threads sleep, one is enough; a seed makes a run in CI the same each time.
    if OMP_NUM_THREADS=1 "$build/tests/fuzz/fuzz_$name" "$limit" -seed=1 -timeout=60 \
        -max_len=2000 -rss_limit_mb=2048 -print_final_stats=1 -verbosity=0 \
        -artifact_prefix="$build/fuzz/$name/" "${corpora[@]}" >"$build/fuzz/$name.log" 2>&1; then
        awk -v name="$name" '/number_of_executed_units/ { print name ": " $2 " inputs" }' \
            "$build/fuzz/$name.log"
    else
        failed+=("$name")
        echo "$name: failed" >&2
        tail -n 40 "$build/fuzz/$name.log" >&2
    fi
done
[ ${#failed[@]} -eq 0 ] || echo "fuzz: failed: ${failed[*]}" >&2
[ ${#failed[@]} -eq 0 ]
