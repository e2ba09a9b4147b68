#!/usr/bin/env bash
# Models that are solved for, from the command line: the program of a phase, a profile, several
# seeds, comparisons, lists for somebody new, export, the model in one file, and what is refused
# with which exit code.
. "$(dirname "$0")/lib.sh"
small_data demo
sed '/^train:/,$d' demo/synth.yaml >demo/solved.yaml # whose options nobody of these reads
small=(--device cpu --quiet --set "eval.k=[10]" --set eval.metric=ndcg@10
    --set eval.select=last)
ials=(--set model.kind=ials --set model.dim=8 --set train.epochs=3)
knn=(--set model.kind=item_knn --set model.neighbours=20)

# ---- every kind, from training to answers ----
for kind in popularity item_knn user_knn slim turbo_cf ease gf_cf pure_svd ials; do
    more=(--set "model.kind=$kind")
    [ $kind != item_knn ] || more=("${knn[@]}")
    [ $kind != gf_cf ] && [ $kind != pure_svd ] || more+=(--set model.dim=8)
    [ $kind != ials ] || more=("${ials[@]}")
    run 0 "$rankine" train demo/solved.yaml --run "$kind" "${small[@]}" "${more[@]}"
    run 0 "$rankine" evaluate $kind --json --quiet
    json "0 < j['metrics']['recall@10'] < 1"
    json "j['epoch'] == $([ $kind = ials ] && echo 3 || echo 1)"
    [ $kind = popularity ] || json "j['metrics']['ndcg@10'] > j['popularity']['ndcg@10']"
    [ $kind != popularity ] || json "j['metrics'] == j['popularity']"
    run 0 "$rankine" recommend $kind --user 3 --top 5 --json
    json "len(j[0]['recommendations']) == 5 and j[0]['basis'] == 'model'"
    cp out before
    run 0 "$rankine" recommend $kind --items 3,17,40 --top 5 --json
    json "len(j[0]['recommendations']) == 5 and j[0]['items'] == [3, 17, 40]"
    json "not {3, 17, 40} & {r['item'] for r in j[0]['recommendations']}"
    run 0 "$rankine" export $kind --out "tensors-$kind"
    run 0 "$rankine" export $kind --format model --out "$kind.rankine"
    run 0 "$rankine" recommend $kind.rankine --user 3 --top 5 --json
    cmp -s out before || fail "$kind.rankine answers otherwise than $kind"
    # beside the others: a finished run is reported again, the program and a profile are there
    run 0 "$rankine" train demo/solved.yaml --run "$kind" --resume "${small[@]}" "${more[@]}"
    run 0 "$rankine" train demo/solved.yaml "${small[@]}" "${more[@]}" --print-program
    cp out "program-$kind"
    run 0 "$rankine" train demo/solved.yaml --run "profile-$kind" --profile "${small[@]}" \
        "${more[@]}"
    [ -s "profile-$kind/profile.csv" ] || fail "profile-$kind has no profile.csv"
    run 0 "$rankine" train demo/solved.yaml --run "eager-$kind" "${small[@]}" "${more[@]}" --eager
    cmp -s "$kind/last.h5" "eager-$kind/last.h5" || fail "$kind: other numbers with --eager"
done
grep -q side_gram program-ials && grep -q als_sweep program-ials || fail "the program of ials"
grep -q count_gram program-ease && grep -q spd_inverse program-ease || fail "the program of ease"
grep -q ritz program-gf_cf && grep -q orthonormalise program-pure_svd || fail "singular vectors"
grep -q item_neighbours program-item_knn || fail "the program of item_knn"
grep -q als_sweep profile-ials/profile.csv || fail "the profile of ials has no als_sweep"
grep -q spd_inverse profile-ease/profile.csv || fail "the profile of ease has no spd_inverse"

# ---- several seeds, and runs of other kinds beside each other ----
run 0 "$rankine" train demo/solved.yaml --run seeds --seeds 3 "${small[@]}" "${ials[@]}"
run 0 "$rankine" compare item_knn ials seeds --json
json "len(j['runs']) == 3 and j['runs'][2]['seeds'] == 3"
json "[run['options']['model.kind'] for run in j['runs']] == ['item_knn', 'ials', 'ials']"
run 0 "$rankine" compare item_knn ials
prints "model.kind" "item_knn" "ials" "ndcg@10"

# ---- sweep after sweep is as many at once; a run shows its program ----
run 0 "$rankine" train demo/solved.yaml --run five "${small[@]}" "${ials[@]}" --set train.epochs=5
run 0 "$rankine" train --run ials --resume --set train.epochs=5 --quiet
cmp -s five/last.h5 ials/last.h5 || fail "3 and 2 sweeps are not 5"
run 0 "$rankine" info ials --program
prints "als_sweep"

# ---- what is refused ----
# refused CODE TEXT SETTINGS...: nothing is there afterwards
refused() {
    local code=$1 text=$2
    shift 2
    run "$code" "$rankine" train demo/solved.yaml --run no "${small[@]}" "$@"
    says "$text"
    absent no
}
refused 2 "train.learning_rate" --set model.kind=ease --set train.learning_rate=0.5
refused 2 "loss.kind" --set model.kind=ials --set loss.kind=ccl
refused 2 "model.neighbours" --set model.kind=ease --set model.neighbours=5
refused 2 "model.neighbours is 120" --set model.kind=item_knn --set model.neighbours=120
refused 2 "the filter is applied as a whole" --set model.kind=turbo_cf --set model.neighbours=5
refused 2 "model.dim is 121" --set model.kind=ials --set model.dim=121
refused 2 "model.l2" --set model.kind=ials --set model.l2=nan
refused 2 "model.l2" --set model.kind=ials --set model.l2=-3
refused 2 "model.confidence" --set model.kind=ials --set model.weighting=confidence \
    --set model.confidence=-1
refused 2 "model.half_life" --set model.kind=popularity --set model.half_life=-1
sed -e '/time: timestamp/d' -e '/order: time/d' demo/solved.yaml >demo/timeless.yaml
run 3 "$rankine" train demo/timeless.yaml --run no "${small[@]}" --set model.kind=popularity \
    --set model.half_life=3
says "needs the times"
absent no
run 2 "$rankine" train demo/solved.yaml --run ease --resume "${small[@]}" --set model.kind=ease \
    --set model.l2=7
says "model.l2 was"
run 0 "$rankine" evaluate ease --json --quiet

# ---- a matrix without an inverse: two items that the same users have ----
mkdir twins
awk 'BEGIN { for (u = 0; u < 60; u++) for (i = 0; i < 8; i++) { d = i == 7 ? 3 : i
    if ((u * 7 + d * d * 5 + u * d) % 4 < 2 || u % 8 == d) print u "," i } }' >twins/train.csv
cat >twins/twins.yaml <<'CONFIG'
data:
    sources:
        - {file: train.csv, part: train, header: false, user: "0", item: "1"}
CONFIG
run 5 "$rankine" train twins/twins.yaml --run singular --device cpu --quiet --set "eval.k=[5]" \
    --set eval.metric=ndcg@5 --set model.kind=ease --set model.l2=0
says "inverse failed" "not positive definite; set a larger model.l2"
absent singular/report.json singular/best.h5 singular/last.h5
finish
