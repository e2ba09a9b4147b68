#!/usr/bin/env bash
# Configs from the command line: overrides, origins, --data, and what is wrong with a config.
. "$(dirname "$0")/lib.sh"

small_data demo
cat >exp.yaml <<'YAML'
data:
  sources:
    - file: ratings.csv
split:
  kind: leave_one_out
train:
  epochs: 7
  batch: 128
YAML

run 0 "$rankine" train exp.yaml --print-config --data demo --device cpu \
    --set train.batch=64 --set=model.dim=16 --set "eval.k=[5, 10]"
silent
origin() { # KEY VALUE ORIGIN
    grep -E "^ +$1: +$2 +# .*$3" out >/dev/null || fail "$1 should be $2 from $3"
}
origin epochs 7 "exp.yaml:7"
origin batch 64 "--set"
origin dim 16 "--set"
origin device cpu "--device"
origin layers 3 default
origin k "\\[5, 10\\]" "--set"
grep -E "root: .*$scratch/demo.* # .*--data" out >/dev/null || fail "data.root and its origin"
absent runs

# What is printed is a config that says the same.
cp out printed.yaml
run 0 "$rankine" train printed.yaml --print-config
sed 's/ *#.*//' out >again
sed 's/ *#.*//' printed.yaml >once
cmp -s once again || fail "a printed config reads back as another one"

# The last --set wins; the spelling --data DIR and --set data.root=DIR mean the same.
run 0 "$rankine" train exp.yaml --print-config --set train.epochs=1 --set train.epochs=2
origin epochs 2 "--set"
run 0 "$rankine" train exp.yaml --print-config --set data.root=demo
grep -E "root: .*$scratch/demo.* # .*--set" out >/dev/null || fail "data.root by --set"

run 0 "$rankine" prepare exp.yaml --data demo --quiet
prints "users" "fingerprint"
run 3 "$rankine" prepare exp.yaml --data nowhere
says "--data nowhere: No such file or directory"
run 3 "$rankine" prepare exp.yaml --data exp.yaml
says "--data exp.yaml: not a folder"
# A folder whose name YAML would misread.
mkdir "it's [a] folder: #1"
cp demo/ratings.csv "it's [a] folder: #1/"
run 0 "$rankine" prepare exp.yaml --data "it's [a] folder: #1" --quiet

run 2 "$rankine" train exp.yaml --set train.epoch=5
says "train.epoch" "train.epochs" "--set"
run 2 "$rankine" train exp.yaml --set train.epochs
says "train.epochs"
run 2 "$rankine" train exp.yaml --set train.epochs=many
says "train.epochs" "many"
run 2 "$rankine" train exp.yaml --set train.epochs=-1
says "train.epochs" "-1"
run 2 "$rankine" train exp.yaml --set model.kind=lightgnc
says "model.kind" "lightgcn"

printf 'train:\n  epochs: 3\n  learning_rat: 0.1\n' >typo.yaml
run 2 "$rankine" train typo.yaml
says "typo.yaml:3" "learning_rat" "learning_rate"
printf 'train:\n  epochs: [3\n' >broken.yaml
run 2 "$rankine" train broken.yaml
says "broken.yaml"
printf 'train: {epochs: 3}\n' >nosource.yaml
run 2 "$rankine" train nosource.yaml --run r1
says "source"
absent r1 runs
run 2 "$rankine" train nothere.yaml
says "nothere.yaml" "No such file or directory"
run 2 "$rankine" train --verbose exp.yaml --set train.epoch=5
grep -qE '\.c:[0-9]+ in ' err || fail "--verbose does not say where an error arose"

# A device that this machine cannot use is said before anything is written.
if "$rankine" info --devices | grep -qE "cuda +not (usable|in this build)"; then
    run 6 "$rankine" train exp.yaml --data demo --device cuda --run r2
    says "cuda"
    absent r2
fi
no_leftovers .

finish
