#!/usr/bin/env bash
# What may be in a list: seen items by part, allowed and denied ones; everybody at once; a table.
. "$(dirname "$0")/lib.sh"

small_data demo
run 0 "$rankine" train demo/synth.yaml --run run --device cpu --set train.epochs=2 \
    --set model.dim=8 --set "eval.k=[10]" --set eval.metric=ndcg@10 --quiet
run 0 "$rankine" recommend run --all --top 10 --json
silent
cp out all.json
json 'len(j) == 300 and len({u["user"] for u in j}) == 300'
run 0 "$rankine" recommend run --user 17 --top 10 --json
json 'j[0] == [u for u in json.load(open("all.json")) if u["user"] == 17][0]'

# The table has the same answers.
run 0 "$rankine" recommend run --all --top 10 --tsv
silent
python3 - <<'PYTHON' || fail "--tsv and --json differ"
import json
rows = [line.split("\t") for line in open("out").read().splitlines()]
wanted = [[str(u["user"]), str(i + 1), str(r["item"])] for u in json.load(open("all.json"))
          for i, r in enumerate(u["recommendations"])]
assert [row[:3] for row in rows] == wanted
scores = [r["score"] for u in json.load(open("all.json")) for r in u["recommendations"]]
assert all(abs(float(row[3]) - s) <= 1e-6 * abs(s) for row, s in zip(rows, scores))
PYTHON
run 0 "$rankine" recommend run --items 3,8 --top 2 --tsv
[ "$(cut -f 1,2 out | tr '\t\n' ',;')" = ",1;,2;" ] || fail "the table of somebody with items"

# What is seen, by part: each list may hold what the next one leaves out.
for seen in none train valid all; do
    run 0 "$rankine" recommend run --user 17 --seen $seen --top 120 --json
    cp out seen-$seen.json
done
python3 - <<'PYTHON' || fail "--seen"
import json
lists = {s: json.load(open(f"seen-{s}.json"))[0] for s in ("none", "train", "valid", "all")}
items = {s: [r["item"] for r in l["recommendations"]] for s, l in lists.items()}
n = {s: len(i) for s, i in items.items()}
assert n["none"] > n["train"] > n["valid"] > n["all"] > 0, n
assert n["none"] - n["all"] == lists["all"]["known_items"], n
for less, more in (("all", "valid"), ("valid", "train"), ("train", "none")):
    assert [i for i in items[more] if i in set(items[less])] == items[less]
PYTHON
run 2 "$rankine" recommend run --user 17 --seen test
says "--seen" "all|valid|train|none"
run 0 "$rankine" recommend run --items 3,8 --seen none --top 120 --json
json '{3, 8} <= {r["item"] for r in j[0]["recommendations"]}'

run 0 "$rankine" recommend run --user 17 --include-known --top 120 --json
cmp -s out seen-none.json || fail "--include-known is --seen none"
run 2 "$rankine" recommend run --user 17 --include-known --seen train
says "--include-known is --seen none"

# Among these and without those, by words and by files.
printf 'item_id\n1\r\n2\n\n 3 \n99999\n4\n5\n6' >six.txt
run 0 "$rankine" recommend run --user 17 --among 1,2,3,4,5 6 --top 10 --json
silent
json '{r["item"] for r in j[0]["recommendations"]} <= {1, 2, 3, 4, 5, 6}'
cp out among.json
run 0 "$rankine" recommend run --user 17 --among @six.txt --top 10 --json
says "warning: --among: 1 of 7 ids are not in the data set and are passed over"
cmp -s out among.json || fail "a list in a file gives another answer"
run 0 "$rankine" recommend run --user 17 --exclude 3 --include-known --top 120 --json
json '3 not in {r["item"] for r in j[0]["recommendations"]}'
cp out exclude.json
echo 3 >three.txt
run 0 "$rankine" recommend run --user 17 --exclude @three.txt --include-known --top 120 --json
cmp -s out exclude.json || fail "a list in a file gives another answer"
run 0 "$rankine" recommend run --user 17 --among 3 --exclude 3 --include-known
prints "nothing is left"
run 0 "$rankine" recommend run --user 17 --among 3 --exclude 3 --tsv
[ "$(cat out)" = $'17\t\t\t\tmodel' ] || fail "somebody without answers has no row that says so"
echo 99999 >strangers.txt
for list in "--user 17 --among" "--user 17 --exclude" --items; do
    read -ra words <<<"$list"
    run 3 "$rankine" recommend run "${words[@]}" 5,99999
    no_output
    says "99999"
    run 3 "$rankine" recommend run "${words[@]}" @strangers.txt
    says "99999"
    run 3 "$rankine" recommend run "${words[@]}" @nowhere.txt
    says "nowhere.txt cannot be read: No such file"
