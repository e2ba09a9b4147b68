"""usage: equal.py RUN... what TensorBoard's own reader finds in the event files of a run folder is
what metrics.jsonl has: the same tags, steps and values (as 32-bit floats), each once."""
import json
import logging
import math
import struct
import sys

from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator
from tensorboard.util import tensor_util

logging.disable(logging.WARNING)  # a torn record is no news here
PLACES = {"learning_rate": "train", "samples_per_second": "train", "seconds": "train",
          "check_seconds": "train"}


def single(value):
    if value is None:
        return math.nan
    return struct.unpack("<f", struct.pack("<f", value))[0]


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


def found_in(run):
    reader = EventAccumulator(run, size_guidance={"tensors": 0})
    reader.Reload()
    return {tag: [(event.step, tensor_util.make_ndarray(event.tensor_proto).item())
                  for event in reader.Tensors(tag)]
            for tag in reader.Tags()["tensors"]}


for run in sys.argv[1:]:
    wanted, found = wanted_of(run), found_in(run)
    final = {tag: found.pop(tag) for tag in list(found) if tag.startswith(("final/", "_hparams_/"))}
    if sorted(wanted) != sorted(found):
        sys.exit(f"{run}: other tags: {sorted(wanted)} and {sorted(found)}")
    for tag in wanted:
        same = [a[0] == b[0] and (a[1] == b[1] or (math.isnan(a[1]) and math.isnan(b[1])))
                for a, b in zip(wanted[tag], found[tag])]
        if len(wanted[tag]) != len(found[tag]) or not all(same):
            sys.exit(f"{run}: {tag}: {wanted[tag]} in metrics.jsonl, {found[tag]} for TensorBoard")
    report = json.load(open(f"{run}/report.json", encoding="utf-8"))
    for part in ("valid", "test"):
        for name, value in (report[part] or {}).items():
            tag = f"final/{part}/{name}"
            if "@" in name and [v for _, v in final.get(tag, [])][-1:] != [single(value)]:
                sys.exit(f"{run}: {tag} is {final.get(tag)}, the report has {value}")
    print(f"{run}: {len(wanted)} tags, {sum(map(len, wanted.values()))} values")
