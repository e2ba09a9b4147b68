#!/usr/bin/env bash
# --eager: the same training, and the operation that fails is named.
. "$(dirname "$0")/lib.sh"

small_data demo
quick=(--device cpu --set train.epochs=1 --set model.dim=8 --set "eval.k=[10]"
    --set eval.metric=ndcg@10)
run 0 "$rankine" train demo/synth.yaml --run plain "${quick[@]}"
run 0 "$rankine" train demo/synth.yaml --run eager --eager "${quick[@]}"
for name in plain eager; do
    run 0 "$rankine" export $name --out ${name}_export --quiet
done
cmp plain_export/item_embeddings.npy eager_export/item_embeddings.npy || fail "other weights"
run 5 "$rankine" train demo/synth.yaml --run wild --eager "${quick[@]}" --set train.optimizer=sgd \
    --set train.learning_rate=1e30 --set model.init_sd=100
says "step " ": node " "of program train made" "train.learning_rate"
absent wild/report.json
finish
