#!/usr/bin/env bash
# The program on the CUDA device: the losses of the CPU device, and what is said, with which exit
# code, when the device fails. RANKINE is the program of the emulated build.
. "$(dirname "$0")/../cli/lib.sh"

# same_losses A B: the epochs' losses of two runs agree to 1e-5 of their size
same_losses() {
    python3 - "$1" "$2" <<'PYTHON' || fail "$1 and $2: other losses"
import json, sys
a, b = ([json.loads(line)["loss"] for line in open(f"{run}/metrics.jsonl")] for run in sys.argv[1:])
assert len(a) == len(b) > 0, (a, b)
for x, y in zip(a, b):
    assert abs(x - y) <= 1e-5 * abs(x), (x, y)
print("losses", a, "and", b)
PYTHON
}

small_data demo
quick=(--set train.epochs=2 --set train.steps_per_epoch=4 --set train.batch=256 --set model.dim=8
    --set "eval.k=[10]" --set eval.metric=ndcg@10)
cuda=("${quick[@]}" --device cuda)
run 0 "$rankine" train demo/synth.yaml --run cpu --device cpu "${quick[@]}"
run 0 "$rankine" train demo/synth.yaml --run cuda "${cuda[@]}"
says "memory on cuda: " "rank users: working memory" "smaller ones" "device cuda: "
same_losses cpu cuda
run 0 "$rankine" train demo/synth.yaml --run eager "${cuda[@]}" --eager
same_losses cuda eager
run 0 "$rankine" train demo/synth.yaml --run profiled "${cuda[@]}" --profile
same_losses cuda profiled
says "profile of 8 steps" "of gather" "propagate_from_rows"
run 0 "$rankine" train demo/synth.yaml "${cuda[@]}" --print-program
prints "propagate_adam" "device cuda replays it as a graph of "
run 0 "$rankine" recommend cuda --user 3 --top 5
# Its rows in another order: the same weights, the same lists.
seq 1 20 >users
for order in file cluster; do
    run 0 "$rankine" train demo/synth.yaml --run $order "${cuda[@]}" --set graph.form=direct \
        --set graph.order=$order
    cp $order/last.h5 $order.h5
    run 0 "$rankine" recommend $order --users users --json --quiet
    sed "s/$order/ORDER/g" out >lists.$order
done
cmp file.h5 cluster.h5 || fail "the order of rows: other weights"
cmp lists.file lists.cluster || fail "the order of rows: other lists"

# ---- several devices ----
export EMU_DEVICES=2
run 0 "$rankine" info --devices
prints "  cuda:0 CPU emulator, " "  cuda:1 CPU emulator 1, "
run 0 "$rankine" train demo/synth.yaml --run second "${cuda[@]}" --set cuda.device=1
says "device cuda: CPU emulator 1, "
same_losses cpu second
run 0 "$rankine" recommend second --user 3 --top 5
cp out of_second
run 0 "$rankine" recommend cuda --user 3 --top 5 --device cuda:1
cmp -s out of_second || fail "another device, another answer"
run 2 "$rankine" recommend second --user 3 --top 5 --device cuda:2
says "cuda.device is 2, but CUDA shows 2 devices here: take one from 0 to 1"
export EMU_DEVICES=1
run 0 "$rankine" recommend second --user 3 --top 5 --device cuda:0
run 2 "$rankine" evaluate second --device auto
says "cuda.device is 1, but CUDA shows 1 device here, number 0"

# ---- a device that fails ----
for fault in "no_driver:no NVIDIA driver is installed here" \
    "no_device:there is no CUDA device here" "old_driver:update the driver" \
    "busy:another process has the device for itself"; do
    EMU_FAULT=${fault%%:*} run 6 "$rankine" train demo/synth.yaml --run no "${cuda[@]}"
    says "${fault#*:}"
    absent no/last.h5 no/report.json
done
EMU_FAULT=memory_taken run 4 "$rankine" train demo/synth.yaml --run full "${cuda[@]}"
says "MB are free (other processes count too)" "lower eval.k, or use --device cpu"
absent full/last.h5
EMU_FAULT=crash:60 run 6 "$rankine" train demo/synth.yaml --run crash "${cuda[@]}"
says "run with --eager to see which"
EMU_FAULT=crash:60 run 6 "$rankine" train demo/synth.yaml --run crash --force "${cuda[@]}" --eager
says "program train, node "
run 5 "$rankine" train demo/synth.yaml --run wild "${cuda[@]}" --eager \
    --set train.optimizer=sgd --set train.learning_rate=1e30 --set model.init_sd=100
says "step " ": node "

# ---- the paper's recipe, 5 steps on real data ----
data=$RANKINE_DATA/lastfm/lightgcn-pytorch
if [ -f "$data/data1.txt" ]; then
    source() {
        echo "        - {file: $1.txt, part: $2, format: csv, separator: \"\\t\", header: false,"
        echo '           user: "0", item: "1"}'
    }
    { # the preset with these sources in place of its own
        printf 'data:\n    sources:\n'
        source data1 train
        source test1 test
        sed -e '/^data:/,/^$/d' "$RANKINE_SOURCE/configs/lightgcn-paper.yaml"
    } >paper.yaml
    paper=(--data "$data" --set train.epochs=1 --set train.steps_per_epoch=5 --quiet)
    run 0 "$rankine" train paper.yaml --run paper_cpu --device cpu "${paper[@]}"
    run 0 "$rankine" train paper.yaml --run paper_cuda --device cuda "${paper[@]}"
    same_losses paper_cpu paper_cuda
    # more users than a tile, some of whom get what is popular: the same to the last digit, where
    # nothing but the ranking is computed
    {
        printf 'data:\n    sources:\n'
        source data1 train
        source test1 test
        printf 'model: {kind: mf}\n'
    } >mf.yaml
    run 0 "$rankine" train mf.yaml --data "$data" --run mf --device cpu --quiet \
        --set train.epochs=1 --set eval.every=0
    for device in cpu cuda; do
        run 0 "$rankine" evaluate mf --device $device --json --quiet
        sed -e 's/"seconds": [^,]*, //g' out >evaluated_$device
    done
    cmp evaluated_cpu evaluated_cuda || fail "the two devices evaluate differently"
else
    echo "left out: $data is not there"
fi
finish
