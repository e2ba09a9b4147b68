"""The two readers of TensorBoard, as it uses them itself: the Python one and the data server in
Rust, which `tensorboard` prefers where its package is there."""
import logging
import os
import time

from tensorboard import context
from tensorboard.backend.event_processing import data_provider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.data import server_ingester
from tensorboard.util import grpc_util

logging.disable(logging.WARNING)  # a torn record is no news here
ALL = 1_000_000  # points of a curve, i.e. all of them
REQUEST = context.RequestContext()


def in_python(folder):
    runs = EventMultiplexer(tensor_size_guidance={"scalars": 0, "hparams": 0})
    runs.AddRunsFromDirectory(folder)
    runs.Reload()
    return data_provider.MultiplexerDataProvider(runs, folder)


def in_rust(folder):
    """Reads while it answers: asked until nothing more comes."""
    server = server_ingester.SubprocessServerDataIngester(
        server_ingester.get_server_binary(), os.path.abspath(folder), reload_interval=0,
        channel_creds_type=grpc_util.ChannelCredsType.LOCAL, samples_per_plugin={"scalars": 0})
    server.start()
    before, same, until = None, 0, time.monotonic() + 20
    while same < 3 and time.monotonic() < until:
        found = scalars(server.data_provider)
        same = same + 1 if found and found == before else 0
        before = found
        time.sleep(0.05)
    provider = server.data_provider
    provider.server = server  # which ends when nobody holds it
    return provider


READERS = {"Python": in_python, "Rust": in_rust}


def scalars(provider):
    """{run: {tag: [(step, value)]}}; repr, so that NaN is NaN."""
    found = provider.read_scalars(REQUEST, experiment_id="", plugin_name="scalars", downsample=ALL)
    return {run: {tag: [(point.step, repr(float(point.value))) for point in points]
                  for tag, points in tags.items()}
            for run, tags in found.items()}
