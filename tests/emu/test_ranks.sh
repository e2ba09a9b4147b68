#!/usr/bin/env bash
# The program on several ranks with an emulated GPU each, joined by mpirun and the stand-in for NCCL
# (nccl.cpp): the losses and metrics of one rank, and of the CPU. RANKINE is the program of the
# emulated build.
. "$(dirname "$0")/../ranks/lib.sh"
export EMU_DEVICES=2 TMPDIR="$scratch"
"$rankine" synth demo --users 100 --items 60 --interactions 1500 --clusters 4 --seed 7 \
    --quiet >/dev/null || fail "synth demo"
cuda=(--device cuda --quiet --set train.epochs=2 --set train.steps_per_epoch=4
    --set train.batch=128 --set model.dim=8 --set train.clip_norm=0.5 --set "eval.k=[10]"
    --set eval.metric=ndcg@10)

# alike ONE OTHER: losses to 1e-6 of their size, metrics to four digits
alike() {
    python3 - "$@" <<'PYTHON' || fail "$1 and $2 differ"
import json, sys

def losses(run):
    with open(run + "/metrics.jsonl") as file:
        return [json.loads(line)["loss"] for line in file]

def metrics(run):
    with open(run + "/report.json") as file:
        return {k: v for k, v in json.load(file)["test"].items() if "@" in k}

one, other = sys.argv[1:]
assert len(losses(one)) == len(losses(other)) == 2
for a, b in zip(losses(one), losses(other)):
    assert abs(a - b) <= 1e-6 * abs(a), (a, b)
for name, value in metrics(one).items():
    assert abs(value - metrics(other)[name]) < 5e-5, (name, value, metrics(other)[name])
PYTHON
}

run 0 "$rankine" train demo/synth.yaml --run whole "${cuda[@]}"
run 0 ranks 2 "$rankine" train demo/synth.yaml --run two "${cuda[@]}"
alike whole two
grep -q "2 ranks by nccl" two/train.log || fail "train.log says nothing of NCCL"
python3 -c '
import json
r = json.load(open("two/report.json"))["train"]["ranks"]
assert r["communicator"] == "nccl" and r["columns"] == 4, r
assert r["sent_bytes_per_step"] == r["summed_bytes_per_step"] > 0, r' || fail "report.json"
# Over the batch itself rows are gathered, by NCCL, too.
pairs=("${cuda[@]}" --set eval.every=0 --set loss.kind=softmax --set sampling.negatives=in_batch)
run 0 "$rankine" train demo/synth.yaml --run pairs "${pairs[@]}"
run 0 ranks 2 "$rankine" train demo/synth.yaml --run pairs2 "${pairs[@]}"
alike pairs pairs2

# What they have trained, others go on with, evaluate and recommend, a GPU each.
run 0 "$rankine" evaluate two --json
sed -e 's/"seconds": [^,]*, //g' out >alone
run 0 plain_ranks 2 "$rankine" evaluate two --json
sed -e 's/"seconds": [^,]*, //g' out >shared
cmp alone shared || fail "2 ranks evaluate differently"
run 0 "$rankine" recommend two --all --out alone.tsv --quiet
run 0 ranks 2 "$rankine" recommend two --all --out shared.tsv --quiet
cmp alone.tsv shared.tsv || fail "2 ranks recommend differently"
run 0 "$rankine" train --run two --resume --quiet --device cpu --set train.epochs=3

# ---- what goes wrong ----
EMU_DEVICES=1 seconds 20 2 ranks 2 "$rankine" train demo/synth.yaml --run no "${cuda[@]}"
each_says 2 "ranks 0 and 1 would share GPU "
RANKINE_NCCL=/nowhere/libnccl.so.2 seconds 20 6 ranks 2 "$rankine" train demo/synth.yaml \
    --run no "${cuda[@]}"
each_says 2 "NCCL cannot be loaded: /nowhere/libnccl.so.2"
EMU_NCCL_FAULT=async:9 seconds 30 6 ranks 2 "$rankine" train demo/synth.yaml --run failed \
    "${cuda[@]}"
says "remote process exited"
one_differs 1 'export EMU_FAULT=crash:60'
seconds 30 6 ranks 2 ./one "$rankine" train demo/synth.yaml --run crashed "${cuda[@]}"
each_says 2 "run with --eager to see which"
absent no failed/report.json crashed/report.json
finish
