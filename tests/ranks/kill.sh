# For test_faults.sh and tests/long/test_rank_kills.sh: a training on several ranks, one of which
# is killed again and again, ends with the bits of one that never was.

# below PID NAMES: of what PID has started, and what that has started, the processes called so
below() {
    local process
    for process in $(pgrep -P "$1"); do
        if [[ "$(cat "/proc/$process/comm" 2>/dev/null)" =~ ^($2)$ ]]; then
            echo "$process"
        else
            below "$process" "$2"
        fi
    done
}

# rank_processes: the ranks' processes
rank_processes() {
    below "$launcher" rankine
}

lines() {
    cat cut/metrics.jsonl 2>/dev/null | wc -l
}

# All ranks end soon. Open MPI 4.1.4 at times stays when they have: it does not count, and is ended.
ranks_end() {
    local process living=1 until=$((SECONDS + 40))
    while [ $living != 0 ] && [ $SECONDS -le $until ]; do
        living=0
        for process in $(rank_processes); do
            grep -q '^State:.*Z' "/proc/$process/status" 2>/dev/null || living=$((living + 1))
        done
        sleep 0.05
    done
    [ $living = 0 ] || fail "round $round: $living ranks live 40 s after one was killed"
    until=$((SECONDS + 5))
    while [ $SECONDS -le $until ]; do
        process=$(below "$launcher" "mpirun|orterun")
        [ -n "$process" ] || return 0
        sleep 0.05
    done
    stuck=$((stuck + 1))
    kill -9 "$process"
}

# kill_ranks RANKS KILLS
kill_ranks() {
    local n=$1 kills=$2 done_kills=0 silent=0 stuck=0 code
    local train=("$rankine" train demo/synth.yaml --quiet --set train.checkpoint_every=1
        --set train.epochs=200 --set train.batch=256 --set eval.every=0 --set model.dim=12)
    run 0 ranks "$n" "${train[@]}" --run whole
    command_line="${train[*]} on $n ranks, killed"
    for round in $(seq $((20 * kills + 20))); do
        more=()
        [ ! -e cut/last.h5 ] || more=(--resume)
        [ -e cut/last.h5 ] || rm -rf cut
        before=$(lines)
        ranks "$n" "${train[@]}" --run cut "${more[@]}" >out 2>err </dev/null &
        launcher=$!
        if [ $done_kills -lt "$kills" ]; then
            # Three of four times while it trains, else at any moment.
            if [ $((RANDOM % 4)) != 0 ]; then
                for _ in $(seq 3000); do
                    [ "$(lines)" = "$before" ] || break
                    sleep 0.02
                done
            fi
            sleep 0.$(printf %03d $((RANDOM % 400)))
            victim=$(rank_processes | shuf -n 1)
            [ -n "$victim" ] && kill -9 "$victim" 2>/dev/null && done_kills=$((done_kills + 1))
            ranks_end
        fi
        wait $launcher 2>/dev/null
        code=$?
        # 137: the launcher says what killed it; 7: a rank was faster; 124: it hangs.
        case $code in
            0) [ $done_kills -lt "$kills" ] || break
               rm -rf cut ;; # it was faster than the blows
            137 | 7) ;;
            *) fail "round $round: exit code $code" ;;
        esac
        # Who had found the others says what happened.
        if [ $code != 0 ] && ! grep -q "died while rank\|ended the run" err; then
            silent=$((silent + 1))
        fi
        no_leftovers_of_resume "$code"
    done
    [ $done_kills = "$kills" ] || fail "only $done_kills kills"
    echo "$done_kills kills in $round starts, $silent before the ranks had met;" \
        "mpirun had to be ended $stuck times"
    for file in last.h5 best.h5; do
        [ ! -e whole/$file ] || cmp -s whole/$file cut/$file ||
            fail "$file has other bits when ranks were killed"
    done
}

# A checkpoint that is there can be read: the model of the best or last epoch answers.
no_leftovers_of_resume() {
    [ ! -e cut/last.h5 ] || [ "$1" = 0 ] || h5_is_whole cut/last.h5
}

h5_is_whole() {
    python3 - "$1" <<'PYTHON' || fail "$1 is not whole"
import os, struct, sys
# The superblock's end-of-file address against the file's size (HDF5 file format, version 0 to 3).
with open(sys.argv[1], "rb") as file:
    head = file.read(96)
    size = os.fstat(file.fileno()).st_size
assert head[:8] == b"\x89HDF\r\n\x1a\n"
version = head[8]
at = {0: 40, 1: 44}.get(version, 28)
end = struct.unpack_from("<Q", head, at)[0]
assert end <= size, (end, size)
PYTHON
}
