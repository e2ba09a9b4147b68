#!/usr/bin/env bash
# What rows say, as a user meets it: values, repeats, ties, held-out users and items, candidates.
. "$(dirname "$0")/lib.sh"

# Users 1 to 30 with 8 of 20 items each, at two moments; every third pair twice.
awk 'BEGIN {
    print "user_id,item_id,ts,stars,mood"
    for (u = 1; u <= 30; u++) for (k = 0; k < 8; k++) {
        i = (u * 3 + k * k) % 20 + 1
        printf "%d,%d,%d,%d,%s\n", u, i, 100 + int(k / 4), 1 + (u + k) % 5, k % 2 ? "calm" : ""
        if (k % 3 == 0) printf "%d,%d,%d,%d,%s\n", u, i, 300, 5, "late"
    }
}' >plays.csv
cat >c.yaml <<'END'
data:
    sources:
        - {file: plays.csv, time: ts}
split: {kind: leave_one_out, order: time}
model: {kind: ials, dim: 4}
train: {epochs: 2}
eval: {k: [5], metric: ndcg@5}
END

# Ties are counted and told of, also of a data set from the cache, and either rule may be chosen.
run 0 "$rankine" prepare c.yaml
says "for 30 of 30 users rows of equal time decide what is held out" \
    "the larger item id counts as later" "split.ties=row takes the order of the sources"
prints "ties           decide what is held out for 30 users"
run 0 "$rankine" prepare c.yaml
says "for 30 of 30 users rows of equal time"
first=$(grep -o 'fingerprint .*' out)
run 0 "$rankine" prepare c.yaml --set split.ties=row
says "the later row of the sources counts as later"
[ "$first" != "$(grep -o 'fingerprint .*' out)" ] || fail "the rule of ties changes nothing"

# Nothing held out, for every kind of split.
for kind in leave_one_out ratio time users items; do
    run 0 "$rankine" prepare c.yaml --set split.kind=$kind --set split.test=0 \
        --set split.valid=0 --quiet
    prints "train        180" "valid        0 of 0 users"
    says "has no test part"
done
run 2 "$rankine" prepare c.yaml --set split.kind=given --set 'data.sources[0].part=train' \
    --set 'data.sources[1].file=plays.csv' --set 'data.sources[1].part=test' --set split.test=0
says "split.test is 0 (--set), but data.sources[1] (--set) is a test part"

# Values reach what asks for them, and those that cannot be weights are named.
run 2 "$rankine" prepare c.yaml --set 'data.sources[0].weight=stars'
says "did you mean 'data.sources[].value'"
run 3 "$rankine" train c.yaml --set model.weigh_by=value --run none --quiet
says "model.weigh_by is value, but the data set c has no values"
run 0 "$rankine" train c.yaml --set 'data.sources[0].value=stars' --set model.weigh_by=value \
    --run stars --quiet
run 0 "$rankine" train c.yaml --set data.repeat_value=count --set model.weigh_by=value \
    --run counts --quiet
run 0 "$rankine" train c.yaml --set 'data.sources[0].value=stars' --run unread
says "interactions have values, but nothing looks at them"
run 3 "$rankine" train c.yaml --set 'data.sources[0].value=ts' --set model.weigh_by=value \
    --set 'data.sources[0].where=ts > 0' --set 'data.sources[0].value=mood' --run bad --quiet
says "plays.csv:2:" "is not a number, which source.value needs"

# Held-out users are evaluated and answered by their given items.
run 0 "$rankine" prepare c.yaml --set split.kind=users --set split.test=0.2
prints "given          " "held-out users"
run 0 "$rankine" train c.yaml --set split.kind=users --set split.test=0.2 --run users
says "users are held out: the model knows them by"
run 2 "$rankine" train c.yaml --set split.kind=users --set split.given=0 --run never --quiet
says "cannot rank for held-out users of whom nothing is known; those that can: popularity"
run 0 "$rankine" evaluate users --json
json 'j["part"] == "test" and j["users"] == 6'

# Held-out items have no train rows.
run 0 "$rankine" prepare c.yaml --set split.kind=items --set split.test=0.25 --set split.valid=0
prints "cold items     0 in valid, 5 in test"

# More candidates than there are items, and fields.
run 3 "$rankine" prepare c.yaml --set split.candidates=19
says "split.candidates is 19, but user"
says "items left that are not theirs already: take fewer candidates"
run 0 "$rankine" prepare c.yaml --set split.candidates=3 --set data.repeats=keep \
    --set 'data.fields=[{name: mood}, {name: before, derive: previous_item}]'
prints "repeats        " "rows are kept"
run 0 "$rankine" train c.yaml --set split.candidates=6 --set eval.among=candidates --run among
says "each held-out item is ranked among 6 candidates of its own"
run 0 "$rankine" evaluate among
says "each held-out item is ranked among its candidates of split.candidates"
# Runs are compared in the same way, that of the first.
run 0 "$rankine" train c.yaml --set split.candidates=6 --set model.dim=5 --run all --quiet
run 0 "$rankine" evaluate all --json
full=$(python3 -c 'import json; print(json.load(open("out"))["metrics"]["ndcg@5"])')
run 0 "$rankine" compare all among --json
json "abs(j['runs'][0]['metrics']['ndcg@5']['value'] - $full) < 1e-12"
run 0 "$rankine" compare among all --json
json "j['runs'][1]['metrics']['ndcg@5']['value'] > $full + 0.01"
run 2 "$rankine" train c.yaml --set eval.among=candidates --run none --quiet
says "set split.candidates, e.g. to 99"
run 3 "$rankine" prepare c.yaml --set 'data.fields=[{name: weather}]'
says "weather"

finish
