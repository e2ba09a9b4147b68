#!/usr/bin/env bash
# The metrics of `rankine evaluate` are those of the lists of `rankine recommend`: every kind of
# model on generated data; each way to score on ml-100k split at moments of time, so that there are
# users and items without train rows, and on lastfm. check_lists.py goes by the files alone.
. "$(dirname "$0")/lib.sh"
checker=$RANKINE_SOURCE/tests/cli/check_lists.py
export PYTHONDONTWRITEBYTECODE=1

# evaluate_equals_recommend NAME CONFIG KIND...: the parts are in NAME/train, valid and test
evaluate_equals_recommend() {
    local name=$1 config=$2 kind run part settings
    shift 2
    for kind in "$@"; do
        run=$name-$kind
        settings=(--set "model.kind=$kind" --set "eval.k=[10, 20]" --set eval.every=0
            --set eval.select=last)
        case $kind in
        lightgcn | mf | lightgcn++)
            settings+=(--set train.epochs=1 --set train.steps_per_epoch=20 --set model.dim=16)
            ;;
        gf_cf | pure_svd) settings+=(--set model.dim=16) ;;
        ials) settings+=(--set train.epochs=2 --set model.dim=16) ;;
        esac
        run 0 "$rankine" train "$config" --run "$run" --device cpu --quiet "${settings[@]}"
        for part in valid test; do
            [ -s "$name/$part" ] || continue
            run 0 "$rankine" evaluate "$run" --part $part --json --quiet
            mv out "$run.json"
            seen=$([ $part = test ] && echo valid || echo train)
            run 0 "$rankine" recommend "$run" --all --seen "$seen" --top 20 --tsv
            mv out "$run.tsv"
            run 0 python3 "$checker" "$name" $part "$run.json" "$run.tsv"
            cat out
        done
    done
}

# ---- generated: an item in ten of each user in valid and one in test ----
small_data demo
mkdir generated
awk -F, 'NR > 1 { part = NR % 10 == 0 ? "valid" : NR % 10 == 5 ? "test" : "train"
    print $1 "\t" $2 > "generated/" part }' demo/ratings.csv
given() { # NAME: a config of the files NAME/train, NAME/valid and NAME/test
    echo 'data:'
    echo '    sources:'
    for part in train valid test; do
        [ -s "$1/$part" ] || continue
        echo "        - {file: $1/$part, part: $part, separator: \"\\t\", header: false,"
        echo '           user: "0", item: "1"}'
    done
}
given generated >generated.yaml
evaluate_equals_recommend generated generated.yaml \
    lightgcn mf lightgcn++ popularity item_knn ease gf_cf pure_svd ials

# ---- a global split by time: the catalogue is that of all parts ----
if [ -f "$RANKINE_DATA/ml-100k/u.data" ]; then
    mkdir ml
    awk '{ part = $4 >= 890000000 ? "test" : $4 >= 888000000 ? "valid" : "train"
        print $1 "\t" $2 > "ml/" part }' "$RANKINE_DATA/ml-100k/u.data"
    cat >ml.yaml <<CONFIG
data:
    root: "$RANKINE_DATA/ml-100k"
    cache: "$scratch/cache"
    sources:
        - {file: u.data, format: movielens}
split: {kind: time, valid_from: 888000000, test_from: 890000000}
CONFIG
    evaluate_equals_recommend ml ml.yaml lightgcn popularity item_knn ials
    python3 - <<'PYTHON' || fail "the split has no users or no items without train rows"
parts = {part: [line.split() for line in open(f"ml/{part}")] for part in ("train", "test")}
for column in 0, 1:
    train, test = ({row[column] for row in parts[part]} for part in ("train", "test"))
    print(len(test - train), ("users", "items")[column], "of test have no train row")
    assert len(test - train) > 10
PYTHON
else
    echo "left out: $RANKINE_DATA/ml-100k/u.data is not there"
fi

# ---- published parts ----
lastfm=$RANKINE_DATA/lastfm/lightgcn-pytorch
if [ -f "$lastfm/data1.txt" ]; then
    mkdir lastfm
    tr -d '\r' <"$lastfm/data1.txt" | cut -f 1,2 >lastfm/train
    tr -d '\r' <"$lastfm/test1.txt" | cut -f 1,2 >lastfm/test
    given lastfm >lastfm.yaml
    evaluate_equals_recommend lastfm lastfm.yaml mf ease pure_svd
else
    echo "left out: $lastfm is not there"
fi
finish
