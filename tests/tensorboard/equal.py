"""usage: equal.py RUN... what TensorBoard's own readers find in the event files of a run folder is
what metrics.jsonl has: the same tags, steps and values (as 32-bit floats), each once. A number that
JSON has no word for, null there, is NaN or infinite."""
import json
import math
import struct
import sys

from readers import READERS, scalars

PLACES = {"learning_rate": "train", "samples_per_second": "train", "seconds": "train",
          "check_seconds": "train"}


def single(value):
    return None if value is None else struct.unpack("<f", struct.pack("<f", value))[0]


def wanted_of(run):
    tags = {}
    for line in open(f"{run}/metrics.jsonl", encoding="utf-8"):
        record = json.loads(line)
        step = record.pop("epoch")
        for key, value in record.items():
            if isinstance(value, dict):
                for name, metric in value.items():
                    tags.setdefault(f"{key}/{name}", []).append((step, single(metric)))
                continue
            name = "loss/total" if key == "loss" else f"{PLACES.get(key, 'loss')}/{key}"
            tags.setdefault(name, []).append((step, single(value)))
    return tags


def is_same(wanted, found):
    return not math.isfinite(found) if wanted is None else wanted == found


def compare(run, reader, wanted):
    found = {tag: [(step, float(value)) for step, value in points]
             for tag, points in scalars(READERS[reader](run)).get(".", {}).items()}
    final = {tag: found.pop(tag) for tag in list(found) if tag.startswith("final/")}
    if sorted(wanted) != sorted(found):
        sys.exit(f"{run}, {reader}: other tags: {sorted(wanted)} and {sorted(found)}")
    for tag in wanted:
        if len(wanted[tag]) != len(found[tag]) or not all(
                a[0] == b[0] and is_same(a[1], b[1]) for a, b in zip(wanted[tag], found[tag])):
            sys.exit(f"{run}, {reader}: {tag}: {wanted[tag]} in metrics.jsonl, {found[tag]} for "
                     "TensorBoard")
    report = json.load(open(f"{run}/report.json", encoding="utf-8"))
    for part in ("valid", "test"):
        for name, value in (report[part] or {}).items():
            tag = f"final/{part}/{name}"
            if "@" in name and [v for _, v in final.get(tag, [])][-1:] != [single(value)]:
                sys.exit(f"{run}, {reader}: {tag} is {final.get(tag)}, the report has {value}")


for folder in sys.argv[1:]:
    numbers = wanted_of(folder)
    for name in READERS:
        compare(folder, name, numbers)
    print(f"{folder}: {len(numbers)} tags, {sum(map(len, numbers.values()))} values")
