#!/usr/bin/env bash
# The page in Chromium: on generated titles, and on MovieLens where that is. Needs Debian's chromium
# and chromium-driver, and a Python (PYTHON) with tests/serve/requirements.txt.
. "$(dirname "$0")/../cli/lib.sh"
python=${PYTHON:-python3}
skip() {
    echo "skip: $*"
    exit 77
}
"$rankine" serve nowhere 2>&1 | grep -q libmicrohttpd && skip "this build has no rankine serve"
"$python" -c 'import selenium' 2>/dev/null ||
    skip "$python has no selenium (pip install -r tests/serve/requirements.txt; PYTHON=...)"
[ -x "${CHROMIUM:-/usr/bin/chromium}" ] && [ -x "${CHROMEDRIVER:-/usr/bin/chromedriver}" ] ||
    skip "no chromium or chromium-driver here"
serve=$RANKINE_SOURCE/tests/serve
export RANKINE PYTHONDONTWRITEBYTECODE=1
shots=${SHOTS:-$scratch/shots}

# Titles that would be markup, that are long, that run from right to left, that need folding.
python3 - <<'PYTHON'
odd = ["<img src=x onerror=alert(1)>", "</script><script>alert(2)</script>", "&lt;b&gt; \"quoted\"",
       "\u0141\u00f3d\u017a", "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd", "w" * 300,
       "\U0001f600 smiles", ""]
titles = [f"Star Wars {i}: {odd[i % len(odd)]}" for i in range(24)] + odd + [
    f"Another film {i}" for i in range(88)]
with open("items.csv", "w", encoding="utf-8") as file:
    file.write("item_id,title\n" + "".join(
        f'{i},"{title}"\n'.replace('"quoted"', '""quoted""') for i, title in enumerate(titles)))
with open("ratings.csv", "w", encoding="utf-8") as file:
    file.write("user_id,item_id\n" + "".join(
        f"{user},{(7 * user + 11 * k + k * k * (user % 5)) % 120}\n"
        for user in range(1, 200) for k in range(12)))
PYTHON
cat >odd.yaml <<'CONFIG'
data: {sources: [{file: ratings.csv, user: user_id, item: item_id}]}
labels: {file: items.csv, id: item_id, text: title}
model: {kind: item_knn}
split: {kind: ratio, valid: 0, test: 0}
CONFIG
run 0 "$rankine" train odd.yaml --run odd --quiet --device cpu
run 0 "$python" "$serve/walk.py" odd --words "star wars" --shots "$shots/odd"
movies=$RANKINE_DATA/ml-latest-small
if [ -f "$movies/movies.csv" ]; then
    cat >movies.yaml <<'CONFIG'
data:
    name: movielens
    sources: [{file: ratings.csv, format: movielens, where: rating >= 4}]
labels: {file: movies.csv, id: movieId}
split: {kind: ratio}
model: {kind: ease, l2: 200}
CONFIG
    run 0 "$rankine" train movies.yaml --data "$movies" --run movies --quiet --device cpu
    run 0 "$python" "$serve/walk.py" movies --words "star wars" --shots "$shots/movies"
fi
finish
