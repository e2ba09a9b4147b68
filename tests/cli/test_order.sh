#!/usr/bin/env bash
# graph.order as a user sees it: what a run in the order of clusters says, lists, saves and hands on
# is what the run in the order of the data does, also on several ranks; what is no order is refused
# with a sentence.
. "$(dirname "$0")/lib.sh"

small_data demo
settings=(--set run.device=cpu --set train.epochs=2 --set model.dim=8
    --set train.batch=512 --set "eval.k=[10]" --set "eval.metric=ndcg@10")
seq 1 20 >users

# both WHAT COMMAND...: with ORDER in its words, the same output of both runs
both() {
    local what=$1 order
    shift
    for order in file cluster; do
        run 0 "${@//ORDER/$order}"
        sed -e 's/"seconds": [^,]*, //g' -e "s/$order/ORDER/g" out >"out.$order"
    done
    [ -s out.file ] || fail "$what: nothing is printed"
    cmp -s out.file out.cluster || fail "$what: the order is seen"
}

direct=(--set graph.form=direct)
for kind in lightgcn lightgcn++ gcn; do
    [ $kind = gcn ] && form=() || form=("${direct[@]}")
    for order in file cluster; do
        run 0 "$rankine" train demo/synth.yaml --run $kind.$order "${settings[@]}" "${form[@]}" \
            --set model.kind=$kind --set graph.order=$order
    done
    says "graph.order cluster: 420 rows ordered in "
    both "metrics of $kind" "$rankine" evaluate $kind.ORDER --json --quiet
    both "lists of $kind" "$rankine" recommend $kind.ORDER --users users --json --quiet
done
both "similar items" "$rankine" similar lightgcn.ORDER --items 7 --json --quiet
for order in file cluster; do
    run 0 "$rankine" export lightgcn.$order --out export.$order --quiet
    # Begins with a run's tables, in the order of the data.
    run 0 "$rankine" train demo/synth.yaml --run warm.$order --from lightgcn.$order \
        "${settings[@]}" "${direct[@]}" --set graph.order=$order --quiet
done
diff -r export.file export.cluster >/dev/null || fail "the order is seen in what is exported"
both "lists of a warm start" "$rankine" recommend warm.ORDER --users users --json --quiet

# ---- what is no order ----
run 2 "$rankine" train demo/synth.yaml --run no "${settings[@]}" --set graph.order=rcm
says "graph.order takes one of file, cluster, not 'rcm'"
absent no

# ---- ranks, each of which orders rows for itself ----
if command -v mpirun >/dev/null && "$rankine" info | grep -q "Open MPI"; then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMP_NUM_THREADS=1
    export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0" # tests/ranks/lib.sh
    for order in file cluster; do
        run 0 mpirun --oversubscribe -n 2 "$rankine" train demo/synth.yaml --run ranks.$order \
            "${settings[@]}" "${direct[@]}" --set graph.order=$order
    done
    [ "$(grep -c "graph.order cluster: 420 rows" err)" = 1 ] || fail "not one rank tells the order"
    cmp ranks.file/last.h5 ranks.cluster/last.h5 || fail "2 ranks: other weights"
    both "lists of 2 ranks" "$rankine" recommend ranks.ORDER --users users --json --quiet

    # One rank is stopped before the first step, in the middle of clustering unless it is too fast.
    run 0 "$rankine" synth large --users 8000 --items 2000 --interactions 400000 --quiet
    run 0 "$rankine" prepare large/synth.yaml --quiet
    for try in 1 2; do
        mpirun --oversubscribe -n 2 "$rankine" train large/synth.yaml --run stopped$try \
            "${settings[@]}" "${direct[@]}" --set graph.order=cluster --set train.epochs=1000 \
            --set eval.every=0 >out 2>err </dev/null &
        launcher=$!
        command_line="SIGTERM to one of 2 ranks, try $try"
        for _ in $(seq 3000); do
            ! grep -q fingerprint stopped$try/train.log 2>/dev/null || break
            sleep 0.01
        done
        kill -TERM "$(pgrep -P $launcher | tail -1)"
        wait $launcher
        code=$?
        [ $code = 130 ] || fail "exit code $code, expected 130"
        grep -q "interrupted while clustering nodes; no step was taken\|interrupted; go on" err ||
            fail "nothing says that it was interrupted"
    done
else
    echo "left out: no MPI here"
fi
finish
