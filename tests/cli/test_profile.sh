#!/usr/bin/env bash
# --profile: the same training, and a table of its operations whose figures agree with each other.
. "$(dirname "$0")/lib.sh"

small_data demo
quick=(--device cpu --set train.epochs=2 --set model.dim=16 --set "eval.k=[10]"
    --set eval.metric=ndcg@10 --set train.batch=200 --set graph.form=direct)
run 0 "$rankine" train demo/synth.yaml --run plain "${quick[@]}"
absent plain/profile.csv
run 0 "$rankine" train demo/synth.yaml --run profiled --profile "${quick[@]}"
says "profile of " "operation" "of the ceiling" "of gather" "of copy"
for name in plain profiled; do
    run 0 "$rankine" export $name --out ${name}_export --quiet
done
cmp plain_export/item_embeddings.npy profiled_export/item_embeddings.npy || fail "other weights"

# Embeddings of 16 floats, 420 nodes: Adam moves 6 tables, the gradient is not stored. Of the
# batch's rows there are at most 600. What is not read back here would be a
# table of figures that nobody holds against anything.
python3 - profiled plain/report.json <<'PYTHON' || fail "profile.csv"
import csv, json, sys
with open(f"{sys.argv[1]}/profile.csv", newline="") as file:
    rows = {row.pop("operation"): {k: v if k == "ceiling" else float(v) for k, v in row.items()}
            for row in csv.DictReader(file)}
with open(sys.argv[2]) as file:
    report = json.load(file)
train = report["dataset"]["train"]
nodes = report["dataset"]["users"] + report["dataset"]["items"]
row = 16 * 4
for name in ("propagate", "propagate_rows", "propagate_adam", "sample_triplets", "step_loss"):
    assert name in rows, name
gathered = 2 * train * (row + 4)
adam = rows["propagate_adam"]["bytes"] / rows["propagate_adam"]["calls"]
assert 0 < adam - gathered - 6 * nodes * row <= 2 * 600 * row, adam
propagate = rows["propagate"]
added = propagate["bytes"] - propagate["calls"] * (gathered + nodes * row)
assert 0 < added <= propagate["calls"] / 3 * 600 * row, propagate
assert propagate["ceiling"] == "gather" and rows["l2_loss"]["ceiling"] == "copy"
for name, values in rows.items():
    expected = values["bytes"] / (values["milliseconds"] / 1e3)
    assert abs(values["bytes_per_second"] - expected) < 1e-3 * expected, name
    assert values["ceiling_bytes_per_second"] > 1e6, name
PYTHON

# A finished run has no steps left; a folder that is replaced loses its profile.
run 0 "$rankine" train --run profiled --resume --profile
says "no profile"
run 0 "$rankine" train demo/synth.yaml --run profiled --force "${quick[@]}"
absent profiled/profile.csv
finish
