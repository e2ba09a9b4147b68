#!/usr/bin/env bash
# Answers for everybody and into files, strangers among them, items by title, reasons; similar items
# and scores of pairs; what was never trained; files that are whole or not there.
. "$(dirname "$0")/lib.sh"

small_data demo
quick=(--device cpu --set "eval.k=[10]" --set eval.metric=ndcg@10 --quiet)
two=(--set train.epochs=2 --set model.dim=8)
run 0 "$rankine" train demo/synth.yaml --run run "${two[@]}" "${quick[@]}"
sed '/^train:/,$d' demo/synth.yaml >demo/plain.yaml # which their models do not look at
for kind in popularity item_knn; do
    run 0 "$rankine" train demo/plain.yaml --run $kind --set model.kind=$kind "${quick[@]}"
done

# ---- users of a file, some of whom nobody knows ----
printf '\xef\xbb\xbfuser_id\r\n3\r\n99999\r\n\r\n 17 \r\nsomebody\r\n3\r\n' >ids.txt
run 0 "$rankine" recommend run --users ids.txt --top 2 --json
says "warning: 2 of 5 users are not in the data set; their rows say so"
cp out users.json
json '[u["user"] for u in j] == [3, 99999, 17, "somebody", 3] and j[0] == j[4]'
json '[u["basis"] for u in j] == ["model", "unknown", "model", "unknown", "model"]'
json '[len(u["recommendations"]) for u in j] == [2, 0, 2, 0, 2]'
json '"99999" in j[1]["error"] and "somebody" in j[3]["error"] and "error" not in j[0]'
command_line="recommend --users -"
"$rankine" recommend run --users - --top 2 --json <ids.txt >out 2>err
cmp -s out users.json || fail "standard input gives another answer"
run 0 "$rankine" recommend run --user 3 99999 17 somebody 3 --top 2 --json
cmp -s out users.json || fail "words give another answer than a file"
printf 'segment;user_id\nx;3\n"y;z";99999\n;17\nx; somebody\nx;3\n' >table.csv
run 0 "$rankine" recommend run --users table.csv --top 2 --json
cmp -s out users.json || fail "a table with names gives another answer than ids"
run 0 "$rankine" recommend run --users ids.txt --top 2 --tsv
wanted="3,1,model;3,2,model;99999,,unknown;17,1,model;17,2,model;somebody,,unknown;"
[ "$(cut -f 1,2,5 out | tr '\t\n' ',;')" = "${wanted}3,1,model;3,2,model;" ] ||
    fail "the table of users"
run 0 "$rankine" recommend run --users ids.txt
prints "user 99999: user '99999' is not in the data set"
run 3 "$rankine" recommend run --user 99999 88888 --json
no_output
says "user '99999' is not in the data set"
: >empty.txt
run 3 "$rankine" recommend run --users empty.txt
says "empty.txt holds no id; it takes one a line"
printf 'a\0b\n' >zero.txt
run 3 "$rankine" recommend run --users zero.txt
says "zero.txt cannot be read: it holds a zero byte"
run 3 "$rankine" recommend run --users demo
says "demo cannot be read: Is a directory"

# ---- files ----
run 0 "$rankine" recommend run --all --top 10 --json
cp out all.json
run 0 "$rankine" recommend run --all --top 10 --tsv
cp out all.tsv
run 0 "$rankine" recommend run --all --top 10 --jsonl
cp out all.jsonl
for ending in json tsv jsonl; do
    run 0 "$rankine" recommend run --all --top 10 --out lists.$ending
    silent
    prints "lists.$ending: the best 10 for 300 users"
    cmp -s lists.$ending all.$ending || fail "lists.$ending is not what standard output gets"
done
python3 -c 'import json
assert [json.loads(l) for l in open("all.jsonl")] == json.load(open("all.json"))' ||
    fail "--jsonl and --json differ"
