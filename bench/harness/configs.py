"""Which config reads a folder of text files."""
import os

from harness import arms

# The first of these files that a folder holds names the config that reads it, for LightGCN ...
CONFIGS = (
    ("train.txt", "configs/lightgcn-paper.yaml"),
    ("data1.txt", "bench/configs/lastfm.yaml"),
    ("ratings.csv", "bench/configs/ratings.yaml"),
)
# ... and, with nothing but the data in it, for any model.
DATA = (("train.txt", "bench/configs/adjacency.yaml"), *CONFIGS[1:],
        ("u.data", "bench/configs/movielens.yaml"))  # fmt: skip


def config_for(folder, known=CONFIGS):
    for name, config in known:
        if os.path.exists(os.path.join(folder, name)):
            return os.path.join(arms.ROOT, config)
    raise ValueError(f"{folder} holds none of {', '.join(name for name, _ in known)}")
