#!/usr/bin/env bash
# report and compare --html: the page's structure by a parser of HTML, its numbers against
# report.json, hostile titles, runs that are not finished, several runs, seeds, sweeps, bad input.
. "$(dirname "$0")/lib.sh"

# page FILE PYTHON: the page is what pages are, and the expression is true (page.py).
page() {
    python3 "$RANKINE_SOURCE/tests/cli/page.py" "$1" "$2" || fail "page $1: $2"
}

run 0 "$rankine" synth demo --users 80 --items 40 --interactions 1200 --clusters 2 --quiet
python3 - <<'PYTHON'
rows = open("demo/items.csv").read().splitlines()
rows[1] = '1,"<script>alert(1)</script> & ""quoted"" \'s"'
for i in range(2, len(rows)):
    rows[i] = f'{i},"</td></table><img src=x onerror=alert({i})>"'
open("demo/items.csv", "w").write("\n".join(rows) + "\n")
PYTHON
small=(--set train.epochs=4 --set eval.every=2 --set model.dim=4 --set train.batch=256)
run 0 "$rankine" train demo/synth.yaml --run a --quiet "${small[@]}"
# The page that training writes: by the same maker, without a model that is asked.
page a/report.html "all([r[0], value(j['test'][r[0]]), value(j['popularity']['test'][r[0]])] ==
    r[:3] for r in tables['metrics'][1:]) and len(tables['metrics']) == 1 + len(j['test']) - 2"
page a/report.html "'train a' not in text and 'rankine train demo/synth.yaml --run a' in text"
page a/report.html "['train.epochs', '4'] in tables['options'] and 'Samples' not in text"

run 0 "$rankine" report a
says "the page, for a browser: a/report.html"
page a/report.html "'<script>alert(1)</script>' in text and 'onerror=alert(' in text"
page a/report.html "source.count('<svg') >= 12 and len(source) < 300000"
page a/report.html "all(value(j['test'][r[0]]) == r[1] for r in tables['metrics'][1:])"
# What the model answered anew is what the run reported.
page a/report.html "(lambda by, k: by['recall'][k] == value(j['test']['recall@10']) and
    by['ndcg'][k] == value(j['test']['ndcg@10']))(
    {r[0]: r for r in tables['by-k'][1:11]}, tables['by-k'][0].index('@10'))"
run 0 "$rankine" evaluate a --slices --json --quiet
python3 -c "import json; print(json.dumps(
    [[s['of'], s['users'], s['pairs'], s['metrics']['ndcg@10']]
     for s in json.load(open('out'))['slices']]))" >slices
for side in users items; do
    page a/report.html "[[str(s[1]), str(s[2]), value(s[3])] for s in json.load(open('slices'))
        if s[0] == '$side'] == [r[1:4] for r in tables['slices $side'][1:]]"
done

# Several runs: what differs, and refusing to replace a file.
run 0 "$rankine" train demo/synth.yaml --run b --quiet "${small[@]}" --set model.kind=mf
run 0 "$rankine" report a b --quiet
silent
page report.html "[r for r in tables['options'] if r[0] == 'model.kind'][0][1:] ==
    ['lightgcn', 'mf']"
page report.html "tables['metrics'][0] == ['metric', 'popularity', 'a', 'b']"
run 2 "$rankine" report a b
says "report.html"
run 0 "$rankine" report a b --fast --quiet --force
page report.html "'Samples' not in text and 'by-k' not in tables"
run 0 "$rankine" compare a b --html both.html --json --quiet
python3 -c "import json; m = json.load(open('out'))['runs'][1]['metrics']['ndcg@10']
json.dump([m['difference'], m['low'], m['high'], m['better']], open('paired', 'w'))"
page both.html "(lambda row, p: [float(x) for x in row[3:6]] == [round(v, 5) for v in p[:3]] and
    row[8] == str(p[3]))([r for r in tables['paired'] if r[0] == 'ndcg@10'][0],
    json.load(open('paired')))"
run 2 "$rankine" compare a b --force
says "--html FILE"

# Other data beside it, one in closed form, seeds, a file of a model, a run that is not finished.
run 0 "$rankine" train demo/synth.yaml --run other --quiet "${small[@]}" \
    --set split.seed=9 --set split.kind=leave_one_out --set split.order=random
run 0 "$rankine" report a other --out mixed.html --quiet
page mixed.html "'different data sets' in text and 'popularity' not in tables['metrics'][0]"
run 0 "$rankine" train demo/synth.yaml --run seeds --quiet --seeds 2 "${small[@]}"
run 0 "$rankine" report seeds --quiet
page seeds/report.html "'Over 2 seeds' in text and 'seeds/seed-2021' in text"
run 0 "$rankine" export a --format model --out a.h5
run 0 "$rankine" report a.h5 --out file.html --quiet
page file.html "'by-k' in tables and 'lightgcn' in text"
cp -r a half && rm half/report.json half/report.html
printf '{"epoch": 5, "lo' >>half/metrics.jsonl
run 0 "$rankine" report half --quiet
page half/report.html "'Not finished: 4 epochs' in text and 'by-k' in tables"
cp -r a bare && rm bare/data.h5 bare/best.h5 bare/last.h5
run 0 "$rankine" report bare
says "bare" "the page shows what the run wrote itself"
page bare/report.html "'could not be asked' in text"