run 2 "$rankine" recommend run --user 3 --out lists.tsv
says "lists.tsv is there already: replace it by --force"
cmp -s lists.tsv all.tsv || fail "what was refused was written"
run 0 "$rankine" recommend run --users ids.txt --top 1 --out lists.tsv --force
prints "lists.tsv: the best 1 for 5 users, of whom 2 unknown"
[ "$(wc -l <lists.tsv)" = 5 ] || fail "five rows were expected"
run 2 "$rankine" recommend run --user 3 --out lists.txt
says "the name ends in .tsv, .jsonl or .json"
run 2 "$rankine" recommend run --user 7 --tsv --out -
says "the standard output is where it goes without --out"
absent -
run 0 "$rankine" recommend run --user 3 --out lists.txt --tsv
run 3 "$rankine" recommend run --all --out nowhere/lists.tsv
says "nowhere/lists.tsv: No such file"
run 3 "$rankine" recommend run --user 99999 --out nobody.tsv
absent nobody.tsv
run 0 "$rankine" recommend run --all --tsv --out /dev/null
[ -c /dev/null ] || fail "/dev/null was replaced"
# the standard output by a name: a pipe, and a file
ln -s /proc/self/fd/1 standard
"$rankine" recommend run --all --top 10 --tsv --out standard 2>err | cmp - all.tsv ||
    fail "a pipe that is named gets the lists alone"
says "standard: the best 10 for 300 users"
{
    echo before
    "$rankine" recommend run --all --top 10 --tsv --out standard --force 2>err
} >whole.tsv || fail "a file that is the standard output"
tail -n +2 whole.tsv | cmp -s - all.tsv || fail "a file that is the standard output gets the lists"
run 2 "$rankine" export run --format model --out standard --force
says "standard is where the standard output goes"
[ -L standard ] || fail "the name of the standard output was replaced"
mkfifo pipe
run 3 "$rankine" export run --format model --out pipe --force
says "pipe cannot be written: it is no file that could be replaced"
[ -p pipe ] || fail "a pipe was replaced"

# several lengths in one go
run 0 "$rankine" recommend run --all --top 10,3 --out "best-{top}.tsv"
cmp -s best-10.tsv all.tsv || fail "best-10.tsv"
awk -F'\t' '$2 <= 3' all.tsv | cmp -s - best-3.tsv || fail "best-3.tsv"
run 2 "$rankine" recommend run --all --top 10,3 --tsv
says "--out lists-{top}.tsv"
for top in 3,0 3,x "," "3,"; do
    run 2 "$rankine" recommend run --all --top $top
    says "--top '$top': must be a whole number from 1 to"
done

# a full disk and a Ctrl-C leave what was there
cp all.tsv best-3.tsv
command_line="recommend --out on a full disk"
(
    ulimit -f 8
    trap '' XFSZ
    "$rankine" recommend run --all --top 10 --out best-3.tsv --force
) >out 2>err
code=$?
[ $code = 3 ] || fail "exit code $code, expected 3"
says "best-3.tsv: File too large"
cmp -s best-3.tsv all.tsv || fail "the old file is gone"
yes 17 | head -n 300000 >many.txt
command_line="recommend interrupted"
"$rankine" recommend run --users many.txt --top 120 --out best-3.tsv --force >out 2>err &
pid=$!
until [ -s best-3.tsv.$pid.tmp ] || ! kill -0 $pid 2>/dev/null; do sleep 0.02; done
kill -INT $pid
wait $pid
code=$?
[ $code = 130 ] || fail "exit code $code, expected 130"
cmp -s best-3.tsv all.tsv || fail "the old file is gone"
no_leftovers .

