"""Searches under filters that 50, 10, 1 and .1% of the rows pass, one query a call.

Two kinds of filter. "random": a number drawn for each row is below a bound, the same filter for all
queries. "opposed": of the rows ordered along the first principal axis, those at the end that the query
is not at: what passes lies far from the query.
"""
import os
import sys
import tempfile

import numpy as np

from built import build, open_worker
from datasets import exact
from fronts import front, qps_at
from remote import Worker, WorkerFailed
from settings import EF, K_FACTOR, NPROBE, Setting, chain, leadline, nlists, own_configs
from tables import table
from vectors import map_bin, read_bin, write_bin

K = 10
QUERIES = 500
SHARES = (0.5, 0.1, 0.01, 0.001)
KINDS = ("random", "opposed")
BOUND = 1_000_000
SEED = 42
TARGET = 0.95
ENOUGH_RECALL = 0.985
SLOW_PASS_S = 10
ROUNDS = 3


def attributes(data_set):
    """(path, values [rows x 2]): a uniform number, and the place along the axis, both below BOUND."""
    path = data_set.path("attributes.ibin")
    if not os.path.exists(path):
        base = map_bin(data_set.base, np.float32)
        sample = np.array(base[::max(1, len(base) // 20_000)], dtype=np.float64)
        axis = np.linalg.eigh(np.cov(sample.T))[1][:, -1].astype(np.float32)
        along = np.concatenate([base[i:i + 50_000] @ axis for i in range(0, len(base), 50_000)])
        place = np.empty(len(base), dtype=np.int64)
        place[np.argsort(along, kind="stable")] = np.arange(len(base))
        uniform = np.random.default_rng(SEED).integers(0, BOUND, len(base))
        write_bin(path, np.stack([uniform, place * BOUND // len(base)], axis=1).astype(np.int32))
        np.save(data_set.path("axis.npy"), np.append(axis, np.median(along)))
    return path, read_bin(path, np.int32)


class Filters:
    """The filters of one kind and share: texts for Leadline, bitmaps for the others, and the truth."""

    def __init__(self, data_set, values, kind, share, queries):
        bound = int(share * BOUND)
        if kind == "random":
            self.texts = [f"u < {bound}"]
            masks = [values[:, 0] < bound]
            self.which = [0] * len(queries)
        else:
            self.texts = [f"axis < {bound}", f"axis >= {BOUND - bound}"]
            masks = [values[:, 1] < bound, values[:, 1] >= BOUND - bound]
            axis = np.load(data_set.path("axis.npy"))
            self.which = [int(query @ axis[:-1] < axis[-1]) for query in queries]
        self.matches = [int(mask.sum()) for mask in masks]
        self.bits = np.stack([np.packbits(mask, bitorder="little") for mask in masks])
        self.right = [None] * len(queries)
        base = map_bin(data_set.base, np.float32)
        for number, mask in enumerate(masks):
            asked = [i for i, which in enumerate(self.which) if which == number]
            rows = np.flatnonzero(mask)
            if asked and len(rows):
                near, _ = exact(np.array(base[rows]), queries[asked], data_set.metric, K)
                for i, found in zip(asked, rows[near]):
                    self.right[i] = set(found)

    def recall(self, found):
        return float(np.mean([len(right.intersection(row)) / len(right)
                              for right, row in zip(self.right, found) if right]))

    def command(self, system, folder):
        if system == "leadline":
            return {"texts": self.texts, "which": self.which}
        path = os.path.join(folder, "masks")
        self.bits.tofile(path)
        return {"masks": path, "count": len(self.bits), "which": self.which}


class HnswlibInCpp(Worker):
    """Opens what the Python binding saved."""

    def __init__(self, args):
        super().__init__("leadline", args.hnswlib, [args.core])


def settings_of(data_set, extra):
    dim = data_set.dim
    cells, part = nlists(data_set.rows)[0], dim // (2 if dim <= 128 else 4)
    probes = [p for p in NPROBE if p <= cells]
    wide = [ef for ef in EF if ef >= 17][::2]
    return [leadline(config) for config in own_configs(data_set, extra)] + [
        Setting("hnswlib", {"m": 16, "ef_construction": 200}, [chain("ef", wide)]),
        Setting("faiss", {"hnsw": 16, "storage": "flat", "ef_construction": 200}, [chain("ef", wide)]),
        Setting("faiss", {"factory": f"IVF{cells},PQ{part}x4fsr,RFlat"},
                [chain("nprobe", probes, k_factor=k) for k in K_FACTOR[1:4]]),
        Setting("faiss", {"factory": f"IVF{cells},Flat"}, [chain("nprobe", probes)]),
        Setting("faiss", {"factory": "Flat"}, [[{}]]),
    ]


class Runner:
    def __init__(self, args, data_set, setting, attributes_path):
        self.args, self.data_set, self.setting = args, data_set, setting
        self.points, self.error, self.worker = [], None, None
        more = {"tag": "attributes", "attributes": attributes_path} if setting.system == "leadline" else {}
        self.folder, built = build(args, data_set, setting, args.build_threads, **more)
        self.error = built.get("error")
        if self.error:
            return
        try:
            if setting.system == "hnswlib":
                self.worker = HnswlibInCpp(args)
                self.worker.ask(do="open", folder=self.folder, metric=data_set.metric, config={},
                                queries=data_set.queries)
            else:
                self.worker, _ = open_worker(args, data_set, setting, self.folder)
        except WorkerFailed as failure:
            self.error = str(failure)

    def once(self, filters, params, count):
        """(recall or None, seconds) of one pass; `filters` None: unfiltered."""
        with tempfile.TemporaryDirectory() as folder:
            found = os.path.join(folder, "found")
            more = {"filters": filters.command(self.setting.system, folder)} if filters else {}
            answer = self.worker.ask(self.args.build_limit, do="pass", mode="one", params=params, k=K,
                                     parts=[[0, count]], found=found, **more)
            rows = np.fromfile(found, dtype=np.int32).reshape(-1, K)[:count]
        return rows, answer[self.args.timing][0]

    def sweep(self, kind, share, filters, count, recall):
        """The points of this filter, by their first pass."""
        for params_chain in self.setting.chains:
            before = []
            for params in params_chain:
                rows, taken = self.once(filters, params, count)
                point = {"kind": kind, "share": share, "params": params, "recall": recall(rows),
                         "qps": count / taken}
                self.points.append(point)
                before.append(point["recall"])
                if (point["recall"] >= ENOUGH_RECALL or taken > SLOW_PASS_S or
                        len(before) > 3 and before[-1] - before[-4] < 0.0005):
                    break

    def again(self, kind, share, filters, count):
        """One more pass of the points around the target."""
        points = [p for p in self.points if p["kind"] == kind and p["share"] == share]
        best = qps_at(front(points, lambda p: p["recall"], lambda p: p["qps"]), TARGET,
                      lambda p: p["recall"], lambda p: p["qps"])
        for point in points:
            if best and point["qps"] >= 0.5 * best["qps"] and point["recall"] >= TARGET - 0.05:
                _, taken = self.once(filters, point["params"], count)
                point["qps"] = max(point["qps"], count / taken)


def measure(args, data_set):
    path, values = attributes(data_set)
    count = min(QUERIES, data_set.query_count)
    queries = read_bin(data_set.queries, np.float32)[:count]
    everything = read_bin(data_set.path("truth.ibin"), np.int32)[:count, :K]
    runners = [Runner(args, data_set, setting, path)
               for setting in settings_of(data_set, args.leadline_configs)
               if args.systems is None or setting.system in args.systems]
    cases = [("none", 1.0, None)] + [(kind, share, Filters(data_set, values, kind, share, queries))
                                     for kind in KINDS for share in SHARES]
    try:
        for kind, share, filters in cases:
            recall = filters.recall if filters else (
                lambda rows: float(np.mean([len(set(a) & set(b)) / K for a, b in zip(rows, everything)])))
            for number in range(ROUNDS):
                for runner in [r for r in runners if not r.error]:
                    try:
                        if number == 0:
                            runner.sweep(kind, share, filters, count, recall)
                        else:
                            runner.again(kind, share, filters, count)
                    except WorkerFailed as failure:
                        runner.error = str(failure)
                        print(f"    {runner.setting.system} {runner.setting.name}: {failure}",
                              file=sys.stderr)
    finally:
        for runner in runners:
            if runner.worker:
                runner.worker.close()
    runs = [{"system": r.setting.system, "name": r.setting.name, "error": r.error, "points": r.points}
            for r in runners]
    return {"runs": runs, "queries": count, "target": TARGET,
            "matches": {f"{kind} {share}": filters.matches for kind, share, filters in cases if filters}}


def at_target(run, kind, share):
    points = [p for p in run["points"] if p["kind"] == kind and p["share"] == share]
    return qps_at(front(points, lambda p: p["recall"], lambda p: p["qps"]), TARGET,
                  lambda p: p["recall"], lambda p: p["qps"])


def markdown(result):
    cases = [("none", 1.0)] + [(kind, share) for kind in KINDS for share in SHARES]
    rows, best = [], {}
    for run in result["runs"]:
        found = [at_target(run, *case) for case in cases]
        for case, point in zip(cases, found):
            mine = best.setdefault("leadline" if run["system"] == "leadline" else "peers", {})
            mine[case] = max(mine.get(case, 0), point["qps"] if point else 0)
        filtered = [point["qps"] if point else 0 for point in found[1:]]
        worst = f"{min(filtered) / found[0]['qps']:.2f}" if found[0] and min(filtered) else "-"
        rows.append((run["system"], run["name"],
                     *(f"{'>= ' if point['at_least'] else ''}{point['qps']:,.0f}" if point else "-"
                       for point in found), worst))
    if {"leadline", "peers"} <= best.keys():
        rows.append(("**Leadline's best over the best peer**", "",
                     *(f"**{best['leadline'][case] / best['peers'][case]:.2f}x**" if best["peers"][case]
                       else "" for case in cases), ""))
    return (f"### Filters\n\nQueries a second at recall@{K} {result['target']}, one query a call, the first "
            f"{result['queries']} queries. Random filters are the same for all queries; opposed ones pass "
            "the rows at the other end of the first principal axis. hnswlib runs in C++, with its filter "
            "functor on a bitmap; FAISS gets bitmaps as selectors.\n\n" + table(
                ("system", "configuration", *("unfiltered" if kind == "none" else f"{kind} {100 * share:g}%"
                                              for kind, share in cases), "worst over unfiltered"), rows))
