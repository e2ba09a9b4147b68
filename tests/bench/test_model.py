#!/usr/bin/env python3
"""The model of bench/predict, on graphs whose times can be worked out by hand."""
import os
import subprocess
import sys
import tempfile
import unittest

BENCH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "bench")
sys.path.insert(0, BENCH)
from model import graphs, ranks, schedule, step  # noqa: E402
from model.assumptions import Assumptions, Operation, Program, Settings  # noqa: E402
from model.devices import Device  # noqa: E402

# One processor at 1 GHz with room for two blocks of two warps, caches and memory without a limit
# but of 1 TB/s: a cycle is a nanosecond.
TINY = Device(title="tiny", capability=80, sms=1, clock=1.0, warps=4, registers=65536, l2_holds=1e6,
              l2_read=1.0, l2_latency=100, memory=1e9, node=2.0, tf32=1.0)
# Degrees of five users and five items: a pair each but for user 0 and item 0, who have five.
TRAIN = "0 0 1 2 3 4\n1 0\n2 0\n3 0\n4 0\n"


def tiny_graph(folder):
    path = os.path.join(folder, "train.txt")
    with open(path, "w", encoding="ascii") as file:
        file.write(TRAIN)
    return graphs.read_adjacency(path)


def assumed(**changes):
    values = {"gather_share": 1.0, "block_warps": 2, "registers": 32, "weight_bytes_fp32": 0,
              "piece_edges": 4, "batch": 1}
    values.update(changes)
    return Assumptions(**values)


class Schedule(unittest.TestCase):
    def test_pieces_are_those_of_the_device(self):
        # split_rows.c: 5 edges, at most 4 a piece: [0, 2) and [2, 5)
        self.assertEqual(schedule.pieces_of([5, 1, 4], 4), [2, 3, 1, 4])

    def test_a_warp_waits_for_its_loads(self):
        # piece, columns, weights, two rounds of two edges, the row's weight
        self.assertEqual(schedule.warp_cycles(3, 100, 2, 1, 1, 0), 600)
        # both rounds at once, no weights looked up
        self.assertEqual(schedule.warp_cycles(3, 100, 2, 4, 0, 0), 400)
        # 33 edges: the second columns are there already
        self.assertEqual(schedule.warp_cycles(33, 100, 2, 4, 0, 1), 100 * (1 + 1 + 4 + 0 + 1 + 1))

    def test_makespan_by_hand(self):
        # blocks of 5, 3, 2, 4 on two slots: 5 | 3 then 2 (ends 5), then 4: 9
        self.assertEqual(schedule.makespan([5, 3, 2, 4], 2), 9)
        self.assertEqual(schedule.makespan([5, 4, 3, 2], 2), 7)
        self.assertEqual(schedule.into_blocks([5, 1, 1, 4, 2], 2), [5, 4, 2])
        # two warps hold 5 + 4 of time, of which 5 + 1 + 1 + 4 is used
        self.assertEqual(schedule.waste([5, 1, 1, 4], 2), 18 / 11)


