#!/usr/bin/env bash
# mpirun -n P rankine train: the same losses and metrics as one process, the same bits on as many
# ranks, checkpoints of which nobody can tell how many wrote them, and one voice.
. "$(dirname "$0")/lib.sh"

small_data demo
settings=(--set run.device=cpu --set model.dim=24 --set train.batch=256 --set eval.every=2
    --set "eval.k=[10]" --set "eval.metric=ndcg@10" --set eval.patience=50)

# alike ONE OTHER TOLERANCE: losses and metrics
alike() {
    python3 - "$@" <<'PYTHON' || fail "$1 and $2 differ"
import json, sys

def lines(run):
    with open(run + "/metrics.jsonl") as file:
        return [json.loads(line) for line in file]

def report(run):
    with open(run + "/report.json") as file:
        return json.load(file)

one, other, tolerance = lines(sys.argv[1]), lines(sys.argv[2]), float(sys.argv[3])
assert len(one) == len(other), (len(one), len(other))
for a, b in zip(one, other):
    for key in ("loss", "bpr", "l2"):
        assert abs(a[key] - b[key]) <= tolerance * abs(a[key]), (a["epoch"], key, a[key], b[key])
a, b = report(sys.argv[1]), report(sys.argv[2])
for part in ("valid", "test"):
    for name, value in a[part].items():
        if "@" in name:
            assert abs(value - b[part][name]) < 5e-5, (part, name, value, b[part][name])
PYTHON
}

run 0 "$rankine" train demo/synth.yaml --run one "${settings[@]}" --set train.epochs=6
for n in 2 4; do
    run 0 ranks $n "$rankine" train demo/synth.yaml --run "r$n" "${settings[@]}" \
        --set train.epochs=6
    alike one "r$n" 2e-6
    [ "$(grep -c '>:run  ' out)" = 1 ] || fail "$n ranks: not one of them prints the end"
    [ "$(grep -c "^.* $n ranks by mpi" "r$n/train.log")" = 1 ] || fail "train.log names no ranks"
    python3 -c '
import json, sys
r = json.load(open(sys.argv[1] + "/report.json"))["train"]["ranks"]
assert r["count"] == int(sys.argv[2]) and r["columns"] * r["count"] == 24, r
assert r["gathered_bytes_per_step"] == 0, r
assert r["summed_bytes_per_step"] == 4 * 256 * 2 + 3 * 8, r
assert r["sent_bytes_per_step"] > 0, r' "r$n" "$n" || fail "report.json of $n ranks"
done
run 0 ranks 4 "$rankine" train demo/synth.yaml --run again "${settings[@]}" --set train.epochs=6
cmp r4/last.h5 again/last.h5 || fail "4 ranks, again: other bits"
cmp r4/best.h5 again/best.h5 || fail "4 ranks, again: another best model"

# What 4 have written, others go on with.
run 0 ranks 4 "$rankine" train demo/synth.yaml --run by4 "${settings[@]}" --set train.epochs=3
cp -r by4 then3
run 0 "$rankine" train demo/synth.yaml --run by4 --resume "${settings[@]}" --set train.epochs=6
run 0 ranks 3 "$rankine" train demo/synth.yaml --run then3 --resume "${settings[@]}" \
    --set train.epochs=6
alike one by4 2e-6
alike one then3 2e-6
run 0 "$rankine" evaluate then3
run 0 "$rankine" recommend then3 --user 5

# What they cannot do.
run 2 ranks 4 "$rankine" train demo/synth.yaml --run bad "${settings[@]}" --set model.dim=10
says "model.dim is 10, which 4 ranks cannot divide"
absent bad
sed '/^train:/,$d' demo/synth.yaml >demo/solved.yaml
run 2 ranks 2 "$rankine" train demo/solved.yaml --run bad --set run.device=cpu \
    --set model.kind=ease --set eval.select=last
says "model.kind is ease, which is not trained by gradients"
absent bad
finish