# A sweep, finished or not.
mkdir sweep && cp a/config.yaml sweep/
cat >sweep/trials.jsonl <<'JSON'
{"event": "asked", "trial": 1, "options": {"model.dim": 4, "loss.kind": "bpr", "train.rate": 0.001}}
{"event": "done", "trial": 1, "epochs": 4, "value": 0.25, "seconds": 1.5}
{"event": "asked", "trial": 2, "options": {"model.dim": 8, "loss.kind": "<b>", "train.rate": 0.1}}
{"event": "done", "trial": 2, "epochs": 4, "value": 0.5, "seconds": 1.5}
{"event": "asked", "trial": 3, "options": {"model.dim": 8, "train.rate": 0.01}}
{"event": "failed", "trial": 3, "why": "the loss is not a number"}
JSON
run 0 "$rankine" report sweep --quiet
page sweep/report.html "[r[0] for r in tables['trials'][1:]] == ['2', '1', '3']"
page sweep/report.html "'Not finished' in text and source.count('<svg') == 4 and '<b>' in text"
page sweep/report.html "tables['trials'][3][2] == 'failed' and tables['trials'][3][6] == '-'"
# What is hostile in ids, titles, names of runs, data sets and metrics comes out as text.
python3 - <<'PYTHON'
import csv, json, random
bad = ["<script>alert(1)</script>", "\"><img src=x onerror=alert(2)>", "'; alert(3); '", "]]>",
       "</style><b>", "<!-- x", "&lt;b&gt;", "\u202eevil", "\u05e9\u05dc\u05d5\u05dd", "x" * 400,
       "%s%n", "</svg>"]
random.seed(3)
with open("hostile.jsonl", "w", encoding="utf-8") as file:
    for u in range(60):
        for i in random.sample(range(40), 12):
            pair = {"user": f"{bad[u % 12]}{u}", "item": f"{bad[i % 12]}{i}"}
            file.write(json.dumps(pair) + "\n")
with open("titles.csv", "w", encoding="utf-8") as file:
    rows = csv.writer(file)
    rows.writerow(["item", "title"])
    rows.writerows([f"{bad[i % 12]}{i}", f"{bad[(i + 5) % 12]} of {i}"] for i in range(0, 40, 2))
PYTHON
cat >hostile.yaml <<'YAML'
data:
    name: "</title><script>alert(4)</script>"
    ids: text
    sources:
        - {file: hostile.jsonl, format: jsonl, user: user, item: item}
labels: {file: titles.csv, id: item, text: title}
split: {kind: leave_one_out, order: random}
YAML
folders=("<script>alert(5)<" $'\u202eevil " onmouseover=alert(6) \'' ']]><b>')
for folder in "${folders[@]}"; do
    run 0 "$rankine" train hostile.yaml --run "$folder" --quiet "${small[@]}"
    page "$folder/report.html" "'<script>alert(4)' in text"
done
for epoch in 5 6; do
    echo '{"epoch": '$epoch', "<img src=y>": '$epoch', "valid": {"\"><script>@10": 0.5}}'
done >>"${folders[0]}/metrics.jsonl"
run 0 "$rankine" report "${folders[@]}" --out hostile.html --samples 12 --quiet
page hostile.html "all(word in text for word in ('<script>alert(1)', '<img src=x', ']]>', '<!-- x',
    'x' * 400, '%s%n', '&lt;b', '<script>alert(5)<', 'onmouseover=alert(6)', '<img src=y>'))"
run 0 "$rankine" report "${folders[0]}" --quiet
page "${folders[0]}/report.html" "'\"><script>@10' in text"
run 0 "$rankine" compare "${folders[@]}" --html hostile-tests.html --quiet
page hostile-tests.html "'<script>alert(5)<' in text"
cat >>sweep/trials.jsonl <<'JSON'
{"event": "asked", "trial": 4, "options": {"\"><script>alert(7)": "]]><b>", "loss.kind": "</svg>"}}
{"event": "done", "trial": 4, "epochs": 4, "value": 0.125, "seconds": 1.5}
{"event": "asked", "trial": 5, "options": {"model.dim": 8, "loss.kind": "<b>"}}
{"event": "failed", "trial": 5, "why": "<script>alert(8)</script>"}
JSON
run 0 "$rankine" report sweep --quiet
page sweep/report.html "all(word in text
    for word in ('\"><script>alert(7)', ']]><b>', 'alert(8)<'))"

# Bad input.
run 2 "$rankine" report sweep a --out no.html
says "sweep is a sweep"
echo '{"event": ' >>sweep/trials.jsonl
run 3 "$rankine" report sweep
says "sweep/trials.jsonl:11" "damaged"
run 3 "$rankine" report missing --out no.html
says "missing is no run folder"
absent missing no.html
run 2 "$rankine" report
cp -r a broken && echo '{"test": ' >broken/report.json
run 3 "$rankine" report broken --out broken.html
says "broken/report.json" "damaged"
absent broken.html
run 2 "$rankine" report a --out a
says "is a folder"
no_leftovers .

finish
