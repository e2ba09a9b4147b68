#!/usr/bin/env bash
# evaluate and recommend on several ranks: users are divided among them, rank 0 alone prints and
# writes, and what comes out is one process's to the last digit.
. "$(dirname "$0")/lib.sh"
small_data demo
quick=(--quiet --set train.epochs=2 --set train.batch=512 --set model.dim=8 --set run.threads=1
    --set "eval.k=[5, 10]" --set eval.metric=ndcg@10)
run 0 "$rankine" train demo/synth.yaml --run trained "${quick[@]}"
sed '/^train:/,$d' demo/synth.yaml >demo/solved.yaml
run 0 "$rankine" train demo/solved.yaml --run knn --quiet --set model.kind=item_knn \
    --set eval.select=last --set split.candidates=20 --set eval.among=candidates

# untimed: out without what it took
untimed() {
    sed -i -e 's/"seconds": [^,]*, //g' -e 's/ranked in [^;]*;/ranked;/' out
}

# alike RANKS COMMAND...: the same text from that many ranks as from one process
alike() {
    local n
    run 0 "$rankine" "${@:2}"
    untimed
    cp out alone
    sed '/^memory on/d' err >alone_err
    for n in $1; do
        run 0 plain_ranks "$n" "$rankine" "${@:2}"
        untimed
        cmp alone out || fail "$n ranks: another answer"
        sed -i '/^memory on/d' err
        cmp alone_err err || fail "$n ranks: another rank than 0 has something to say"
    done
}

# alike_files RANKS FILES COMMAND...: the same files
alike_files() {
    local n file
    run 0 "$rankine" "${@:3}"
    mkdir -p alone_files
    mv $2 alone_files/
    for n in $1; do
        run 0 ranks "$n" "$rankine" "${@:3}"
        for file in $2; do
            cmp "alone_files/$file" "$file" || fail "$n ranks: another $file"
        done
        rm -f $2
    done
}

# ---- evaluate ----
alike "1 2 5" evaluate trained --json
alike 3 evaluate trained --part valid --slices
alike 2 evaluate trained --metrics recall,auc,coverage --k 1,7 --json
alike "2 3" evaluate knn --json # among candidates, and what is to be expected of other draws
printf '5\n17\n' >two
alike 4 evaluate trained --users two --json # fewer users than ranks
alike_files "2 5" each.csv evaluate trained --per-user each.csv --quiet
printf 'user,item,timestamp\n' >tomorrow.csv
sed -n '2,40p' demo/interactions.csv 2>/dev/null >>tomorrow.csv

# ---- recommend ----
alike 4 recommend trained --user 5
alike 3 recommend trained --user 5 17 nobody 23 --json
alike 2 recommend knn --items 3,8 --explain
alike 2 recommend trained --user 5 17 23 --explain --jsonl --min-score 0.01
alike 2 recommend trained --user 5 17 --approximate --quiet
alike_files "2 3 4" all.tsv recommend trained --all --out all.tsv --quiet
alike_files 3 "lists-3.jsonl lists-12.jsonl" recommend knn --all --top 3,12 --explain \
    --out "lists-{top}.jsonl" --quiet
run 0 ranks 2 "$rankine" recommend trained --all --top 100000 --out all.tsv
[ "$(grep -c 'note: --top' err)" = 1 ] || fail "the note comes more than once"

# ---- alone, whoever started it ----
run 0 ranks 2 "$rankine" recommend trained --user 5 --json --communicator self
[ "$(grep -c known_items out)" = 2 ] || fail "not each of them answers"

# ---- what cannot be done, each rank says ----
seconds 60 2 ranks 3 "$rankine" recommend trained --all --out all.tsv
each_says 3 "all.tsv"
seconds 60 2 ranks 3 "$rankine" evaluate trained --per-user all.tsv
each_says 3 "--per-user all.tsv is there already"
seconds 60 2 ranks 3 "$rankine" recommend trained --users -
each_says 3 "the standard input (-) reaches one of the 3 processes only"
seconds 60 3 ranks 3 "$rankine" evaluate nowhere
each_says 3 "nowhere"
seconds 60 3 ranks 3 "$rankine" recommend trained --user 5 --exclude nothing
each_says 3 "nothing"
one_differs 1 'set -- "$@" --top 3'
seconds 60 2 ranks 3 ./one "$rankine" recommend trained --user 5
each_says 3 "rank 1 has another command line than rank 0: "
one_differs 1 'mkdir -p there; cp two there/; echo 3 >>there/two; cp -r trained there/run; cd there'
cp -r trained run
seconds 60 2 ranks 2 "./one" "$rankine" evaluate run --users two
each_says 2 "rank 1 has another list of --users than rank 0: "
run 0 "$rankine" train --run run --resume --quiet --set train.epochs=3 --set eval.select=last
seconds 60 3 ranks 2 ./one "$rankine" evaluate run
each_says 2 "rank 1 has another model than rank 0: 'epoch "
seconds 60 3 ranks 3 "$rankine" recommend trained --all --tsv --out /dev/full
each_says 3 "/dev/full"
no_leftovers .
OMPI_COMM_WORLD_SIZE=2 RANKINE_MPI_MODULE=/nowhere.so run 2 "$rankine" evaluate trained
says "mpirun started 2 processes together, but MPI cannot be loaded" "--communicator=self"
finish
