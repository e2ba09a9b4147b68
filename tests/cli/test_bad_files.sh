#!/usr/bin/env bash
# Bad binary files, folders that are taken, no space, no memory, divergence: message, exit code,
# nothing half-written.
. "$(dirname "$0")/lib.sh"

small_data demo
quick=(--set train.epochs=1 --set model.dim=8 --set "eval.k=[10]" --set eval.metric=ndcg@10 --quiet)
run 0 "$rankine" prepare demo/synth.yaml
h5=$(sed -n 's/^  file *//p' out)
run 0 "$rankine" train demo/synth.yaml --run run "${quick[@]}"

# ---- HDF5 files ----
size=$(stat -c %s "$h5")
for bytes in 0 1 100 $((size / 2)) $((size - 1)); do
    head -c "$bytes" "$h5" >cut.h5
    run 3 "$rankine" info cut.h5
    no_output
    says "cut.h5"
done
head -c 5000 /dev/urandom >foreign.h5
run 3 "$rankine" info foreign.h5
says "foreign.h5"
cp run/last.h5 checkpoint.h5
run 3 "$rankine" info checkpoint.h5
says "checkpoint.h5"
# Flipped bytes, all over the file: an error, or (in a place that holds nothing) the same data.
run 0 "$rankine" info "$h5"
cp out intact
python3 - "$h5" <<'PYTHON'
import random, sys
data = open(sys.argv[1], "rb").read()
draw = random.Random(5)
for i in range(24):
    broken = bytearray(data)
    at = draw.randrange(len(data))
    for k in range(at, min(at + 64, len(data))):
        broken[k] ^= 0xFF
    open(f"broken{i}.h5", "wb").write(broken)
PYTHON
noticed=0
for i in $(seq 0 23); do
    command_line="rankine info broken$i.h5"
    "$rankine" info broken$i.h5 >out 2>err </dev/null
    code=$?
    if [ $code = 3 ]; then
        noticed=$((noticed + 1))
    elif [ $code = 0 ]; then
        grep -v '^  file ' intact >a
        grep -v '^  file ' out >b
        cmp -s a b || fail "corruption goes unnoticed"
    else
        fail "exit code $code on a corrupted file"
    fi
done
[ $noticed -ge 6 ] || fail "only $noticed of 24 corruptions were noticed"

# A cached data set that is damaged is prepared anew by train and prepare.
truncate -s 1000 "$h5"
run 0 "$rankine" prepare demo/synth.yaml --quiet
run 0 "$rankine" info "$h5"
cmp -s out intact || fail "the data set was not made again"

# ---- checkpoints ----
cp -r run hurt
truncate -s $(($(stat -c %s hurt/best.h5) / 2)) hurt/best.h5
truncate -s 100 hurt/last.h5
for command in "evaluate hurt" "recommend hurt --user 1" "export hurt"; do
    # shellcheck disable=SC2086
    run 3 "$rankine" $command
    no_output
    says ".h5"
done
absent hurt/export
run 3 "$rankine" evaluate nothere
says "nothere"
run 3 "$rankine" evaluate demo
says "demo"

# ---- folders that are taken ----
mkdir precious
echo mine >precious/notes.txt
run 2 "$rankine" train demo/synth.yaml --run precious "${quick[@]}"
says "precious"
run 2 "$rankine" train demo/synth.yaml --run precious --force "${quick[@]}"
[ "$(ls precious)" = notes.txt ] || fail "a folder that is no run was changed"
echo file >taken
run 2 "$rankine" train demo/synth.yaml --run taken "${quick[@]}"
says "taken"
[ "$(cat taken)" = file ] || fail "a file was replaced by a run folder"

# ---- K larger than the catalogue ----
run 2 "$rankine" train demo/synth.yaml --run big "${quick[@]}" --set "eval.k=[10, 5000]"
says "5000" "120"
absent big

# ---- no space left: a limit on the size of files is as good ----
limited() { # KILOBYTES COMMAND...
    local limit=$1
    shift
    (
        ulimit -f "$limit" || exit 99
        exec "$@"
    )
}
rm -rf .rankine
run 3 limited 4 "$rankine" prepare demo/synth.yaml
says ".h5" "File too large"
no_output
[ -z "$(ls .rankine 2>/dev/null)" ] || fail "a data set is left half-written"
run 0 "$rankine" prepare demo/synth.yaml --quiet
run 3 limited 16 "$rankine" train demo/synth.yaml --run full --set model.dim=64 "${quick[@]}" \
    --set model.dim=64
says "File too large"
no_leftovers full
absent full/report.json full/best.h5 full/last.h5
run 3 limited 1 "$rankine" export run --out exported
says "File too large"
[ -z "$(ls exported 2>/dev/null)" ] || fail "an export is left half-written"
run 3 limited 1 "$rankine" synth little --users 2000 --items 500 --interactions 20000
says "File too large"
[ -z "$(ls little 2>/dev/null)" ] || fail "generated data is left half-written"

# ---- divergence ----
run 5 "$rankine" train demo/synth.yaml --run wild "${quick[@]}" --set train.optimizer=sgd \
    --set train.learning_rate=1000 --set model.init_sd=100 --set loss.l2=1000 \
    --set train.epochs=50
says "step"
absent wild/report.json
no_leftovers wild

# ---- memory: a limit on the address space, which the sanitizers cannot work under ----
if "$rankine" info | grep -q sanitizers; then
    echo "the test of a lack of memory was left out: the sanitizers need the address space"
else
    "$rankine" synth wide --users 20000 --items 5000 --interactions 100000 --quiet >out 2>err ||
        fail "synth wide"
    run 0 "$rankine" prepare wide/synth.yaml --quiet
    run 4 bash -c 'ulimit -v 1500000; exec "$@"' - "$rankine" train wide/synth.yaml --run wide1 \
        --set model.dim=4096 --quiet
    says "memory"
    absent wide1/report.json
    no_leftovers wide1
fi

finish
