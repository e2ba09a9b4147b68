#!/usr/bin/env bash
# rankine sweep: what each method trains, the folder, resumed and killed ones, and bad input.
. "$(dirname "$0")/sweep_kill.sh"
. "$(dirname "$0")/lib.sh"

small_data demo
settings=(--set train.epochs=9 --set model.dim=8 --set "eval.k=[10]" --set eval.metric=ndcg@10)
cat >grid.yaml <<'YAML'
model.kind: [lightgcn, popularity]
model.layers: {int: [1, 2]}
train.learning_rate: [0.01, 1e25]
YAML
sweep=("$rankine" sweep demo/synth.yaml)

# A grid: options that nothing reads are left out, the same values are one trial, a trial that
# diverges is the worst. Only the chosen one is tested, and it is a run of its own.
run 0 "${sweep[@]}" --space grid.yaml --method grid --run grid "${settings[@]}"
prints "trial 3 of 5 tried (2 failed, 0 reused, 0 invalid combinations)" "popularity" "next "
says "trial 2: model.kind lightgcn, model.layers 1, train.learning_rate 1e25: failed"
cp grid/report.json out
json '[t["state"] for t in j["trials"]] == ["done", "failed", "done", "failed", "done"]'
json 'j["trials"][4]["options"] == {"model.kind": "popularity"} and j["sweep"]["failed"] == 2'
json 'j["best"]["value"] == max(t["value"] or 0 for t in j["trials"]) and j["best"]["trial"] == 3'
[ "$(readlink grid/best)" = trial-0003 ] || fail "best is not trial 3"
python3 - <<'PYTHON' || fail "report, runs and tables do not say the same"
import csv, json
whole = json.load(open("grid/report.json"))
rows = list(csv.DictReader(open("grid/trials.csv")))
for trial, row in zip(whole["trials"], rows, strict=True):
    assert row["state"] == trial["state"] and row["model.layers"] == str(
        trial["options"].get("model.layers", ""))
    if trial["state"] == "failed":
        continue
    run = json.load(open(f"grid/trial-{trial['trial']:04}/report.json"))
    assert run["valid"]["ndcg@10"] == trial["value"] == float(row["value"])
    assert (run["test"] is None) == (trial["trial"] != 3) == run.get("without_test", False)
chosen = json.load(open("grid/best/report.json"))["test"]
assert all(chosen[name] == value for name, value in whole["test"].items())
PYTHON
run 0 "$rankine" train demo/synth.yaml --run alone "${settings[@]}" --set model.layers=2 \
    --set train.learning_rate=0.01
cmp -s alone/last.h5 grid/trial-0003/last.h5 || fail "trial 3 differs from a run of its own"
run 0 "$rankine" recommend grid --user 7
run 0 "$rankine" recommend grid/best --user 7
run 0 "$rankine" compare grid alone --html both.html
prints "[1] grid/best" "[2] alone"
run 2 "$rankine" train --run grid --resume
says "grid is a sweep: go on with it by rankine sweep --run grid --resume"

printf '%s\n' 'model.kind: [mf, lightgcn]' 'model.layers: [1, 2]' >kinds.yaml # mf has none
run 0 "${sweep[@]}" --space kinds.yaml --method grid --run kinds "${settings[@]}" --quiet \
    --set train.epochs=1
prints "of 3 tried"

# Gone on with: nothing is trained again; other seeds for the best three.
stat -c '%Y %i %n' grid/trial-*/last.h5 >before
run 0 "$rankine" sweep --run grid --resume --final-seeds 2
prints "trial 3 with 2 other seeds: ndcg@10"
stat -c '%Y %i %n' grid/trial-*/last.h5 >after
cmp -s before after || fail "a finished trial was touched"
cp grid/report.json out
json 'sorted(f["trial"] for f in j["final"]) == [1, 3, 5] and j["final"][0]["seeds"] == 2'
absent grid/final/trial-0001/seed-2020 # its own, which had its luck already
run 2 "${sweep[@]}" --space grid.yaml --method random --run grid --resume "${settings[@]}"
says "the sweep in grid is by grid, not random"
run 2 "${sweep[@]}" --space grid.yaml --method grid --run grid --resume "${settings[@]}" \
    --set model.dim=9
