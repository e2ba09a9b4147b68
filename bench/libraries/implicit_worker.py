#!/usr/bin/env python3
"""The library `implicit`, and what one writes oneself with NumPy and SciPy, as a process that is
asked one thing at a time: bench/implicit.

A command is a line of JSON {"do": NAME, ...} on standard input, its answer a line on standard
output. Users and items are Rankine's dense indices (bench_answers: lists), factors and lists of
neighbours come out of Rankine's checkpoints.
"""
import argparse
import json
import os
import resource
import statistics
import sys
import time

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # as implicit asks for: its own threads are the outer loop

import h5py  # noqa: E402
import implicit  # noqa: E402
import numpy  # noqa: E402
import scipy  # noqa: E402
import scipy.sparse.linalg  # noqa: E402
from implicit.cpu.als import AlternatingLeastSquares  # noqa: E402
from implicit.cpu.bpr import BayesianPersonalizedRanking  # noqa: E402
from implicit.nearest_neighbours import (  # noqa: E402
    BM25Recommender,
    CosineRecommender,
    TFIDFRecommender,
)
from peer import read_part  # noqa: E402

KINDS = {"cosine": CosineRecommender, "tfidf": TFIDFRecommender, "bm25": BM25Recommender}
WARM_UP = 20  # requests before those that count
TILE = 512  # users that are scored together


def read_rankine(run, name):
    with h5py.File(f"{run}/last.h5") as file:
        return file[name][:]


def relative(ours, theirs):
    """Of two tables of factors: the difference of all numbers together (Frobenius norms), and
    that of the row that differs most."""
    ours, theirs = ours.astype(numpy.float64), theirs.astype(numpy.float64)
    rows = numpy.linalg.norm(ours - theirs, axis=1)
    size = numpy.linalg.norm(theirs, axis=1)
    worst = (rows / numpy.maximum(size, 1e-3 * size.max())).max()
    return float(numpy.linalg.norm(ours - theirs) / numpy.linalg.norm(theirs)), float(worst)


class Scores:
    """A model that is a function of some users' rows to their dense scores."""

    def __init__(self, score):
        self.score = score

    def recommend(self, users, rows, N, filter_already_liked_items):
        best = numpy.empty((len(users), N), dtype=numpy.int32)
        for first in range(0, len(users), TILE):
            some = rows[users[first : first + TILE]]
            scores = numpy.asarray(self.score(some))
            if filter_already_liked_items:
                scores[some.nonzero()] = -numpy.inf
            top = numpy.argpartition(-scores, N, axis=1)[:, :N]
            order = numpy.argsort(-numpy.take_along_axis(scores, top, 1), axis=1, kind="stable")
            best[first : first + TILE] = numpy.take_along_axis(top, order, 1)
        return best, None


