"""Who takes part in bench/peers: for each model the libraries that have it, with the settings that
make them the same where they can be, and the processes that train them."""

import json
import os
import subprocess
import time

from harness import arms

WORKERS = os.path.join(arms.BENCH, "libraries")
LIBRARIES = ("recbole", "implicit", "lenskit")
DIM, BATCH, NEIGHBOURS, EASE_L2, ALS_L2, CONFIDENCE = 64, 2048, 100, 100.0, 0.01, 20.0
# Both RecBole's: every pair once an epoch with one uniform negative, Xavier's embeddings, Adam.
PAIRS = [
    f"model.dim={DIM}",
    "model.init=xavier",
    "sampling.positives=shuffle",
    f"train.batch={BATCH}",
    "loss.l2_form=norm",
]
RECBOLE_PAIRS = {"embedding_size": DIM, "train_batch_size": BATCH}
LENSKIT_PAIRS = {
    "embedding_size": DIM,
    "batch_size": BATCH,
    "reg_method": "AdamW",
    "regularization": 0.0,
}


class Model:
    """One of the models: what it is called on the page, the epochs between two checks (0: it is
    fitted at once), and the settings of each program."""

    def __init__(self, title, every, rankine, **libraries):
        self.title, self.every, self.has_epochs = title, every, every > 0
        self.rankine, self.libraries = rankine, libraries


def models(rate, every, sweeps):
    """rate: of Adam, the same in all; every, sweeps: epochs and sweeps of ALS between checks."""
    by_adam, rates = [f"train.learning_rate={rate}"], {"learning_rate": rate}
    return {
        "lightgcn": Model(
            f"LightGCN, 2 layers, {DIM} dimensions, BPR",
            every,
            ["model.kind=lightgcn", "model.layers=2", "loss.l2=1e-5", *PAIRS, *by_adam],
            recbole={"n_layers": 2, "reg_weight": 1e-5, **RECBOLE_PAIRS, **rates},
            lenskit={"preset": "lightgcn", "convolution_layers": 2, **LENSKIT_PAIRS, **rates},
        ),
        "bpr": Model(
            f"matrix factorisation, {DIM} dimensions, BPR",
            every,
            ["model.kind=mf", "loss.l2=0", *PAIRS, *by_adam],
            recbole={**RECBOLE_PAIRS, **rates},
            implicit={"factors": DIM, "learning_rate": 0.05, "regularization": 0.01},
            lenskit={"preset": "bpr", **LENSKIT_PAIRS, **rates},
        ),
        "als": Model(
            f"implicit ALS, {DIM} factors",
            sweeps,
            [
                "model.kind=ials",
                f"model.dim={DIM}",
                "model.weighting=confidence",
                f"model.confidence={CONFIDENCE}",
                f"model.l2={ALS_L2}",
                "model.solver=cg",
            ],
            implicit={"factors": DIM, "alpha": CONFIDENCE, "regularization": ALS_L2},
            lenskit={"embedding_size": DIM, "weight": CONFIDENCE, "regularization": ALS_L2},
        ),
        "ease": Model(
            f"EASE, l2 {EASE_L2:g}",
            0,
            ["model.kind=ease", f"model.l2={EASE_L2:g}"],
            recbole={"reg_weight": EASE_L2},
            lenskit={"regularization": EASE_L2},
        ),
        "item_knn": Model(
            f"item KNN, cosine, {NEIGHBOURS} neighbours",
            0,
            [
                "model.kind=item_knn",
                "model.similarity=cosine",
                f"model.neighbours={NEIGHBOURS}",
                "model.aggregate=liked",
            ],
            recbole={"k": NEIGHBOURS, "shrink": 0.0},
            implicit={"K": NEIGHBOURS + 1},
            lenskit={"max_nbrs": NEIGHBOURS, "save_nbrs": NEIGHBOURS, "feedback": "implicit"},
        ),
    }


def environment(threads):
    """What tells all libraries how many threads there are; those that wait sleep."""
    names = ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "NUMBA", "RAYON")
    return dict(
        {f"{name}_NUM_THREADS": str(threads) for name in names},
        LK_NUM_THREADS=str(threads),
        LK_NUM_PROCS="1",
        OMP_WAIT_POLICY="passive",
        PYTHONDONTWRITEBYTECODE="1",
    )


class PeerArm(arms.Process):
    """A library's model in its process. `start` is the seconds until it can train."""

    def __init__(self, library, name, model, python, facts, lists, folder, threads):
        os.makedirs(folder, exist_ok=True)
        began = time.perf_counter()
        super().__init__(
            [
                python,
                os.path.join(WORKERS, f"{library}_peer.py"),
                "--lists",
                lists,
                "--folder",
                folder,
                "--users",
                str(facts["users"]),
                "--items",
                str(facts["items"]),
                "--threads",
                str(threads),
                "--model",
                name,
                "--settings",
                json.dumps(model.libraries[library]),
            ],
            environment(threads),
        )
        self.library, self.start = library, time.perf_counter() - began

    def ask(self, **command):
        return self.send(json.dumps(command))

    def epochs(self, n):
        return self.ask(do="epochs", n=n)["seconds"]

    def lists(self, k, file):
        return self.ask(do="lists", k=k, file=file)["seconds"]


class RankineArm:
    """`rankine train`, and `--resume` for more epochs: what a user runs. Seconds are the report's,
    of training alone; the lists are rk_model_top_k's (bench_answers)."""

    library = "rankine"

    def __init__(self, model, build, config, data, folder, threads):
        self.model, self.build, self.folder = model, build, folder
        self.config, self.data, self.threads = config, data, threads
        self.done, self.trained, self.host_bytes, self.start = 0, 0.0, 0, None

    def command(self, epochs):
        program = os.path.join(self.build, "bin", "rankine")
        if self.model.has_epochs and self.done:
            return [
                program,
                "train",
                "--run",
                self.folder,
                "--resume",
                "--quiet",
                "--set",
                f"train.epochs={epochs}",
            ]
        settings = [
            *self.model.rankine,
            "run.device=cpu",
            f"run.threads={self.threads}",
            "eval.metrics=[recall, ndcg]",
            "eval.k=[20]",
            "eval.metric=ndcg@20",
            f"data.cache={os.path.dirname(self.folder)}/cache",
        ]
        settings += [f"train.epochs={epochs}"] if self.model.has_epochs else []
        command = [
            program,
            "train",
            self.config,
            "--data",
            os.path.abspath(self.data),
            "--run",
            self.folder,
            "--force",
            "--quiet",
        ]
        for setting in settings:
            command += ["--set", setting]
        return command

    def epochs(self, n):
        done = subprocess.run(
            self.command(self.done + n), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise arms.Unavailable(done.stderr.strip())
        with open(f"{self.folder}/report.json", encoding="utf-8") as file:
            report = json.load(file)
        timing = report["timing"]
        seconds = timing["train_seconds"]
        if self.model.has_epochs:  # a resumed run's go on from where it was
            seconds -= self.trained
            self.trained += seconds
        self.done += n
        self.host_bytes = max(self.host_bytes, report["memory"]["peak_bytes"])
        if self.start is None:
            self.start = timing["data_seconds"] + timing["setup_seconds"]
        return seconds

    def open(self):
        return arms.Process(
            [os.path.join(self.build, "bench", "bench_answers"), self.folder],
            environment(self.threads),
        )

    def lists(self, k, file):
        process = self.open()
        seconds = process.send(f"write {k} {file}")["seconds"]
        process.close()
        return seconds

    def close(self):
        pass
