#!/usr/bin/env bash
# Relations and features on the command line: what prepare shows, --set, and that a run with them
# trains, moves and answers like any other. The examples of configs/data on the real files.
. "$(dirname "$0")/lib.sh"
root=$(cd "$(dirname "$0")/../.." && pwd)

small_data demo
cut -d, -f1,2 demo/ratings.csv >demo/view.csv
printf 'item_id,kinds\n1,a|b\n2,b\n3,\n999999,c\n' >demo/kinds.csv
cat >exp.yaml <<'YAML'
data:
  sources: [{file: ratings.csv, time: timestamp}]
  relations:
    - {name: view, file: view.csv, held_out: drop}
    - {name: kind, from: item, to: kind, file: kinds.csv, tail: kinds, split: "|"}
    - {name: near, derive: co_count, weight: time_decay, neighbours: 5}
  features:
    - {file: kinds.csv, columns: [{column: kinds, kind: list}]}
split: {kind: leave_one_out}
train: {epochs: 1}
YAML
run 0 "$rankine" prepare exp.yaml --data demo
prints "relation       view: user -> item," "edges held out: dropped" "nodes          kind: 3" \
    "relation       kind: item -> kind, 3 edges" "relation       near: item -> item," ", weighted" \
    "features       item: numbers 0, words 2; 3 of" "1 edge of ids not in the data set"
long=$(awk '/^  (relation|features|nodes|  ) / && length > 60' out)
[ -z "$long" ] || fail "more than 60 columns: $long"
first=$(grep fingerprint out)

# Another neighbour, another data set; the same again, the same.
run 0 "$rankine" prepare exp.yaml --data demo --set 'data.relations[2].neighbours=4'
[ "$(grep fingerprint out)" != "$first" ] || fail "neighbours are not in the fingerprint"
run 0 "$rankine" prepare exp.yaml --data demo
[ "$(grep fingerprint out)" = "$first" ] || fail "the same config gives another fingerprint"
run 0 "$rankine" prepare exp.yaml --data demo --set 'data.relations=[]' --set 'data.features=[]'
grep -q "relation  \|features  " out && fail "relations that were taken away"
run 0 "$rankine" prepare exp.yaml --data demo --set 'data.relations[3].name=again' \
    --set 'data.relations[3].file=view.csv' --set 'data.features[0].columns[1].column=kinds' \
    --set 'data.features[0].columns[1].kind=category' --set 'data.features[0].columns[1].name=all'
prints "relation       again: user -> item," "words 4; 3 of"

run 0 "$rankine" prepare exp.yaml --data demo --json
json "[r['name'] for r in j['relations']] == ['view', 'kind', 'near'] and j['nodes']['kind'] == 3"
json "j['features'][0]['words'] == 2 and j['relations'][0]['held_out'] > 0"

# What says nothing of anybody is told.
run 0 "$rankine" prepare exp.yaml --data demo --set 'data.relations[0].where=user_id > 99999' \
    --set 'data.features[0].where="kinds == c"'
says "the relation view has no edges: of 6000 rows where dropped 6000, and 0 edges are of ids" \
    "no node of the type item has features: 1 rows are of ids not in the data set"

# A relation of a type that leads nowhere joins nothing.
run 0 "$rankine" prepare exp.yaml --data demo --set 'data.relations[1].from=itme'
says "the relation kind, from itme to kind, joins nothing" "did you mean item?"
run 0 "$rankine" prepare exp.yaml --data demo --set 'data.relations[1].from=itme'
says "joins nothing" # of a data set in the cache, too
run 0 "$rankine" prepare exp.yaml --data demo --set 'data.relations[1].from=kind' \
    --set 'data.relations[1].head=kinds' --set 'data.relations[1].to=item' \
    --set 'data.relations[1].tail=item_id' --set 'data.relations[1].split=' \
    --set data.missing_ids=drop
grep -q "joins nothing" err && fail "kinds lead to items"

# A run keeps them: it goes on where its sources and the cache are gone.
run 0 "$rankine" train exp.yaml --data demo --run a --quiet
rm -rf .rankine demo/view.csv demo/kinds.csv
run 0 "$rankine" recommend a --user 1

run 2 "$rankine" prepare exp.yaml --data demo --set 'data.relations[0].fromm=user'
says "unknown key 'data.relations[0].fromm'" "did you mean 'data.relations[].from'?"
run 2 "$rankine" prepare exp.yaml --data demo --set 'data.relations[0].of=view'
says "data.relations[0].of is view (--set), but data.relations[0].derive is none"
run 2 "$rankine" prepare exp.yaml --data demo --set 'data.features[0].of=shop'
says "data.features[0] (exp.yaml:8) is of 'shop', but there are no such nodes"

# CONFIG FOLDER TEXT...: the example on the real files.
example() {
    local config=$1 folder=$2
    shift 2
    if [ ! -d "${RANKINE_DATA:-/nowhere}/$folder" ]; then
        echo "skipped: $config: the data set $folder is not there"
        return
    fi
    run 0 "$rankine" prepare "$root/configs/data/$config.yaml" --data "$RANKINE_DATA/$folder" \
        --set data.cache="$scratch/cache"
    prints "$@"
}
example movielens-100k ml-100k "has_genre: item -> genre, 2,893 edges" \
    "features       user: numbers 1, words 23; 943 of 943"
example movielens-kg . "kg: entity -> entity, 20,782 edges" "7 types of edges" "entity: 7,008"
example lastfm-friends lastfm/hetrec-kg "friends: user -> user, 25,434 edges" "60 types of edges"
example spotify-sittings spotify-mini "next: item -> item, 44,676 edges, weighted" \
    "10,000 rows dropped by where"
finish
