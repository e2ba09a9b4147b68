#!/usr/bin/env bash
# Configs of RecBole: each key that is there, RecBole's defaults of those that are not, what is said
# and what is refused with its line.
. "$(dirname "$0")/lib.sh"

mkdir -p dataset/d
{
    printf 'user_id:token\titem_id:token\trating:float\ttimestamp:float\n'
    for u in $(seq 1 12); do
        for i in $(seq 1 8); do
            printf 'u%d\ti%d\t%d\t%d\n' "$u" "$(((u * i) % 13 + 1))" "$((i % 5 + 1))" "$((i * 10))"
        done
    done
} >dataset/d/d.inter
cat >base.yaml <<'END'
model: EASE
dataset: d
load_col:
    inter: [user_id, item_id, rating, timestamp]
val_interval: {rating: "[2,inf)"}
user_inter_num_interval: "(1,inf)"
eval_args:
    split: {LS: valid_and_test}
    order: TO
    mode: full
metrics: [Recall, NDCG, GAUC]
topk: [3, 5]
valid_metric: NDCG@3
END
run 0 "$rankine" train --recbole base.yaml --print-config
says "base.yaml:11: GAUC: left out" "rm_dup_inter"
config() { # KEY TEXT...: the resolved config has these lines
    for text in "$@"; do
        grep -qE "^ +$text( |$)" out || fail "the config lacks '$text'"
    done
}
config 'min_user: 2' 'kind: leave_one_out' 'order: time' 'ties: row' 'metric: ndcg@3' 'ids: text'
run 0 "$rankine" train --recbole base.yaml --run ease --quiet --device cpu
before=$(grep '@' out)
run 0 "$rankine" init --recbole base.yaml
run 0 "$rankine" train base-rankine.yaml --run again --quiet --device cpu
[ -n "$before" ] && [ "$(grep '@' out)" = "$before" ] || fail "init and train differ"

# ---- defaults of RecBole; keys of other models and unknown ones are said ----
printf 'model: LightGCN\ndataset: d\nn_layer: 3\nshrnk: 1\nstopping_step: 4\n' >g.yaml
run 0 "$rankine" train --recbole g.yaml --print-config
says "g.yaml:3: n_layer: passed over" "did you mean 'n_layers'" "g.yaml:4: shrnk"
config 'layers: 2' 'l2: 1e-05' 'l2_form: norm' 'init: xavier' 'epochs: 300' 'patience: 5' \
    'metric: mrr@10' 'positives: shuffle' 'batch: 2048'

# ---- true and false by PyYAML's words; names in maps ----
printf 'model: LightGCN\ndataset: d\nrequire_pow: yes\neval_args: {groupby: none}\n' >words.yaml
printf 'use_gpu: off\ntrain_neg_sample_args: {sample_nums: 4}\n' >>words.yaml
run 0 "$rankine" train --recbole words.yaml --print-config
says "words.yaml:4: groupby: passed over: no key of eval_args" \
    "words.yaml:6: sample_nums: passed over: no key of train_neg_sample_args"
config 'l2_form: squared' 'device: cpu' 'per_positive: 1'
sed -i 's/: yes/: maybe/' words.yaml
run 2 "$rankine" train --recbole words.yaml --print-config
says "words.yaml:3: require_pow is 'maybe'; True or False is wanted"
printf 'model: NeuMF\ndataset: d\nmf_train: no\n' >half.yaml
run 0 "$rankine" train --recbole half.yaml --print-config
config 'kind: mlp'

sed 's/LightGCN/BPR/' g.yaml >bpr.yaml
run 0 "$rankine" train --recbole bpr.yaml --print-config
config 'kind: mf' 'init: xavier_normal' 'l2: 0'

# ---- models with keys of their own, trained ----
cat >parts.yaml <<'END'
model: NeuMF
dataset: d
benchmark_filename: [train, valid, test]
load_col: {inter: [user_id, item_id]}
epochs: 2
alpha: 0.3
END
for part in train valid test; do
    "$rankine" export ease --format inter --out parts --force --quiet >/dev/null || fail "export"
    cp "parts/$part.inter" "dataset/d/d.$part.inter" || fail "no $part.inter"
done
run 0 "$rankine" train --recbole parts.yaml --run neumf --quiet --device cpu
run 0 "$rankine" train --recbole parts.yaml --print-config
says "parts.yaml:6: alpha: passed over: this model does not read it"
config 'part: valid' '- file: d.valid.inter' 'dropout_at: inputs' 'negative_weight: 1'
sed 's/NeuMF/SLIMElastic/' parts.yaml >slim.yaml
run 0 "$rankine" train --recbole slim.yaml --run slim --quiet --device cpu
run 2 "$rankine" train --recbole slim.yaml --run bad --set model.l2=-1
says "model.penalty_per_user is true" "set model.l2"

# ---- refused ----
refuse() { # SED TEXT
    sed "$1" base.yaml >bad.yaml
    run 2 "$rankine" train --recbole bad.yaml --run bad --device cpu
    says "$2"
    absent bad
}
refuse 's/EASE/NGCF/' "bad.yaml:1: the model NGCF"
refuse 's/EASE/Eas/' "bad.yaml:1: no counterpart of the model Eas"
refuse '/^model/d' "the key 'model' is missing"
refuse '/^dataset/d' "the key 'dataset' is missing"
refuse 's/mode: full/mode: labeled/' "bad.yaml:10: mode labeled"
refuse 's/(1,inf)/[1,9]/' "bad.yaml:6: user_inter_num_interval"
refuse 's/, timestamp//' "order TO needs the field timestamp"
refuse 's/order: TO/order: XX/' "bad.yaml:9: order is 'XX'"
refuse 's/topk: .*/topk: ten/' "bad.yaml:12 eval.k=ten"
refuse '$a topk: 5' "bad.yaml:14: 'topk' is there twice"
refuse '$a repeatable: True' "bad.yaml:14"
refuse 's/NDCG@3/GAUC/' "bad.yaml:13: valid_metric GAUC"
refuse '$a benchmark_filename: [train, test]' "bad.yaml:14: benchmark_filename names three files"
refuse 's/EASE/NeuMF/;$a use_pretrain: True' "bad.yaml:14: use_pretrain reads files of RecBole's"
refuse 's/EASE/NeuMF/;$a mlp_embedding_size: 32' "and mlp_embedding_size 32: here both halves"
refuse 's/EASE/SLIMElastic/;$a hide_item: False' "bad.yaml:14: hide_item False"
refuse 's/EASE/SLIMElastic/;$a l1_ratio: 2' "bad.yaml:14: l1_ratio is '2'"
sed 's/dataset: d/dataset: nosuch/' base.yaml >bad.yaml
run 3 "$rankine" train --recbole bad.yaml --run bad
says "nosuch.inter"
run 2 "$rankine" train base.yaml --recbole base.yaml
run 2 "$rankine" init
finish