says "model.dim was 8 when the sweep in grid began and is 9 now"
sed 's/1e25/2e25/' grid.yaml >other.yaml
run 2 "${sweep[@]}" --space other.yaml --method grid --run grid --resume "${settings[@]}"
says "1e25" "2e25" "a sweep goes on with its own space"
run 2 "${sweep[@]}" --space grid.yaml --method grid --run grid "${settings[@]}"
says "holds a sweep already"
sed -i '1s/0\.01/0.02/' grid/trials.jsonl
run 3 "$rankine" sweep --run grid --resume
says "grid/trials.jsonl:1 says" "follows from the sweep's config, space and seed"

# Seeds as an axis: what differs in nothing else is one finalist, and its other seeds are not those
# of the axis. One that fails is not the end.
printf '%s\n' 'run.seed: [3, 9, 5]' 'model.dim: [4, 6]' >seeds.yaml
run 0 "${sweep[@]}" --space seeds.yaml --method grid --run seeds "${settings[@]}" \
    --set train.epochs=2 --final-seeds 2 --quiet
cp seeds/report.json out
json 'len(j["final"]) == 2 and j["sweep"]["trials"] == 6'
json 'len({t["options"]["model.dim"] for t in j["trials"]
    if t["trial"] in [f["trial"] for f in j["final"]]}) == 2'
for trial in seeds/final/*; do # but for the parts of the chosen one, nothing else is in there
    [ "$(cd "$trial" && echo seed-*)" = "seed-2021 seed-2022" ] || fail "seeds of $trial"
done
[ "$(find seeds/final -name 'seed-*' | wc -l)" = 4 ] || fail "not two seeds of two"
chosen=$(python3 -c 'import json; print(json.load(open("out"))["best"]["trial"])')
sed -i 's/^    dim: .*/    dim: 5/' "seeds/final/trial-000$chosen/seed-2021/config.yaml"
rm seeds/final/*/report.json
mv "seeds/final/trial-000$chosen/seed-2022" elsewhere
run 0 "$rankine" train demo/synth.yaml --run other "${settings[@]}" --set model.dim=5
mv other "seeds/final/trial-000$chosen/seed-2022"
run 0 "$rankine" sweep --run seeds --resume --final-seeds 2
prints "trial $chosen with 2 other seeds: failed" "test, mean of the chosen trial's 2 other seeds" \
    "chosen by the mean ndcg@10 of 2 other seeds on valid"
grep -q "by the mean ndcg@10 of 2 other seeds on valid" seeds/report.html || fail "the page"
cp seeds/report.json out
json "j['best']['trial'] != $chosen"
json "[f['mean'] for f in j['final'] if f['trial'] == $chosen] == [None]"
run 2 "${sweep[@]}" --space seeds.yaml --method grid --run high "${settings[@]}" \
    --set run.seed=9223372036854775806 --final-seeds 2 --quiet
says "there are no 2 final seeds above run.seed 9223372036854775806"
absent high

same_report() { # of valid, the model and what it has to beat
    python3 - "$1" "$2" <<'PYTHON' || fail "$1 and $2 report other values"
import json, sys
a, b = (json.load(open(f"{run}/report.json")) for run in sys.argv[1:])
for metrics in (a["valid"], b["valid"], a["popularity"]["valid"], b["popularity"]["valid"]):
    del metrics["seconds"]
assert a["valid"] == b["valid"] and a["popularity"]["valid"] == b["popularity"]["valid"]
assert a["popularity"]["valid"]["ndcg@10"] > 0
PYTHON
}

# What trainings on one data set have in common is made once for each data set, also for seeds, and
# with it they are bit for bit what they are alone.
cat >shared.yaml <<'YAML'
split.order: [time, random]
graph.order: [file, cluster]
train.learning_rate: [0.01, 0.02]
YAML
made() { # COUNT TEXT FOLDER: so many lines of its logs say it
    local found
    found=$(cat "$3"/*/train.log | grep -c "$2")
    [ "$found" = "$1" ] || fail "$3: '$2' $found times, not $1"
}
settings_of=("${settings[@]}" --set train.epochs=2 --set model.layers=2 --set graph.form=direct)
run 0 "$rankine" sweep demo/synth.yaml --space shared.yaml --method grid --run shared --quiet \
    "${settings_of[@]}"
