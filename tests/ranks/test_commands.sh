#!/usr/bin/env bash
# Every command started by mpirun: those that are one process's work are refused before they touch
# anything, what is the same for all is said once, and what only one finds is said, too.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
. "$here/kill.sh"
small_data demo

# ---- the work of one ----
while read -r command rest; do
    # shellcheck disable=SC2086 # words of a command line
    seconds 20 2 ranks 2 "$rankine" $command $rest
    says "mpirun started 2 processes together, but $command is the work of one" \
        "env -u OMPI_COMM_WORLD_SIZE rankine $command ..."
done <<'COMMANDS'
init demo/ratings.csv --out made
prepare demo/synth.yaml
cache demo
compare run run
report run
similar run --items 1
score run --user 1 --items 1
serve run
export run --out made
synth made
COMMANDS
absent made
absent demo/.rankine
# Every other command knows of ranks, or only shows something.
run 0 "$rankine" --help
others=$(sed -n '/^commands:/,/^$/s/^  \([a-z]*\) .*/\1/p' out | grep -vxE \
    'init|prepare|cache|compare|report|similar|score|serve|export|synth' | tr '\n' ' ')
[ "$others" = "train sweep evaluate recommend info help " ] || fail "new commands: $others"
run 0 ranks 2 env -u OMPI_COMM_WORLD_SIZE "$rankine" info --models
run 0 ranks 2 "$rankine" info --ranks
run 0 ranks 2 "$rankine" export --help

# ---- errors before the ranks meet: the first says them at once ----
late() { # RANK: the first word of a rank comes after this many milliseconds, at least
    local begin
    begin=$(date +%s%3N)
    OMPI_COMM_WORLD_SIZE=2 OMPI_COMM_WORLD_RANK=$1 run 2 "$rankine" train
    says "train needs a CONFIG"
    late=$(($(date +%s%3N) - begin))
}
late 1
[ "$late" -ge 2000 ] || fail "rank 1 does not let the first one speak"
seconds 20 2 ranks 3 "$rankine" train demo/none.yaml
says "demo/none.yaml cannot be read"
one_differs 1 "exec \"$rankine\" train demo/none.yaml"
seconds 20 2 ranks 2 ./one "$rankine" train demo/synth.yaml --run no --set run.threads=1
each_says 1 "demo/none.yaml cannot be read"
absent no

# ---- somebody does not come: a tenth of the patience later the others say so ----
one_differs 1 'exit 0'
RANK_SECONDS=8 seconds 20 124 ranks 2 ./one "$rankine" train demo/synth.yaml --run no \
    --set run.threads=1 --set run.patience=10
each_says 1 "this process has waited 1 s for the others that were started with it"
absent no
finish
