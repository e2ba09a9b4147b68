#!/usr/bin/env bash
# For tests of several ranks. A script sources this; it ends where there is no MPI, and says so.
#
#   ranks N COMMAND...    COMMAND on N ranks; its output has the rank in front of each line
#   plain_ranks N ...     the same without that, as a person would see it
. "$(dirname "${BASH_SOURCE[0]}")/../cli/lib.sh"

if ! command -v mpirun >/dev/null || [ ! -f "${RANKINE_MPI_MODULE:?}" ]; then
    echo "skip: no MPI here (tools/install_packages.sh mpi)"
    exit 77
fi
# In a container, as root, with fewer cores than ranks; nothing but this machine's memory between
# them. Open MPI's folders have long names, which sockets in them cannot bear.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMP_NUM_THREADS=1
export OMPI_MCA_btl=self,vader OMPI_MCA_btl_vader_single_copy_mechanism=none
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none
export OMPI_MCA_orte_tmpdir_base=/tmp
# Open MPI keeps memory to itself, and its plugins are gone when the leaks are looked for.
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0"

plain_ranks() {
    timeout -k 5 "${RANK_SECONDS:-180}" mpirun -n "$@"
}

ranks() {
    plain_ranks "$1" --tag-output "${@:2}"
}

# each_says N TEXT: N ranks say it in a line of their own on standard error
each_says() {
    local found
    found=$(grep -F -e "$2" err | grep -o '^\[[0-9]*,[0-9]*\]' | sort -u | wc -l)
    [ "$found" = "$1" ] || fail "$found ranks, not $1, say: $2"
}

# seconds LIMIT CODE COMMAND...: ends with CODE in time
seconds() {
    local limit=$1 begin=$SECONDS
    shift
    run "$@"
    [ $((SECONDS - begin)) -le "$limit" ] || fail "it took $((SECONDS - begin)) s"
}

# one_differs RANK SCRIPT: a program that runs SCRIPT on that rank first; "$@" is the command line
one_differs() {
    cat >one <<SCRIPT
#!/bin/sh
if [ "\$OMPI_COMM_WORLD_RANK" = $1 ]; then
    $2
fi
exec "\$@"
SCRIPT
    chmod +x one
}
