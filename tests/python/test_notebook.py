"""docs/examples/tour.ipynb from its first cell to its last, and the same by the program."""
import json
import os

import pytest
from conftest import program

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
for needed in ("ipykernel", "matplotlib"):
    pytest.importorskip(needed)

NOTEBOOK = os.path.join(os.environ["RANKINE_SOURCE"], "docs/examples/tour.ipynb")
KEEP = """
import json
frame.to_csv("frame.csv", index=False)
with open("found.json", "w") as file:
    json.dump({"config": config, "fingerprint": data.fingerprint, "metrics": run.metrics["test"],
               "best": run.recommend("u1", n=5), "similar": run.similar("f1", n=5),
               "space": space, "sweep": [sweep.best_options, sweep.metrics["test"]],
               "values": [trial["value"] for trial in sweep.trials]}, file)
"""


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebook")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(KEEP))
    nbclient.NotebookClient(notebook, timeout=300,
                            resources={"metadata": {"path": str(folder)}}).execute()
    return folder, notebook, json.loads((folder / "found.json").read_text())


def test_it_lies_without_outputs():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.get("outputs") and cell.get("execution_count") is None
    assert os.path.getsize(NOTEBOOK) < 20000


def test_what_it_shows(executed):
    _, notebook, found = executed
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 3
    text = "".join(output.get("text", "") for output in outputs)
    assert "of the genre that one watches" in text
    assert not [output for output in outputs if output.get("name") == "stderr"]
    assert found["metrics"]["recall@10"] > 0.2 and len(found["values"]) == 6
    assert found["sweep"][1]["ndcg@10"] > 0


def test_interrupt(tmp_path):
    """The stop button: KeyboardInterrupt in the cell, a checkpoint, and a kernel that goes on."""
    from jupyter_client.manager import start_new_kernel
    manager, client = start_new_kernel(kernel_name="python3", cwd=str(tmp_path))
    said = []

    def hears(message):
        if message["msg_type"] in ("stream", "error"):
            said.append(message["content"].get("text") or message["content"]["ename"])
            if "trains" in said[-1]:
                manager.interrupt_kernel()

    def run(code):
        client.execute_interactive(code, timeout=120, output_hook=hears)

    try:
        run("""
import numpy as np, rankine as rk
rng = np.random.default_rng(1)
data = rk.Dataset.from_arrays(rng.integers(0, 300, 9000), rng.integers(0, 200, 9000))
class Says(rk.Callback):
    def scalar(self, name, epoch, value):
        if (name, epoch) == ("train/loss", 2):
            print("trains", flush=True)
config = {"train.epochs": 100000, "model.dim": 8, "run.device": "cpu", "eval.patience": 0}
rk.train(config, "cut", data=data, callbacks=Says())""")
        run("print('lives')")
    finally:
        manager.shutdown_kernel(now=True)
    words = [one.strip() for one in said]
    assert words == ["trains", "KeyboardInterrupt", "lives"], words
    assert (tmp_path / "cut/last.h5").exists()


def test_the_program_finds_the_same(executed):
    folder, _, found = executed
    config = folder / "tour.yaml"
    options = {}
    for key, value in found["config"].items():
        section, name = key.split(".")
        options.setdefault(section, {})[name] = value
    options["data"] = {"ids": "text", "sources": [{
        "file": "frame.csv", "user": "user_id", "item": "film_id", "time": "watched_at"}]}
    config.write_text(json.dumps(options))  # which is YAML, too
    program("train", config, "--run", folder / "cli", "--quiet")
    report = json.loads((folder / "cli/report.json").read_text())
    assert report["dataset"]["fingerprint"] == found["fingerprint"]
    for name in ("recall@10", "ndcg@10", "mrr@10", "coverage@10"):
        assert report["test"][name] == found["metrics"][name]
    said = json.loads(program("recommend", folder / "cli", "--user", "u1", "--top", 5, "--json"))
    assert [row["item"] for row in said[0]["recommendations"]] == [one[0] for one in found["best"]]
    near = json.loads(program("similar", folder / "cli", "--items", "f1", "--top", 5, "--json"))
    assert [row["item"] for row in near[0]["similar"]] == [one[0] for one in found["similar"]]
    space = folder / "space.yaml"
    space.write_text(json.dumps(found["space"]))
    program("sweep", config, "--space", space, "--method", "grid", "--run", folder / "cli-tuned",
            "--quiet")
    report = json.loads((folder / "cli-tuned/report.json").read_text())
    assert [trial["value"] for trial in report["trials"]] == found["values"]
    assert report["best"]["options"] == found["sweep"][0]
