#!/usr/bin/env bash
# The demonstration: train, compare with popularity, recommend.
#
#   tools/demo.sh PROGRAM         on generated data with planted tastes
#   tools/demo.sh PROGRAM DIR     on real files; the file names in DIR select the config, which is
#                                 trained for fewer epochs than it says
#
# Needs a built rankine; `make demo` builds it. The run goes to runs/demo.
set -euo pipefail
program=$1
data=${2:-}
cd "$(dirname "$0")/.."
run=runs/demo

say() {
    printf '\n== %s\n' "$*"
}

show() {
    printf '$ rankine %s\n' "$*"
    "$program" "$@"
}

# Which config fits the files in a folder, as arguments for `rankine train`.
recognise() {
    local inter
    shopt -s nullglob
    inter=("$1"/*.inter)
    if [ -f "$1/train.txt" ] && [ -f "$1/test.txt" ]; then
        arguments=(configs/lightgcn-paper.yaml --set train.epochs=3)
    elif [ -f "$1/u.data" ]; then
        arguments=(configs/movielens-100k.yaml --set train.epochs=60)
    elif [ -f "$1/ratings.dat" ]; then
        arguments=(configs/movielens-1m.yaml --set train.epochs=5)
    elif [ -f "$1/ratings.csv" ] && [ -f "$1/movies.csv" ]; then
        arguments=(configs/movielens-latest.yaml --set train.epochs=40)
    elif [ -f "$1/ratings.csv" ] && [ -f "$1/books.csv" ] && [ -f "$1/to_read.csv" ]; then
        arguments=(configs/goodbooks-notebook.yaml --set train.epochs=1)
    elif [ ${#inter[@]} -gt 0 ]; then
        arguments=(configs/lightgcn-recbole.yaml --set train.epochs=5
            --set "data.sources[0].file=$(basename "${inter[0]}")")
    else
        cat >&2 <<END
demo: nothing that is recognised in $1. It looks for
  train.txt and test.txt         adjacency lists, as of LightGCN's Gowalla
  u.data                         MovieLens 100K
  ratings.dat                    MovieLens 1M and 10M
  ratings.csv and movies.csv     MovieLens latest, 20M, 25M, 32M
  ratings.csv, to_read.csv and books.csv   goodbooks-10k
  *.inter                        a RecBole atomic file
For any other table write a config: rankine help options
END
        exit 2
    fi
    arguments+=(--data "$1")
}

if [ -n "$data" ]; then
    [ -d "$data" ] || {
        echo "demo: $data is not a folder" >&2
        exit 2
    }
    recognise "$data"
else
    say "a data set with planted tastes: everybody has one favourite cluster of items"
    show synth runs/demo-data --force
    arguments=(runs/demo-data/synth.yaml)
fi

say "train"
mkdir -p runs
output=$(mktemp)
trap 'rm -f "$output"' EXIT
show train "${arguments[@]}" --run $run --force | tee "$output"

say "recommend"
user=$(sed -n 's/.* recommend .* --user //p' "$output" | tail -n 1) # train ends with this advice
show recommend $run --user "$user" --top 10

say "what there is now"
ls $run
echo "the report, for a browser: $run/report.html"
