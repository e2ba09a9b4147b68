"""usage: smoke.py WHEEL an installed wheel: where its library is from, what it brings and under
which licences, that it trains and answers, that the program is there and does the same."""
import importlib.metadata
import os
import re
import subprocess
import sys
import tempfile
import zipfile

import numpy as np

import rankine as rk

LARGEST = 30e6  # bytes of a wheel for CPUs

package = os.path.dirname(rk.__file__)
assert package.startswith(sys.prefix), f"{package} is not in {sys.prefix}"
size = os.path.getsize(sys.argv[1])
names = zipfile.ZipFile(sys.argv[1]).namelist()
libraries = sorted(os.path.basename(name) for name in names if ".libs/" in name)
assert size < LARGEST and libraries, (size, libraries)

rng = np.random.default_rng(1)
users, items = rng.integers(0, 200, 4000), rng.integers(0, 100, 4000) ** 2 // 100
data = rk.Dataset.from_arrays(users, items)
with tempfile.TemporaryDirectory() as folder:
    run = rk.train({"model.dim": 8, "train.epochs": 2, "eval.k": [10], "eval.metric": "ndcg@10"},
                   f"{folder}/run", data=data)
    best = run.recommend(1, 3)
    program = os.environ["RANKINE"]
    said = subprocess.run([program, "recommend", f"{folder}/run", "--user", "1", "--top", "3"],
                          check=True, capture_output=True, text=True).stdout
    assert all(str(one.item) in said for one in best) and len(best) == 3, said
version = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
assert rk.version() in version, version

with open("/proc/self/maps", encoding="utf-8") as file:
    loaded = set(re.findall(r"/\S+\.so\S*", file.read()))
own = {path for path in loaded if re.search("rankine|hdf5|openblas|gomp", path)}
assert own and all(path.startswith(sys.prefix) for path in own), own

info = importlib.metadata.distribution("rankine")
licences = [file for file in info.files if "/licenses/" in str(file)]
stated = info.metadata.get_all("License-File")
assert len(stated) == len(licences) > 5, (stated, licences)
texts = {file.name: file.read_binary().decode("utf-8", "replace") for file in licences}
assert "Apache License" in texts["LICENSE"]
for package, words in {"hdf5": "HDF", "openblas": "OpenBLAS", "gomp": "GPL",
                       "yaml": "Simonov"}.items():
    assert any(re.search(package, name) and words in text for name, text in texts.items()), package
print(f"{os.path.basename(sys.argv[1])}: {size / 1e6:.1f} MB; brings {', '.join(libraries)}; "
      f"licences {', '.join(sorted(texts))}")
print(rk.info("devices"))