# ---- titles ----
title=$(awk -F, 'NR > 1 { print $2; exit }' demo/items.csv)
first=${title% *}
run 0 "$rankine" recommend run --label "$title" --top 3 --json
json "j[0]['items'] == [1] and len(j[0]['recommendations']) == 3 and j[0]['basis'] == 'items'"
run 0 "$rankine" recommend run --items 1 --top 3 --json
cp out by_id.json
run 0 "$rankine" recommend run --label "${title^^}" --top 3 --json
cmp -s out by_id.json || fail "a title and its id give other answers"
run 2 "$rankine" recommend run --label "$first"
says "--label '$first' finds" "and 20 at most are taken; say more, or take --items"
run 3 "$rankine" recommend run --label "no such title"
says "--label 'no such title': no item has a label with words like these"
run 2 "$rankine" recommend run --label " - "
says "has no word to look for"
run 0 "$rankine" train demo/synth.yaml --run nameless --set labels.file= --set train.epochs=1 \
    --set model.dim=8 "${quick[@]}"
run 3 "$rankine" similar nameless --label "$title"
says "has no labels to look for: name their file in labels.file"

# ---- reasons ----
run 0 "$rankine" recommend item_knn --user 17 --top 4 --explain --json
cat >exact.py <<'PYTHON'
import json, sys
for answer in json.load(open("out"))[0]["recommendations"]:
    parts = [r["part"] for r in answer["reasons"]]
    assert 1 <= len(parts) <= 3 and parts == sorted(parts, reverse=True) and min(parts) > 0
    exact = sys.argv[1] == "exact"
    assert answer["reasons_exact"] == exact
    assert abs(answer["reasons_sum"] - answer["score"]) <= 1e-4 * answer["score"] or not exact
    assert all(r["label"] for r in answer["reasons"])
PYTHON
python3 exact.py exact || fail "item_knn's reasons are exact"
run 0 "$rankine" recommend run --items 3,8,20 --top 4 --explain --json
python3 exact.py exact || fail "reasons of a list are exact"
json '{r["item"] for a in j[0]["recommendations"] for r in a["reasons"]} <= {3, 8, 20}'
run 0 "$rankine" recommend run --user 17 --top 4 --explain --json
python3 exact.py approximate || fail "reasons of a user with a vector are approximate"
run 0 "$rankine" recommend run --user 17 --top 4 --explain
prints "~for "
run 0 "$rankine" recommend item_knn --user 17 --top 4 --explain --tsv
[ "$(awk -F'\t' 'NF == 6 && $6 ~ /^[0-9]+ [0-9.]+/' out | wc -l)" = 4 ] || fail "reasons in a table"

# ---- similar ----
run 0 "$rankine" similar run --items 5 99999 7 --top 3 --json
says "warning: 1 of 3 items are not in the data set; their rows say so"
json '[i["item"] for i in j] == [5, 99999, 7] and [len(i["similar"]) for i in j] == [3, 0, 3]'
json '[i["basis"] for i in j] == ["model", "unknown", "model"] and "99999" in j[1]["error"]'
json 'all(s["item"] != i["item"] and abs(s["score"]) < 1.001 for i in j for s in i["similar"])'
run 0 "$rankine" similar run --all --top 2 --tsv
silent
[ "$(wc -l <out)" = 240 ] && [ "$(cut -f 1 out | sort -u | wc -l)" = 120 ] || fail "similar --all"
run 0 "$rankine" similar item_knn --all --top 2 --tsv
python3 - <<'PYTHON' || fail "most similar items are of the same cluster"
import csv
titles = csv.DictReader(open("demo/items.csv"))
cluster = {row["item_id"]: row["title"].split()[0] for row in titles}
rows = [line.split("\t") for line in open("out")]
assert sum(cluster[row[0]] == cluster[row[2]] for row in rows) > 0.6 * len(rows)
PYTHON
run 0 "$rankine" similar item_knn --items 5 --exclude 6,7 --among 1,2,3,6,7,8,9 --top 120 --tsv
[ "$(cut -f 3 out | grep -cxE '1|2|3|8|9')" = "$(wc -l <out)" ] || fail "limits of similar items"
run 0 "$rankine" similar item_knn --label "$title" --top 3 --out similar.jsonl
prints "similar.jsonl: the 3 most similar of 1 item"
run 2 "$rankine" similar popularity --items 5
says "model popularity does not know which items are alike"
run 3 "$rankine" similar run --items 99999
no_output
run 2 "$rankine" similar run
says "similar needs --items ID,ID, --label TEXT or --all"