made 2 "graph of [0-9]* edges built" shared
made 2 "graph.order cluster: [0-9]* rows ordered" shared
made 2 "graph.order cluster: the order of [0-9]* rows was found before" shared
run 0 "$rankine" train demo/synth.yaml --run several --seeds 2 --quiet "${settings_of[@]}"
made 1 "graph of [0-9]* edges built" several
run 0 "$rankine" train demo/synth.yaml --run by/itself --quiet "${settings_of[@]}" \
    --set split.order=random --set graph.order=cluster --set train.learning_rate=0.02
made 1 "graph of [0-9]* edges built" by
cmp -s by/itself/last.h5 shared/trial-0008/last.h5 || fail "trial 8 differs from a run of its own"
same_report by/itself shared/trial-0008
run 0 "$rankine" train demo/synth.yaml --run by/seed --quiet "${settings_of[@]}" --set run.seed=2021
cmp -s by/seed/last.h5 several/seed-2021/last.h5 || fail "seed 2021 differs from a run of its own"
same_report by/seed several/seed-2021

# Drawn: options that change together, more trials later, the same values not trained twice.
cat >space.yaml <<'YAML'
train.learning_rate: {log: [1e-3, 1e-1]}
"loss.kind+sampling.negatives": [[bpr, uniform], [softmax, in_batch], [bpr, in_batch]]
model.layers: {int: [1, 3]}
YAML
run 0 "${sweep[@]}" --space space.yaml --trials 4 --run drawn "${settings[@]}" --quiet
cp drawn/trials.jsonl four
run 0 "$rankine" sweep --run drawn --resume --trials 6 --quiet
head -c "$(wc -c <four)" drawn/trials.jsonl | cmp -s - four || fail "more trials changed the first"
grep -q '"event": "invalid".*in_batch' drawn/trials.jsonl || fail "nothing invalid was drawn"
[ -d drawn/trial-0006 ] || fail "no sixth trial"
echo 'model.layers: [1, 2]' >two.yaml
run 0 "${sweep[@]}" --space two.yaml --trials 5 --run twice "${settings[@]}" --json --quiet
json 'j["report"]["sweep"]["reused"] >= 3 and j["report"]["sweep"]["trained"] <= 2'

# RecBole's hyper.test.
printf 'learning_rate loguniform -8, 0\n\nn_layers choice [1, 2]\n' >hyper.test
run 0 "${sweep[@]}" --space hyper.test --trials 2 --run bole "${settings[@]}" --quiet
grep -q 'train.learning_rate: {log: \[0.000335463, 1\]}' bole/sweep.yaml || fail "hyper.test"
printf 'learning_rate loguniform -8,0\nn_layerz choice [1,2]\n' >hyper.test
run 2 "${sweep[@]}" --space hyper.test --run none
says "hyper.test:2: 'n_layerz'" "did you mean 'n_layers'?"
hyper() { # LINE TEXT
    printf '%s\n' "$1" >hyper.test
    run 2 "${sweep[@]}" --space hyper.test --run none
    says "hyper.test:1" "$2"
    absent none
}
hyper 'learning_rate normal 0,1' "'normal' is no type of parameter; there is choice"
hyper 'learning_rate Choice [0.1]' "'Choice' is no type of parameter"
hyper 'learning_rate choice' "no values follow 'choice'"
hyper 'learning_rate choice []' "choice wants a list of values"
hyper 'learning_rate choice [0.1, nan]' "train.learning_rate takes a number"
hyper 'learning_rate uniform 0.1,0.01' "is empty: the smaller number first"
hyper 'learning_rate loguniform -1000,0' "log wants numbers above 0"
hyper 'learning_rate quniform 0.1,0.5,0' "the step of train.learning_rate is 0"
hyper 'embedding_size choice [8, 16.5]' "model.dim takes an integer"
hyper 'topk choice [5, 10]' "eval.k cannot be in a space"

