#!/usr/bin/env bash
# Models that are not trained by gradients, through every command; what makes no sense for one is an
# error that says so.
. "$(dirname "$0")/lib.sh"

small_data demo
# Without what only gradients need.
sed -i "/^train:/,/^$/d" demo/synth.yaml
# The metrics of a report on test, without the seconds that they took.
metrics() {
    python3 -c '
import json, sys
print({k: v for k, v in json.load(open(sys.argv[1]))["test"].items() if k != "seconds"})' "$1"
}
common=(--device cpu --set "eval.k=[10]" --set eval.metric=ndcg@10)
declare -A settings=([popularity]="" [item_knn]="--set model.neighbours=20" [ease]=""
    [ials]="--set model.dim=8 --set train.epochs=3")
for kind in popularity item_knn ease ials; do
    # shellcheck disable=SC2206 # words
    own=(--set model.kind=$kind ${settings[$kind]})
    run 0 "$rankine" train demo/synth.yaml --run $kind "${common[@]}" "${own[@]}"
    prints "test" "popularity" "ndcg@10"
    for file in config.yaml metrics.jsonl report.json report.html last.h5; do
        [ -s $kind/$file ] || fail "$kind/$file is not there"
    done
    no_leftovers $kind
    cp $kind/report.json out
    json 'j["test"]["ndcg@10"] >= j["popularity"]["test"]["ndcg@10"] > 0'
    [ $kind = popularity ] &&
        json 'all(j["popularity"]["test"][k] == v for k, v in j["test"].items() if k != "seconds")'
    cp $kind/report.json report
    run 0 "$rankine" evaluate $kind --json --quiet
    json 'j["metrics"].items() <= json.load(open("report"))["test"].items()'

    # Finished: going on writes the report anew, and the model stays.
    cp $kind/last.h5 before.h5
    run 0 "$rankine" train --run $kind --resume
    cmp -s before.h5 $kind/last.h5 || fail "a finished $kind is another one after --resume"

    run 0 "$rankine" recommend $kind --user 17 --top 5 --json
    json 'len(j[0]["recommendations"]) == 5'
    cp out recommended
    run 0 "$rankine" recommend $kind --items 3,8 --top 5 --json
    json 'len(j[0]["recommendations"]) == 5'
    run 0 "$rankine" export $kind
    run 0 "$rankine" export $kind --format tsv --out $kind/tables
    run 0 "$rankine" export $kind --format model --out $kind.h5
    run 0 "$rankine" recommend $kind.h5 --user 17 --top 5 --json
    cmp -s out recommended || fail "the file of $kind recommends something else"
    run 0 "$rankine" info $kind
    prints "$kind" "ndcg@10"
    run 0 "$rankine" train demo/synth.yaml "${common[@]}" "${own[@]}" --print-program
    prints "program "
    run 0 "$rankine" info $kind --program
    run 0 "$rankine" train demo/synth.yaml --run profiled --force --profile "${common[@]}" \
        "${own[@]}"
    says "profile of "
    [ -s profiled/profile.csv ] || fail "no profile of $kind"
    run 0 "$rankine" train demo/synth.yaml --run eager --force --eager "${common[@]}" "${own[@]}"
    [ "$(metrics eager/report.json)" = "$(metrics report)" ] ||
        fail "$kind is another one with --eager"

    run 2 "$rankine" train demo/synth.yaml --run no "${common[@]}" "${own[@]}" \
        --set train.learning_rate=0.1
    says "train.learning_rate is 0.1" "model.kind is $kind" "nothing looks at it"
    run 2 "$rankine" train demo/synth.yaml --run no "${common[@]}" "${own[@]}" --set loss.l2=0
    says "loss.l2 is 0" "model.kind is $kind"
    absent no
done
run 0 "$rankine" compare popularity item_knn ease ials
prints "ndcg@10" "model.kind"

# A sweep after another is as many at once.
run 0 "$rankine" train demo/synth.yaml --run five "${common[@]}" --set model.kind=ials \
    --set model.dim=8 --set train.epochs=5 --quiet
run 0 "$rankine" train --run ials --resume --set train.epochs=5 --quiet
cmp -s five/last.h5 ials/last.h5 || fail "3 and 2 sweeps are not 5"
run 2 "$rankine" train --run ials --resume --set model.l2=0.5
says "model.l2 was -1 when this run began and is 0.5 now"
run 0 "$rankine" train demo/synth.yaml --run seeds "${common[@]}" --set model.kind=ials \
    --set model.dim=8 --set train.epochs=2 --seeds 2 --quiet

# What the data set cannot give.
run 2 "$rankine" train demo/synth.yaml --run no "${common[@]}" --set model.kind=item_knn \
    --set model.neighbours=5000
says "model.neighbours is 5000" "120 items"
run 2 "$rankine" train demo/synth.yaml --run no "${common[@]}" --set model.kind=ials \
    --set model.dim=300
says "model.dim is 300" "120 items"
sed '/time:/d; s/order: time/order: random/' demo/synth.yaml >demo/untimed.yaml
run 3 "$rankine" train demo/untimed.yaml --run no "${common[@]}" --set model.kind=popularity \
    --set model.half_life=30
says "needs the times of interactions"
absent no
finish
