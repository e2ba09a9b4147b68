"""Rankine: graph recommenders trained fast, on CPUs and NVIDIA GPUs.

    import rankine as rk
    run = rk.train({"model.kind": "lightgcn", "train.epochs": 20}, "runs/a",
                   data=rk.Dataset.from_pandas(frame, "user_id", "film_id", time="watched_at"))
    run.recommend("u7", n=10)
    ids, scores = run.recommend_many(run.user_ids, n=100)
    run.metrics["test"]["ndcg@10"]

docs/python.md is the tour; what the options mean is in docs/options.md (rankine.reference()).
"""
from ._library import info, version
from .callbacks import Callback, Progress, Trial
from .config import Config, reference
from .dataset import Dataset
from .errors import (ConfigError, DataError, DeviceError, Diverged, FileError, ForkError,
                     InternalError, Interrupted, OutOfMemory, RankineError)
from .evaluation import Evaluation
from .model import Explanation, Model, Reason, Recommendation, Run
from .recommender import Recommender
from .sweeping import Sweep, sweep
from .training import train, train_seeds

__version__ = version()
__all__ = [
    "Callback", "Config", "ConfigError", "DataError", "Dataset", "DeviceError", "Diverged",
    "Evaluation", "Explanation", "FileError", "ForkError", "InternalError", "Interrupted", "Model",
    "OutOfMemory", "Progress", "RankineError", "Reason", "Recommendation", "Recommender", "Run",
    "Sweep", "Trial", "info", "reference", "sweep", "train", "train_seeds", "version",
]
