#!/usr/bin/env bash
# Models of ratings from the command line: errors in the table, in JSON, on the page, over seeds and
# between runs; scores within the scale; people known by items and ratings; what is refused.
. "$(dirname "$0")/lib.sh"
awk 'BEGIN { srand(3); print "user_id,item_id,stars"
    for (u = 1; u <= 30; u++) for (i = 1; i <= 20; i++) if (rand() < 0.6) {
        r = 1 + (u % 3) + (i % 3) * 0.5 + (rand() < 0.3 ? 0.5 : 0)
        printf "%d,%d,%.1f\n", u, i, r } }' >stars.csv
cat >als.yaml <<'END'
data: {value_range: [0.5, 5], sources: [{file: stars.csv, value: stars}]}
split: {kind: ratio, valid: 0.1, test: 0.2}
model: {kind: als, dim: 3}
train: {epochs: 6}
eval: {k: [5], metric: rmse}
END
sed 's/kind: als/kind: svd/; s/{epochs: 6}/{epochs: 6, batch: 64}/' als.yaml >svd.yaml
printf 'loss: {kind: mse, l2: 0.1}\nsampling: {positives: shuffle}\n' >>svd.yaml

for kind in als svd; do
    run 0 "$rankine" train $kind.yaml --run $kind --device cpu --quiet
    prints "ratings, test" "item mean" "biases" "rmse" "mae_scaled" "chosen by rmse on valid"
    grep -q "Ratings of test" $kind/report.html || fail "the page of $kind has no ratings"
    grep -q '"rmse"' $kind/metrics.jsonl || fail "the checks of $kind have no rmse"
    run 0 "$rankine" evaluate $kind --json --quiet
    json "j['ratings']['scale'] == [0.5, 5]"
    json "abs(j['ratings']['model']['mse'] - j['ratings']['model']['rmse'] ** 2) < 1e-9"
    json "abs(j['ratings']['model']['mse'] / 20.25 - j['ratings']['model']['mse_scaled']) < 1e-9"
    json "0 < j['ratings']['biases']['rmse'] < j['ratings']['global_mean']['rmse']"
    run 0 "$rankine" evaluate $kind --quiet
    prints "ratings, on a scale from 0.5 to 5" "mse_scaled"
    printf 'user_id,item_id,stars\n31,1,3\n1,2,4\n1,2,3\n2,99,1\n' >new.csv
    for i in $(seq 1 20); do echo "9,$i,2.5"; done >>new.csv
    run 0 "$rankine" evaluate $kind --data new.csv --json --quiet
    json "j['ratings']['pairs'] == j['holdout']['pairs'] > 3"
    json "abs(j['ratings']['model']['mse'] - j['ratings']['model']['rmse'] ** 2) < 1e-9"
    json "j['ratings']['global_mean']['mse'] < j['ratings']['item_mean']['mse']" # all are alike
    echo 9,3,7 >>new.csv
    run 3 "$rankine" evaluate $kind --data new.csv
    says "new.csv:26: the rating 7 lies outside of the scale from 0.5 to 5"
    printf 'user,item\n1,2\n7,20\n' >pairs.csv
    run 0 "$rankine" score $kind --pairs pairs.csv --json
    json "all(0.5 <= p['score'] <= 5 for p in j)"
    run 0 "$rankine" recommend $kind --items 3,17 --ratings 4.5,1 --top 3 --json --explain
    json "all(0.5 <= r['score'] <= 5 for r in j[0]['recommendations'])"
    run 2 "$rankine" recommend $kind --items 3,17 --top 3
    says "predicts ratings" "from 0.5 to 5"
    run 2 "$rankine" recommend $kind --items 3,17 --ratings 4.5 --top 3
    says "1 numbers for 2 items"
    run 2 "$rankine" recommend $kind --items 3,17 --ratings 4.5,9 --top 3
    says "rated 9" "from 0.5 to 5"
    run 2 "$rankine" recommend $kind --items 3,17,3 --ratings 4.5,1,2 --top 3
    says "rated 4.5 and 2"
    run 0 "$rankine" recommend $kind --items 3,17,3 --ratings 4.5,1,4.5 --top 3
    # answers from an index are within the scale, too, and so is what --min-score looks at
    awk -F, -v OFS=, 'NR > 1 && $3 > 2.5 { $3 = 2.5 } 1' stars.csv >tight.csv
    run 0 "$rankine" train $kind.yaml --run tight-$kind --quiet --device cpu \
        --set "data.value_range=[0.5, 2.5]" --set "data.sources[0].file=tight.csv"
    for how in "" --approximate; do
        to=(recommend tight-$kind $how --all --seen none --top 20 --json --min-score)
        run 0 "$rankine" "${to[@]}" 2.4
        json "all(2.4 <= r['score'] <= 2.5 for u in j for r in u['recommendations'])"
        [ $kind = svd ] || json "any(r['score'] == 2.5 for u in j for r in u['recommendations'])"
        run 0 "$rankine" "${to[@]}" 2.6
        json "not any(u['recommendations'] for u in j)"
    done
    run 0 "$rankine" export $kind --format model --out $kind.rankine
    run 0 "$rankine" score $kind.rankine --pairs pairs.csv --json
