#!/usr/bin/env python3
"""RecBole as a peer of bench/peers: its own data loader, sampler and trainer, epoch by epoch."""

import os

import numpy
import peer
import recbole
import torch
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.data.interaction import Interaction
from recbole.utils import get_model, get_trainer, init_seed

NAMES = {"lightgcn": "LightGCN", "bpr": "BPR", "ease": "EASE", "item_knn": "ItemKNN"}
TILE = 1024  # users that are scored together


class RecBole(peer.Peer):
    versions = {
        "library": f"RecBole {recbole.__version__}",
        "torch": torch.__version__,
        "numpy": numpy.__version__,
    }

    def __init__(self, options):
        super().__init__(options)
        torch.set_num_threads(self.threads)
        self.write_atomic()
        self.config = Config(
            model=NAMES[self.model],
            dataset="peers",
            config_dict=dict(
                {
                    "data_path": self.folder,
                    "benchmark_filename": ["train", "valid", "test"],
                    "load_col": {"inter": ["user_id", "item_id"]},
                    "use_gpu": False,
                    "seed": 2020,
                    "eval_args": {
                        "split": {"RS": [8, 1, 1]},
                        "order": "RO",
                        "group_by": "user",
                        "mode": "full",
                    },
                    "checkpoint_dir": os.path.join(self.folder, "saved"),
                    "show_progress": False,
                    "state": "ERROR",
                },
                **self.settings,
            ),
        )
        init_seed(self.config["seed"], True)
        dataset = create_dataset(self.config)
        self.train, _, _ = data_preparation(self.config, dataset)
        self.dataset = self.train.dataset
        self.network, self.number = None, 0
        self.seen = self.dataset.inter_matrix(form="csr")
        if not self.fits_at_once():
            self.make()

    def write_atomic(self):
        """Tokens are dense indices. RecBole wants a valid part, too: a pair of train."""
        os.makedirs(os.path.join(self.folder, "peers"), exist_ok=True)
        for name, part, most in (
            ("train", "train", None),
            ("valid", "train", 1),
            ("test", "test", None),
        ):
            users, items = peer.pairs(self.lists_folder, part)
            path = os.path.join(self.folder, "peers", f"peers.{name}.inter")
            with open(path, "w", encoding="ascii") as file:
                file.write("user_id:token\titem_id:token\n")
                file.writelines(f"{u}\t{i}\n" for u, i in zip(users[:most], items[:most]))

    def fits_at_once(self):
        return self.model in ("ease", "item_knn")

    def make(self):
        """What fits at once does so here."""
        network = get_model(self.config["model"])(self.config, self.train.dataset)
        self.network = network.to(self.config["device"])

    def epochs(self, n):
        if self.fits_at_once():
            self.make()
            return
        if self.number == 0:
            kind = get_trainer(self.config["MODEL_TYPE"], self.config["model"])
            self.trainer = kind(self.config, self.network)
        for _ in range(n):
            self.train.get_model(self.network)
            self.trainer._train_epoch(self.train, self.number, show_progress=False)
            self.number += 1

    def top(self, k):
        best = numpy.full((self.users, k), -1, dtype=numpy.int32)
        ours = numpy.array([-1] + [int(t) for t in self.dataset.field2id_token["item_id"][1:]])
        names = self.dataset.field2id_token["user_id"]
        self.network.eval()
        with torch.no_grad():
            for first in range(1, len(names), TILE):
                users = numpy.arange(first, min(first + TILE, len(names)))
                asked = Interaction({"user_id": torch.from_numpy(users)})
                scores = torch.as_tensor(self.network.full_sort_predict(asked))
                scores = scores.reshape(len(users), -1)
                scores[:, 0] = -torch.inf  # RecBole's padding
                row, column = self.seen[users].nonzero()
                scores[row, column] = -torch.inf
                found = torch.topk(scores, k, dim=1)
                items = numpy.where(found.values.numpy() > -numpy.inf, found.indices.numpy(), 0)
                best[[int(name) for name in names[users]]] = ours[items]
        return best


if __name__ == "__main__":
    peer.main(RecBole, __doc__)
