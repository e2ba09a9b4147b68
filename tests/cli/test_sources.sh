#!/usr/bin/env bash
# Data as people have it: the same rows in other clothes make the same data set, and what is no
# source says so.
. "$(dirname "$0")/lib.sh"

python3 - <<'PYTHON'
import datetime, gzip, json
rows = [(u, (u * 7 + k * 3) % 17, 1 + (u + k) % 5, 1600000000 + (u * 31 + k * 7919) % 90000)
        for u in range(1, 31) for k in range(8)]
iso = lambda t: datetime.datetime.fromtimestamp(t, datetime.timezone.utc)
def write(name, line, head="user_id,item_id,rating,ts\n", end="\n", encoding="utf-8"):
    with open(name, "w", newline="", encoding=encoding) as file:
        file.write(head.replace("\n", end) + "".join(line(*r) + end for r in rows))
write("plain.csv", lambda u, i, r, t: f"{u},{i},{r},{t}")
write("iso.csv", lambda u, i, r, t: f"{u},{i},{r},{iso(t):%Y-%m-%dT%H:%M:%SZ}")
write("sql.csv", lambda u, i, r, t: f"{u},{i},{r},{iso(t + 7200):%Y-%m-%d %H:%M:%S}+02")
write("ms.csv", lambda u, i, r, t: f"{u},{i},{r},{t}000")
write("ns.csv", lambda u, i, r, t: f"{u},{i},{r},{t}000000001")
write("mac.csv", lambda u, i, r, t: f"{u},{i},{r},{t}", end="\r")
write("comma.csv", lambda u, i, r, t: f"{u};{i};{r},5;{t}", "user_id;item_id;rating;ts\n")
keys = ("user_id", "item_id", "rating", "ts")
write("rows.jsonl", lambda *row: json.dumps(dict(zip(keys, row))), "")
write("latin.csv", lambda u, i, r, t: f"Jos\u00e9{u},{i},{r},{t}", encoding="latin-1")
write("utf8.csv", lambda u, i, r, t: f"Jos\u00e9{u},{i},{r},{t}")
write("missing.csv", lambda u, i, r, t: f"{u if u < 30 else 'nan'},{i},{r},{t}")
write("padded.csv", lambda u, i, r, t: f"a{u}, b{i},{r},{t}")
write("zeros.csv", lambda u, i, r, t: f"{u:04},{i},{r},{t}")
data = open("plain.csv", "rb").read()
half = data.index(b"\n", len(data) // 2) + 1
open("two.gz", "wb").write(gzip.compress(data[:half]) + gzip.compress(data[half:]))
open("cut.gz", "wb").write(gzip.compress(data)[:-9])
json.dump([{"user_id": u} for u, *_ in rows], open("array.json", "w"))
PYTHON
cat >c.yaml <<'YAML'
data: {sources: [{file: plain.csv, time: ts}]}
split: {kind: leave_one_out, order: time}
YAML

source_is() {
    run 0 "$rankine" prepare c.yaml --set "data.sources[0].file=$1" "${@:2}"
    fingerprint=$(grep -o 'fingerprint *[0-9a-f]*' out)
}
source_is plain.csv
wanted=$fingerprint
[ -n "$wanted" ] || fail "no fingerprint"
same() {
    source_is "$@"
    [ "$fingerprint" = "$wanted" ] || fail "$1 makes another data set than plain.csv"
}
for file in iso.csv sql.csv ms.csv ns.csv mac.csv two.gz; do
    same $file
done
same rows.jsonl --set data.sources[0].format=jsonl
same comma.csv --set "data.sources[0].separator=;" --set data.sources[0].decimal=comma \
    --set "data.sources[0].where=rating >= 1.5"
mkfifo pipe
cat plain.csv >pipe &
same pipe
wait
run 0 bash -c "gzip -c plain.csv | '$rankine' prepare c.yaml --set data.sources[0].file=/dev/stdin"
prints "${wanted##* }"

# moments of a split, in every spelling
source_is plain.csv --set split.kind=time --set split.test_from=1600050000 \
    --set split.valid_from=1600040000
wanted=$fingerprint
same ms.csv --set split.kind=time --set split.test_from=1600050000000 \
    --set split.valid_from=1600040000
same iso.csv --set split.kind=time --set split.test_from=2020-09-14T02:20:00Z \
    --set split.valid_from="2020-09-13 23:33:20"
run 2 "$rankine" prepare c.yaml --set split.kind=time --set split.test_from=tomorrow
says "split.test_from is tomorrow (--set), which is no time"

# ids
source_is utf8.csv --set data.ids=text
wanted=$fingerprint
same latin.csv --set data.ids=text --set data.sources[0].encoding=latin-1
run 3 "$rankine" prepare c.yaml --set data.sources[0].file=latin.csv --set data.ids=text
says "is not UTF-8; if the file is in Latin-1, set encoding to latin-1"
run 3 "$rankine" prepare c.yaml --set data.sources[0].file=zeros.csv
says "user_id '0001' has a leading zero" "set data.ids to text"
run 3 "$rankine" prepare c.yaml --set data.sources[0].file=missing.csv --set data.ids=text
says "user_id 'nan' is a word for a missing value" "set data.missing_ids to drop"
source_is missing.csv --set data.missing_ids=drop
prints "8 dropped" "29"
source_is padded.csv --set data.ids=text
prints "240 ids had blanks at their ends"

# what is no source
run 3 "$rankine" prepare c.yaml --set data.sources[0].file=cut.gz
says "ends in the middle of its compressed data"
run 3 "$rankine" prepare c.yaml --set data.sources[0].file=array.json
says "is a JSON array"
run 2 "$rankine" prepare c.yaml --set data.sources[0].format=jsonl \
    --set data.sources[0].decimal=comma
says "data.sources[0].decimal"
run 2 "$rankine" prepare c.yaml --set "data.sources[0].where=rating => 3"
says "where 'rating => 3'"

# SIGTERM while nobody writes to the pipe, and while everything is dropped
stops() {
    "$rankine" train c.yaml --set data.sources[0].file=pipe --run run "$@" >out 2>err </dev/null &
    local job=$!
    until_heard $job
    sleep 0.3 # by then it waits, or reads
    kill -TERM $job
    for _ in $(seq 300); do
        kill -0 $job 2>/dev/null || break
        sleep 0.1
    done
    kill -KILL $job 2>/dev/null && fail "SIGTERM is not heard while reading a pipe"
    wait $job
    [ $? = 130 ] || fail "not ended by SIGTERM"
    says "interrupted while reading"
    absent run
}
stops
(echo user_id,item_id,rating,ts; yes 1,2,3,4) >pipe 2>/dev/null &
stops --set "data.sources[0].where=rating > 3"
finish
