#!/usr/bin/env bash
# TensorBoard's own readers, in Python and in Rust, find in event files what metrics.jsonl has, also
# of a run that was killed at random points (KILLS of them) and resumed, of one with a torn last
# record, of models in one phase, of several seeds, of a run without checks; numbers that are none;
# and of a sweep what its HParams page shows. Needs a Python (PYTHON) with
# tests/tensorboard/requirements.txt; CI makes one.
here=$(cd "$(dirname "$0")/../tensorboard" && pwd)
. "$(dirname "$0")/lib.sh"
kills=${KILLS:-3}
needs_python tensorboard "$here/requirements.txt" \
    "tensorboard.plugins.hparams.backend_context, tensorboard_data_server"
export PYTHONDONTWRITEBYTECODE=1

equal() {
    run 0 "$python" "$here/equal.py" "$@"
}

small_data demo
settings=(--device cpu --set model.dim=16 --set train.batch=512 --set "eval.k=[10]"
    --set "eval.metric=ndcg@10" --quiet)
run 0 "$rankine" train demo/synth.yaml "${settings[@]}" --run plain --set train.epochs=4 \
    --set eval.every=2
equal plain
[ "$(ls plain | grep -c '^events.out.tfevents.')" = 1 ] || fail "plain has not one event file"

# ---- resumed, when finished and after the clock was set back; replaced; off ----
before=$(cat plain/events.out.tfevents.* | sha256sum)
run 0 "$rankine" train --run plain --resume --quiet
[ "$(cat plain/events.out.tfevents.* | sha256sum)" = "$before" ] || fail "a finished run said more"
mv plain/events.out.tfevents.* plain/events.out.tfevents.9999999990.elsewhere.99999999.0
run 0 "$rankine" train --run plain --resume --quiet --set train.epochs=6
equal plain
printf '\030\0\0\0\0\0\0\0\243' >>"$(ls plain/events.out.tfevents.* | tail -1)"
run 0 "$rankine" train --run plain --resume --quiet --set train.epochs=8
equal plain
run 0 "$rankine" train demo/synth.yaml "${settings[@]}" --run plain --force --set train.epochs=2
[ "$(ls plain | grep -c '^events.out.tfevents.')" = 1 ] || fail "--force left event files behind"
equal plain
run 0 "$rankine" train demo/synth.yaml "${settings[@]}" --run off --set train.epochs=1 \
    --set run.tensorboard=false
[ -z "$(ls off | grep events)" ] || fail "run.tensorboard false has event files"

# ---- other shapes of runs ----
sed '/^train:/,$d' demo/synth.yaml >demo/data.yaml
run 0 "$rankine" train demo/data.yaml --device cpu --quiet --run ease --set model.kind=ease
run 0 "$rankine" train demo/data.yaml --device cpu --quiet --run ials --set model.kind=ials \
    --set train.epochs=3
run 0 "$rankine" train demo/synth.yaml "${settings[@]}" --run unchecked --set train.epochs=2 \
    --set eval.every=0 --set eval.select=last
run 0 "$rankine" train demo/synth.yaml "${settings[@]}" --run no_valid --set train.epochs=2 \
    --set split.valid=0
run 0 "$rankine" train demo/synth.yaml "${settings[@]}" --run refit --set train.epochs=2 \
    --set train.refit=true
run 0 "$rankine" train demo/synth.yaml "${settings[@]}" --run seeds --seeds 2 --set train.epochs=2
equal ease ials unchecked no_valid refit seeds/seed-*

# ---- numbers that are none, or larger than a float ----
mkdir numbers
run 0 "$RANKINE_BINARY/tests/test_events" write numbers
run 0 "$python" - "$here" <<'PYTHON'
import sys
sys.path.insert(0, sys.argv[1])
from readers import READERS, scalars
for name, reader in READERS.items():
    found = scalars(reader("numbers"))["."]["loss/total"]
    assert found == [(1, "nan"), (2, "inf"), (3, "-inf"), (4, "inf"), (5, "0.5")], (name, found)
PYTHON

# ---- a sweep ----
cat >space.yaml <<'YAML'
model.dim: [4, 8]
"loss.kind+sampling.negatives": [[bpr, uniform], [softmax, in_batch]]
train.learning_rate: [0.01, 1e25]
YAML
run 0 "$rankine" sweep demo/synth.yaml --space space.yaml --method grid --run sweep \
    "${settings[@]}" --set train.epochs=2
run 0 "$python" "$here/hparams.py" sweep

# ---- killed ----
epochs=$((10 + 5 * kills))
long=(--set "train.epochs=$epochs" --set train.checkpoint_every=3 --set train.steps_per_epoch=40)
RANDOM=17
run 0 "$rankine" train demo/synth.yaml "${settings[@]}" "${long[@]}" --run whole
# resume_or_begin: goes on where there is a checkpoint
resume_or_begin() {
    if [ -e killed/last.h5 ]; then
        exec "$rankine" train --run killed --resume --quiet
    fi
    exec "$rankine" train demo/synth.yaml "${settings[@]}" "${long[@]}" --run killed --force
}
# Each some epochs further on than the one before, and at any point of an epoch.
killed=0
for _ in $(seq "$kills"); do
    (resume_or_begin) >/dev/null 2>&1 </dev/null &
    pid=$! until=$(($(cat killed/metrics.jsonl 2>/dev/null | wc -l) / 3 * 3 + 1 + RANDOM % 5))
    while kill -0 $pid 2>/dev/null &&
        [ "$(cat killed/metrics.jsonl 2>/dev/null | wc -l)" -lt $until ]; do
        sleep 0.005
    done
    sleep 0.0$((RANDOM % 40 + 10))
    kill -KILL $pid 2>/dev/null && killed=$((killed + 1))
    wait $pid 2>/dev/null
done
[ $killed -ge $((kills - 1)) ] || fail "only $killed of $kills kills met a training"
command_line="rankine train --run killed --resume"
(resume_or_begin) >out 2>err </dev/null || fail "the killed run does not end"
equal killed whole
python3 - "$epochs" <<'PYTHON' || fail "other numbers after kills"
import json, sys

def lines(run):
    return [{k: v for k, v in json.loads(line).items() if "second" not in k}
            for line in open(f"{run}/metrics.jsonl")]

assert lines("killed") == lines("whole") and len(lines("whole")) == int(sys.argv[1])
PYTHON
echo "$(ls killed | grep -c events.out) event files after $killed kills"
finish