done

# One of the three, and one kind of output.
for line in "" "--all --user 3" "--all --items 3" "--user 3 --items 4" "--users six.txt --all" \
    "--label Jazz --user 3"; do
    # shellcheck disable=SC2086 # words
    run 2 "$rankine" recommend run $line
    says "one of --user"
done
run 2 "$rankine" recommend run --user 3 --json --tsv
says "--json" "--tsv"

# More than there are.
run 0 "$rankine" recommend run --user 17 --top 121 --include-known --json
says "note: --top 121: the catalogue has 120 items, so there are no more"
cmp -s out seen-none.json || fail "--top above the catalogue is the whole catalogue"

# A least score.
run 0 "$rankine" recommend run --user 17 --top 10 --json
cp out ten.json
least=$(python3 -c 'import json, sys
print(json.load(open("ten.json"))[0]["recommendations"][3]["score"])')
run 0 "$rankine" recommend run --user 17 --top 10 --min-score "$least" --json
json 'j[0]["recommendations"] == json.load(open("ten.json"))[0]["recommendations"][:4]'
run 0 "$rankine" recommend run --user 17 --min-score 1e9
prints "nothing has a score of 1e+09 or more (--min-score)"
run 0 "$rankine" recommend run --user 17 --among 5 --exclude 5
prints "nothing is left of what --among and --exclude allow"
run 0 "$rankine" similar run --items 5 --min-score 1000
prints "nothing has a score of 1000 or more (--min-score)"
for score in x "" 1e nan inf; do
    run 2 "$rankine" recommend run --user 17 --min-score="$score"
    says "--min-score"
done

# Approximate answers: with all buckets the exact ones, under the same limits; not of every model.
run 0 "$rankine" recommend run --all --top 10 --approximate --probes 1000000 --json
says "approximate: 120 items in" "an item may be missed"
python3 - <<'PYTHON' || fail "--approximate with all buckets differs"
import json
def scores(path):
    return [[r["score"] for r in u["recommendations"]] for u in json.load(open(path))]
for a, b in zip(scores("all.json"), scores("out")):
    assert len(a) == len(b) and all(abs(x - y) <= 1e-5 * max(1, abs(x)) for x, y in zip(a, b))
PYTHON
run 0 "$rankine" recommend run --items 3,8 --among 5,9,11 --top 5 --approximate --planes 3 --json \
    --quiet
silent
json '{r["item"] for r in j[0]["recommendations"]} == {5, 9, 11}'
run 2 "$rankine" recommend run --user 17 --probes 5
says "--probes is read with --approximate only"
run 2 "$rankine" recommend run --user 17 --approximate --planes 29
says "--planes '29'"
awk '/^[a-z]/ { kept = /^(data|split)/ } kept' demo/synth.yaml >demo/popular.yaml
run 0 "$rankine" train demo/popular.yaml --run popular --quiet --set model.kind=popularity \
    --set "eval.k=[10]" --set eval.metric=ndcg@10
run 2 "$rankine" recommend popular --user 17 --approximate
says "and popularity is none: rank exactly"
finish
