#!/usr/bin/env bash
# rankine train on several ranks of which one is started wrongly, is stopped, dies or cannot write:
# every rank ends with a sentence and the documented code within seconds, nothing hangs, and the
# last checkpoint is whole.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
. "$here/kill.sh"
small_data demo
quick=(--set train.epochs=4 --set train.batch=512 --set model.dim=12 --set run.threads=1)

# ---- started wrongly ----
one_differs 1 'set -- "$@" --set run.seed=7'
seconds 60 2 ranks 3 ./one "$rankine" train demo/synth.yaml --run no "${quick[@]}"
each_says 3 "rank 1 has another config than rank 0: "
says "seed: 7"
absent no

one_differs 2 "exec env LD_LIBRARY_PATH=$PWD/other \"\$@\""
mkdir other
library=$(ldd "$rankine" | sed -n 's/.*librankine.so.[0-9]* => \([^ ]*\) .*/\1/p')
sed 's/GNU \([0-9]\)/GNX \1/g; s/Clang \([0-9]\)/ClanX \1/g' "$library" >other/librankine.so.0
seconds 60 2 ranks 3 ./one "$rankine" train demo/synth.yaml --run no "${quick[@]}"
each_says 3 "rank 2 has another build than rank 0: "
absent no

# The same config on two machines, each with files of its own: here in two current folders.
mkdir a b
cp demo/* a/
"$rankine" synth b --users 300 --items 120 --interactions 6000 --clusters 4 --seed 8 \
    --quiet >/dev/null
one_differs 1 "cd $PWD/b"
cd a || exit 1
seconds 60 3 ranks 2 ../one "$rankine" train "$scratch/demo/synth.yaml" --run "$scratch/no" \
    "${quick[@]}" --set data.root=/proc/self/cwd --set data.cache=/proc/self/cwd/cache
mv out err ..
cd .. || exit 1
each_says 2 "rank 1 has another data set than rank 0: "

seconds 60 2 ranks 4 "$rankine" train demo/synth.yaml --run no "${quick[@]}" --set model.dim=3
says "model.dim"
seconds 60 2 ranks 5 "$rankine" train demo/synth.yaml --run no "${quick[@]}"
says "model.dim"
seconds 60 2 ranks 2 "$rankine" train demo/synth.yaml --run no --set run.communicator=tcp
says "run.communicator" "'tcp'"
seconds 60 2 ranks 2 "$rankine" train demo/synth.yaml --run no "${quick[@]}" --device cpu \
    --set run.communicator=nccl
each_says 2 "run.communicator is nccl"
seconds 60 2 ranks 2 "$rankine" train demo/synth.yaml --run no "${quick[@]}" --set cuda.device=1 \
    --set run.communicator=mpi
each_says 2 "cuda.device is 1 (--set), but there are 2 ranks, each of which takes the GPU of its"
run 2 "$rankine" train demo/synth.yaml --run no "${quick[@]}" --set run.communicator=mpi
says "nobody has started this process as one of several"
OMPI_COMM_WORLD_SIZE=2 RANKINE_MPI_MODULE=/nowhere.so run 2 "$rankine" train demo/synth.yaml \
    --run no "${quick[@]}"
says "mpirun started 2 processes together, but MPI cannot be loaded"
OMPI_COMM_WORLD_SIZE=2 RANKINE_MPI_MODULE=/nowhere.so run 0 "$rankine" train demo/synth.yaml \
    --run alone "${quick[@]}" --set run.communicator=self --quiet

# ---- stopped ----
long=(--set train.epochs=100000 --set train.batch=512 --set model.dim=12 --set eval.every=0
    --set run.threads=1 --set train.checkpoint_every=1)
start_long() { # on 3 ranks; returns once there is a checkpoint
    rm -rf stopped
    ranks 3 "$@" "$rankine" train demo/synth.yaml --run stopped "${long[@]}" --quiet \
        >out 2>err </dev/null &
    launcher=$!
    for _ in $(seq 2400); do
        [ ! -e stopped/last.h5 ] || break
        sleep 0.05
    done
    begin=$SECONDS
}

# ended WHAT CODE...: with one of the codes, and soon
ended() {
    local code
    command_line=$1
    wait $launcher
    code=$?
    [[ " ${*:2} " = *" $code "* ]] || fail "exit code $code, expected ${*:2}"
    [ $((SECONDS - begin)) -le 40 ] || fail "it took $((SECONDS - begin)) s"
    h5_is_whole stopped/last.h5
}

start_long
kill -TERM "$(rank_processes | tail -1)"
ended "SIGTERM to one of 3 ranks" 130
says "rankine train --run stopped --resume"
start_long
kill -TERM $(rank_processes)
ended "SIGTERM to all of 3 ranks" 130
says "rankine train --run stopped --resume"
start_long
kill -TERM "$(below $launcher "mpirun|orterun")"
ended "SIGTERM to mpirun" 1 143 # depends on its version
run 0 ranks 2 "$rankine" train demo/synth.yaml --run stopped "${long[@]}" --quiet --resume \
    --set train.epochs=1

# ---- a full disk: rank 0 cannot write any more ----
one_differs 0 'trap "" XFSZ'
start_long ./one
for process in $(rank_processes); do
    ! grep -qz '^OMPI_COMM_WORLD_RANK=0$' "/proc/$process/environ" ||
        prlimit --pid "$process" --fsize=1000
done
ended "a full disk on rank 0" 3
each_says 3 "cannot be written: File too large"
prlimit --help >/dev/null || fail "no prlimit here"

# ---- killed ----
kill_ranks 3 "${KILLS:-3}"
finish
