#!/usr/bin/env bash
# rankine export: what other programs find in the files.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

# Ids with what a line of text cannot hold, several rows of a pair, values and times.
python3 - <<'PY'
with open("rows.csv", "w", newline="") as file:
    file.write("user_id,item_id,rating,time\n")
    for k in range(90):
        user = ['"a\tb"', "b\\", '"c\nd"', "e"][k % 4]
        file.write(f"{user},i{k * 7 % 19},{k % 5}.5,{1600000000 + k}.25\n")
PY
cat >exp.yaml <<'YAML'
data:
  name: odd
  ids: text
  sources:
    - {file: rows.csv, time: time, value: rating}
split: {kind: ratio, order: time}
model: {kind: mf, dim: 8}
train: {epochs: 1}
eval: {k: [5], metric: ndcg@5}
YAML
run 0 "$rankine" train exp.yaml --run run --quiet
for format in npy safetensors npz inter tsv; do
    run 0 "$rankine" export run --format $format --out $format --quiet
done
run 2 "$rankine" export run --format npz --out npz
says "is there already"
run 2 "$rankine" export run --format parquet --out other
says "parquet" "safetensors"
absent other

# The interactions, read again as files of RecBole: the same matrix, values and times.
cat >check.py <<'PY'
import json
import struct
import zipfile


def array(data):
    assert data[:8] == b"\x93NUMPY\x01\x00" and len(data) > 10
    length = struct.unpack("<H", data[8:10])[0]
    assert (10 + length) % 64 == 0
    head = eval(data[10:10 + length].decode())  # a dictionary of literals
    kind = {"<i4": "i", "<i8": "q", "<f4": "f"}.get(head["descr"])
    body = data[10 + length:]
    return head["shape"], body if kind is None else struct.unpack(
        f"<{len(body) // struct.calcsize(kind)}{kind}", body)


users = open("npz/user_ids.txt", newline="").read().split("\n")[:-1]
items = open("npz/item_ids.txt", newline="").read().split("\n")[:-1]
assert users == ["a\\tb", "b\\\\", "c\\nd", "e"], users
rows = {}
for part in ("train", "valid", "test"):
    lines = open(f"inter/{part}.inter", newline="").read().split("\n")
    assert lines[0] == "user_id:token\titem_id:token\trating:float\ttimestamp:float"
    assert lines.pop() == ""
    listed = [line.split("\t") for line in lines[1:]]
    with zipfile.ZipFile(f"npz/{part}.npz") as archive:
        assert archive.testzip() is None
        a = {name: array(archive.read(name)) for name in archive.namelist()}
    assert a["format.npy"] == ((), b"csr"), a
    assert a["shape.npy"][1] == (len(users), len(items))
    offsets, indices, data = a["indptr.npy"][1], a["indices.npy"][1], a["data.npy"][1]
    assert len(indices) == len(data) == len(listed) == offsets[-1] > 0
    found = [(users[u], items[indices[k]], data[k]) for u in range(len(users))
             for k in range(offsets[u], offsets[u + 1])]
    assert found == [(u, i, float(value)) for u, i, value, _ in listed]
    rows.update({(u, i): (float(value), float(time)) for u, i, value, time in listed})

# Of rows that are one pair the last value and the first time.
expected = {}
for k in range(90):
    pair = ["a\\tb", "b\\\\", "c\\nd", "e"][k % 4], f"i{k * 7 % 19}"
    expected[pair] = k % 5 + 0.5, expected.get(pair, (0, 1600000000.25 + k))[1]
assert rows == expected

for side, n in (("user", len(users)), ("item", len(items))):
    data = open(f"safetensors/{side}_embeddings.safetensors", "rb").read()
    length = struct.unpack("<Q", data[:8])[0]
    assert length % 8 == 0
    tensor = json.loads(data[8:8 + length])[f"{side}_embeddings"]
    values = struct.unpack(f"<{n * 8}f", data[8 + length:])
    assert tensor == {"dtype": "F32", "shape": [n, 8], "data_offsets": [0, n * 32]}
    assert array(open(f"npy/{side}_embeddings.npy", "rb").read()) == ((n, 8), values)
PY
run 0 python3 check.py

# Scores again from what is exported: of irgnn as products of rows, of machines, whose scores are
# none, from their vectors and weights.
printf '%s\n' 'e,i3' 'e,i7' 'b\,i11' >pairs.csv
cat >again.py <<'PY'
import json
import sys


def table(name):
    rows = [line.rstrip("\n").split("\t") for line in open(name, newline="")]
    return {row[0]: [float(x) for x in row[1:]] for row in rows}


scores, folder, vectors, weights = sys.argv[1:]
of_users, of_items = vectors.split(",")
users, items = table(f"{folder}/{of_users}.tsv"), table(f"{folder}/{of_items}.tsv")
weight = table(f"{folder}/{weights}.tsv") if weights else {}
pairs = [json.loads(line) for line in open(scores)]
assert len(pairs) == 3
for pair in pairs:
    user = pair["user"].replace("\\", "\\\\")
    score = sum(a * b for a, b in zip(users[user], items[pair["item"]]))
    score += weight.get(pair["item"], [0])[0]
    assert abs(score - pair["score"]) < 1e-5 * (1 + abs(score)), (pair, score)
PY
again() {
    local name=$1 vectors=$2 weights=$3
    run 0 "$rankine" train exp.yaml --set model.kind="$name" "${@:4}" --run "$name" --quiet
    run 0 "$rankine" export "$name" --format tsv
    cp err said
    run 0 "$rankine" score "$name" --pairs pairs.csv --jsonl
    cp out scores
    run 0 python3 again.py scores "$name/export" "$vectors" "$weights"
}
again irgnn user_embeddings,item_embeddings "" --set model.relations=near \
    --set 'data.relations=[{name: near, derive: co_count}]'
again fm embedding_users,embedding_items weight_items
grep -q 'no dot product of a row of a user and one of' said || fail "nothing says what they are"
again gcn final_users,final_items weight_items --set model.scorer=fm
finish
