"""Recall and speed of every configuration, one query at a time and in batches.

All configurations run interleaved: each round runs the sweep of every system once, in turn, on one
core; the best pass of each point counts. Points far below the front of their own system are not
repeated.
"""
import os
import re
import sys
import tempfile
import time

import numpy as np

from built import build, open_worker
from datasets import DataSet, Truth, write_set
from fronts import best_at, best_peer, front, qps_at, ratio
from remote import WorkerFailed
from settings import TINY, TINY_PARAMS, Setting, settings
from tables import table
from vectors import map_bin, read_bin

K = 10
BATCH = 1000
TARGETS = (0.90, 0.95, 0.99)
ENOUGH_RECALL = 0.9965
MODES = ("one", "batch")
KEEP_WITHIN = 0.7  # of the own front
SLOW_PASS_S = 20
WARM_UP_S = 5  # Leadline verifies vectors meanwhile; what the others touch gets into memory
IN_MEMORY_BYTES = 1 << 30  # of rows; larger sets are opened one index at a time


def parts_of(data_set, mode):
    """The halves of the queries; one part where a half is no full batch."""
    half, count = data_set.half, data_set.query_count
    return [[0, count]] if mode == "batch" and half < BATCH else [[0, half], [half, count]]


class Point:
    """One setting of the search parameters in one mode."""

    def __init__(self, data_set, params, mode):
        self.params, self.mode = params, mode
        self.parts = parts_of(data_set, mode)
        self.half, self.count = data_set.half, data_set.query_count
        self.seconds = self.recalls = None
        self.share = 0.0

    def add(self, answer, timing, recalls):
        times = answer[timing]
        self.seconds = times if self.seconds is None else list(map(min, times, self.seconds))
        self.share = max(self.share, sum(answer["cpu_s"]) / sum(answer["seconds"]))
        self.recalls = recalls

    def qps(self, half):
        """Of the half 0 or 1; of all queries where the mode takes them together."""
        if len(self.parts) == 1:
            return self.count / self.seconds[0]
        begin, end = self.parts[half]
        return (end - begin) / self.seconds[half]

    def recall(self, half):
        return float((self.recalls[self.half:] if half else self.recalls[:self.half]).mean())

    def json(self):
        return {"params": self.params, "mode": self.mode, "recall": float(self.recalls.mean()),
                "recall_halves": [self.recall(0), self.recall(1)],
                "recall_p5": float(np.percentile(self.recalls, 5)),
                "qps": self.count / sum(self.seconds), "qps_halves": [self.qps(0), self.qps(1)],
                "cpu_share": self.share}


class Runner:
    """One configuration: its index, its worker and its points."""

    def __init__(self, args, data_set, setting, truth):
        self.args, self.data_set, self.setting, self.truth = args, data_set, setting, truth
        self.points = []
        self.worker = None
        self.opened, self.rss, self.kept, self.error = {}, 0, None, None
        self.folder, self.built = build(args, data_set, setting, args.build_threads)
        self.error = self.built.get("error")
        self.modes = list(MODES)

    def open(self):
        if self.worker is None:
            self.worker, opened = open_worker(self.args, self.data_set, self.setting, self.folder)
            self.opened = self.opened or opened
            until = time.monotonic() + WARM_UP_S
            while time.monotonic() < until:
                self.run(Point(self.data_set, self.setting.chains[0][0], MODES[0]))

    def close(self):
        if self.worker is not None:
            self.worker.close()
            self.worker = None

    def run(self, point):
        with tempfile.NamedTemporaryFile(suffix=".i32") as file:
            answer = self.worker.ask(self.args.build_limit, do="pass", mode=point.mode,
                                     params=point.params, k=K, count=BATCH, parts=point.parts,
                                     found=file.name)
            found = np.fromfile(file.name, dtype=np.int32).reshape(-1, K)
        point.add(answer, self.args.timing, self.truth.recalls(found))
        return sum(answer["seconds"])

    def sweep(self):
        """The first round: decides which points there are."""
        for mode in MODES:
            for chain in self.setting.chains:
                try:
                    self.sweep_chain(mode, chain)
                except WorkerFailed as failure:
                    if "no batches" not in str(failure):
                        raise
                    self.modes.remove(mode)
                    break
        memory = self.worker.ask(do="memory")
        self.rss, self.kept = memory["rss_bytes"], memory.get("kept_bytes")

    def sweep_chain(self, mode, chain):
        recalls = []
        for params in chain:
            point = Point(self.data_set, params, mode)
            taken = self.run(point)
            self.points.append(point)
            recalls.append(float(point.recalls.mean()))
            if (recalls[-1] >= ENOUGH_RECALL or taken > SLOW_PASS_S or
                    len(recalls) > 2 and recalls[-1] - recalls[-3] < 0.0005):
                break

    def round(self, number, worth_it):
        """Failures end this configuration, not the comparison."""
        if self.error:
            return
        try:
            self.open()
            if number == 0:
                self.sweep()
            else:
                for point in self.points:
                    if worth_it(self, point):
                        self.run(point)
        except WorkerFailed as failure:
            self.error = str(failure)
            print(f"    {self.setting.system} {self.setting.name}: {self.error}", file=sys.stderr)
            self.close()

    def json(self):
        return {"system": self.setting.system, "name": self.setting.name, "config": self.setting.config,
                "build": self.built, "open_s": self.opened.get("open_s"), "rss_bytes": self.rss,
                "kept_bytes": self.kept,
                "modes": self.modes, "error": self.error, "points": [p.json() for p in self.points]}