# ---- scores of pairs ----
run 0 "$rankine" recommend run --users ids.txt --top 4 --tsv
awk -F'\t' '{ print ($3 == "" ? 5 : $3) ";" $1 ";" }' out | sort -R --random-source=demo/items.csv \
    >shuffled
{ echo 'movieId;userId;more' && cat shuffled; } >pairs.csv
cut -f 1,3,4 out >wanted
run 0 "$rankine" score run --pairs pairs.csv --tsv
says "warning: 2 of 14 pairs are not of the data set; their rows say so"
[ "$(cut -f 1,2 out | awk '{ print $2 ";" $1 ";" }')" = "$(cat shuffled)" ] ||
    fail "the order of the pairs"
python3 - <<'PYTHON' || fail "scores are not those of the lists"
rows = [line.split("\t") for line in open("wanted")]
wanted = {(user, item): float(score) for user, item, score in rows if item}
for line in open("out"):
    user, item, score, basis = line.rstrip("\n").split("\t")
    if basis == "unknown":
        assert score == "" and user in ("99999", "somebody")
    else:
        assert basis == "model" and float(score) == wanted[user, item], line
PYTHON
printf '"3","5"\n17,99999\n' >quoted.csv
run 0 "$rankine" score run --pairs quoted.csv --json
json '[p["item"] for p in j] == [5, 99999] and j[1]["score"] is None and "99999" in j[1]["error"]'
run 0 "$rankine" score run --user 3 17 --items 5,7 --jsonl
[ "$(wc -l <out)" = 4 ] || fail "two users with two items are four pairs"
run 0 "$rankine" score run --user 3 --items 5
prints "3            5 "
printf 'user_id,item_id\n3,5\n\n17\n' >cut.csv
run 3 "$rankine" score run --pairs cut.csv
no_output
says "cut.csv:4: a user and an item are wanted"
echo 'a,b' >strangers.csv
run 3 "$rankine" score run --pairs strangers.csv
says "user 'a' is not in the data set"
run 2 "$rankine" score run --user 3
says "score needs --pairs FILE, or --user ID... and --items ID..."

# ---- what was never trained ----
sed '1!d' demo/ratings.csv >late.csv
echo 5000,6000,5,1 >>late.csv
cat >cold.yaml <<CONFIG
data:
    sources:
        - {file: demo/ratings.csv, part: train}
        - {file: late.csv, part: test}
model: {dim: 8}
train: {epochs: 2}
CONFIG
run 0 "$rankine" train cold.yaml --run cold "${quick[@]}"
run 0 "$rankine" recommend cold --items 6000 --json
json 'j[0]["basis"] == "popularity" and j[0]["untrained_items"] == [6000]'
run 0 "$rankine" recommend cold --items 6000 --explain --json
json 'all(r["reasons"] == [] and not r["reasons_exact"] for r in j[0]["recommendations"])'
run 0 "$rankine" recommend cold --items 6000
prints "nothing is known of them: the most popular items" "not in train"
run 0 "$rankine" export cold --quiet
says "warning: 1 of 301 users and 1 of 121 items have no train interaction: their rows were never"
run 0 "$rankine" recommend cold --items 6000,3 --json
json 'j[0]["basis"] == "items" and j[0]["untrained_items"] == [6000]'
cp out with.json
run 0 "$rankine" recommend cold --items 3 --json
json 'j[0]["recommendations"] == json.load(open("with.json"))[0]["recommendations"]'
run 0 "$rankine" recommend cold --user 5000 --tsv
[ "$(cut -f 5 out | sort -u)" = popularity ] || fail "a user without train rows gets popularity"
run 0 "$rankine" similar cold --items 6000 --tsv
[ "$(cat out)" = $'6000\t\t\t\tuntrained' ] || fail "an item without train rows is like nothing"
run 0 "$rankine" score cold --user 3 5000 --items 6000,3 --tsv
[ "$(cut -f 4 out | tr '\n' ' ')" = "untrained model untrained popularity " ] ||
    fail "scores of what was never trained"