done
# errors beside each other, over seeds, and after a refit; sweep after sweep is as many at once
run 0 "$rankine" compare als svd --json
json "'mse' in j['runs'][0]['metrics'] and 'p' in j['runs'][1]['metrics']['mae']"
json "'p' not in j['runs'][1]['metrics']['rmse']"
run 0 "$rankine" train svd.yaml --run seeds --seeds 2 --device cpu --quiet --set train.epochs=2
prints "ratings, test" "biases"
run 0 "$rankine" train als.yaml --run refit --device cpu --quiet --set train.refit=true
prints "ratings, refit"
run 0 "$rankine" train svd.yaml --run both --seeds 2 --device cpu --quiet --set train.refit=true \
    --set train.epochs=2
prints "ratings, refit"
python3 - <<'PYTHON' || fail "the errors after a refit are not the means of the runs' own"
import json
whole = json.load(open("both/report.json"))["ratings"]["refit"]
runs = [json.load(open(f"both/seed-{s}/report.json"))["refit"]["ratings"] for s in (2020, 2021)]
for error in ("mse", "mae_scaled"):
    of = [run["model"][error] for run in runs]
    assert abs(whole["model"][error]["mean"] - sum(of) / 2) < 1e-12 and of[0] != of[1], error
    assert whole["biases"][error] == runs[0]["biases"][error] == runs[1]["biases"][error], error
PYTHON
run 0 "$rankine" train als.yaml --run parts --device cpu --quiet --set train.epochs=2
run 0 "$rankine" train --run parts --resume --set train.epochs=6 --quiet
cmp -s parts/last.h5 als/last.h5 || fail "2 and 4 sweeps are not 6"

# refused CODE TEXT SETTINGS...: nothing is there afterwards
refused() {
    local code=$1 text=$2
    shift 2
    run "$code" "$rankine" train als.yaml --run no --device cpu --quiet "$@"
    says "$text"
    absent no
}
refused 3 "stars.csv:2:" --set "data.value_range=[0, 0.1]"
refused 2 "data.value_range" --set "data.value_range=[5]"
refused 2 "model.l2" --set model.l2=0
refused 2 "eval.metric is rmse" --set model.kind=ease --set train.epochs=100 --set model.dim=64
refused 2 "take loss.kind mse" --set model.kind=svd
sed 's/, *value: stars//' als.yaml >none.yaml
run 3 "$rankine" train none.yaml --run no --device cpu --quiet
says "has no values" "'value'"
awk -F, -v OFS=, 'NR > 1 { $3 = 4 } 1' stars.csv >four.csv
run 3 "$rankine" train als.yaml --run no --device cpu --quiet --set "data.sources[0].file=four.csv"
says "values of train are 4"
absent no
finish
