#!/usr/bin/env bash
# Pages of rankine report and compare in Chromium, at the widths of a desk and of a phone, in the
# light and in the dark. Needs what tests/long/test_page.sh needs.
. "$(dirname "$0")/../cli/lib.sh"
python=${PYTHON:-python3}
skip() {
    echo "skip: $*"
    exit 77
}
"$python" -c 'import selenium' 2>/dev/null ||
    skip "$python has no selenium (pip install -r tests/serve/requirements.txt; PYTHON=...)"
[ -x "${CHROMIUM:-/usr/bin/chromium}" ] && [ -x "${CHROMEDRIVER:-/usr/bin/chromedriver}" ] ||
    skip "no chromium or chromium-driver here"
export PYTHONDONTWRITEBYTECODE=1

# Long ids without a blank, titles from right to left, names of runs that are paths.
small_data demo
python3 - <<'PYTHON'
rows = open("demo/items.csv", encoding="utf-8").read().splitlines()
odd = ["w" * 300, "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd", "<b>bold</b>",
       "\U0001f600 smiles"]
for i in range(1, len(rows)):
    rows[i] = f"{i},{odd[i % 4]} {i}"
open("demo/items.csv", "w", encoding="utf-8").write("\n".join(rows) + "\n")
PYTHON
settings=(--set train.epochs=6 --set model.dim=8 --quiet)
long=a-run-whose-name-says-everything-about-its-options-and-goes-on-and-on-for-long
run 0 "$rankine" train demo/synth.yaml --run $long "${settings[@]}"
run 0 "$rankine" train demo/synth.yaml --run mf "${settings[@]}" --set model.kind=mf
run 0 "$rankine" train demo/synth.yaml --run seeds "${settings[@]}" --seeds 2
sed '/^model:/,/^[a-z]*:$/d; /^train:/,/^[a-z]*:$/d' demo/synth.yaml >demo/plain.yaml
run 0 "$rankine" train demo/plain.yaml --run ease --set model.kind=ease --quiet
cat >space.yaml <<'YAML'
train.learning_rate: {log: [1e-3, 1e-1]}
model.dim: [4, 8, 16]
model.layers: {int: [1, 3]}
loss.l2: {log: [1e-6, 1e-2]}
"loss.kind+sampling.negatives": [[bpr, uniform], [softmax, in_batch]]
YAML
run 0 "$rankine" sweep demo/synth.yaml --space space.yaml --trials 8 --run sweep "${settings[@]}"
for one in $long ease seeds sweep; do
    run 0 "$rankine" report $one --out $one.html --quiet
done
run 0 "$rankine" report $long mf ease seeds --out several.html --quiet
run 0 "$rankine" compare $long mf --html tests.html --quiet
run 0 "$python" "$RANKINE_SOURCE/tests/serve/look.py" ./*.html ${SHOTS:+--shots "$SHOTS"}
no_output

finish