# ---- users who are held out are answered by what is given of them ----
sed 's/kind: ratio/kind: users/; /order: time/d' demo/synth.yaml >demo/users.yaml
run 0 "$rankine" train demo/users.yaml --run users "${two[@]}" "${quick[@]}"
run 0 "$rankine" recommend users --all --top 1 --tsv
[ "$(cut -f 5 out | sort | uniq -c | awk '{ print $2 }' | tr '\n' ' ')" = "items model " ] ||
    fail "held-out users are known by items"
user=$(awk -F'\t' '$5 == "items" { print $1; exit }' out)
run 0 "$rankine" recommend users --user "$user" --top 4 --explain --json
json "j[0]['basis'] == 'items' and j[0]['known_items'] > 1"
python3 exact.py exact || fail "reasons of held-out users are exact"

# ---- ids that need care ----
mkdir forms
{
    echo user_id,item_id
    for user in $'Jose\xcc\x81' $'Zo\xc3\xab' Ann; do
        for item in 1 2 3 4 5 6; do echo "$user,$item"; done
    done
} >forms/r.csv
cat >forms.yaml <<'CONFIG'
data: {ids: text, sources: [{file: forms/r.csv}]}
split: {kind: ratio}
model: {dim: 4}
train: {epochs: 1}
eval: {k: [2], metric: ndcg@2}
CONFIG
run 0 "$rankine" train forms.yaml --run forms/run --device cpu --quiet
run 0 "$rankine" recommend forms/run --user $'Jos\xc3\xa9' $'Zoe\xcc\x88' --top 1 --tsv
silent
[ "$(cut -f 1 out | sort -u)" = $'Jose\xcc\x81\nZo\xc3\xab' ] ||
    fail "ids in other forms of Unicode"
run 3 "$rankine" recommend forms/run --user Jose

mkdir odd
printf '%s\n' 'user_id,item_id' >odd/r.csv
for user in a 'comma,inside' 'back\slash' '"quoted ""x"""' $'"a\ttab"' \
    $'"two\nlines\tand more\\"'; do
    case $user in comma*) user="\"$user\"" ;; esac
    for item in i1 i2 i3 i4 '"i,5"' i6 i7; do
        echo "$user,$item" >>odd/r.csv
    done
done
cat >odd.yaml <<'CONFIG'
data: {ids: text, sources: [{file: odd/r.csv}]}
split: {kind: ratio}
model: {dim: 4}
train: {epochs: 1}
eval: {k: [2], metric: ndcg@2}
CONFIG
run 0 "$rankine" train odd.yaml --run odd/run --device cpu --quiet
run 0 "$rankine" recommend odd/run --user $'two\nlines\tand more\\' --top 1
prints "user two?lines?and more\\, who has 7 items"
run 0 "$rankine" train odd.yaml --run=-odd --device cpu --quiet
run 0 "$rankine" $(sed -n 's/^next  *rankine //p' out)
prints "user a, who has"
run 0 "$rankine" export odd/run --quiet
run 0 "$rankine" recommend odd/run --users odd/run/export/user_ids.txt --include-known --jsonl
python3 -c 'import json
users = {json.loads(l)["user"] for l in open("out")}
assert users == {"a", "comma,inside", "back\\slash", "quoted \"x\"", "a\ttab",
                 "two\nlines\tand more\\"}, users' ||
    fail "exported ids are not read back"
silent
run 0 "$rankine" recommend odd/run --users odd/run/export/user_ids.txt --include-known --top 1 --tsv
cut -f 1 out | cmp -s - odd/run/export/user_ids.txt || fail "ids in tables are not those of export"
grep -v -e two -e lines odd/r.csv >odd/pairs.csv
run 0 "$rankine" score odd/run --pairs odd/pairs.csv --jsonl
silent
[ "$(wc -l <out)" = 35 ] || fail "the rows of the source are 35 pairs"
finish