class Kernels(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.graph = tiny_graph(scratch.name)

    def test_degrees(self):
        self.assertEqual(self.graph.users, [5, 1, 1, 1, 1])
        self.assertEqual(self.graph.items, [5, 1, 1, 1, 1])
        self.assertEqual(self.graph.edges, 18)

    def propagate(self, **changes):
        return step.Model(TINY, assumed(**changes)).gathering(self.graph, "propagate", "fp32")

    def test_pieces_in_the_order_of_rows(self):
        # Pieces 2 3 1 1 1 1 2 3 1 1 1 1; a warp gathers two edges at once, so lives are 500 for one
        # or two edges, 600 for three. Blocks 600 500 500 600 500 500 on two slots: the first ends
        # one at 600, 1200 and 1700, the second at 500, 1000 and 1500.
        time = self.propagate()
        self.assertAlmostEqual(time.latency, 1.7)
        # each of the blocks of 600 holds 100 for nothing
        self.assertAlmostEqual(time.waste, 2 * 3200 / (10 * 500 + 2 * 600))

    def test_longest_first(self):
        # one block of 600, then five of 500: they end at 600, 1100, 1600 and 500, 1000, 1500
        time = self.propagate(sorted_pieces=1)
        self.assertAlmostEqual(time.latency, 1.6)
        self.assertAlmostEqual(time.waste, 1.0)

    def test_a_long_row_is_a_block(self):
        # two blocks whose warps take 3 edges at most: 600 and 100 for their sum; then 8 pieces of 1
        time = self.propagate(sorted_pieces=1, long_rows="block")
        self.assertAlmostEqual(time.latency, 0.7 + 0.5 + 0.5)

    def test_the_last_warp_adds_the_pieces(self):
        # Two sums, one at a time: pieces of 3 edges live 800. Blocks of 800 500 500 800 500 500:
        # the first slot ends them at 800 and 1600, the second at 500, 1000, 1500 and 2000.
        self.assertAlmostEqual(self.propagate(long_rows="last").latency, 2.0)
        # one block of 800, five of 500: 800, 1300, 1800 and 500, 1000, 1500
        self.assertAlmostEqual(self.propagate(long_rows="last", sorted_pieces=1).latency, 1.8)

    def test_bytes(self):
        # 18 edges of 256 bytes and a column of 4, 10 rows written, at 1 TB/s
        time = self.propagate()
        self.assertAlmostEqual(time.cache, (18 * 260 + 10 * 256) / 1e6)
        squares = time.latency ** 2 + time.cache ** 2 + time.memory ** 2
        self.assertAlmostEqual(time.us ** 2, squares)

    def test_a_step_is_its_kernels_and_nodes(self):
        program = Program(5, [Operation("sample_triplets", 2.0), Operation("propagate", 0.0)])
        model = step.Model(TINY, assumed(small_kernel=1.0, slow_kernels=10))
        entry = model.step(self.graph, program, "fp32")
        # five nodes, four of them small; 2 MB at 1 TB/s
        expected = entry.gathering["propagate"].us + 5 * 2.0 + 4 * 1.0 + 10 + 2
        self.assertAlmostEqual(entry.us, expected)
        self.assertAlmostEqual(entry.work, entry.us)

    def test_lanes_run_beside_each_other(self):
        # 3 us a node and what it moves. Lane 0 ends at 8 and 20, lane 1 at 13 and 17; the last one
        # waits for both, to 23. All of it is 40 us of work.
        program = Program(5, [Operation("a", 5.0), Operation("b", 10.0, 1), Operation("c", 9.0),
                              Operation("d", 1.0, 1, (0,)), Operation("e", 0.0, 0, (2, 3))])
        model = step.Model(TINY, assumed(small_kernel=1.0))
        entry = model.step(self.graph, program, "fp32")
        self.assertAlmostEqual(entry.us, 23.0)
        self.assertAlmostEqual(entry.work, 40.0)

    def test_ranking(self):
        model = step.Model(TINY, assumed(ranking_fused=1, ranking_nodes=3, ranking_runs_users=2,
                                         ranking_host=10, ranking_once=0, survivors=0,
                                         tensor_share=0.5))
        total, parts = model.ranking(self.graph)
        self.assertAlmostEqual(parts["product"], 2 * 5 * 5 * 64 / 0.5e9)
        self.assertAlmostEqual(parts["nodes"], 3 * 3 * 2.0 / 1e3)  # runs of 2, 2 and 1 users
        self.assertAlmostEqual(parts["host"], 3 * 10 / 1e3)
        self.assertAlmostEqual(total, sum(parts.values()))

    def test_a_host_beside_the_device(self):
        def host(us):
            model = step.Model(TINY, assumed(ranking_fused=1, ranking_nodes=3, ranking_once=0,
                                             ranking_runs_users=1, survivors=0, tensor_share=0.5,
                                             ranking_host=us, ranking_overlapped=1))
            return model.ranking(self.graph)[1]["host"]

        # five runs of 6 us on the device: 30 and the product; one run of the host comes after
        self.assertAlmostEqual(host(2), 0.002)
        product = 2 * 5 * 5 * 64 / 0.5e9
        self.assertAlmostEqual(host(10), 0.05 - 0.03 - product)


class Ranks(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.shape = ranks.of_graph(tiny_graph(scratch.name))

    def model(self, n, **changes):
        return ranks.RankModel(TINY, assumed(sector_share=0.5, sum_factor=2, **changes), n)

    def test_shapes(self):
        self.assertEqual(self.shape.users.groups, [(5, 1), (1, 4)])
        self.assertEqual((self.shape.nodes, self.shape.pairs), (10, 9))
        shape = ranks.of_size("size", 3000, 1000, 60000)
        self.assertAlmostEqual(shape.users.nodes, 3000)
        self.assertEqual(shape.items.nodes, 1000)
        for side in (shape.users, shape.items):
            self.assertAlmostEqual(side.edges / 60000, 1, places=2)

    def test_what_is_read_most_stays(self):
        side = ranks.Side([(5, 1), (2, 1), (1, 1)])
        self.assertEqual(side.share_of_top(1), 5 / 8)
        self.assertEqual(side.share_of_top(1.5), 6 / 8)
        self.assertEqual(side.share_of_top(9), 1)

    def test_a_rank_gathers_its_columns_but_never_less_than_a_sector(self):
        # 18 edges at 1 TB/s: a row of 256 bytes and a column of 4; 10 rows written
        def bytes_of(n, **changes):
            model = self.model(n, **changes)
            rate = model.rate()
            return (18 * model.row_bytes() / rate + (18 * 4 + 40 * model.a.dim) / 1e6) * 1e6

        self.assertAlmostEqual(bytes_of(1), 18 * 260 + 10 * 256)
        self.assertAlmostEqual(bytes_of(4), 18 * 68 + 10 * 64)
        self.assertAlmostEqual(bytes_of(8), 18 * 68 + 10 * 32)  # a sector, at half the rate
        self.assertAlmostEqual(bytes_of(64), 18 * 68 + 10 * 4)

    def test_one_rank_is_the_model_of_one_device(self):
        one = step.Model(TINY, assumed(sorted_pieces=1)).gathering
        many = self.model(1, sorted_pieces=1)
        graph = graphs.Graph("g", [200] * 1000, [250] * 800)
        shape = ranks.of_graph(graph)
        part = many.gathering(shape, "all")
        self.assertAlmostEqual(part.us / one(graph, "propagate", "fp32").us, 1, places=2)
        self.assertEqual(part.why, "latency of loads")

    def test_sums(self):
        network = ranks.HGX
        self.assertEqual(network.sum_us(1, 16384, 2), 0)
        self.assertAlmostEqual(network.sum_us(2, 0, 2), 2 * (3.6 + 2 * 0.47))
        self.assertAlmostEqual(network.sum_us(8, 94000, 1), 3.6 + 14 * 0.47 + 2 * 7 / 8 * 1)
        self.assertAlmostEqual(network.sum_us(16, 0, 1), 4.4 + 2 * (7 * 0.52 * 1.8 + 5))
        self.assertAlmostEqual(network.gather_us(4, 376000), 3)
        self.assertEqual(self.model(4, batch=2048).payload(), 2048 * 2 * 4)
        self.assertEqual(self.model(4, batch=2048).sent(), 2 * 3 * 16384)

    def test_memory(self):
        # 18 edges of 8 bytes, 10 nodes of 44 and of 7 tables of 16 floats
        self.assertEqual(self.model(4).memory(self.shape), 18 * 8 + 10 * (44 + 7 * 64))


class Sizes(unittest.TestCase):
    def test_generated(self):
        graph = graphs.generated("size", 300, 100, 6000)
        self.assertEqual((len(graph.users), len(graph.items)), (300, 100))
        self.assertEqual((sum(graph.users), sum(graph.items)), (6000, 6000))
        self.assertTrue(1 <= min(graph.items) and max(graph.items) <= 300)
        self.assertEqual(graph.users, graphs.generated("size", 300, 100, 6000).users)

    def test_what_is_read_most_stays(self):
        graph = graphs.Graph("g", [1, 1], [5, 2, 1])
        self.assertEqual(graph.hit_share("users", 1), 5 / 8)
        self.assertEqual(graph.hit_share(None, 5), 1.0)


class Script(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = os.path.join(scratch.name, "gowalla")  # whose steps the settings know
        os.mkdir(self.folder)
        tiny_graph(self.folder)

    def predict(self, *arguments):
        return subprocess.run([sys.executable, os.path.join(BENCH, "predict"), *arguments],
                              capture_output=True, text=True, check=False)

    def test_page(self):
        done = self.predict("--data", self.folder, "--device", "h200,a100")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("Predictions, not measurements", done.stdout)
        for text in ("gowalla, step fp32, us", "| H200 | A100 80 GB |",
                     "`loads_in_flight` | 1 | 4 |"):
            self.assertIn(text, done.stdout)

    def test_set(self):
        done = self.predict("--data", self.folder, "--set", "before.loads_in_flight=2",
                            "--set", "h200.l2_read=8", "--device", "h200")
        self.assertIn("`loads_in_flight` | 2 | 4 |", done.stdout)
        self.assertIn("`l2_read` | 8 |", done.stdout)
        for wrong in ("nothing=1", "later.batch=1", "h200.size=1", "batch=many"):
            done = self.predict("--data", self.folder, "--set", wrong)
            self.assertNotEqual(done.returncode, 0, wrong)
            self.assertNotIn("Traceback", done.stderr)

    def test_ranks(self):
        done = self.predict("--data", self.folder, "--size", "big=1000000,9390623,4649567411",
                            "--device", "h100", "--ranks", "1,8,64", "--dims", "64,512")
        self.assertEqual(done.returncode, 0, done.stderr)
        for text in ("no GPU has run this", "| a step, dim 512 | 1 GPU | 8 GPUs | 64 GPUs |",
                     "(too much)", "`sector_share` | 0.5 |"):
            self.assertIn(text, done.stdout)
        for wrong in (["--ranks", "many"], ["--ranks", "0"], ["--ranks", "2", "--dims", "x"]):
            done = self.predict("--data", self.folder, "--device", "h100", *wrong)
            self.assertNotEqual(done.returncode, 0, wrong)
            self.assertNotIn("Traceback", done.stderr)
        self.assertNotEqual(self.predict("--data", self.folder, "--ranks", "2").returncode, 0)

    def test_asks_a_program_and_keeps_its_answers(self):
        program = os.path.join(os.path.dirname(self.folder), "rankine")
        with open(program, "w", encoding="ascii") as file:
            file.write("#!/bin/sh\ncat <<PAGE\n"
                       "  #  lane  operation  result         MB  reads\n"
                       "  0  1     propagate  f32 [10, 64]  1.250  graph, embedding\n"
                       "  1  0     combine    f32 [6, 64]   0.500  rows #0, embedding, #0.1\n\n"
                       "device cuda replays it as a graph of 7 nodes\nPAGE\n")
        os.chmod(program, 0o755)
        settings = os.path.join(os.path.dirname(self.folder), "mine.ini")
        with open(settings, "w", encoding="ascii") as file:
            file.write("; why\n[assumptions]\nsorted_pieces = 1\n\n"
                       "[program other fp32]\nnodes = 3\noperations = adam 1\n")
        done = self.predict("--data", self.folder, "--settings", settings, "--rankine", program,
                            "--update")
        self.assertEqual(done.returncode, 0, done.stderr)
        kept = Settings("mine", settings)
        self.assertEqual(kept.programs["gowalla", "fp16"],
                         Program(7, [Operation("propagate", 1.25, 1),
                                     Operation("combine", 0.5, 0, (0,))]))
        self.assertEqual(kept.programs["other", "fp32"].nodes, 3)
        self.assertEqual(kept.assumptions.sorted_pieces, 1)
        with open(settings, encoding="ascii") as file:
            self.assertTrue(file.read().startswith("; why\n[assumptions]\nsorted_pieces = 1\n"))


if __name__ == "__main__":
    unittest.main()
