# For test_sweep.sh and tests/long/test_sweep.sh: a sweep that is killed again and again ends with
# the trials and the bits of one that never was.

# killed METHOD TRIALS KILLS ARGUMENT...
killed() {
    local method=$1 trials=$2 kills=$3 done_kills=0 pid code again
    shift 3
    local sweep=("$rankine" sweep demo/synth.yaml --space space.yaml --method "$method"
        --trials "$trials" --quiet --set train.checkpoint_every=2 "$@")
    rm -rf whole cut
    run 0 "${sweep[@]}" --run whole
    command_line="${sweep[*]}, killed"
    for _ in $(seq 400); do
        again=("${sweep[@]}" --run cut)
        [ ! -e cut/sweep.yaml ] || again+=(--resume)
        # Every other time by what the folder says alone.
        [[ ! -e cut/sweep.yaml || $((done_kills % 2)) = 0 || "$*" = *final* ]] ||
            again=("$rankine" sweep --run cut --resume --quiet)
        "${again[@]}" >out 2>err </dev/null &
        pid=$!
        if [ $done_kills -lt "$kills" ]; then
            sleep 0.$(printf %03d $((50 + RANDOM % 400)))
            kill -9 $pid 2>/dev/null && done_kills=$((done_kills + 1))
        fi
        wait $pid 2>/dev/null
        code=$?
        [ $code != 137 ] || continue
        [ $code = 0 ] || fail "exit code $code"
        [ $done_kills -lt "$kills" ] || break
        rm -rf cut # it was faster than the blows
    done
    sed -E 's/, "(seconds|why)".*//' whole/trials.jsonl >whole.lines
    sed -E 's/, "(seconds|why)".*//' cut/trials.jsonl >cut.lines
    cmp -s whole.lines cut.lines || fail "$method: other trials after $done_kills kills"
    for file in whole/trial-*/last.h5 whole/trial-*/best.h5; do
        cmp -s "$file" "cut${file#whole}" || fail "$method: $file has other bits when it was killed"
    done
    [ "$(readlink whole/best)" = "$(readlink cut/best)" ] || fail "$method: another best trial"
}
