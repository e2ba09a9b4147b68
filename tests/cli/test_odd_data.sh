#!/usr/bin/env bash
# Data as people have them that is nearly right: each is read, or told of with what to do.
. "$(dirname "$0")/lib.sh"

cat >exp.yaml <<'YAML'
data: {ids: text, sources: [{file: rows.csv, user: user, item: item}]}
split: {kind: ratio, order: random}
model: {kind: mf, dim: 4}
loss: {l2: 0}
train: {epochs: 1}
eval: {k: [2], metrics: [recall, ndcg], metric: ndcg@2}
YAML
pairs() { # SEPARATOR : rows of 12 users and 9 items
    for u in {1..12}; do
        for i in {1..5}; do echo "u$u$1i$(((u * i + i) % 9))"; done
    done
}
with_head() {
    echo "user$1item"
    pairs "$1"
}

# ---- init ----
numbers() {
    pairs , | awk -F, '{ print substr($1, 2) + 20 "," substr($2, 2) + 50 ",3" }'
}
{ echo 0,1,2 && numbers; } >places.csv
run 3 "$rankine" init places.csv --out places.yaml
says "places.csv: its first line numbers the columns" "tail -n +2"
absent places.yaml
tail -n +2 places.csv >rows.csv && { echo 0,1,2 && echo 0,1,2 && cat rows.csv; } >places.csv
run 0 "$rankine" init places.csv --out places.yaml
grep -q 'header: false' places.yaml || fail "0,1,2 is a row where it is there twice"
pairs , | sed -E 's/(.*),(.*)/{"who": {"user_id": "\1"}, "what": {"item_id": "\2", "l": []}}/' \
    >deep.jsonl
run 0 "$rankine" init deep.jsonl --out deep.yaml
grep -q '"who.user_id"' deep.yaml || fail "the key who.user_id was not found"
grep -q '"what.item_id"' deep.yaml || fail "the key what.item_id was not found"
run 0 "$rankine" prepare deep.yaml --quiet

# ---- JSON ----
jsonl() {
    "$rankine" prepare exp.yaml --quiet \
        --set "data.sources=[{file: $1, format: jsonl, user: user, item: item}]"
}
for row in {1..4}; do
    echo '{"note": "a \" 2.0", "user": 2e0, "item": "a'$row'"}'
    echo '{"user": 2.50, "item": "b'$row'"}'
    echo '{"user": "x", "item": "b'$row'"}'
done >reals.jsonl
run 0 "$rankine" train exp.yaml --run reals --quiet \
    --set "data.sources=[{file: reals.jsonl, format: jsonl, user: user, item: item}]"
run 0 "$rankine" recommend reals --user 2e0 --top 1
run 0 "$rankine" recommend reals --user 2.50 --top 1
printf '{\n  "user": "a",\n  "item": "b"\n}\n' >pretty.jsonl
run 3 jsonl pretty.jsonl
says "pretty.jsonl:1" "does not end in its line" "jq -c"
run 3 "$rankine" init pretty.jsonl --out pretty.yaml
says "jq -c"

# ---- ids that are none ----
for word in na Nan NIL -; do
    { with_head , && echo "$word,i1"; } >rows.csv
    run 3 "$rankine" prepare exp.yaml --quiet
    says "rows.csv:62:1" "'$word' is a word for a missing value"
    run 0 "$rankine" prepare exp.yaml --quiet --set data.missing_ids=keep
done
{ with_head $'\t' && printf '\t\n'; } >rows.tsv
tsv="data.sources=[{file: rows.tsv, separator: \"\\t\", user: user, item: item}]"
run 3 "$rankine" prepare exp.yaml --quiet --set "$tsv"
says "rows.tsv:62:1" "user is empty"
run 0 "$rankine" prepare exp.yaml --quiet --json --set "$tsv" --set data.missing_ids=drop
json "j['rows_missing'] == 1"

