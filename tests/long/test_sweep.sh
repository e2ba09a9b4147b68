#!/usr/bin/env bash
# Sweeps that are killed twenty times at random moments: the same trials, the same bits.
. "$(dirname "$0")/../cli/sweep_kill.sh"
. "$(dirname "$0")/../cli/lib.sh"

small_data demo
settings=(--set train.epochs=9 --set model.dim=8 --set "eval.k=[10]" --set eval.metric=ndcg@10)
cat >space.yaml <<'YAML'
train.learning_rate: {log: [1e-4, 1e-1]}
model.kind: [mf, lightgcn]
model.layers: {int: [1, 3]}
"loss.kind+sampling.negatives": [[bpr, uniform], [softmax, in_batch], [bpr, in_batch]]
YAML
for method in random halving tpe; do
    killed $method 15 20 "${settings[@]}"
done
killed tpe 12 20 "${settings[@]}" --final-seeds 2
sed -i 's/{log.*/[0.001, 0.01]/' space.yaml
killed grid 20 20 "${settings[@]}"

finish
