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

# What rows set on top of their configs, and whom they average.
python3 - "$configs/rows.csv" >settings <<'PYTHON' || fail "rows.csv cannot be read"
import csv, sys
rows = list(csv.DictReader(line for line in open(sys.argv[1]) if not line.startswith("#")))
names = {row["row"] for row in rows}
for row in rows:
    assert set((row["members"] or "").split()) <= names, row["row"]
    if row["settings"]:
        print(row["config"], *(f"--set {setting}" for setting in row["settings"].split()))
PYTHON
while read -r config set; do
    # shellcheck disable=SC2086
    run 0 "$rankine" train "$configs/$config" $set --print-config
done <settings

small_data demo
sed '/^model:/,/^[a-z]*:$/d; /^train:/,/^[a-z]*:$/d' demo/synth.yaml >demo/plain.yaml
cat >rows.csv <<EOF
# a comment
row,what,config,data,seeds,metrics,least,settings,members
good,"one run, quick",$PWD/demo/synth.yaml,demo,1,ndcg@10 recall@10,0.001
seeds,two seeds,$PWD/demo/synth.yaml,demo,2,recall@10,
bad,cannot be reached,$PWD/demo/synth.yaml,demo,1,ndcg@10,0.99
ease,closed,$PWD/demo/plain.yaml,demo,1,ndcg@10,,model.kind=ease train.refit=true
knn,closed,$PWD/demo/plain.yaml,demo,1,ndcg@10,,model.kind=item_knn train.refit=true
both,an ensemble,$PWD/demo/plain.yaml,demo,1,ndcg@10,,model.kind=ensemble train.refit=true,ease knn
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
run 0 "${results[@]}" both # its members first
prints "| ease | closed |" "| both | an ensemble |"
grep -q '"model": "ease"' results/both/report.json || fail "who are the members?"
grep -q '"refit": {' results/both/report.json || fail "no refit"
run 1 "${results[@]}" bad
prints "0.99 **missed**"
run 1 "${results[@]}" none
says "no row none; there are: good seeds bad"
finish
