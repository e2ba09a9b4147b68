#!/usr/bin/env bash
# Protocols as a user meets them: candidates with their expectation, the audit and the ranking by
# traces, styles, held-out users of files, a gap in time, people who repeat.
. "$(dirname "$0")/lib.sh"

# 40 users, 25 items; two relations; what is held out is often in them. expected.json: the audit and
# the rule's metrics by plain loops.
python3 - <<'PYTHON'
import json, math, random
r = random.Random(4)
train, test, view, cart = [], [], [], []
for u in range(40):
    items = r.sample(range(22), 7)
    train += [(u, i) for i in items[:5]]
    held = items[5:] + ([24] if u == 3 else [])
    test += [(u, i) for i in held]
    view += [(u, i) for i in r.sample(range(22), 6) + [x for x in held if r.random() < .5]]
    cart += [(u, i) for i in r.sample(range(22), 2) + [x for x in held if r.random() < .3]]
def write(name, rows):
    with open(name, "w") as f:
        f.write("user_id,item_id\n" + "".join(f"{u},{i}\n" for u, i in rows))
for name, rows in (("train", train), ("test", test), ("view", view), ("cart", cart)):
    write(name + ".csv", rows)
items = sorted({i for _, i in train + test})
pop = {i: sum(j == i for _, j in train) for i in items}
V, C = set(view), set(cart)
hit = ndcg = 0
for u in range(40):
    had, T = {i for v, i in train if v == u}, [i for v, i in test if v == u]
    rank = sorted((i for i in items if i not in had and (pop[i] or (u, i) in V | C)),
                  key=lambda i: (-((u, i) in V) - ((u, i) in C), (u, i) not in V, -pop[i], i))[:5]
    hit += any(i in T for i in rank) / 40
    ideal = sum(1 / math.log2(n + 2) for n in range(min(5, len(T))))
    ndcg += sum(1 / math.log2(n + 2) for n, i in enumerate(rank) if i in T) / ideal / 40
json.dump({"hit": hit, "ndcg": ndcg, "pairs": len(test), "view": len(V & set(test)),
           "cart": len(C & set(test)), "any": len((V | C) & set(test))}, open("expected.json", "w"))
PYTHON
wanted() { python3 -c "import json; print(json.load(open('expected.json'))['$1'])"; }
cat >exp.yaml <<'YAML'
data:
  sources: [{file: train.csv, part: train}, {file: test.csv, part: test}]
  relations: [{name: view, file: view.csv}, {name: cart, file: cart.csv}]
model: {kind: ease}
eval: {k: [5], metrics: [hit, ndcg, precision, auc, gini, novelty], metric: ndcg@5}
YAML

# The audit and the rule, in train, evaluate, JSON and on the page.
run 0 "$rankine" train exp.yaml --run full
prints "audit     test: $(wanted pairs) held-out pairs of 40 users" \
    "in another relation: $(wanted any) pairs" "  view: $(wanted view)" "  cart: $(wanted cart)" \
    "items without train: 1, never ranked (1 pairs)" "traces alone reach" "auc@all"
long=$(awk '/@|^audit/ { on = 1 } on && length > 60' out)
[ -z "$long" ] || fail "more than 60 columns: $long"
run 0 "$rankine" train exp.yaml --run again --json --quiet
json "abs(j['report']['trace']['test']['ndcg@5'] - $(wanted ndcg)) < 1e-12"
json "abs(j['report']['trace']['test']['hit@5'] - $(wanted hit)) < 1e-12"
json "j['report']['audit']['test']['in_relations'] == $(wanted any)"
json "j['report']['style'] == 'recbole'"
json "'expected' not in j['report'] and 'among_candidates' not in j['report']"
grep -q "pairs in the relation <bdi>view</bdi></td><td>$(wanted view)" full/report.html ||
    fail "the page does not say what the relation view has"
run 0 "$rankine" evaluate full --json
json "abs(j['trace']['ndcg@5'] - $(wanted ndcg)) < 1e-12 and j['audit']['pairs'] == $(wanted pairs)"
json "[r['name'] for r in j['audit']['relations']] == ['view', 'cart']"
run 0 "$rankine" evaluate full
prints "  traces" "ties: " "audit     test: "
long=$(awk 'length > 60' out)
[ -z "$long" ] || fail "more than 60 columns: $long"

# Candidates: the draw and its expectation, which does not depend on the seed.
for seed in 1 2; do
    run 0 "$rankine" train exp.yaml --run drawn$seed --json --quiet --set split.candidates=6 \
        --set split.seed=$seed --set eval.among=candidates
    json "0 < j['report']['expected']['test']['ndcg@5'] < 1"
    json "'auc@all' not in j['report']['expected']['test']"
    python3 -c "import json
