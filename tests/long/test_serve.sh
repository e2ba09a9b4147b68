#!/usr/bin/env bash
# The service answers what the command line answers, for 1,000 users and 1,000 lists of real data,
# by models of several kinds; hostile requests with deadlines; 100 reloads, and memory under load.
. "$(dirname "$0")/../cli/lib.sh"
if "$rankine" serve nowhere 2>&1 | grep -q libmicrohttpd; then
    echo "skip: this build has no rankine serve (libmicrohttpd)"
    exit 77
fi
serve=$RANKINE_SOURCE/tests/serve
configs=$RANKINE_SOURCE/configs
export RANKINE PYTHONDONTWRITEBYTECODE=1
done_some=no

# equal RUN WORDS...: HTTP and the command line say the same
equal() {
    done_some=yes
    run 0 python3 "$serve/equal.py" "$@" --users 1000 --lists 1000
    cat out
}

lastfm=$RANKINE_DATA/lastfm/lightgcn-pytorch
if [ -f "$lastfm/data1.txt" ]; then
    tr -d '\r' <"$lastfm/data1.txt" | cut -f 1,2 >lastfm.train
    tr -d '\r' <"$lastfm/test1.txt" | cut -f 1,2 >lastfm.test
    cat >lastfm.yaml <<'CONFIG'
data:
    sources:
        - {file: lastfm.train, part: train, separator: "\t", header: false, user: "0", item: "1"}
        - {file: lastfm.test, part: test, separator: "\t", header: false, user: "0", item: "1"}
eval: {k: [20], metric: ndcg@20, every: 0, select: last}
CONFIG
    small=(--device cpu --quiet --force)
    run 0 "$rankine" train lastfm.yaml --run lightgcn "${small[@]}" --set train.epochs=3
    run 0 "$rankine" train lastfm.yaml --run knn "${small[@]}" --set model.kind=item_knn
    run 0 "$rankine" train lastfm.yaml --run ease "${small[@]}" --set model.kind=ease
    run 0 "$rankine" train lastfm.yaml --run ials "${small[@]}" --set model.kind=ials
    for kind in lightgcn knn ease ials; do
        equal $kind
    done
fi
if [ -f "$RANKINE_DATA/ml-100k/u.data" ]; then
    run 0 "$rankine" train "$configs/fm.yaml" --data "$RANKINE_DATA/ml-100k" --run fm --quiet \
        --device cpu --set train.epochs=2
    equal fm --context previous=50
    run 0 "$rankine" train "$configs/neumf.yaml" --data "$RANKINE_DATA/ml-100k" --run neumf \
        --quiet --device cpu --set train.epochs=1
    done_some=yes
    run 0 python3 "$serve/equal.py" neumf --users 1000 --lists 1
    cat out
fi

small_data demo
run 0 "$rankine" train demo/synth.yaml --run one --device cpu --quiet --set train.epochs=1
run 0 "$rankine" train demo/synth.yaml --run two --device cpu --quiet --set train.epochs=2
"$rankine" serve one --listen 127.0.0.1:0 >server.log 2>&1 &
server=$!
for _ in $(seq 200); do
    grep -qE 'http://127\.0\.0\.1:[0-9]+' server.log && break
    sleep 0.05
done
port=$(grep -oE 'http://127\.0\.0\.1:[0-9]+' server.log | head -1 | grep -oE '[0-9]+$')
run 0 python3 "$serve/hostile.py" 127.0.0.1 "$port" --slow
cat out
kill -TERM $server
wait $server || fail "SIGTERM: exit code $?"

if command -v wrk >/dev/null; then
    run 0 python3 "$serve/soak.py" one two --reloads 100 --minutes "${SOAK_MINUTES:-10}"
    cat out
else
    echo "no wrk here: no reloads under load"
fi
[ $done_some = yes ] || echo "no real data in $RANKINE_DATA: only generated data"
finish
