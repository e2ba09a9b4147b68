#!/usr/bin/env bash
# compare: options, metrics and paired tests, against the same numbers computed from the exports.
. "$(dirname "$0")/lib.sh"

python3 - <<'PYTHON'
import random
r = random.Random(5)
train, test = open("train.txt", "w"), open("test.txt", "w")
for user in range(150):
    items = [i for i in range(60) if r.random() < (0.5 if i % 3 == user % 3 else 0.05)]
    r.shuffle(items)
    print(user, *sorted(items[3:]), file=train)
    if user % 5:
        print(user, *sorted(items[:3]), file=test)
PYTHON
cat >exp.yaml <<'YAML'
data:
    sources:
        - {file: train.txt, format: adjacency, part: train}
        - {file: test.txt, format: adjacency, part: test}
model: {dim: 8, layers: 2}
train: {epochs: 4, batch: 128, learning_rate: 0.02}
eval: {k: [5, 10], metrics: [recall, ndcg, coverage], metric: ndcg@10, every: 0}
YAML
run 0 "$rankine" train exp.yaml --run a --quiet
run 0 "$rankine" train exp.yaml --run b --quiet --set model.kind=mf --set train.epochs=9
run 0 "$rankine" train exp.yaml --run seeds --seeds 2 --quiet --set train.epochs=9

run 0 "$rankine" compare a b seeds --quiet
prints "120 users of test" "[1] a, model of epoch 4" "[2] b, model of epoch 9" \
    "[3] seeds, mean of 2 seeds" "model.kind" "lightgcn" "train.epochs" "[2] - [1]" "[3] - [1]" \
    "95 % interval" "2,000 bootstrap replicates" "coverage@5"
silent
grep -q "run.device\|data\.\|eval\." out && fail "an option is shown that does not differ"
run 0 "$rankine" compare a a --quiet
prints "no option differs"

# A file of a whole model in the place of a run: none of its users differs from the run's. One that
# was fitted to train and valid cannot be looked at on valid.
run 0 "$rankine" train exp.yaml --run refitted --quiet --set train.refit=true \
    --set split.carve_valid=0.2
for name in b refitted; do
    run 0 "$rankine" export $name --format model --out $name.h5
    run 0 "$rankine" compare $name $name.h5 --json --quiet
    json 'j["runs"][1]["options"] == {}'
    json 'len({r["metrics"]["ndcg@10"]["value"] for r in j["runs"]}) == 1'
    json 'j["runs"][1]["metrics"]["ndcg@10"]["equal"] == j["users"]'
done
run 2 "$rankine" compare refitted refitted.h5 --part valid
says "refitted.h5" "fitted to train and valid" "name its run folder"
run 3 "$rankine" compare a exp.yaml
says "exp.yaml"

# Runs that count otherwise are all counted as the first does, and that is said.
run 0 "$rankine" train exp.yaml --run ranked --quiet --set eval.style=implicit --set eval.seen=rank
run 0 "$rankine" compare a ranked --quiet
prints "with eval.style recbole, as [1] has it" "with eval.seen leave_out, as [1] has it"
run 0 "$rankine" compare ranked a --quiet
prints "with eval.style implicit, as [1] has it"

run 0 "$rankine" compare a b seeds --json --quiet
cp out compared.json
json 'j["users"] == 120 and j["replicates"] == 2000'
json '[r["seeds"] for r in j["runs"]] == [1, 1, 2]'
json 'j["runs"][1]["options"] == {"model.kind": "mf", "train.epochs": "9"}'
json '"p" not in j["runs"][0]["metrics"]["ndcg@10"]'
json '"p" not in j["runs"][1]["metrics"]["coverage@5"]'
for name in a b seeds/seed-2020 seeds/seed-2021; do
    run 0 "$rankine" export $name --out "${name##*/}_out" --quiet
done
python3 - <<'PYTHON' || fail "other numbers than those from the exported embeddings"
import array, ast, json, math, statistics

