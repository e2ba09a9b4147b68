#!/usr/bin/env bash
# train --seeds: a run folder a seed, mean and standard deviation in one report, resumed and kept.
. "$(dirname "$0")/lib.sh"

small_data demo
settings=(--set train.epochs=3 --set model.dim=8 --set "eval.k=[10]" --set eval.metric=ndcg@10
    --set run.seed=7)
run 0 "$rankine" train demo/synth.yaml --run five --seeds 3 "${settings[@]}"
prints "mean" "sd" "popularity" "ndcg@10" "seeds     3, from 7" "runs      five"
says "seed 7, run 1 of 3" "seed 9, run 3 of 3"
[ -s five/seed-8/report.json ] && [ -s five/seed-8/best.h5 ] || fail "seed-8 is no whole run"
absent five/environment.json five/seed-10
cp five/report.json out
json '[j["seeds"]["count"], j["seeds"]["list"]] == [3, [7, 8, 9]]'
json 'j["chosen"]["on_test"] is False and j["popularity"]["test"]["ndcg@10"] > 0'
python3 - <<'PYTHON' || fail "other means than those of the runs"
import json, statistics
whole = json.load(open("five/report.json"))
runs = [json.load(open(f"five/seed-{s}/report.json")) for s in (7, 8, 9)]
for part in ("valid", "test"):
    for name, spread in whole[part].items():
        values = [run[part][name] for run in runs]
        assert spread["values"] == values, name
        assert abs(spread["mean"] - statistics.mean(values)) < 1e-15, name
        assert abs(spread["sd"] - statistics.stdev(values)) < 1e-15, name
        assert (spread["min"], spread["max"]) == (min(values), max(values)), name
assert whole["test"]["ndcg@10"]["sd"] > 0
PYTHON
run 0 "$rankine" info five
prints "seeds     3, from 7"

# A seed's run is that of the same seed alone.
run 0 "$rankine" train demo/synth.yaml --run alone "${settings[@]}" --set run.seed=8
cmp -s alone/best.h5 five/seed-8/best.h5 || fail "seed 8 differs from a run of its own"

# The data set is read once, however many runs are made of it.
run 0 "$rankine" train demo/synth.yaml --run once --seeds 2 "${settings[@]}" --verbose
[ "$(grep -c 'data set synth: from ' err)" = 1 ] || fail "the data set was not read once"

# Refused without --resume; more seeds go on from what there is, and touch no finished run.
run 2 "$rankine" train demo/synth.yaml --run five --seeds 3 "${settings[@]}"
says "holds runs already"
stat -c '%Y %i %n' five/seed-{7,8,9}/* >before
run 0 "$rankine" train --run five --seeds 4 --resume
says "seed 8, run 2 of 4: finished before, kept" "seed 10, run 4 of 4"
stat -c '%Y %i %n' five/seed-{7,8,9}/* >after
cmp -s before after || fail "a finished run was touched"
cp five/report.json out
json 'j["seeds"]["count"] == 4 and len(j["test"]["ndcg@10"]["values"]) == 4'

# Interrupted, a seed goes on with the same bits.
python3 -c '
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])' "$rankine" train demo/synth.yaml --run cut --seeds 2 \
    "${settings[@]}" --set train.epochs=100000 >out 2>err </dev/null &
pid=$!
command_line="train --seeds 2, then SIGINT"
until_there $pid cut/seed-7/metrics.jsonl
kill -INT $pid
wait $pid
code=$?
[ $code = 130 ] || fail "exit code $code, expected 130"
says "rankine train --run cut --seeds 2 --resume"
absent cut/report.json
[ -s cut/seed-7/last.h5 ] || fail "no checkpoint in cut/seed-7"
done_epochs=$(wc -l <cut/seed-7/metrics.jsonl)
run 0 "$rankine" train --run cut --seeds 2 --resume --set train.epochs=$((done_epochs + 1))
run 0 "$rankine" train demo/synth.yaml --run straight "${settings[@]}" \
    --set train.epochs=$((done_epochs + 1))
cmp -s straight/last.h5 cut/seed-7/last.h5 || fail "an interrupted seed ends with other bits"

# Force replaces; a bad number, a folder of one run and another configuration are refused.
run 0 "$rankine" train demo/synth.yaml --run five --seeds 2 --force "${settings[@]}"
run 2 "$rankine" train demo/synth.yaml --run new --seeds 1
run 2 "$rankine" train demo/synth.yaml --run new --seeds two
absent new
run 2 "$rankine" train demo/synth.yaml --run alone --seeds 2 --force
says "alone is the folder of a single run"
run 2 "$rankine" train demo/synth.yaml --run nothing --seeds 2 --resume
says "nothing to resume"
absent nothing
run 2 "$rankine" train --run five --seeds 2 --resume --set model.dim=9
says "seed 7" "model.dim was 8 when this run began and is 9 now"

finish
