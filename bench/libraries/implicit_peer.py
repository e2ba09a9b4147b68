#!/usr/bin/env python3
"""implicit as a peer of bench/peers: ALS, BPR and nearest items by cosine."""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # as implicit asks for: its own threads are the outer loop

import implicit  # noqa: E402
import numpy  # noqa: E402
import peer  # noqa: E402
from implicit.cpu.als import AlternatingLeastSquares  # noqa: E402
from implicit.cpu.bpr import BayesianPersonalizedRanking  # noqa: E402
from implicit.nearest_neighbours import CosineRecommender  # noqa: E402

KINDS = {
    "als": AlternatingLeastSquares,
    "bpr": BayesianPersonalizedRanking,
    "item_knn": CosineRecommender,
}


class Implicit(peer.Peer):
    versions = {"library": f"implicit {implicit.__version__}", "numpy": numpy.__version__}

    def __init__(self, options):
        super().__init__(options)
        self.train = self.matrix()
        self.settings["num_threads"] = self.threads
        if self.model != "item_knn":
            self.settings["random_state"] = 2020
        self.fitted = None

    def epochs(self, n):
        """fit() goes on from the factors that are there."""
        if self.fitted is None or self.model == "item_knn":
            self.fitted = KINDS[self.model](**self.settings)
        if self.model != "item_knn":
            self.fitted.iterations = n
        self.fitted.fit(self.train, show_progress=False)

    def top(self, k):
        items, scores = self.fitted.recommend(
            numpy.arange(self.users), self.train, N=k, filter_already_liked_items=True
        )
        return numpy.where(scores > -numpy.finfo(numpy.float32).max, items, -1)


if __name__ == "__main__":
    peer.main(Implicit, __doc__)
