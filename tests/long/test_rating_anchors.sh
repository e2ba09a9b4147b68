#!/usr/bin/env bash
# Predicted ratings of ml-latest-small, on the split that scikit-learn's train_test_split makes
# (test_size 0.2, random_state 42, over the rows of the file): scaled MSE beside figures of NumPy
# scripts and scikit-surprise. All printed.
. "$(dirname "$0")/../cli/lib.sh"
ratings=${RANKINE_DATA:-}/ml-latest-small/ratings.csv
[ -f "$ratings" ] || { echo "no $ratings: left out"; exit 77; }
python3 -c 'import numpy' 2>/dev/null || {
    echo "no numpy, whose shuffle the split is: left out"
    exit 77
}
python3 - "$ratings" <<'PYTHON'
import math, sys
import numpy
head, *rows = open(sys.argv[1]).read().splitlines()
order = numpy.random.RandomState(42).permutation(len(rows))
n = math.ceil(0.2 * len(rows))
for name, chosen in (("test", order[:n]), ("train", order[n:])):
    open(name + ".csv", "w").write("\n".join([head] + [rows[i] for i in chosen]) + "\n")
PYTHON
cat >given.yaml <<'CONFIG'
data:
    value_range: [0.5, 5]
    sources:
        - {file: train.csv, format: movielens, value: rating, part: train}
        - {file: test.csv, format: movielens, value: rating, part: test}
split: {carve_valid: 0.1}
eval: {metric: rmse}
CONFIG
# figure WHOSE EXPECTED SETTINGS...: at most so much
figure() {
    local whose=$1 expected=$2
    shift 2
    [ $# = 0 ] || run 0 "$rankine" train given.yaml --run run --force --device cpu --quiet "$@"
    run 0 "$rankine" evaluate run --json --quiet
    echo "$* $whose: $(python3 -c "import json
print(json.load(open('out'))['ratings']['$whose']['mse_scaled'])") (at most $expected)"
    json "j['ratings']['$whose']['mse_scaled'] <= $expected + 0.5e-5"
}
all=(--set split.carve_valid=0 --set eval.every=0 --set eval.select=last)
als=(--set model.kind=als --set model.dim=20)
figure model 0.0367 "${als[@]}" "${all[@]}" --set train.epochs=20
figure biases 0.03791
figure item_mean 0.04769
figure global_mean 0.05432
figure model 0.0367 "${als[@]}" --set train.epochs=20 --set train.refit=true
# as published, without biases: unseen items are rated with the mean (0 for them gives 0.0558)
figure model 0.0412 --set model.kind=als --set model.biases=false --set model.dim=10 \
    --set model.l2=0.1 "${all[@]}" --set train.epochs=20
figure model 0.0372 --set model.kind=svd --set model.dim=100 --set loss.kind=mse \
    --set loss.l2=0.2 --set sampling.positives=shuffle --set train.optimizer=sgd \
    --set train.batch=1024 --set train.learning_rate=2.5 --set train.epochs=80 \
    --set eval.every=4 --set train.refit=true
# asked for: 0.0375
figure model 0.0360 --set model.kind=gcn --set model.scorer=biased --set model.layers=1 \
    --set model.self=none --set loss.kind=mse --set loss.l2=0.1 --set sampling.positives=shuffle \
    --set train.learning_rate=2e-3 --set train.epochs=30 --set eval.patience=8
finish
