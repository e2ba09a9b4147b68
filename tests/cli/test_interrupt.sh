#!/usr/bin/env bash
# SIGINT and SIGTERM end a training with a checkpoint and exit code 130; resumed, the run ends with
# the same bits as one that was never stopped.
. "$(dirname "$0")/lib.sh"

small_data demo
# As many steps as make a training of about three seconds on this machine: long enough to be
# interrupted in the middle.
settings=(--set train.epochs=12 --set model.dim=16 --set train.batch=512 --set eval.every=2
    --set train.checkpoint_every=5 --set "eval.k=[10]" --set "eval.metric=ndcg@10")
run 0 "$rankine" train demo/synth.yaml --run trial "${settings[@]}" --set train.steps_per_epoch=5
steps=$(python3 -c '
import json
seconds = json.load(open("trial/report.json"))["timing"]["train_seconds"]
print(max(5, min(5000, round(5 * 3 / seconds))))')
settings+=(--set "train.steps_per_epoch=$steps")
run 0 "$rankine" train demo/synth.yaml --run whole "${settings[@]}"

# interrupt SIGNAL RUN: sends the signal once the run has written its second epoch
interrupt() {
    local signal=$1 folder=$2 pid code
    command_line="rankine train --run $folder, then SIG$signal"
    # bash lets background jobs ignore SIGINT, which python3 undoes
    python3 -c '
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])' "$rankine" train demo/synth.yaml --run "$folder" \
        "${settings[@]}" >out 2>err </dev/null &
    pid=$!
    for _ in $(seq 6000); do
        [ -f "$folder/metrics.jsonl" ] && [ "$(wc -l <"$folder/metrics.jsonl")" -ge 2 ] && break
        kill -0 $pid 2>/dev/null || break
        sleep 0.01
    done
    kill -"$signal" $pid
    wait $pid
    code=$?
    [ $code = 130 ] || fail "exit code $code after SIG$signal, expected 130"
    says "rankine train --run $folder --resume"
    [ -s "$folder/last.h5" ] || fail "no checkpoint in $folder"
    absent "$folder/report.json"
    no_leftovers "$folder"
}

# same RUN: weights, metrics and losses are those of the run that was never stopped
same() {
    run 0 "$rankine" export whole --out whole_export --force --quiet
    run 0 "$rankine" export "$1" --out "$1_export" --quiet
    for file in user_embeddings.npy item_embeddings.npy; do
        cmp whole_export/$file "$1_export/$file" || fail "$1: other $file"
    done
    python3 - "$1" <<'PYTHON' || fail "$1: other metrics"
import json, sys

def timeless(value):
    if isinstance(value, dict):
        return {k: timeless(v) for k, v in value.items() if "second" not in k and k != "time"}
    return value

def lines(run):
    return [timeless(json.loads(line)) for line in open(f"{run}/metrics.jsonl")]

assert len(lines("whole")) == 12
assert lines(sys.argv[1]) == lines("whole"), "metrics.jsonl"
report = [json.load(open(f"{run}/report.json")) for run in ("whole", sys.argv[1])]
for part in ("valid", "test", "popularity"):
    assert timeless(report[0][part]) == timeless(report[1][part]), part
assert report[0]["train"]["loss"] == report[1]["train"]["loss"]
PYTHON
}

for signal in INT TERM; do
    interrupt $signal run$signal
    run 0 "$rankine" info run$signal
    prints "not finished" "rankine train --run run$signal --resume"
    if [ $signal = INT ]; then
        run 0 "$rankine" train demo/synth.yaml --run run$signal --resume "${settings[@]}"
    else
        run 0 "$rankine" train --run run$signal --resume # by the run's own config
    fi
    same run$signal
done

# Without --resume an interrupted run is not touched; a run that is not there cannot be resumed.
interrupt TERM twice
cp twice/last.h5 before.h5
run 2 "$rankine" train demo/synth.yaml --run twice "${settings[@]}"
says "twice" "--resume"
cmp -s twice/last.h5 before.h5 || fail "a refused training changed the checkpoint"
run 2 "$rankine" train demo/synth.yaml --run nothere --resume
says "nothere"
absent nothere

# A checkpoint that is cut off is found out, and nothing is written over it.
truncate -s 1000 twice/last.h5
cp twice/last.h5 before.h5
run 3 "$rankine" train --run twice --resume
says "last.h5"
cmp -s twice/last.h5 before.h5 || fail "a refused resume changed the checkpoint"

finish
