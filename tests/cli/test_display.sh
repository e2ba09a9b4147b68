#!/usr/bin/env bash
# What a training shows: plain lines where standard error is no terminal, one line redrawn in place
# on a terminal, colour only there and not with NO_COLOR.
. "$(dirname "$0")/lib.sh"

small_data demo
small=(--set model.dim=8 --set train.batch=256 --set "eval.k=[10]" --set eval.metric=ndcg@10)

# ---- plain ----
run 0 "$rankine" train demo/synth.yaml --run plain "${small[@]}" --set train.epochs=4
grep -qE '^epoch 4/4  loss [0-9.]+  ndcg@10 0\.[0-9]+  [0-9.]+[kM]? samples/s' err ||
    fail "no line of the last epoch with loss, metric and speed"
[ "$(grep -c '^epoch' err)" -le 4 ] || fail "more lines than epochs"
LC_ALL=C grep -q "$(printf '[\r\033]')" out err && fail "control characters without a terminal"
run 0 "$rankine" train demo/synth.yaml --run quiet "${small[@]}" --set train.epochs=4 --quiet
silent
prints "ndcg@10" "run       quiet"
run 0 "$rankine" train demo/synth.yaml --run verbose "${small[@]}" --set train.epochs=4 --verbose
[ "$(grep -cE '^epoch [1-4]: loss' err)" = 4 ] || fail "--verbose does not tell every epoch"

# However short the epochs are, there is at most a line a second.
command_line="a training of many epochs, for 4 seconds"
SECONDS=0
timeout --foreground --preserve-status -s INT 4 "$rankine" train demo/synth.yaml --run many \
    "${small[@]}" --set train.epochs=1000000 --set train.steps_per_epoch=1 >out 2>err </dev/null
[ $? = 130 ] || fail "it should have been interrupted"
lines=$(grep -c '^epoch' err)
[ "$lines" -ge 1 ] && [ "$lines" -le $((SECONDS + 1)) ] || fail "$lines lines in $SECONDS seconds"

# Threads that wait do not spin, unless the environment says so (they would take turns with whatever
# else runs, ten times as slowly).
threads() { # WANTED [VARIABLE=VALUE]
    command_line="a training with ${2:-no variable} for its threads"
    rm -rf threads
    env -u OMP_WAIT_POLICY -u GOMP_SPINCOUNT ${2:+"$2"} "$rankine" train demo/synth.yaml \
        --run threads "${small[@]}" --set train.epochs=1000000 >out 2>err </dev/null &
    local pid=$!
    until [ -s threads/metrics.jsonl ] || ! kill -0 $pid; do sleep 0.05; done
    tr '\0' '\n' <"/proc/$pid/environ" | grep -E '^(OMP_WAIT|GOMP_SPIN)' | sort |
        tr '\n' ' ' >policy
    kill $pid
    wait $pid
    [ "$(cat policy)" = "$1 " ] || fail "the threads' policy is '$(cat policy)', expected '$1'"
}
threads "GOMP_SPINCOUNT=1000 OMP_WAIT_POLICY=passive"
threads "OMP_WAIT_POLICY=active" OMP_WAIT_POLICY=active
threads "GOMP_SPINCOUNT=7" GOMP_SPINCOUNT=7

# ---- a terminal ----
if ! script -qec true /dev/null >/dev/null 2>&1; then
    echo "the test of a terminal was left out: the program script cannot open one here"
    finish
fi
on_terminal() { # OUTPUT FOLDER [ENVIRONMENT]
    local train="env TERM=xterm ${3:-} timeout --foreground --preserve-status -s INT 4
        '$rankine' train demo/synth.yaml --run $2 --set train.epochs=1000000 ${small[*]@Q}"
    command_line="a training on a terminal ($3)"
    SECONDS=0
    script -qec "stty cols 100; ${train//$'\n'/ }" /dev/null >"$1" 2>/dev/null </dev/null
    [ $? = 130 ] || fail "it should have been interrupted"
}
on_terminal colour coloured ""
redrawn=$(tr '\r' '\n' <colour | grep -cE 'epoch [0-9]+/1000000  loss')
[ "$redrawn" -ge 2 ] && [ "$redrawn" -le $((2 * SECONDS + 2)) ] ||
    fail "the progress line was drawn $redrawn times in $SECONDS seconds"
tr '\r' '\n' <colour | grep 'epoch ' | grep -qE 'samples/s  [0-9hms ]+ left' || fail "no time left"
grep -q "rankine train --run coloured --resume" colour || fail "no word on how to go on"
LC_ALL=C grep -q "$(printf '\033\\[1m')" colour || fail "no colour on a terminal"
on_terminal mono monochrome NO_COLOR=1
LC_ALL=C grep -qE "$(printf '\033\\[[0-9]+m')" mono && fail "colour in spite of NO_COLOR"
LC_ALL=C grep -q "$(printf '\033\\[K')" mono || fail "no progress line without colour"
# The line of the last epoch stays: nothing erases it before the line ends.
command_line="a whole training on a terminal"
script -qec "stty cols 100; env TERM=xterm '$rankine' train demo/synth.yaml --run whole \
    --set train.epochs=7 ${small[*]@Q}" /dev/null >whole.out 2>/dev/null </dev/null
grep -qE 'epoch 7/7  loss [0-9.]+[^[:cntrl:]]*.$' whole.out || fail "the last epoch's line is gone"

finish
