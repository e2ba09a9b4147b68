#!/usr/bin/env bash
# Jobs around a run: evaluating it otherwise and on new data, beginning from it, a first config,
# facts as JSON, and what people see of them.
. "$(dirname "$0")/lib.sh"

small_data demo
settings=(--set train.epochs=4 --set model.dim=8 --set train.batch=512 --set "eval.k=[10]"
    --set eval.metric=ndcg@10)
run 0 "$rankine" train demo/synth.yaml --run 'my run' "${settings[@]}"
prints "next      rankine recommend 'my run' --user 1"

# No line is wider than 60 columns, but for those with a path.
narrow() {
    awk -v what="$1" 'length($0) > 60 && !/^  file / { print what ": " length($0) ": " $0; bad = 1 }
        END { exit bad }' out || fail "a line of over 60 columns"
}
narrow train
run 0 "$rankine" info 'my run'
narrow info

# ---- evaluate ----
run 0 "$rankine" evaluate 'my run' --json
cp out whole.json
run 0 "$rankine" evaluate 'my run' --k 3,10 20 --metrics recall,ndcg,coverage --slices \
    --per-user users.csv
narrow evaluate
prints "recall@3" "ndcg@20" "coverage@10" "activity of users" "popularity of items"
run 0 "$rankine" evaluate 'my run' --k 3,10 20 --metrics recall,ndcg,coverage --slices --json
json 'len(j["metrics"]) == 9'
json 'all(f"{m}@{k}" in j["metrics"] for m in ("recall", "ndcg", "coverage") for k in (3, 10, 20))'
json 'j["metrics"]["ndcg@10"] == json.load(open("whole.json"))["metrics"]["ndcg@10"]'
json 'sum(s["users"] for s in j["slices"] if s["of"] == "users") == j["users"]'
cp out slices.json
python3 - <<'PYTHON' || fail "the values of users do not give the means"
import csv, json
rows = list(csv.DictReader(open("users.csv")))
whole = json.load(open("slices.json"))
assert len(rows) == whole["users"] and "coverage@3" not in rows[0], rows[0]
for name in ("recall@3", "ndcg@20"):
    mean = sum(float(r[name]) for r in rows) / len(rows)
    assert abs(mean - whole["metrics"][name]) < 1e-12, name
    slices = [s for s in whole["slices"] if s["of"] == "users"]
    mean = sum(s["users"] * s["metrics"][name] for s in slices) / whole["users"]
    assert abs(mean - whole["metrics"][name]) < 1e-12, name
assert sum(int(r["held_out"]) for r in rows) >= len(rows) and all(int(r["train"]) > 0 for r in rows)
PYTHON
run 2 "$rankine" evaluate 'my run' --k 3,x
says "--k '3,x'"
run 2 "$rankine" evaluate 'my run' --k ""
says "no cut-offs"
run 2 "$rankine" evaluate 'my run' --metrics recall,hr
says "not 'hr'"
run 2 "$rankine" evaluate 'my run' --k 100000
says "between 1 and the number of items"

# Some users.
{ sed -n '2,40p' users.csv | cut -d, -f1; echo nobody; } >some
run 0 "$rankine" evaluate 'my run' --users some --json --k 3 --metrics recall
json 'j["users"] == 39 and j["unknown_users"] == 1'
says "1 of 40 ids are not in the data set"
run 0 "$rankine" evaluate 'my run' --users some --per-user some.jsonl --quiet
[ "$(wc -l <some.jsonl)" = 39 ] || fail "some.jsonl has not a line a user"
cp some.jsonl before
run 2 "$rankine" evaluate 'my run' --users some --per-user some.jsonl
says "some.jsonl is there already"
cmp -s before some.jsonl || fail "a refused file was changed"
echo nobody >none
run 3 "$rankine" evaluate 'my run' --users none
says "nobody"

# New data: the run's own sources give its own test, since the rest is known; a file of other rows.
run 0 "$rankine" evaluate 'my run' --data demo --json
json 'j["part"] == "new" and j["holdout"]["known"] > 1000'
json 'j["metrics"] == json.load(open("whole.json"))["metrics"]'
{ sed -n '1,30p' demo/ratings.csv; echo "1,100000,5,1"; echo "999999,1,5,1"; } >new.csv
awk -F, 'NR > 1 && $1 <= 40 { has[$1, $2] = 1 } END {
    for (u = 1; u <= 40; u++) {
        for (i = 3; i <= 60; i += 19) if (!has[u, i]) print u "," i ",5,1" } }' \
    demo/ratings.csv >more
