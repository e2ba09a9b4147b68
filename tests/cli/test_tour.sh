#!/usr/bin/env bash
# The whole path of a user: synth, prepare, train, evaluate, recommend, export, info; what each one
# writes and prints is checked against the others and against the files.
. "$(dirname "$0")/lib.sh"

# ---- synth ----
run 0 "$rankine" synth demo --users 300 --items 120 --interactions 6000 --clusters 4 --seed 7
prints "demo: ratings.csv, items.csv, synth.yaml" "rankine train demo/synth.yaml"
run 0 "$rankine" synth again --users 300 --items 120 --interactions 6000 --clusters 4 --seed 7
cmp -s demo/ratings.csv again/ratings.csv || fail "the same seed gives other ratings"
run 0 "$rankine" synth other --users 300 --items 120 --interactions 6000 --clusters 4 --seed 8
cmp -s demo/ratings.csv other/ratings.csv && fail "another seed gives the same ratings"
run 2 "$rankine" synth demo
says "demo"
cmp -s demo/ratings.csv again/ratings.csv || fail "a refused synth changed the files"
run 0 "$rankine" synth other --users 300 --items 120 --interactions 6000 --clusters 4 --seed 7 \
    --force
cmp -s demo/ratings.csv other/ratings.csv || fail "--force did not replace the files"
[ "$(($(wc -l <demo/ratings.csv) - 1))" = 6000 ] || fail "6000 interactions were asked for"

# ---- prepare ----
run 0 "$rankine" prepare demo/synth.yaml
prints "users" "items" "interactions" "density" "sparsity" "duplicates" "train degree" "median" \
    "fingerprint" "cold" "empty users"
h5=$(sed -n 's/^  file *//p' out)
[ -f "$h5" ] || fail "prepare names the file '$h5', which is not there"
cp out first
run 0 "$rankine" prepare demo/synth.yaml
cmp -s out first || fail "the cached data set has other statistics"
run 0 "$rankine" info "$h5"
cmp -s out first || fail "info on the data set prints something else than prepare"
run 0 "$rankine" prepare demo/synth.yaml --force
cmp -s out first || fail "preparing again gives other statistics"

# ---- train ----
run 0 "$rankine" train demo/synth.yaml --run run --set train.epochs=6 --set model.dim=16 \
    --set train.batch=256 --set train.learning_rate=0.02 \
    --set "eval.k=[5, 10]" --set "eval.metric=ndcg@10"
prints "valid" "test" "popularity" "ratio" "ndcg@10" "recall@5" "run       run" \
    "rankine recommend run --user "
says "epoch 6/6"
for file in config.yaml environment.json train.log metrics.jsonl report.json report.html last.h5 \
    best.h5; do
    [ -s run/$file ] || fail "run/$file is not there"
done
no_leftovers run .rankine
next=$(sed -n 's/^next  *rankine //p' out)
cp run/report.json out
json 'j["train"]["epochs"] == 6 and j["train"]["loss"] > 0'
json 'j["test"]["ndcg@10"] > 1.2 * j["popularity"]["test"]["ndcg@10"] > 0'
python3 - <<'PYTHON' || fail "metrics.jsonl"
import json
lines = [json.loads(line) for line in open("run/metrics.jsonl")]
assert [line["epoch"] for line in lines] == [1, 2, 3, 4, 5, 6], lines
PYTHON
json 'j["train"]["loss"] < '"$(head -1 run/metrics.jsonl | python3 -c '
import json, sys
print(json.loads(sys.stdin.readline())["loss"])')"

# ---- evaluate: what the report says, by another way ----
run 0 "$rankine" evaluate run
prints "ndcg@10" "popularity" "ratio"
run 0 "$rankine" evaluate run --json --quiet
silent
cp out evaluated
json 'j["part"] == "test" and j["users"] > 0 and 1 <= j["epoch"] <= 6 and j["run"] == "run"'
json 'set(j["metrics"]) == set(j["popularity"]) and "map@5" in j["metrics"]'
python3 - <<'PYTHON' || fail "evaluate and report.json differ"
import json
report, now = json.load(open("run/report.json")), json.load(open("evaluated"))
for name, value in now["metrics"].items():
    assert report["test"][name] == value, (name, report["test"][name], value)
    assert report["popularity"]["test"][name] == now["popularity"][name], name
PYTHON
run 0 "$rankine" evaluate run --part valid --json
json 'j["part"] == "valid"'

# ---- recommend ----
# shellcheck disable=SC2086 # the words of the command that train suggested
run 0 "$rankine" $next
[ "$(grep -cE '^ +[0-9]+  [0-9]+ +-?[0-9]+\.[0-9]+  ' out)" = 10 ] ||
    fail "ten recommendations were expected"
run 0 "$rankine" recommend run --user 3 17 42 --top 5 --json
silent
cp out recommended
json 'len(j) == 3 and [u["user"] for u in j] == [3, 17, 42]'
json 'all(len(u["recommendations"]) == 5 and u["basis"] == "model" for u in j)'
python3 - <<'PYTHON' || fail "recommendations"
import csv, json
seen, titles = {}, {}
for row in csv.DictReader(open("demo/ratings.csv")):
    if int(row["rating"]) >= 3:  # as the config of synth has it
        seen.setdefault(int(row["user_id"]), set()).add(int(row["item_id"]))
for row in csv.DictReader(open("demo/items.csv")):
    titles[int(row["item_id"])] = row["title"]
for user in json.load(open("recommended")):
    scores = [r["score"] for r in user["recommendations"]]
    items = [r["item"] for r in user["recommendations"]]
    assert scores == sorted(scores, reverse=True)
    assert len(set(items)) == 5 and not set(items) & seen[user["user"]], "a seen item"
    assert user["known_items"] == len(seen[user["user"]])
    assert all(r["label"] == titles[r["item"]] for r in user["recommendations"])