t = json.load(open('out'))['report']
print(t['expected']['test']['hit@5'], t['test']['hit@5'])" >values$seed
done
[ "$(cut -d' ' -f1 values1)" = "$(cut -d' ' -f1 values2)" ] ||
    fail "the expectation hangs on the draw"
[ "$(cut -d' ' -f2 values1)" != "$(cut -d' ' -f2 values2)" ] || fail "two draws give the same"
run 0 "$rankine" evaluate drawn1
prints "expected, all draws"
grep -q "Sampled: each held-out item was ranked among 6 drawn" drawn1/report.html ||
    fail "the page does not say that the ranking is sampled"
run 0 "$rankine" train exp.yaml --run by --json --quiet --set split.candidates=6 \
    --set split.candidates_by=popularity --set eval.among=candidates
json "j['report']['candidates_by'] == 'popularity' and 'expected' not in j['report']"
# What is of all items there, too, says so: on Movielens it is .88, among popular candidates .75.
json "j['report']['test']['auc@all'] == $(python3 -c "
import json; print(json.load(open('full/report.json'))['test']['auc@all'])")"
run 0 "$rankine" evaluate by
prints "auc@all is of all items"
grep -q "auc@all is of the order of all items" by/report.html ||
    fail "the page does not say what auc is of"
run 0 "$rankine" train exp.yaml --run text --set split.candidates=6 --set eval.among=candidates
prints "sampled: each item among 6" "auc@all: among all items"
run 0 "$rankine" train exp.yaml --run seeds --seeds 2 --set split.candidates=6 \
    --set eval.among=candidates --set model.kind=mf --set model.dim=4 --set train.epochs=1
prints "expected, test" "sampled: each item among 6 candidates"
cp seeds/report.json out
json "j['among_candidates'] == 6 and j['expected']['popularity']['test']['ndcg@5'] > 0"
json "j['expected']['test']['ndcg@5']['mean'] > 0"
run 3 "$rankine" prepare exp.yaml --set split.candidates=21
says "split.candidates is 21, but user"
run 2 "$rankine" train exp.yaml --run never --set split.candidates_by=popularity
says "split.candidates_by" "split.candidates is 0"

# Styles: implicit's precision counts all users together.
run 0 "$rankine" train exp.yaml --run style --set eval.style=implicit
prints "metrics as implicit counts them"
run 0 "$rankine" evaluate style --json
json "j['style'] == 'implicit' and j['metrics']['precision@5'] > 2 * $(python3 -c "
import json; print(json.load(open('full/report.json'))['test']['precision@5'])")"
run 0 "$rankine" train exp.yaml --run watched --set eval.metric=auc@all --quiet
run 2 "$rankine" train exp.yaml --run never --set eval.metric=auc@5
says "eval.metric is auc@5" "has no cut-off: write auc@all"

# Users who are held out, as files.
head -1 test.csv >given.csv
awk -F, 'NR > 1 && $1 >= 30' train.csv >>given.csv
awk -F, 'NR == 1 || $1 < 30' train.csv >known.csv
awk -F, 'NR == 1 || $1 >= 30' test.csv >held.csv
files='[{file: known.csv, part: train}, {file: given.csv, part: given},
    {file: held.csv, part: test}]'
run 0 "$rankine" train exp.yaml --run held --set "data.sources=$files" --set data.relations=[]
prints "given          50 interactions of 10 held-out users"
run 0 "$rankine" evaluate held --slices
prints "  5    " "ranges are numbers of train interactions, of held-out users of given ones"

# Time with a gap, and who listens again.
{
    echo user_id,item_id,timestamp
    printf '%s\n' 1,1,10 1,2,20 1,1,110 1,3,120 2,1,30 2,2,40 2,2,115 2,4,95 3,3,50 3,1,60 3,3,140
} >plays.csv
cat >plays.yaml <<'YAML'
data: {sources: [{file: plays.csv, time: timestamp, time_unit: s}], repeats: each_part}
split: {kind: time, test_from: 100, gap: 10, valid: 0}
model: {kind: popularity}
eval: {seen: rank, k: [2], metrics: [recall], metric: recall@2}
YAML
run 0 "$rankine" train plays.yaml --run plays
# Most popular are 1 (three users), then 2 and 3; held out are {1, 3}, {2} and {3}.
prints "gap            1 interactions are in no part" "in train, too: 3" "recall@2      0.50000"
run 2 "$rankine" train plays.yaml --run never --set eval.seen=leave_out
says "could never be hit: set eval.seen=rank"
run 2 "$rankine" train plays.yaml --run never --set split.kind=leave_one_out --set split.gap=0
says "take split.kind time or given"

finish