# Killed at any point: a few times here, twenty times in tests/long. Under sanitizers one method
# goes all ways of a resumption; that each has the same bits is for other builds to show.
killed halving 9 2 "${settings[@]}"
if [ -z "${RANKINE_SANITIZE:-}" ]; then
    killed random 6 4 "${settings[@]}"
    killed tpe 13 4 "${settings[@]}"
fi

# Interrupted.
python3 -c '
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])' "${sweep[@]}" --space two.yaml --method grid --run stopped \
    --set train.epochs=100000 >out 2>err </dev/null &
pid=$!
command_line="sweep, then SIGINT"
until_there $pid stopped/trial-0001/metrics.jsonl
kill -INT $pid
wait $pid
[ $? = 130 ] || fail "no exit code 130"
says "rankine sweep --run stopped --resume"
absent stopped/report.json
for command in "recommend stopped --user 7" "compare stopped alone"; do
    # shellcheck disable=SC2086
    run 2 "$rankine" $command
    says "stopped is a sweep that is not finished: go on with it by sweep --run stopped --resume"
done

# Refused before anything is written.
refused() {
    local text=$1
    shift
    run 2 "${sweep[@]}" --run none "$@"
    says "$text"
    absent none
}
space() { printf '%s\n' "$@" >bad.yaml; }
space 'model.dimm: [1, 2]'
refused "bad.yaml:1 model.dimm=1: unknown key 'model.dimm'; did you mean 'model.dim'?" \
    --space bad.yaml
space '' 'model.dim: [8, x]'
refused "bad.yaml:2 model.dim=x" --space bad.yaml
space 'model.dim: 8'
refused "bad.yaml:1: model.dim is one value" --space bad.yaml
space 'model:' '    dim: [8, 9]' '    layers: [1, 2]'
refused "bad.yaml:2: a space names each option whole, without sections: 'model.OPTION: [a, b]'" \
    --space bad.yaml
space 'model.dim: {sqrt: [1, 2]}'
refused "a range of numbers is written {uniform" --space bad.yaml
space 'train.learning_rate: {log: [0, 1]}'
refused "log wants numbers above 0" --space bad.yaml
space 'model.dim: {int: [9, 3]}'
refused "is empty: the smaller number first" --space bad.yaml
space 'model.dim: {step: [8, 16, 0.5]}'
refused "model.dim is a whole number, which steps of 0.5 from 8 on are not" --space bad.yaml
space 'model.dim: [8]' 'model.layers+model.dim: [[1, 8]]'
refused "bad.yaml:2: model.dim is there twice; the first is in bad.yaml:1" --space bad.yaml
space 'loss.kind+sampling.negatives: [[bpr]]'
refused "each element is a list of 2 values" --space bad.yaml
space 'loss.kind+sampling.negatives: [[bpr, in_batch]]'
refused "no combination of the space is valid; of the first: sampling.negatives" --space bad.yaml
space 'eval.k: [[10], [20]]'
refused "eval.k cannot be in a space" --space bad.yaml
space
refused "the space is empty" --space bad.yaml
refused "cannot go through" --space space.yaml --method grid
refused "eval.split is test" --space two.yaml --set eval.split=test
refused "set train.schedule_epochs" --space two.yaml --method halving --set train.schedule=cosine
refused "halving trains in ever more epochs" --space two.yaml --method halving \
    --set model.kind=ease
space 'train.epochs: [1, 2]'
refused "bad.yaml:1: halving decides how many epochs" --space bad.yaml --method halving
refused "nowhere.yaml" --space nowhere.yaml
# Killed before it had said what it was asked: begun anew.
mkdir early && touch early/config.yaml early/sweep.yaml.tmp
run 0 "${sweep[@]}" --space two.yaml --method grid --run early "${settings[@]}" --quiet
absent early/sweep.yaml.tmp
mkdir full && touch full/thesis
run 2 "${sweep[@]}" --space two.yaml --run full
says "is left alone"
run 2 "$rankine" sweep --run full --resume
says "nothing to go on with"
run 2 "${sweep[@]}" --run none
says "--space FILE"

finish