def table(path):
    raw = open(path, "rb").read()
    end = 10 + int.from_bytes(raw[8:10], "little")
    rows, cols = ast.literal_eval(raw[10:end].decode())["shape"]
    values = array.array("f", raw[end:])
    return [values[i * cols:(i + 1) * cols] for i in range(rows)]

def lists(path):
    return {int(u): set(map(int, i)) for u, *i in map(str.split, open(path))}

train, test = lists("train.txt"), lists("test.txt")

def per_user(folder):
    users, items = table(f"{folder}/user_embeddings.npy"), table(f"{folder}/item_embeddings.npy")
    out = {"recall@5": [], "ndcg@10": []}
    for u, wanted in sorted(test.items()):
        scores = [(-sum(x * y for x, y in zip(users[u], v)), i) for i, v in enumerate(items)
                  if i not in train[u]]
        hits = [i in wanted for _, i in sorted(scores)[:10]]
        gain = sum(1 / math.log2(r + 2) for r in range(10) if hits[r])
        ideal = sum(1 / math.log2(r + 2) for r in range(min(10, len(wanted))))
        out["recall@5"].append(sum(hits[:5]) / len(wanted))
        out["ndcg@10"].append(gain / ideal)
    return out

runs = json.load(open("compared.json"))["runs"]
first = per_user("a_out")
seeds = [per_user("seed-2020_out"), per_user("seed-2021_out")]
others = {1: per_user("b_out"),
          2: {m: [(x + y) / 2 for x, y in zip(seeds[0][m], seeds[1][m])] for m in first}}
for metric in first:
    assert abs(runs[0]["metrics"][metric]["value"] - statistics.mean(first[metric])) < 1e-12
    for r, values in others.items():
        got = runs[r]["metrics"][metric]
        d = [y - x for x, y in zip(first[metric], values[metric])]
        mean, sd = statistics.mean(d), statistics.stdev(d)
        t = mean / (sd / math.sqrt(len(d)))
        assert abs(got["value"] - statistics.mean(values[metric])) < 1e-12, metric
        assert abs(got["difference"] - mean) < 1e-12 and abs(got["sd"] - sd) < 1e-12, metric
        assert abs(got["t"] - t) < 1e-9 * max(1, abs(t)), metric
        assert got["better"] == sum(x > 1e-15 for x in d), metric
        assert got["better"] + got["worse"] + got["equal"] == len(d), metric
        # the percentile interval is near the normal one for 120 users
        half = 1.96 * sd / math.sqrt(len(d))
        assert abs(got["low"] - (mean - half)) < 0.25 * half, metric
        assert abs(got["high"] - (mean + half)) < 0.25 * half, metric
spread = [statistics.mean(s["ndcg@10"]) for s in seeds]
assert abs(runs[2]["metrics"]["ndcg@10"]["sd_seeds"] - statistics.stdev(spread)) < 1e-12
PYTHON

# The same numbers each time, and by any number of threads; other replicates, another interval.
run 0 env OMP_NUM_THREADS=1 "$rankine" compare a b seeds --json --quiet
cmp -s out compared.json || fail "not reproducible"
run 0 "$rankine" compare a b --json --quiet --bootstrap 500 --confidence 50
json 'j["replicates"] == 500 and j["confidence"] == 0.5'

# What cannot be compared.
run 0 "$rankine" train exp.yaml --run other --quiet --set split.carve_valid=0.2
run 2 "$rankine" compare a other --quiet
says "users or split differ" "other"
no_output
run 2 "$rankine" compare a
says "two or more runs"
run 2 "$rankine" compare
says "needs a RUN"
run 3 "$rankine" compare a nothere
says "nothere is neither a run folder"
run 2 "$rankine" compare a b --confidence 0.95
says "--confidence"
run 2 "$rankine" compare a b --bootstrap 10
run 3 "$rankine" compare a b --part valid
says "none of 150 users has an item in valid"
rm seeds/report.json
run 2 "$rankine" compare a seeds
says "not finished"

finish
