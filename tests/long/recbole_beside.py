"""usage: recbole_beside.py RANKINE RATINGS [MODEL...] RecBole 1.2.1 and Rankine by the same config
of RecBole, on RecBole's own split of MovieLens 100K: test metrics of several seeds each. Where
random numbers are drawn, Welch's t-test must not tell them apart (p of ALPHA and more, over all
models and metrics, by Bonferroni), and the difference must be known well enough for that to say
something: the 95 % interval of it no wider than WIDEST of the metric to each side. Both test the
last epoch: RecBole 1.2.1 cannot load its best one with PyTorch from 2.6 on."""
import json
import logging
import os
import statistics
import subprocess
import sys
import warnings

warnings.filterwarnings("ignore")
import torch  # noqa: E402
from scipy.stats import ttest_ind  # noqa: E402
from recbole.config import Config  # noqa: E402
from recbole.data import create_dataset, data_preparation  # noqa: E402
from recbole.utils import get_model, get_trainer, init_seed  # noqa: E402

COMMON = """
dataset: beside
data_path: dataset/
benchmark_filename: [train, valid, test]
load_col: {inter: [user_id, item_id]}
metrics: [Recall, NDCG, MRR]
topk: [10]
valid_metric: NDCG@10
eval_step: 0
use_gpu: False
state: ERROR
show_progress: False
"""
BY_GRADIENTS = "learning_rate: 0.005\ntrain_batch_size: 2048\nweight_decay: 0.0\n"
MODELS = {
    "LightGCN": BY_GRADIENTS + "epochs: 20\nembedding_size: 32\nn_layers: 2\nreg_weight: 1.e-4\n",
    "BPR": BY_GRADIENTS + "epochs: 20\nembedding_size: 32\n",
    "NeuMF": "learning_rate: 0.001\ntrain_batch_size: 2048\nepochs: 20\nmf_embedding_size: 32\n"
             "mlp_embedding_size: 32\nmlp_hidden_size: [64, 32]\ndropout_prob: 0.1\n",
    "SLIMElastic": "alpha: 0.2\nl1_ratio: 0.02\n",
    "EASE": "reg_weight: 250.0\n",
}
WITHIN = {"SLIMElastic": 5e-3, "EASE": 1e-4}  # without random numbers; SLIM's stop at a tolerance
SEEDS = {"BPR": (20, 40), "LightGCN": (8, 16), "NeuMF": (8, 16)}  # RecBole's and Rankine's
NAMES = ("recall@10", "ndcg@10", "mrr@10")
ALPHA = 0.01
WIDEST = 0.03


def write_split(ratings):
    """RecBole's split of the rows with ratings of 3 and more, as it makes it, in three files."""
    os.makedirs("dataset/whole", exist_ok=True)
    os.makedirs("dataset/beside", exist_ok=True)
    with open(ratings, encoding="latin-1") as file, open(
            "dataset/whole/whole.inter", "w", encoding="ascii") as out:
        out.write("user_id:token\titem_id:token\n")
        rows = (line.split("\t") for line in file)
        out.writelines(f"{row[0]}\t{row[1]}\n" for row in rows if float(row[2]) >= 3)
    config = Config(model="BPR", dataset="whole", config_dict={
        "data_path": "dataset/", "load_col": {"inter": ["user_id", "item_id"]}, "state": "ERROR",
        "use_gpu": False, "seed": 2020})
    init_seed(2020, True)
    dataset = create_dataset(config)
    for name, loader in zip(("train", "valid", "test"), data_preparation(config, dataset)):
        part = loader._dataset.inter_feat
        users = dataset.id2token("user_id", part["user_id"].numpy())
        items = dataset.id2token("item_id", part["item_id"].numpy())
        with open(f"dataset/beside/beside.{name}.inter", "w", encoding="ascii") as out:
            out.write("user_id:token\titem_id:token\n")
            out.writelines(f"{u}\t{i}\n" for u, i in zip(users, items))


def by_recbole(path, seed):
    """run_recbole without Ray, which it imports for looking for options."""
    torch.set_num_threads(1)  # small matrices: two threads wait for each other
    config = Config(config_file_list=[path], config_dict={"seed": seed})
    init_seed(seed, True)
    parts = data_preparation(config, create_dataset(config))
    network = get_model(config["model"])(config, parts[0]._dataset).to(config["device"])
    trainer = get_trainer(config["MODEL_TYPE"], config["model"])(config, network)
    trainer.fit(parts[0], parts[1], saved=False, show_progress=False)
    found = trainer.evaluate(parts[2], load_best_model=False, show_progress=False)
    return [float(found[name]) for name in NAMES]


def by_rankine(program, path, seed, folder):
    subprocess.run([program, "train", "--recbole", path, "--run", folder, "--quiet", "--set",
                    f"run.seed={seed}"], check=True, stdout=subprocess.DEVNULL)
    with open(f"{folder}/report.json", encoding="utf-8") as file:
        report = json.load(file)
    return [report["test"][name] for name in NAMES]


def agree(theirs, ours):
    """Whether the seeds of a metric agree, and the sentence that says how."""
    test = ttest_ind(ours, theirs, equal_var=False)
    low, high = test.confidence_interval(0.95)
    text = f"95 % interval {low:+.4f} to {high:+.4f}, p {test.pvalue:.2g}"
    if test.pvalue < ALPHA / (len(SEEDS) * len(NAMES)):
        return False, text + "  too far apart"
    if (high - low) / 2 > WIDEST * statistics.mean(theirs):
        return False, text + "  too few seeds to say"
    return True, text


def compare(model, theirs, ours):
    good = True
    for name, a, b in zip(NAMES, zip(*theirs), zip(*ours)):
        difference = statistics.mean(b) - statistics.mean(a)
        if model in WITHIN:
            agrees = abs(difference) <= WITHIN[model]
            text = "" if agrees else "too far apart"
        else:
            agrees, text = agree(a, b)
        good &= agrees
        print(f"{model:12} {name:10} RecBole {statistics.mean(a):.4f}  Rankine "
              f"{statistics.mean(b):.4f}  difference {difference:+.4f}  {text}", flush=True)
    return good


def main(program, ratings, *models):
    logging.disable(logging.CRITICAL)
    write_split(ratings)
    good = True
    for model in models or MODELS:
        path = f"{model}.yaml"
        with open(path, "w", encoding="ascii") as file:
            file.write(f"model: {model}\n{COMMON}{MODELS[model]}")
        n_theirs, n_ours = SEEDS.get(model, (1, 1))
        theirs = [by_recbole(path, seed + 1) for seed in range(n_theirs)]
        ours = [by_rankine(program, path, seed + 1, f"runs/{model}-{seed + 1}")
                for seed in range(n_ours)]
        good &= compare(model, theirs, ours)
    return 0 if good else 1


sys.exit(main(*sys.argv[1:]))