cat more more >>new.csv
run 0 "$rankine" evaluate 'my run' --data new.csv
narrow "evaluate --data"
run 0 "$rankine" evaluate 'my run' --data new.csv --json
json 'j["holdout"]["unknown_users"] == 1 and j["holdout"]["unknown_items"] == 1'
json 'j["holdout"]["repeated"] == '"$(wc -l <more)"' <= j["holdout"]["pairs"]'
run 3 "$rankine" evaluate 'my run' --data nothere.csv
says "nothere.csv"
run 3 "$rankine" evaluate 'my run' --data some
run 2 "$rankine" evaluate 'my run' --data new.csv --part valid
says "not both"

# Rows without an id are what data.missing_ids says.
{ cat new.csv; echo ",1,5,1"; } >holes.csv
run 3 "$rankine" evaluate 'my run' --data holes.csv
says "data.missing_ids to drop"
run 0 "$rankine" train demo/synth.yaml --run dropping "${settings[@]}" \
    --set data.missing_ids=drop --quiet
run 0 "$rankine" evaluate dropping --data holes.csv --json
json 'j["holdout"]["unknown_users"] == 1 and j["users"] == 40'

# A pipe that nobody writes to ends with the first SIGTERM.
mkfifo silent
for option in --data --users; do
    "$rankine" evaluate 'my run' $option silent >out 2>err &
    job=$!
    sleep 0.5
    kill -TERM $job
    for ((i = 0; i < 300; i++)); do
        kill -0 $job 2>/dev/null || break
        sleep 0.1
    done
    ! kill -KILL $job 2>/dev/null || fail "evaluate $option waits for a pipe and does not end"
    wait $job 2>/dev/null
done

# Candidates were drawn for the rows of the run's own parts: new data goes among all items.
run 0 "$rankine" train demo/synth.yaml --run drawn "${settings[@]}" --set split.candidates=5 \
    --set eval.among=candidates --quiet
run 0 "$rankine" evaluate drawn --json --k 3
json 'j["among"] == "candidates" and j["metrics"]["recall@3"] > 0.2'
run 0 "$rankine" evaluate drawn --data new.csv --json
json 'j["among"] == "all" and j["users"] == 40'

# ---- a warm start ----
mkdir day && { cat demo/ratings.csv && echo "301,5,5,2000000000" && echo "301,7,5,2000000001" &&
    echo "3,121,5,2000000002"; } >day/ratings.csv
cp demo/synth.yaml demo/items.csv day
run 0 "$rankine" train day/synth.yaml --from 'my run' --run warm "${settings[@]}"
says "begins from my run" "300 users and" "are new and drawn"
prints "from      my run"
narrow "train --from"
cp warm/report.json out
json 'j["from"]["new_users"] == 1 and j["from"]["users"] == 300 and j["from"]["run"] == "my run"'
run 0 "$rankine" train --run warm --resume --quiet
cp warm/report.json out
json 'j["from"]["new_users"] == 1'
run 0 "$rankine" train day/synth.yaml --from 'my run' --run zero "${settings[@]}" \
    --set train.epochs=0 --json
json 'j["report"]["test"]["ndcg@10"] > 1.1 * j["report"]["popularity"]["test"]["ndcg@10"]'
run 0 "$rankine" train day/synth.yaml --from 'my run' --new folded --run folded "${settings[@]}"
says "of them made of what they have"
run 2 "$rankine" train day/synth.yaml --from 'my run' --run bad "${settings[@]}" --set model.dim=16
says "model.dim is 16" "was trained with 8"
run 2 "$rankine" train day/synth.yaml --from 'my run/best.h5' --run bad "${settings[@]}"
says "name the run folder"
run 2 "$rankine" train --run warm --resume --from 'my run'
says "not both"
run 2 "$rankine" train day/synth.yaml --new folded --run bad "${settings[@]}"
says "--from RUN"
absent bad
# An interrupted one goes on with the same bits.
python3 -c '
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])' "$rankine" train day/synth.yaml --from 'my run' --run cut \
    "${settings[@]}" --set train.epochs=100000 >out 2>err </dev/null &
