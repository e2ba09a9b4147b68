#!/usr/bin/env bash
# Models that read fields of rows: contexts on the command line, what answers show, what is refused.
. "$(dirname "$0")/lib.sh"

# People go round thirty songs; at night to the even ones, by day to the odd ones.
python3 - <<'PYTHON' >plays.csv
print("user,song,time,hour")
for user in range(1, 31):
    song = user % 30
    for step in range(8):
        hour = "night" if (user + step) % 3 else "day"
        song = (song + (2 if song % 2 == (hour == "day") else 1)) % 30
        print(f"{user},{song + 100},{step},{'' if step == 5 else hour}")
PYTHON
cat >c.yaml <<'CONFIG'
data:
    sources: [{file: plays.csv, user: user, item: song, time: time}]
    fields:
        - {name: before, derive: previous_item}
        - {name: hour}
split: {kind: leave_one_out, order: time, ties: row}
model: {kind: fm, dim: 8, init: xavier}
train: {epochs: 12, batch: 64, learning_rate: 0.02}
eval: {k: [3], metrics: [hit, ndcg], metric: ndcg@3, every: 4}
CONFIG
run 0 "$rankine" train c.yaml --run fm --quiet --device cpu
run 0 "$rankine" train c.yaml --run plain --quiet --device cpu --set model.fields=none
run 0 "$rankine" train c.yaml --run mf --quiet --device cpu --set model.kind=mf
run 0 "$rankine" evaluate fm --json
json 'j["users"] == 30 and 0 < j["popularity"]["ndcg@3"] < j["metrics"]["ndcg@3"] <= 1'

# A number that others must not be held against says so wherever it is shown.
leaky=(--quiet --device cpu --set model.kind=gcn --set model.scorer=fm --set model.layers=1)
run 0 "$rankine" train c.yaml --run leaky "${leaky[@]}" --set model.compat=leaky_graph
run 0 "$rankine" evaluate leaky --json
json '"not comparable" in j["compat"]'
run 0 "$rankine" compare fm leaky --json
json '"compat" not in j["runs"][0] and "not comparable" in j["runs"][1]["compat"]'
run 0 "$rankine" compare fm leaky
prints "leaky graph (model.compat)"
run 0 "$rankine" evaluate fm --json
json '"compat" not in j'

run 0 "$rankine" recommend fm --user 3 4 --context before=103 hour=day --top 2 --json
json 'len(j) == 2 and j[0]["context"] == {"before": "103", "hour": "day"}'
json 'j[0]["basis"] == "model"'
run 0 "$rankine" recommend fm --user 3 --context before=104 hour=night --top 3 --tsv
cp out night
run 0 "$rankine" recommend fm --user 3 --context before=104 hour=day --top 3 --tsv
cmp -s out night && fail "the hour changes nothing"
run 0 "$rankine" recommend fm --user 3 --context before=104 hour=
prints "in the context before=104, hour="
run 0 "$rankine" recommend fm --context before=104 hour=day # of nobody known
prints "somebody unknown" "may like"
run 0 "$rankine" recommend fm --items 103,105 --context before=104 hour=day --explain --jsonl
json 'j["context"]["hour"] == "day" and j["items"] == [103, 105]'
run 0 "$rankine" recommend fm --all --context before= hour=day --tsv --top 1
run 0 "$rankine" score fm --user 3 --items 104,107 --context before=103 hour=day --json
json 'len(j) == 2 and all(p["basis"] == "model" for p in j)'
run 0 "$rankine" recommend fm --user 3 --context before=103 hour=day --seen none --top 10 --tsv
scores=$(awk -F'\t' '$3 == 104 { print $4 }' out)
run 0 "$rankine" score fm --user 3 --items 104 --context before=103 hour=day --tsv
prints "$scores"
run 0 "$rankine" similar fm --items 104 --top 2
run 0 "$rankine" export fm --format npy --out tensors
absent tensors/user_embeddings.npy
[ -f tensors/context.npy ] || fail "no table of contexts"
run 0 "$rankine" export fm --format model --out fm.model
run 0 "$rankine" recommend fm.model --user 3 --context before=104 hour=night --top 3 --tsv
cmp -s out night || fail "a file answers otherwise"

# What a context lacks or has too much.
run 2 "$rankine" recommend fm --user 3
says "the model reads the field before of what it answers: give --context before=VALUE"
run 2 "$rankine" recommend fm --user 3 --context before=104
says "the model reads the field hour"
run 2 "$rankine" recommend fm --user 3 --context before=104 hour=day place=home
says "the model reads no field 'place'; it reads before, hour"
run 2 "$rankine" recommend fm --user 3 --context before=104 before=105 hour=day
says "names the field before twice"
run 2 "$rankine" recommend fm --user 3 --context before
says "write NAME=VALUE; the model reads before, hour"
run 3 "$rankine" recommend fm --user 3 --context before=1 hour=day
says "item '1' is not in the data set"
run 3 "$rankine" recommend fm --user 3 --context before=104 hour=noon
says "no row of the data set c has 'noon' in its field hour"
run 2 "$rankine" recommend plain --user 3 --context before=104
says "the model reads no fields of rows; leave --context out"
run 2 "$rankine" recommend mf --user 3 --context before=104
says "the model reads no fields of rows"
run 2 "$rankine" score fm --user 3 --items 104
says "the model reads the field before"
run 2 "$rankine" train c.yaml --run never --set model.fields=weather --quiet
says "model.fields names 'weather', but data.fields has before, hour"
run 2 "$rankine" train c.yaml --run never --set model.kind=mf --set model.fields=hour --quiet
says "model.fields"
run 2 "$rankine" evaluate fm --data plays.csv
says "the model reads fields of the rows that it is evaluated on"
absent never

# Whoever has no train row is ranked for by the context, and train says so; without fields by
# popularity.
awk -F, 'NR > 1 && $1 == 30 { $3 += 100 } { print $1 "," $2 "," $3 "," $4 }' plays.csv >late.csv
late=(--device cpu --set "data.sources[0].file=late.csv" --set split.kind=time
    --set split.order=random --set split.ties=item)
run 0 "$rankine" train c.yaml --run late --quiet "${late[@]}"
says "1 of 30 users have no train interaction" "ranked for by the context of the row alone"
run 0 "$rankine" recommend late --user 30 --context before=104 hour=day --seen none --json
json 'j[0]["basis"] == "model"'
run 0 "$rankine" train c.yaml --run later --quiet "${late[@]}" --set model.fields=none
says "ranked for by popularity"

# Resumed, it goes on as if it had never stopped.
run 0 "$rankine" train c.yaml --run half --quiet --device cpu --set train.epochs=6 \
    --set model.dropout=0.3
run 0 "$rankine" train c.yaml --run half --quiet --device cpu --resume --set model.dropout=0.3
run 0 "$rankine" train c.yaml --run whole --quiet --device cpu --set model.dropout=0.3
run 0 "$rankine" recommend half --all --context before=104 hour=day --tsv
cp out half.tsv
run 0 "$rankine" recommend whole --all --context before=104 hour=day --tsv
cmp -s out half.tsv || fail "a resumed run differs"

finish
