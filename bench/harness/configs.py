"""Which config reads a folder of text files."""
import os

from harness import arms

# The first of these files that a folder holds names the config that reads it.
CONFIGS = (
    ("train.txt", "configs/lightgcn-paper.yaml"),
    ("data1.txt", "bench/configs/lastfm.yaml"),
    ("ratings.csv", "bench/configs/ratings.yaml"),
)


def config_for(folder):
    for name, config in CONFIGS:
        if os.path.exists(os.path.join(folder, name)):
            return os.path.join(arms.ROOT, config)
    raise ValueError(f"{folder} holds none of {', '.join(name for name, _ in CONFIGS)}")
