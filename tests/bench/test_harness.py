#!/usr/bin/env python3
"""The tables of bench/run, from made-up figures whose medians and ratios are known."""
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "bench"))
from harness import results  # noqa: E402


def example():
    r = results.Results("tiny", "cpu")
    for ours, theirs in ((2.0, 10.0), (4.0, 8.0), (1.0, 9.0)):
        r.add("rankine", "step", ours, "ms")
        r.add("p1", "step", theirs, "ms")
    r.add("p1", "epoch_estimate", 90.0, "s")
    r.add_ratios("step", "rankine")
    return r


class Tables(unittest.TestCase):
    def test_median_and_ratio(self):
        r = example()
        self.assertEqual(r.median("rankine", "step"), 2.0)
        # Within a round: 5, 2, 9; not the ratio of the medians, 4.5.
        self.assertEqual(r.values("p1", "step_ratio"), [5.0, 2.0, 9.0])
        self.assertEqual(r.median("p1", "step_ratio"), 5.0)
        self.assertIsNone(r.median("p2", "step"))

    def test_csv_is_read_back(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "x.csv")
            example().write_csv(path)
            with open(path, encoding="utf-8") as file:
                self.assertEqual(
                    file.readline(), "dataset,device,arm,metric,median,min,max,unit\n"
                )
            rows = results.read_csv(path)
        self.assertEqual(len(rows), 5)
        step = next(row for row in rows if (row["arm"], row["metric"]) == ("p1", "step"))
        self.assertEqual((step["median"], step["min"], step["max"]), (9.0, 8.0, 10.0))
        self.assertEqual((step["dataset"], step["device"], step["unit"]), ("tiny", "cpu", "ms"))

    def test_markdown(self):
        text = results.markdown(example(), ["facts"], {"p1": "what it is"}, ["a note"])
        self.assertIn("| p1 | 9.00 | 5.00 | about 90.00 |", text)
        self.assertIn("| rankine | 2.000 | 1.000 | 4.000 |", text)
        self.assertIn("| p1 | what it is |", text)
        self.assertIn("- a note", text)


if __name__ == "__main__":
    unittest.main()
