#!/usr/bin/env bash
# data.memory: preparing within a bound gives the same file; interrupts, full disks and bounds that
# are too small end with their exit codes and leave nothing behind.
. "$(dirname "$0")/lib.sh"

run 0 "$rankine" synth demo --users 3000 --items 800 --interactions 150000 --quiet
prepare=("$rankine" prepare demo/synth.yaml --set split.kind=ratio)

run 0 "${prepare[@]}" --set data.cache="$scratch/whole" --quiet
grep -v ' file ' out >whole.out
run 0 "${prepare[@]}" --set data.cache="$scratch/pieces" --set data.memory=4MiB
says "rows do not fit data.memory: they are sorted and divided in files"
grep -v ' file ' out | cmp - whole.out >/dev/null || fail "other statistics"
[ "$(ls whole/*.h5 | sed 's/.*\///')" = "$(ls pieces/*.h5 | sed 's/.*\///')" ] ||
    fail "other names: $(ls whole pieces)"
cmp whole/*.h5 pieces/*.h5 || fail "other bytes"
[ "$(ls -A pieces | wc -l)" = 2 ] || fail "left behind: $(ls -A pieces)"
# Found again, whatever memory there is now.
run 0 "${prepare[@]}" --set data.cache="$scratch/pieces" --quiet
[ "$(ls -A pieces/keys | wc -l)" = 1 ] || fail "prepared anew"

# A training with the bound has the same weights as one without, and goes on without it.
settings=(--set split.kind=ratio --set train.epochs=2 --set model.dim=8 --set train.batch=4096
    --set data.cache="$scratch/pieces")
run 0 "$rankine" train demo/synth.yaml --run bounded "${settings[@]}" --set data.memory=4MiB --quiet
run 0 "$rankine" train demo/synth.yaml --run free "${settings[@]}" --quiet
for name in bounded free; do
    run 0 "$rankine" export $name --out export_$name --quiet
done
cmp export_bounded/user_embeddings.npy export_free/user_embeddings.npy || fail "other weights"
run 0 "$rankine" train --run bounded --resume --set train.epochs=3 --set data.memory=0 --quiet
echo 1 >users
run 0 "$rankine" recommend bounded --users users --json

# Bad sizes.
for size in 4G 3MiB -1 many 1e9; do
    run 2 "${prepare[@]}" --set data.memory=$size
    says "data.memory takes a size of 4MiB to 1024TiB with its unit, e.g. 4GiB, or 0"
done

# A full disk.
(
    ulimit -f 400 # blocks of 1 KiB
    exec "${prepare[@]}" --set data.cache="$scratch/full" --set data.memory=4MiB --quiet
) >out 2>err
code=$?
[ $code = 3 ] || fail "exit code $code on a full disk, expected 3"
says "do not fit data.memory and cannot be put into a file in" "File too large"
[ ! -e full ] || [ "$(find full -type f | wc -l)" = 0 ] || fail "left behind: $(find full)"

# Too little for what must be in memory: a feature of many words.
python3 -c '
print("item_id,words")
for item in range(1, 801):
    print(item, " ".join("word%dx%d" % (item, k) for k in range(200)), sep=",")' >demo/words.csv
run 4 "${prepare[@]}" --set data.cache="$scratch/refused" --set data.memory=4MiB \
    --set 'data.features[0].of=item' --set 'data.features[0].file=words.csv' \
    --set 'data.features[0].id=item_id' --set 'data.features[0].columns[0].column=words' \
    --set 'data.features[0].columns[0].kind=list' --set 'data.features[0].columns[0].split= '
says "data.memory leaves 3.5 MiB for what must be in memory" "raise data.memory"
[ "$(find refused -type f 2>/dev/null | wc -l)" = 0 ] || fail "left behind: $(find refused)"

# Stopped and killed while it reads a pipe; the next one finds nothing in its way.
for signal in INT TERM KILL; do
    # A pipe of its own: the writer of the last one may not have seen yet that its reader is gone,
    # and would go on in the middle of the file.
    rm -f demo/pipe.csv && mkfifo demo/pipe.csv
    python3 -c '
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])' "${prepare[@]}" --set data.cache="$scratch/stopped" \
        --set data.memory=4MiB --set 'data.sources[0].file=pipe.csv' >out 2>err </dev/null &
    pid=$!
    { cat demo/ratings.csv && sleep 30; } >demo/pipe.csv 2>/dev/null &
    writer=$!
    for _ in $(seq 3000); do # until rows lie in files
        ls -l /proc/$pid/fd 2>/dev/null | grep -q 'stopped.*(deleted)' && break
        sleep 0.02
    done
    ls -l /proc/$pid/fd | grep -q 'stopped.*(deleted)' || fail "no rows in files before SIG$signal"
    kill -$signal $pid
    wait $pid
    code=$?
    kill $writer 2>/dev/null
    wait $writer 2>/dev/null
    [ $signal = KILL ] || [ $code = 130 ] || fail "exit code $code after SIG$signal, expected 130"
    [ $signal = KILL ] || says "interrupted while reading"
    [ "$(find stopped -type f 2>/dev/null | wc -l)" = 0 ] || fail "left behind: $(find stopped)"
done
run 0 "${prepare[@]}" --set data.cache="$scratch/stopped" --set data.memory=4MiB --quiet
cmp whole/*.h5 stopped/*.h5 || fail "other bytes after a kill"

finish