PYTHON
run 0 "$rankine" recommend run --user 3,17,42 --top=5 --json
cmp -s out recommended || fail "ids with commas give another answer"
run 0 "$rankine" recommend run --items 3,8,20 --top 4 --json
json 'len(j) == 1 and j[0]["items"] == [3, 8, 20] and len(j[0]["recommendations"]) == 4'
json 'not {r["item"] for r in j[0]["recommendations"]} & {3, 8, 20}'
run 0 "$rankine" recommend run --items 3 8 20
prints "somebody with these items" "may like"
run 0 "$rankine" recommend run --user 3 99999 --json
says "1 of 2 users are not in the data set"
json 'len(j) == 2 and j[1]["basis"] == "unknown" and "99999" in j[1]["error"]'
run 3 "$rankine" recommend run --user 99999
no_output
says "99999"
run 3 "$rankine" recommend run --items 3,99999
says "99999"
run 0 "$rankine" recommend run --user 3 --top 100000
says "note: --top 100000: the catalogue has 120 items, so there are no more"

# ---- export ----
run 0 "$rankine" export run
prints "run/export:" "user_embeddings.npy (300 x 16)" "item_embeddings.npy (120 x 16)" \
    "user_ids.txt" "item_ids.txt"
run 0 "$rankine" export run --format tsv --out tables
run 2 "$rankine" export run
says "run/export"
run 0 "$rankine" export run --force
no_leftovers run tables
python3 - <<'PYTHON' || fail "exported embeddings"
import ast, json, struct

def npy(path):
    data = open(path, "rb").read()
    assert data[:8] == b"\x93NUMPY\x01\x00", path
    length = struct.unpack("<H", data[8:10])[0]
    assert (10 + length) % 64 == 0 and data[9 + length:10 + length] == b"\n"
    header = ast.literal_eval(data[10:10 + length].decode())
    assert header["descr"] == "<f4" and not header["fortran_order"]
    rows, columns = header["shape"]
    assert len(data) == 10 + length + 4 * rows * columns
    values = struct.unpack(f"<{rows * columns}f", data[10 + length:])
    return [values[i * columns:(i + 1) * columns] for i in range(rows)]

def ids(path):
    return open(path).read().splitlines()

users, items = npy("run/export/user_embeddings.npy"), npy("run/export/item_embeddings.npy")
user_ids, item_ids = ids("run/export/user_ids.txt"), ids("run/export/item_ids.txt")
assert len(users) == len(user_ids) and len(items) == len(item_ids) and len(users[0]) == 16
assert user_ids == sorted(user_ids, key=int) and item_ids == sorted(item_ids, key=int)
for name, names, rows in (("user", user_ids, users), ("item", item_ids, items)):
    table = open(f"tables/{name}_embeddings.tsv").read()
    lines = [line.split("\t") for line in table.splitlines()]
    lines = [line for line in lines if line[0] in set(names)]  # without a header, if there is one
    assert [line[0] for line in lines] == names, name
    for line, row in zip(lines, rows):
        got = struct.unpack("16f", struct.pack("16f", *map(float, line[1:])))
        assert got == row, (name, line[0])
# The score of a recommendation is the dot product of the rows.
row = dict(zip(user_ids, users))
for answer in json.load(open("recommended")):
    for r in answer["recommendations"]:
        a, b = row[str(answer["user"])], items[item_ids.index(str(r["item"]))]
        assert abs(sum(x * y for x, y in zip(a, b)) - r["score"]) < 1e-4 * max(1, abs(r["score"]))
PYTHON

# ---- one file that stands for the run ----
run 0 "$rankine" export run --format model --out model.h5
prints "model.h5: model lightgcn"
run 2 "$rankine" export run --format model --out model.h5
says "model.h5 is there already"
mv run moved && mv demo/ratings.csv ratings.csv
run 0 "$rankine" recommend model.h5 --user 3 17 42 --top 5 --json
cmp -s out recommended || fail "the file recommends something else than the run"
run 0 "$rankine" evaluate model.h5 --json --quiet
python3 - <<'PYTHON' || fail "the file evaluates to something else than the run"
import json
a, b = json.load(open("out")), json.load(open("evaluated"))
assert a["metrics"] == b["metrics"] and a["popularity"] == b["popularity"]
PYTHON
mv moved run && mv ratings.csv demo/ratings.csv
no_leftovers .
head -c 5000 model.h5 >cut.h5
run 3 "$rankine" recommend cut.h5 --user 3
says "cut.h5"

# ---- info ----
run 0 "$rankine" info run
prints "run run" "lightgcn" "ndcg@10" "popularity"
mkdir empty
run 3 "$rankine" info empty
says "empty: not a run folder"
run 3 "$rankine" info nothere
says "nothere"

# ---- run folders ----
run 0 "$rankine" train demo/synth.yaml --set train.epochs=1 --set model.dim=8 --quiet
folder=$(sed -n 's/^run  *//p' out)
case $folder in
runs/synth-20[0-9][0-9][01][0-9][0-3][0-9]-[0-2][0-9][0-5][0-9][0-5][0-9]*) ;;
*) fail "the run folder is called '$folder'" ;;
esac
[ -s "$folder/report.json" ] || fail "$folder holds no report"
run 2 "$rankine" train demo/synth.yaml --run run --set train.epochs=1
says "run" "--resume" "--force"
grep -q '"epochs": 6' run/report.json || fail "a refused training changed the run"
run 0 "$rankine" train demo/synth.yaml --run run --force --set train.epochs=1 --quiet
grep -q '"epochs": 1\b' run/report.json || fail "--force did not replace the run"

finish
