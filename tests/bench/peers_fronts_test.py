#!/usr/bin/env python3
"""The arithmetic of bench/peers: fronts, speed at equal recall, choosing on one half of the queries."""
import math
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "bench", "peers"))
from fronts import best_at, best_peer, front, qps_at, ratio  # noqa: E402


def recall(point):
    return point[0]


def qps(point):
    return point[1]


def run(system, *points, name="a"):
    """Points are (mode, recall and qps of the first half, of the second)."""
    return {"system": system, "name": name, "points": [
        {"mode": mode, "params": {"ef": i}, "recall_halves": [r0, r1], "qps_halves": [q0, q1], "recall_p5": 0.5}
        for i, (mode, r0, q0, r1, q1) in enumerate(points)]}


class FrontTest(unittest.TestCase):
    def test_keeps_only_what_no_other_beats_in_both(self):
        points = [(0.9, 100), (0.8, 90), (0.95, 50), (0.95, 60), (0.99, 60), (0.7, 300)]
        self.assertEqual(front(points, recall, qps), [(0.7, 300), (0.9, 100), (0.99, 60)])

    def test_interpolates_speed_on_a_log_scale(self):
        found = qps_at([(0.9, 1000), (1.0, 10)], 0.95, recall, qps)
        self.assertTrue(math.isclose(found["qps"], 100))
        self.assertEqual(found["point"], (1.0, 10))
        self.assertFalse(found["at_least"])

    def test_says_where_the_lowest_recall_is_above_the_target(self):
        found = qps_at([(0.97, 700), (0.99, 100)], 0.95, recall, qps)
        self.assertEqual((found["qps"], found["at_least"]), (700, True))

    def test_says_where_the_target_is_not_reached(self):
        self.assertIsNone(qps_at([(0.9, 1000)], 0.95, recall, qps))


class HalvesTest(unittest.TestCase):
    def test_a_point_that_wins_on_the_second_half_alone_is_not_chosen(self):
        runs = [run("a", ("one", 0.90, 1000, 0.90, 1000), ("one", 0.95, 500, 0.95, 400),
                    ("one", 0.94, 400, 0.96, 9000))]
        self.assertAlmostEqual(best_at(runs, "one", 0.95)["a"]["qps"], 400)

    def test_the_recall_that_counts_is_that_of_the_second_half(self):
        runs = [run("a", ("one", 0.90, 1000, 0.80, 1000), ("one", 0.96, 500, 0.90, 500))]
        found = best_at(runs, "one", 0.95)["a"]
        self.assertEqual((found["qps"], found["max_recall"]), (None, 0.90))

    def test_without_batches_a_system_stands_with_its_single_calls(self):
        runs = [run("a", ("one", 0.95, 500, 0.95, 500)),
                run("b", ("one", 0.95, 100, 0.95, 100), ("batch", 0.95, 800, 0.95, 800))]
        batch = best_at(runs, "batch", 0.95)
        self.assertEqual((batch["a"]["qps"], batch["b"]["qps"]), (500, 800))
        self.assertEqual(best_at(runs, "one", 0.95)["b"]["qps"], 100)

    def test_the_ratio_is_to_the_best_peer(self):
        at = best_at([run("leadline", ("one", 0.95, 600, 0.95, 600)), run("a", ("one", 0.95, 100, 0.95, 100)),
                      run("b", ("one", 0.95, 200, 0.95, 200)), run("c", ("one", 0.5, 9000, 0.5, 9000))],
                     "one", 0.95)
        self.assertEqual((best_peer(at), ratio(at)), ("b", 3))


if __name__ == "__main__":
    unittest.main()
