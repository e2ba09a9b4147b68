#!/usr/bin/env bash
# The table of results: every row's config can be trained, every config has a row or says why not;
# and on rows of its own, tools/results.py trains, keeps what is finished, says what was missed.
. "$(dirname "$0")/lib.sh"

configs=$RANKINE_SOURCE/configs/results
for config in "$configs"/*.yaml; do
    run 0 "$rankine" train "$config" --print-config
    name=$(basename "$config")
    grep -q ",$name," "$configs/rows.csv" || grep -q "Not run on the real files" "$config" ||
        fail "$name has no row in configs/results/rows.csv"
done

small_data demo
cat >rows.csv <<EOF
# a comment
row,what,config,data,seeds,metrics,least
good,"one run, quick",$PWD/demo/synth.yaml,demo,1,ndcg@10 recall@10,0.001
seeds,two seeds,$PWD/demo/synth.yaml,demo,2,recall@10,
bad,cannot be reached,$PWD/demo/synth.yaml,demo,1,ndcg@10,0.99
EOF
results=(python3 "$RANKINE_SOURCE/tools/results.py" --table rows.csv --data . --runs results
    --program "$rankine")
run 0 "${results[@]}" --list
prints "good: one run, quick" "--seeds 2"
run 0 "${results[@]}" good seeds
prints "| good | one run, quick | ndcg@10, recall@10 |" "± 0."
grep -q "| seeds | two seeds |" results/results.md || fail "results.md lacks a row"
stat -c %Y results/good/last.h5 >before
run 0 "${results[@]}" good
prints "good: finished before"
stat -c %Y results/good/last.h5 | cmp -s before - || fail "a finished row was trained again"
run 1 "${results[@]}" bad
prints "0.99 **missed**"
run 1 "${results[@]}" none
says "no row none; there are: good seeds bad"
finish
