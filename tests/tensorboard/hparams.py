"""usage: hparams.py SWEEP what TensorBoard's HParams page is made of, by each of its readers: the
options that are varied, and of each trial that was trained its values and the last of the metric,
as report.json and the trials' metrics.jsonl have them."""
import json
import os
import struct
import sys

from readers import READERS, REQUEST
from tensorboard.plugins.hparams import api_pb2, get_experiment, list_session_groups
from tensorboard.plugins.hparams.backend_context import Context


class Board:
    def __init__(self, provider):
        self.data_provider = provider


def value_of(value):
    return getattr(value, value.WhichOneof("kind"))


def sessions(context):
    statuses = [api_pb2.STATUS_SUCCESS, api_pb2.STATUS_RUNNING, api_pb2.STATUS_FAILURE,
                api_pb2.STATUS_UNKNOWN]
    request = api_pb2.ListSessionGroupsRequest(start_index=0, slice_size=1000,
                                               allowed_statuses=statuses)
    answer = list_session_groups.Handler(REQUEST, context, "", request).run()
    found = {}
    for group in answer.session_groups:
        metrics = {value.name.tag: value.value for value in group.metric_values}
        options = {name: value_of(value) for name, value in group.hparams.items()}
        status = {api_pb2.Status.Name(session.status) for session in group.sessions}
        found[os.path.basename(group.name)] = (options, metrics, status)
    return found


def last(path, name):
    """{tag: value} of the last check, empty where there was none."""
    if not os.path.exists(f"{path}/metrics.jsonl"):
        return {}
    lines = [json.loads(line) for line in open(f"{path}/metrics.jsonl", encoding="utf-8")]
    values = [line["valid"][name] for line in lines if "valid" in line]
    return {f"valid/{name}": struct.unpack("<f", struct.pack("<f", v))[0] for v in values[-1:]}


sweep = sys.argv[1]
report = json.load(open(f"{sweep}/report.json", encoding="utf-8"))
metric = report["sweep"]["metric"]
wanted = {}
for trial in report["trials"]:
    if trial["state"] != "reused":
        folder = f"trial-{trial['trial']:04d}"
        status = "STATUS_FAILURE" if trial["state"] == "failed" else "STATUS_SUCCESS"
        wanted[folder] = (trial["options"], last(f"{sweep}/{folder}", metric), {status})
for reader, open_reader in READERS.items():
    context = Context(Board(open_reader(sweep)))
    experiment = get_experiment.Handler(REQUEST, context, "",
                                        api_pb2.GetExperimentRequest()).run()
    varied = {info.name for info in experiment.hparam_infos}
    if varied != {name for trial in report["trials"] for name in trial["options"]}:
        sys.exit(f"{sweep}, {reader}: {varied} is varied")
    if [info.name.tag for info in experiment.metric_infos] != [f"valid/{metric}"]:
        sys.exit(f"{sweep}, {reader}: metrics {experiment.metric_infos}")
    found = sessions(context)
    best = wanted[f"trial-{report['best']['trial']:04d}"]
    if found.pop("best", best) != best:  # the link, which one of the readers follows
        sys.exit(f"{sweep}, {reader}: another best trial")
    if found != wanted:
        sys.exit(f"{sweep}, {reader}: {found}, the report has {wanted}")
print(f"{sweep}: {len(wanted)} trials, {len(varied)} options")
