#!/usr/bin/env bash
# The communicator over Open MPI, and what every rank says and ends with when one of them fails.
. "$(dirname "$0")/lib.sh"
program=$RANKINE_BINARY/tests/mpi_ranks

run 0 "$program" sums
prints "rank 0 of 1: self"
for n in 1 2 4; do
    run 0 ranks $n "$program" sums
    [ $n = 1 ] || prints "rank $((n - 1)) of $n: mpi, local $((n - 1)) of $n"
done
run 0 ranks 3 "$program" gathers
run 0 ranks 3 "$program" stop
run 0 ranks 2 "$program" twice

seconds 40 2 ranks 3 "$program" agree
each_says 3 "rank 1 has another config than rank 0: 'run.seed: 2' there, 'run.seed: 1' on rank 0"
seconds 40 3 ranks 3 "$program" full_disk
each_says 3 "last.h5: no space left on device"
seconds 40 5 ranks 3 "$program" early
each_says 3 "the loss is not finite"
seconds 40 137 ranks 3 "$program" kill
each_says 2 "rank 1 (process "
seconds 45 7 ranks 3 "$program" hang
says "has waited 1 s for the others (scores)"

# SIGTERM to one rank: all stop at the same step. (To mpirun: test_faults.sh.)
ranks 3 "$program" loop >out 2>err </dev/null &
launcher=$!
for _ in $(seq 1200); do
    [ "$(grep -c "under way" out)" = 3 ] && break
    sleep 0.05
done
kill -TERM "$(sed -n 's/.*process //p' out | head -1)"
command_line="SIGTERM to one rank"
wait $launcher
code=$?
[ $code = 130 ] || fail "exit code $code, expected 130"
each_says 3 "stopped"

# ---- what cannot be had ----
OMPI_COMM_WORLD_SIZE=4 RANKINE_MPI_MODULE=/nowhere/m.so run 2 "$program" sums
says "mpirun started 4 processes together, but MPI cannot be loaded: /nowhere/m.so"
SLURM_STEP_NUM_TASKS=4 run 2 "$program" sums
says "srun started 4 processes (SLURM_STEP_NUM_TASKS), but MPI knows of 1" \
    "left over from another job, run.communicator=self"

run 0 ranks 1 "$rankine" info --ranks
prints "mpi      Open MPI v" "started  by mpirun, with 1 processes"
run 0 "$rankine" info --ranks
prints "mpi      Open MPI v" "started  by nobody"
finish