def near_fronts(runners):
    """Says whether a point is within reach of the front of its system and mode, on either half."""
    fronts = {}
    for runner in runners:
        for point in runner.points:
            fronts.setdefault((runner.setting.system, point.mode), []).append(point)
    whole = {key: front(points, lambda p: p.recalls.mean(), lambda p: p.qps(1))
             for key, points in fronts.items()}

    def worth_it(runner, point):
        best = qps_at(whole[runner.setting.system, point.mode], point.recalls.mean(),
                      lambda p: p.recalls.mean(), lambda p: p.qps(1))
        return best is None or point.qps(1) >= KEEP_WITHIN * best["qps"]
    return worth_it


def measure(args, data_set):
    truth = Truth(data_set, K)
    runners = [Runner(args, data_set, setting, truth)
               for setting in settings(data_set, args.leadline_configs, args.systems)]
    large = data_set.rows * data_set.dim * 4 > IN_MEMORY_BYTES
    try:
        worth_it = None
        for number in range(args.passes):
            for runner in runners:
                runner.round(number, worth_it)
                if large:
                    runner.close()
            print(f"    round {number + 1} of {args.passes} done", file=sys.stderr, flush=True)
            worth_it = near_fronts(runners)
    finally:
        for runner in runners:
            runner.close()
    result = {"runs": [runner.json() for runner in runners], "k": K, "batch": BATCH,
              "passes": args.passes, "timing": args.timing, "load": os.getloadavg()}
    result["call_us"] = call_costs(args, data_set, {run["system"] for run in result["runs"]})
    result["at"] = {mode: {str(target): best_at(result["runs"], mode, target) for target in TARGETS}
                    for mode in MODES}
    return result


def call_costs(args, data_set, systems):
    """Microseconds of one call on an index of 64 rows: an upper bound of what a binding adds."""
    folder = data_set.folder + "-tiny"
    if not os.path.exists(os.path.join(folder, "set.json")):
        write_set(data_set.name, folder, np.array(map_bin(data_set.base, np.float32)[:64]),
                  read_bin(data_set.queries, np.float32)[:1000], {})
    tiny = DataSet(data_set.name, folder)
    costs = {}
    for system in sorted(systems & set(TINY)):
        setting = Setting(system, TINY[system], [])
        try:
            index, built = build(args, tiny, setting, 1)
            if "error" in built:
                raise WorkerFailed(built["error"])
            worker, _ = open_worker(args, tiny, setting, index)
            with worker:
                taken = [worker.ask(do="pass", mode="one", params=TINY_PARAMS.get(system, {"ef": 10}), k=K,
                                    parts=[[0, tiny.query_count]])[args.timing][0] for _ in range(5)]
            costs[system] = 1e6 * min(taken) / tiny.query_count
        except WorkerFailed as failure:
            costs[system] = {"error": str(failure)}
    return costs


def cell(best):
    if best is None:
        return "-"
    if best["qps"] is None:
        return f"- (max {best['max_recall']:.3f})"
    return f"{'>= ' if best['at_least'] else ''}{best['qps']:,.0f}"


def shown(best):
    if not best or not best["qps"]:
        return ""
    params = " ".join(f"{key}={value}" for key, value in best["params"].items())
    return f"{best['name']}; {params}"


def reason(error):
    """Without the source files that some peers name."""
    return re.sub(r",? /\S+", "", error or "")


def configuration_row(run):
    built = run["build"]
    if "build_s" not in built:
        return run["system"], run["name"], "", "", "", "", "", "", reason(run["error"])
    return (run["system"], run["name"], f"{built['build_s']:.1f}", built["threads"],
            f"{built['disk_bytes'] / 1e6:.0f}", f"{run['rss_bytes'] / 1e6:.0f}",
            f"{run['open_s']:.3f}" if run["open_s"] is not None else "",
            f"{max((p['recall'] for p in run['points']), default=0):.4f}", reason(run["error"]))


def markdown(result):
    parts = [f"### Search\n\nQueries a second at recall@{result['k']}, one core, best of {result['passes']} "
             f"passes, {'wall' if result['timing'] == 'seconds' else 'processor'} time. Parameters chosen on "
             "the first half of the queries, reported on the second. `>=`: the lowest recall tried is higher."]
    titles = {"one": "One query a call", "batch": f"Batches of {result['batch']:,}; a system without "
              "batches, or faster without, stands with its single calls"}
    for mode, at in result["at"].items():
        systems = sorted({system for best in at.values() for system in best})
        rows = [(system, *(cell(at[target].get(system)) for target in at), shown(at["0.95"].get(system)),
                 *(f"{at[target][system]['p5']:.1f}" if at[target].get(system) and at[target][system]["qps"]
                   else "" for target in ("0.95", "0.99"))) for system in systems]
        rows.append(("**Leadline over the best peer**",
                     *(f"**{ratio(at[target]):.2f}x** ({best_peer(at[target])})" for target in at),
                     "", "", ""))
        parts.append(f"**{titles[mode]}**\n\n" + table(
            ("system", *(f"QPS at {target}" for target in at), "setting at .95", "5th percentile at .95",
             "at .99"), rows))
    parts.append("**Every configuration**\n\n" + table(
        ("system", "configuration", "build s", "threads", "disk MB", "resident MB", "open s",
         "best recall", ""), map(configuration_row, result["runs"])))
    costs = ", ".join(f"{system} {cost:.1f}" if isinstance(cost, float) else f"{system} failed"
                      for system, cost in result["call_us"].items())
    parts.append(f"Microseconds of one call on an index of 64 rows, the most that a binding adds: {costs}.")
    return "\n\n".join(parts)
