#!/usr/bin/env python3
"""The tables of bench/run, from made-up figures whose medians and ratios are known."""
import math
import os
import sys
import tempfile
import unittest
from xml.etree import ElementTree

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "bench"))
from harness import configs, pictures, ranking, results, svg  # noqa: E402


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
            results.write_csv(path, example().table())
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

    def test_the_strongest_leads(self):
        r = example()
        r.add("p2", "step", 6.0, "ms")
        lines = [line.split("|")[1].strip() for line in results.glance(r)[3:]]
        self.assertEqual(lines, ["rankine", "p2", "p1"])


class Quality(unittest.TestCase):
    """bench/peers' judge, by hand: user 0 wants items 3 and 4, user 1 nothing, user 2 item 0."""

    train = [{1}, set(), set()]
    test = [{3, 4}, set(), {0}]

    def test_recall_and_ndcg(self):
        found = ranking.quality([2, 3, 0, 1, 1, 0], 2, self.train, self.test)
        gain = 1 / math.log2(3)
        self.assertAlmostEqual(found["recall"], (0.5 + 1) / 2)
        self.assertAlmostEqual(found["ndcg"], (gain / (1 + gain) + gain) / 2)

    def test_short_lists(self):
        found = ranking.quality([3, -1, -1, -1, -1, -1], 2, self.train, self.test)
        self.assertAlmostEqual(found["recall"], 0.25)

    def test_lists_that_are_none(self):
        for lists in ([1, 3, 0, 0, 0, 2], [3, 3, 0, 1, 0, 2], [3, 2]):
            with self.assertRaises(ValueError):
                ranking.quality(lists, 2, self.train, self.test)

    def test_a_folder_without_data(self):
        with tempfile.TemporaryDirectory() as folder:
            with self.assertRaisesRegex(ValueError, "u.data"):
                configs.config_for(folder, configs.DATA)


class Pictures(unittest.TestCase):
    def texts_and_root(self, draw):
        with tempfile.TemporaryDirectory() as folder:
            csv, path = os.path.join(folder, "x.csv"), os.path.join(folder, "x.svg")
            r = example()
            for metric, value in (("gather_fp32", 50), ("copy", 30), ("flops", 400)):
                r.add("ceiling", metric, value, "GB/s")
            for part, value in (("ms", 2.0), ("bytes", 4e7), ("flops", 2e7)):
                r.add("rankine", f"propagate.{part}", value, part)
            r.add("rankine", "<&>", 1, "ms")
            results.write_csv(csv, r.table())
            draw(results.read_csv(csv), path)
            root = ElementTree.parse(path).getroot()
        return [element.text for element in root if element.tag.endswith("text")], root

    def test_bars_are_as_long_as_their_values(self):
        texts, root = self.texts_and_root(pictures.bars)
        self.assertIn("p1 (about)", texts)
        bars = [float(e.get("width")) for e in root if e.tag.endswith("rect")][1:]
        self.assertEqual(len(bars), 3)  # two steps, one epoch
        # 2 and 9 ms on an axis that begins at 0, as they differ by less than 20 times
        self.assertAlmostEqual(bars[1] / bars[0], 9 / 2, places=2)

    def test_a_point_lies_where_its_rate_is(self):
        """20 GB/s and half an operation a byte: on the line of 20 GB/s, under that of 50."""
        texts, root = self.texts_and_root(pictures.roofline)
        self.assertTrue(any("propagate, 100 % of the step" in text for text in texts))
        dots = [e for e in root if e.tag.endswith("circle")]
        self.assertEqual(len(dots), 1)

    def test_axes(self):
        axis = svg.Axis([1, 1000], 0, 100)
        self.assertLess(axis.at(1), axis.at(10))
        self.assertAlmostEqual(axis.at(10) - axis.at(1), axis.at(1000) - axis.at(100))
        self.assertTrue(all(axis.low <= tick <= axis.high for tick in axis.ticks()))
        self.assertIn(100, axis.ticks())
        linear = svg.Axis([3, 8], 0, 100, log=False)
        self.assertEqual(linear.at(0), 0)
        self.assertIn(4, linear.ticks())

    def test_numbers(self):
        for value, text in ((0, "0"), (20.1234, "20.1"), (1234.5, "1234"), (0.0567, "0.0567"),
                            (0.5, "0.5"), (3e7, "30M"), (12500, "12.5k")):  # fmt: skip
            self.assertEqual(svg.number(value), text)

    def test_labels_keep_apart(self):
        picture = svg.Picture(100, 400, "x")
        picture.labels([(10, 100, f"label {i}", "black") for i in range(12)], 50, 20, 390)
        heights = [float(part.split("y='")[1].split("'")[0]) for part in picture.parts
                   if "label" in part]  # fmt: skip
        gaps = [b - a for a, b in zip(heights, heights[1:])]
        self.assertGreaterEqual(min(gaps), 14.9)
        self.assertLessEqual(max(heights), 400)
        self.assertGreaterEqual(min(heights), 20)


if __name__ == "__main__":
    unittest.main()
