#!/usr/bin/env python3
"""LensKit as a peer of bench/peers: its trainers epoch by epoch, its pipeline for the lists."""

import lenskit
import lenskit.batch
import lenskit.parallel
import numpy
import pandas
import peer
import torch
from lenskit.als import ImplicitMFScorer
from lenskit.data import from_interactions_df
from lenskit.flexmf import FlexMFImplicitScorer
from lenskit.knn import ItemKNNScorer
from lenskit.knn.ease import EASEScorer
from lenskit.pipeline import topn_pipeline
from lenskit.training import TrainingOptions

KINDS = {
    "lightgcn": FlexMFImplicitScorer,
    "bpr": FlexMFImplicitScorer,
    "als": ImplicitMFScorer,
    "ease": EASEScorer,
    "item_knn": ItemKNNScorer,
}


class LensKit(peer.Peer):
    versions = {
        "library": f"LensKit {lenskit.__version__}",
        "torch": torch.__version__,
        "numpy": numpy.__version__,
    }

    def __init__(self, options):
        super().__init__(options)
        lenskit.parallel.initialize(processes=1, threads=self.threads, backend_threads=self.threads)
        users, items = peer.pairs(self.lists_folder, "train")
        frame = pandas.DataFrame({"user_id": users, "item_id": items})
        self.data = from_interactions_df(frame)
        self.known = numpy.unique(users)
        self.scorer = KINDS[self.model](**self.settings)
        self.trainer = None

    def epochs(self, n):
        options = TrainingOptions(rng=2020)
        if not hasattr(self.scorer, "create_trainer"):
            self.scorer = KINDS[self.model](**self.settings)
            self.scorer.train(self.data, options)
            return
        if self.trainer is None:
            self.trainer = self.scorer.create_trainer(self.data, options)
        for _ in range(n):
            self.trainer.train_epoch()
        self.scorer.trained_epochs += n

    def top(self, k):
        """Users without train interactions have no list."""
        best = numpy.full((self.users, k), -1, dtype=numpy.int32)
        pipeline = topn_pipeline(self.scorer, n=k)
        pipeline.train(self.data, TrainingOptions(retrain=False))
        found = lenskit.batch.recommend(pipeline, self.known, k, n_jobs=1)
        for key, items in found.items():
            ids = items.ids()[:k]
            best[key.user_id, : len(ids)] = ids
        return best


if __name__ == "__main__":
    peer.main(LensKit, __doc__)