class Worker:
    def __init__(self, options):
        self.options = options
        offsets, items = read_part(options.lists, "train")
        shape = (options.users, options.items)
        ones = numpy.ones(len(items), dtype=numpy.float32)
        self.now = time.process_time if options.clock == "processor" else time.perf_counter
        self.train = scipy.sparse.csr_matrix(
            (ones, items, offsets.astype(numpy.int32)), shape=shape
        )
        self.test = read_part(options.lists, "test")
        self.models, self.answers = {}, {}

    # ---- fitting

    def als(self, solver, epochs, start, confidence, l2, keep, dtype="float32"):
        """From the factors in the run folder `start`; seconds of the sweeps alone, as implicit's
        own callback has them, or processor time of the fit. dtype float64: what the sweeps give
        without rounding to floats."""
        table = read_rankine(start, "factors").astype(dtype)
        n_users = self.options.users
        model = AlternatingLeastSquares(
            factors=table.shape[1], regularization=l2, alpha=confidence, iterations=epochs,
            use_cg=solver == "cg", use_native=True, dtype=numpy.dtype(dtype),
            num_threads=self.options.threads)  # fmt: skip
        model.user_factors = table[:n_users].copy()
        model.item_factors = table[n_users:].copy()
        sweeps = []
        began = self.now()
        model.fit(self.train, show_progress=False,
                  callback=lambda epoch, seconds, loss: sweeps.append(seconds))  # fmt: skip
        self.models[keep] = model
        is_clock = self.options.clock == "clock"
        return {"seconds": sum(sweeps) if is_clock else self.now() - began}

    def knn(self, kind, neighbours):
        """Lists with one more, since an item is in its own."""
        model = KINDS[kind](K=neighbours + 1, num_threads=self.options.threads)
        began = self.now()
        model.fit(self.train, show_progress=False)
        seconds = self.now() - began
        self.models[kind] = model
        return {"seconds": seconds}

    def bpr(self, epochs, dim, rate, l2):
        model = BayesianPersonalizedRanking(
            factors=dim, learning_rate=rate, regularization=l2, iterations=epochs,
            num_threads=self.options.threads, random_state=1)  # fmt: skip
        began = self.now()
        model.fit(self.train, show_progress=False)
        seconds = self.now() - began
        self.models["bpr"] = model
        return {"seconds": seconds}

    def ease(self, l2):
        """Of the items, in floats, as most programs have it."""
        began = self.now()
        gram = (self.train.T @ self.train).toarray()
        gram[numpy.diag_indices_from(gram)] += numpy.float32(l2)
        weights = numpy.linalg.inv(gram)
        weights /= -numpy.diag(weights)
        weights[numpy.diag_indices_from(weights)] = 0
        seconds = self.now() - began
        self.models["ease"] = Scores(lambda rows: rows @ weights)
        return {"seconds": seconds}

    def gf_cf(self, dim, low_pass):
        """The singular vectors are ARPACK's."""
        began = self.now()

        def power(counts):
            return scipy.sparse.diags(
                numpy.divide(1, numpy.sqrt(counts), where=counts > 0, out=numpy.zeros(len(counts)))
            ).astype(numpy.float32)

        of_items = numpy.asarray(self.train.sum(axis=0)).ravel()
        of_users = numpy.asarray(self.train.sum(axis=1)).ravel()
        normal = (power(of_users) @ self.train @ power(of_items)).tocsr()
        vectors = scipy.sparse.linalg.svds(normal, k=dim, random_state=1)[2].T
        scale = power(of_items).diagonal()[:, None]
        into, back = scale * vectors, numpy.sqrt(of_items)[:, None] * vectors
        seconds = self.now() - began
        self.models["gf_cf"] = Scores(
            lambda rows: (rows @ normal.T @ normal).toarray() + low_pass * (rows @ into) @ back.T
        )
        return {"seconds": seconds}

    def peak(self):
        """Bytes of this process at its largest."""
        return {"bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}

    # ---- comparing

    def factors(self, what):
        """Users, items: of a model that is kept here, or of the run folder of Rankine's."""
        if what in self.models:
            return self.models[what].user_factors, self.models[what].item_factors
        return numpy.split(read_rankine(what, "factors"), [self.options.users])

    def compare_factors(self, left, right):
        users, items = self.factors(left)
        other_users, other_items = self.factors(right)
        user_all, user_row = relative(users, other_users)
        item_all, item_row = relative(items, other_items)
        return {"all": max(user_all, item_all), "row": max(user_row, item_row)}

    def compare_lists(self, model, run):
        """Similarities in order, place by place; and of the pairs that both lists have. Where more
        items share the last similarity of a list than fit, each library keeps others of them."""
        items, values = read_rankine(run, "neighbours"), read_rankine(run, "similarities")
        lists = self.models[model].similarity
        k = items.shape[1]
        worst_place = worst_pair = 0.0
        missing = below = pairs = 0
        for item in range(items.shape[0]):
            span = slice(lists.indptr[item], lists.indptr[item + 1])
            other, theirs = lists.indices[span], lists.data[span]
            is_other = (other != item) & (theirs > 0)
            order = numpy.argsort(-theirs[is_other], kind="stable")[:k]
            other, theirs = other[is_other][order], theirs[is_other][order]
            n = int((items[item] >= 0).sum())
            pairs += n
            if n != len(theirs):
                missing += abs(n - len(theirs))
            n = min(n, len(theirs))
            if n == 0:
                continue
            ours = values[item, :n].astype(float)
            scale = numpy.maximum(theirs[:n], 1e-12)
            worst_place = max(worst_place, float((numpy.abs(ours - theirs[:n]) / scale).max()))
            _, left, right = numpy.intersect1d(items[item, :n], other, return_indices=True)
            if len(left):
                gap = numpy.abs(ours[left] - theirs[right]) / numpy.maximum(theirs[right], 1e-12)
                worst_pair = max(worst_pair, float(gap.max()))
            last = theirs[n - 1]
            alone = ~numpy.isin(items[item, :n], other)
            below += int((numpy.abs(ours[alone] - last) > 1e-4 * last).sum())
        return {"place": worst_place, "pair": worst_pair, "missing": missing,
                "not_ties": below, "pairs": pairs}  # fmt: skip

    # ---- ranking

    def rank(self, model, k):
        users = numpy.arange(self.options.users)
        began = time.perf_counter()
        ids, _ = self.models[model].recommend(users, self.train, N=k,
                                              filter_already_liked_items=True)  # fmt: skip
        seconds = time.perf_counter() - began
        self.answers[model] = ids
        return {"seconds": seconds}

    def metrics(self, ids):
        """Recall and NDCG (binary, ideal over min(K, n)), means over users with test items."""
        offsets, items = self.test
        k = ids.shape[1]
        discount = 1 / numpy.log2(numpy.arange(k) + 2)
        recall = ndcg = 0.0
        users = numpy.flatnonzero(numpy.diff(offsets))
        for user in users:
            wanted = items[offsets[user] : offsets[user + 1]]
            hit = numpy.isin(ids[user], wanted)
            recall += hit.sum() / len(wanted)
            ndcg += discount[hit].sum() / discount[: min(k, len(wanted))].sum()
        return {"recall": recall / len(users), "ndcg": ndcg / len(users)}

    def evaluate(self, model, k, file):
        """Both lists by the same code, and the share of places that they have in common."""
        ours = numpy.fromfile(file, dtype=numpy.int32).reshape(-1, k)
        theirs = self.answers[model]
        same = sum(len(numpy.intersect1d(a, b)) for a, b in zip(ours, theirs)) / ours.size
        return {"rankine": self.metrics(ours), "implicit": self.metrics(theirs), "same": same}

    # ---- a request

    def one(self, run, n, k, folded):
        """Median seconds of a request with Rankine's factors."""
        table, users = read_rankine(run, "factors"), self.options.users
        model = AlternatingLeastSquares(factors=table.shape[1], num_threads=self.options.threads)
        model.user_factors, model.item_factors = table[:users].copy(), table[users:].copy()
        seconds = []
        for i in range(n + WARM_UP):
            user = i * 7919 % users
            row = self.train[user]
            began = time.perf_counter()
            model.recommend(user, row, N=k, recalculate_user=folded)
            seconds.append(time.perf_counter() - began)
        return {"seconds": statistics.median(seconds[WARM_UP:])}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--lists", required=True, help="folder of bench_answers' lists")
    parser.add_argument("--users", type=int, required=True)
    parser.add_argument("--items", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--clock", choices=("clock", "processor"), default="clock")
    worker = Worker(parser.parse_args())
    versions = {"implicit": implicit.__version__, "numpy": numpy.__version__,
                "scipy": scipy.__version__, "python": sys.version.split()[0]}  # fmt: skip
    print(json.dumps(versions), flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        print(json.dumps(getattr(worker, command.pop("do"))(**command)), flush=True)


if __name__ == "__main__":
    main()