# ---- columns ----
with_head , >rows.csv
run 2 "$rankine" prepare exp.yaml --quiet --set 'data.sources[0].item=0'
says "rows.csv" "source.user 'user' and source.item '0' are the same column"
awk -F, 'NR == 1 { print $0 ",time" } NR > 1 { print $0 ",77" }' rows.csv >times.csv
run 3 "$rankine" prepare exp.yaml --quiet --set split.kind=time --set split.order=random \
    --set 'data.sources=[{file: times.csv, user: user, item: item, time: time}]'
says "have the same time"
run 2 "$rankine" prepare exp.yaml --quiet --set loss.temperature=0.5
says "loss.temperature" "nothing looks at it"

# ---- features ----
printf '%s\n' "item,kind,price" 'i0,nan,3' 'i1,"nan",NULL' 'i2,film|NA,nan' >facts.csv
columns="[{column: kind, kind: list}, {column: price, missing: MISSING}]"
feature="data.features=[{file: facts.csv, columns: $columns}]"
run 0 "$rankine" prepare exp.yaml --quiet --json --set "${feature/MISSING/mean}"
run 3 "$rankine" prepare exp.yaml --quiet --set "${feature/MISSING/error}"
run 0 "$rankine" train exp.yaml --quiet --run facts --set "${feature/MISSING/zero}"
{ printf '\xef\xbb\xbf' && cat facts.csv; } >bom.csv
feature=${feature/facts.csv/bom.csv}
run 0 "$rankine" prepare exp.yaml --quiet --set "${feature/MISSING/mean}"

# ---- answers ----
printf '\xef\xbb\xbf' | cat - rows.csv >bom.rows && mv bom.rows rows.csv
{ cat rows.csv && echo '"two
lines",i1' && echo '"two
lines",i2' && echo '"two
lines",i3'; } >lines.csv
run 0 "$rankine" train exp.yaml --quiet --run run --set 'data.sources[0].file=lines.csv'
run 2 "$rankine" recommend exp.yaml --user u1
says "exp.yaml is a config" "rankine train exp.yaml"
run 2 "$rankine" evaluate run --metrics foo
says "metrics eval.metrics=foo" "not 'foo'"
printf 'user,item\n"two\nlines",i1\nu1,"i2"\n' >pairs.csv
run 0 "$rankine" score run --pairs pairs.csv --out scores.tsv
[ "$(wc -l <scores.tsv)" = 2 ] || fail "two pairs were not scored"
grep -q '^two.nlines.i1' scores.tsv || fail "the pair of two lines is not there"
printf 'user,item\n"two\nlines",i1\nu1\n' >pairs.csv
run 3 "$rankine" score run --pairs pairs.csv
says "pairs.csv:4"
printf 'user,item\n"u1,i2\nu1,i2\n' >pairs.csv
run 3 "$rankine" score run --pairs pairs.csv
says "pairs.csv:2"
{ with_head , && echo ",i1" && echo "NaN,i1" && echo "u1,i7"; } >new.csv
run 3 "$rankine" evaluate run --data new.csv --json
says "new.csv:"
run 0 "$rankine" train exp.yaml --quiet --run drops --set data.missing_ids=drop
run 0 "$rankine" evaluate drops --data new.csv --json
json "j['holdout']['missing'] == 2 and j['holdout']['rows'] == 63"
run 0 "$rankine" evaluate drops --data new.csv
prints "without an id     2 rows"
run 2 "$rankine" recommend run --users a.txt --users b.txt
says "--users is there twice"

# ---- what a killed writer leaves ----
touch answers.tsv.123.tmp answers.tsv.45-6.tmp answers.tsv.x.tmp other.tsv.123.tmp
run 0 "$rankine" recommend run --user u1 --out answers.tsv
absent answers.tsv.123.tmp answers.tsv.45-6.tmp
[ -e answers.tsv.x.tmp ] && [ -e other.tsv.123.tmp ] || fail "a file of somebody else was removed"
finish
