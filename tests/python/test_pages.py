"""The first blocks of Python in README.md and docs/python.md run as they stand."""
import pathlib
import re

import pandas
import pytest

ROOT = pathlib.Path(__file__).parents[2]


@pytest.mark.parametrize("page", ["README.md", "docs/python.md"])
def test_first_block(demo, tmp_path, monkeypatch, page):
    block = re.search(r"(?ms)^```python\n(.*?)^```$", (ROOT / page).read_text(encoding="utf-8"))
    frame = pandas.read_csv(demo / "demo/ratings.csv")
    frame = pandas.DataFrame({"user_id": "u" + frame["user_id"].astype(str),
                              "film_id": "tt" + frame["item_id"].astype(str),
                              "watched_at": frame["timestamp"]})
    names = {"frame": frame}
    monkeypatch.chdir(tmp_path)
    exec(block[1], names)
    assert len(names["run"].recommend("u7", n=10)) == 10
    assert (tmp_path / "runs/a/report.json").exists()
