#!/usr/bin/env bash
# What the program says about itself, and about wrong command lines.
. "$(dirname "$0")/lib.sh"

commands="train prepare evaluate compare recommend export info synth help"

run 0 "$rankine" --version
prints "rankine 0."
silent
run 0 "$rankine" --help
for command in $commands; do
    prints "  $command "
done
silent
cp out overall
run 0 "$rankine" -h
cmp -s out overall || fail "-h and --help differ"
run 0 "$rankine" help
cmp -s out overall || fail "help and --help differ"
run 2 "$rankine"
no_output
cmp -s err overall || fail "the help on standard error is another one"

for command in $commands; do
    run 0 "$rankine" $command --help
    prints "usage: rankine $command" "options:" "examples:" "  rankine $command" "--verbose"
    silent
    cp out by_option
    run 0 "$rankine" $command -h
    cmp -s out by_option || fail "$command -h and --help differ"
    run 0 "$rankine" help $command
    cmp -s out by_option || fail "help $command and $command --help differ"
    # --help wins over anything else on the line that is wrong
    run 0 "$rankine" $command --nonsense --help
    [ "$(wc -L <out)" -le 100 ] || fail "help of $command is wider than 100 columns"
    run 2 "$rankine" $command --nonsense
    no_output
    says "$command has no option --nonsense" "rankine $command --help"
done

run 2 "$rankine" trian
says "there is no command 'trian'; did you mean 'train'?"
run 2 "$rankine" xyzzy
says "there is no command 'xyzzy'"
grep -q "did you mean" err && fail "a guess from nothing"
run 2 "$rankine" --verison
says "there is no option '--verison'"
run 2 "$rankine" help trian
says "did you mean 'train'?"

run 2 "$rankine" train x.yaml --resme
says "train has no option --resme; did you mean --resume?"
run 2 "$rankine" train
says "train needs a CONFIG"
run 2 "$rankine" prepare
says "prepare needs a CONFIG"
run 2 "$rankine" train a.yaml b.yaml
says "it has 'a.yaml' already, what is 'b.yaml'?"
run 2 "$rankine" train a.yaml train.epochs=5
says "behind --set"
run 2 "$rankine" train a.yaml --run
says "--run needs a value: --run DIR"
run 2 "$rankine" train a.yaml --run --resume
says "--run needs a value"
run 2 "$rankine" train a.yaml --run=
says "the value is empty"
run 2 "$rankine" train a.yaml --resume=yes
says "--resume takes no value"
run 2 "$rankine" train a.yaml --device gpu
says "--device 'gpu': must be one of auto|cpu|cuda"
for device in "auto|cpu" cuda: cuda:N cuda:1x cuda1; do
    run 2 "$rankine" train a.yaml --device "$device"
    says "must be one of"
done
run 2 "$rankine" train a.yaml --resume
says "--resume needs the run to go on with: --run DIR"
run 2 "$rankine" train a.yaml --run r --resume --force
says "not both"
run 2 "$rankine" recommend r
says "recommend needs one of --user ID..., --users FILE, --all and --items ID,ID"
run 2 "$rankine" recommend r --user 1 --items 2
says "recommend needs one of --user ID..., --users FILE, --all and --items ID,ID"
for number in 0 -3 x 5x " 5" 1e3 99999999999999999999 ""; do
    run 2 "$rankine" recommend r --user 1 --top="$number"
    says "--top '$number': must be a whole number from 1 to"
done
run 2 "$rankine" evaluate r --part train
says "--part 'train': must be one of valid|test"
run 2 "$rankine" info somewhere --metrics
says "either a PATH or options"

# Options of a config, and what this build knows.
run 0 "$rankine" help options
prints "train.epochs" "model.layers" "eval.metric"
cp out options
run 0 "$rankine" info --options
cmp -s out options || fail "info --options and help options differ"
run 0 "$rankine" info
prints "rankine 0." "devices" "cpu" "models" "lightgcn"
run 0 "$rankine" info --devices
prints "cpu" "auto"
run 0 "$rankine" info --models
prints "lightgcn" "mf"
run 0 "$rankine" info --operations
prints "propagate" "adam" "slot_loss"
run 0 "$rankine" info --metrics
prints "recall" "ndcg" "precision" "hit" "mrr" "map" "coverage" "log2"

# Standard output that cannot be written is a failure.
if [ -w /dev/full ]; then
    command_line="rankine --help >/dev/full"
    "$rankine" --help >/dev/full 2>err
    [ $? = 3 ] || fail "a full standard output goes unnoticed"
    says "standard output: No space left on device"
fi

finish
