#!/usr/bin/env bash
# A training step as a page: from a config, and of a run.
. "$(dirname "$0")/lib.sh"

small_data demo
run 0 "$rankine" train demo/synth.yaml --device cpu --set model.layers=2 --print-program
silent
prints "program train: " "MB moved each time" "passes (operations before -> after): share " \
    "restrict " "backward " "fuse " "stored: " "embedding f32 [" "sample_triplets" \
    "propagate_rows" "updates embedding" "device cpu runs it operation by operation"
absent runs
cp out first
run 0 "$rankine" train demo/synth.yaml --device cpu --set model.layers=2 --print-program
cmp first out || fail "another page the second time"
! grep -q narrow out || fail "a pass that was not asked for"

# The page follows the options.
run 0 "$rankine" train demo/synth.yaml --device cpu --set model.kind=mf --print-program
! grep -q propagate out || fail "mf propagates"
run 0 "$rankine" train demo/synth.yaml --device cpu --set train.propagation=fp16 --print-program
prints "narrow " "f16 ["

run 0 "$rankine" train demo/synth.yaml --device cpu --set model.layers=2 --set train.epochs=1 \
    --run run
run 0 "$rankine" info run --program
cmp first out || fail "the run's page differs from its config's"

run 2 "$rankine" info --program
says "rankine info RUN --program"
run 3 "$rankine" info demo --program
says "not a run folder"
run 2 "$rankine" train demo/synth.yaml --set model.layers=99 --print-program
says "model.layers"
finish