pid=$!
until_there $pid cut/metrics.jsonl
kill -INT $pid
wait $pid
[ $? = 130 ] || fail "an interrupted warm start ended otherwise"
says "rankine train --run cut --resume"
epochs=$(($(wc -l <cut/metrics.jsonl) + 2))
run 0 "$rankine" train --run cut --resume --set train.epochs=$epochs --quiet
run 0 "$rankine" train day/synth.yaml --from 'my run' --run uncut "${settings[@]}" \
    --set train.epochs=$epochs --quiet
cmp -s cut/best.h5 uncut/best.h5 || fail "a resumed warm start has other bits"

# ---- several seeds: the best of them ----
run 0 "$rankine" train demo/synth.yaml --run three --seeds 3 "${settings[@]}" --quiet
narrow "train --seeds"
run 0 "$rankine" evaluate three --json
says "three holds runs with 3 seeds: three/seed-"
python3 - <<'PYTHON' || fail "not the best of the seeds"
import glob, json
reports = [json.load(open(f)) for f in sorted(glob.glob("three/seed-*/report.json"))]
best = max(reports, key=lambda r: r["chosen"]["value"])
assert json.load(open("out"))["metrics"]["ndcg@10"] == best["test"]["ndcg@10"]
PYTHON
rm three/report.json three/seed-*/report.json
run 2 "$rankine" recommend three --user 1
says "three/seed-"

# ---- a first config ----
cp demo/ratings.csv 'my ratings.csv'
run 0 "$rankine" init 'my ratings.csv'
prints "next      rankine train 'my ratings.yaml'" "user_id"
run 2 "$rankine" init 'my ratings.csv'
says "my ratings.yaml is there already"
run 0 "$rankine" train 'my ratings.yaml' --run first --set train.epochs=2 --quiet
run 0 "$rankine" init 'my ratings.csv' --force --json
json '[j["user"], j["item"], j["time"]] == ["user_id", "item_id", "timestamp"]'
json '[j["separator"], j["header"], j["format"]] == [",", True, "csv"]'
gzip -c demo/ratings.csv >packed.csv.gz
run 0 "$rankine" init packed.csv.gz --out deep.yaml
run 0 "$rankine" prepare deep.yaml --json
json 'j["users"] == 300 and j["test"] >= 300'
printf 'user_id,item_id\n' >empty.csv
run 3 "$rankine" init empty.csv
says "no rows"
absent empty.yaml
run 2 "$rankine" train 'my ratings.csv'
says "rankine init 'my ratings.csv'"
# Without a split it is said what is done, and done.
printf 'data:\n    sources:\n        - file: my ratings.csv\n          time: timestamp\n' >bare.yaml
run 0 "$rankine" train bare.yaml --run bare --set train.epochs=1
says "split.kind is not set: of each user's items the latest 10 %"
grep -q "kind: ratio" bare/config.yaml || fail "the run does not know its split"
printf 'data:\n    sources:\n        - file: my ratings.csv\n' >bare.yaml
run 0 "$rankine" train bare.yaml --print-config
says "a random 10 %"
prints "since no source has a part"

# ---- facts as JSON ----
run 0 "$rankine" prepare demo/synth.yaml --json --quiet
json 'j["users"] == 300 and j["fingerprint"] and j["user_degrees"]["min"] >= 1'
run 0 "$rankine" train demo/synth.yaml --run j --json "${settings[@]}" --quiet
json 'j["run"] == "j" and j["report"]["test"]["ndcg@10"] > 0 and j["report"]["from"] is None'
run 0 "$rankine" info j --json
json 'j["finished"] and j["options"]["model.dim"] == "8"'
json 'j["report"]["train"]["diverged"] is None'
run 0 "$rankine" info --metrics --json
json 'any("ndcg" in line for line in j["metrics"])'
run 0 "$rankine" info --json
json '"devices" in j and "models" in j'
run 0 "$rankine" synth other --users 30 --items 20 --interactions 300 --clusters 2 --json --quiet
json 'j["config"] == "other/synth.yaml" and j["users"] == 30'

# ---- a training that diverges with finite numbers ----
run 0 "$rankine" train demo/synth.yaml --run wild "${settings[@]}" --set loss.kind=bpr \
    --set train.learning_rate=500
says "training diverged, and the report says so"
prints "the training diverged in epoch 1"
cp wild/report.json out
json 'j["train"]["diverged"]["loss"] > 100 * j["train"]["diverged"]["first_loss"] > 0'
grep -q "Training diverged" wild/report.html || fail "the page does not say that training diverged"

finish
