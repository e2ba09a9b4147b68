#!/usr/bin/env bash
# Link prediction from the command line: triples are prepared, both directions evaluated, queries
# answered, new triples ranked; a query that nobody has asked is named.
. "$(dirname "$0")/lib.sh"
awk 'BEGIN { srand(5)
    for (h = 0; h < 20; h++) for (r = 0; r < 2; r++) for (t = 0; t < 20; t++)
        if ((h + r) % 4 == t % 4 && rand() < 0.6) {
            part = rand() < 0.1 ? "test" : rand() < 0.1 ? "valid" : "train"
            printf "e%d\tleads %d\te%d\n", h, r, t >(part ".txt") } }'
cat >links.yaml <<'END'
data:
  ids: text
  sources:
  - {file: train.txt, part: train, separator: "\t", header: false,
     user: "0", relation: "1", item: "2"}
  - {file: valid.txt, part: valid, separator: "\t", header: false,
     user: "0", relation: "1", item: "2"}
  - {file: test.txt, part: test, separator: "\t", header: false,
     user: "0", relation: "1", item: "2"}
split: {kind: given}
model: {kind: distmult, dim: 8, encoder: compgcn, layers: 1, activation: tanh}
loss: {kind: bce}
sampling: {positives: each_user, negatives: all}
train: {epochs: 30, batch: 16, learning_rate: 0.02}
eval:
  metrics: [filtered_mrr, filtered_mr, filtered_hit]
  k: [1, 3]
  metric: filtered_mrr@all
  every: 10
END
run 0 "$rankine" prepare links.yaml --json
json "j['items'] == 20"
run 0 "$rankine" train links.yaml --run run --device cpu --quiet
prints "filtered_mrr@all" "filtered_hit@3" "chosen by filtered_mrr@all"
run 0 "$rankine" evaluate run --json --quiet
json "j['metrics']['filtered_mrr@all'] > 1.2 * j['popularity']['filtered_mrr@all']"
mr=$(python3 -c "import json; print(json.load(open('out'))['metrics']['filtered_mr@all'])")
json "j['metrics']['filtered_mr@all'] < j['popularity']['filtered_mr@all']"
run 0 "$rankine" recommend run --user "e3 > leads 1" --top 2 --json
json "len(j[0]['recommendations']) == 2"
run 0 "$rankine" recommend run --user "e4 < leads 1" --top 3
prints "e4 < leads 1"
run 3 "$rankine" recommend run --user "e4 < leads 9"
says "e4 < leads 9"
{ cat test.txt; printf 'e0\tleads 0\te99\n'; } >new.txt
run 0 "$rankine" evaluate run --data new.txt --json --quiet
json "j['holdout']['pairs'] > 10"
json "j['holdout']['unknown_users'] + j['holdout']['unknown_items'] == 2"
json "abs(j['metrics']['filtered_mr@all'] - $mr) < 1e-9"
run 0 "$rankine" similar run --items e1 --top 3

# A run is gone on from with the same entities and relations only: others would get their rows.
run 0 "$rankine" train links.yaml --run again --from run --device cpu --quiet --set train.epochs=0
run 0 "$rankine" evaluate again --json --quiet
json "abs(j['metrics']['filtered_mr@all'] - $mr) < 1e-9"
for part in train valid test; do
    sed -i 's/leads 0/trails/' $part.txt
done
run 3 "$rankine" train links.yaml --run other --from run --device cpu --quiet
says "the entities or relations of the data set are not those of the run to begin from"

# However many tensors a model has, each gets a file.
run 0 "$rankine" train links.yaml --run conv --device cpu --quiet --set model.kind=conve \
    --set model.image_width=4 --set model.filters=2 --set model.layers=2 --set train.epochs=1
run 0 "$rankine" export conv
[ -s conv/export/filters.npy ] && [ -s conv/export/layer2_loop.npy ] || fail "tensors are missing"
finish
