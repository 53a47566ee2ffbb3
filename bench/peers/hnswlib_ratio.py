#!/usr/bin/env python3
"""Compares one-thread HNSW search and 2-thread building with hnswlib, in one run, interleaved.

    python3 -m venv venv && venv/bin/pip install hnswlib==0.8.0 numpy
    cmake --preset bench && cmake --build --preset bench --target ann_pass
    venv/bin/python bench/peers/hnswlib_ratio.py build/bench/bin/ann_pass DATA [--metric cosine]

DATA is a folder with base.fvecs, query.fvecs and gt_{cos,l2,ip}.ivecs. Both sides get the same M and
ef_construction and answer all queries in one call on one thread. Passes alternate; the best of each
setting counts. QPS at a recall is interpolated on a log scale between the two settings around it.
Processor time is used for QPS and building: a busy machine then disturbs less; --wall uses wall time.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import time

import hnswlib
import numpy as np

TOP = 10
TRUTH = {"cosine": "gt_cos.ivecs", "l2": "gt_l2.ivecs", "ip": "gt_ip.ivecs"}


def read_vecs(path, dtype):
    raw = np.fromfile(path, dtype=np.int32)
    return raw.reshape(-1, raw[0] + 1)[:, 1:].copy().view(dtype)


class Ours:
    """Speaks the line protocol of bench/macro/ann_pass.cc."""

    def __init__(self, program, data, metric, m, ef_construction, codes):
        files = [os.path.join(data, f) for f in ("base.fvecs", "query.fvecs", TRUTH[metric])]
        self.process = subprocess.Popen(
            [program, *files, metric, str(m), str(ef_construction), codes],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def build(self, threads):
        answer = self.ask(f"build {threads}")
        return answer["build_s"], answer["build_cpu_s"]

    def search(self, ef):
        answer = self.ask(f"pass {ef}")
        return answer["recall"], answer["qps"], answer["cpu_qps"]


class Theirs:
    def __init__(self, data, metric, m, ef_construction):
        self.base = read_vecs(os.path.join(data, "base.fvecs"), np.float32)
        self.queries = read_vecs(os.path.join(data, "query.fvecs"), np.float32)
        self.truth = read_vecs(os.path.join(data, TRUTH[metric]), np.int32)[:, :TOP]
        self.space, self.m, self.ef_construction = metric, m, ef_construction

    def build(self, threads):
        self.index = hnswlib.Index(self.space, self.base.shape[1])
        self.index.init_index(len(self.base), M=self.m, ef_construction=self.ef_construction)
        wall, cpu = time.perf_counter(), time.process_time()
        self.index.add_items(self.base, num_threads=threads)
        return time.perf_counter() - wall, time.process_time() - cpu

    def search(self, ef):
        self.index.set_ef(ef)
        wall, cpu = time.perf_counter(), time.process_time()
        labels, _ = self.index.knn_query(self.queries, k=TOP, num_threads=1)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        hits = sum(len(set(a) & set(b)) for a, b in zip(labels, self.truth))
        n = len(self.queries)
        return hits / (n * TOP), n / wall, n / cpu


def qps_at(curve, target):
    """curve: (recall, qps) by rising recall; None where the target is not bracketed."""
    for (low, fast), (high, slow) in zip(curve, curve[1:]):
        if low <= target <= high and high > low:
            share = (target - low) / (high - low)
            return math.exp(math.log(fast) + share * (math.log(slow) - math.log(fast)))
    return None


def measure(args):
    which = 0 if args.wall else 1
    ours = Ours(args.program, args.data, args.metric, args.m, args.ef_construction, args.codes)
    theirs = Theirs(args.data, args.metric, args.m, args.ef_construction)
    result = {"timing": "wall" if args.wall else "processor", "m": args.m,
              "ef_construction": args.ef_construction, "passes": args.passes,
              "codes": args.codes, "rows": len(theirs.base), "dim": theirs.base.shape[1], "metric": args.metric,
              "build": [], "points": [], "at": []}
    for threads in args.build_threads:
        a, b = ours.build(threads), theirs.build(threads)
        result["build"].append({"threads": threads, "ours_s": a[which], "hnswlib_s": b[which],
                                "ours_wall_s": a[0], "hnswlib_wall_s": b[0],
                                "ratio": b[which] / a[which]})

    curves = {"ours": {}, "hnswlib": {}}
    ratios = {ef: [] for ef in args.ef}
    for _ in range(args.passes):
        for ef in args.ef:
            a, b = ours.search(ef), theirs.search(ef)
            ratios[ef].append(a[1 + which] / b[1 + which])
            for name, (recall, *rates) in (("ours", a), ("hnswlib", b)):
                best = curves[name].get(ef, (recall, 0))[1]
                curves[name][ef] = (recall, max(best, rates[which]))
    for ef in args.ef:
        (r1, q1), (r2, q2) = curves["ours"][ef], curves["hnswlib"][ef]
        result["points"].append({"ef": ef, "ours_recall": r1, "ours_qps": q1, "hnswlib_recall": r2,
                                 "hnswlib_qps": q2, "ratio": statistics.median(ratios[ef])})
    for target in (0.90, 0.95, 0.99):
        a, b = (qps_at(list(curves[name].values()), target) for name in ("ours", "hnswlib"))
        result["at"].append({"recall": target, "ours_qps": a, "hnswlib_qps": b,
                             "ratio": a / b if a and b else None})
    return result


def show(result):
    print(f"timing: {result['timing']} time; load {os.getloadavg()}")
    for build in result["build"]:
        print("build, {threads} thread(s): ours {ours_s:.1f} s, hnswlib {hnswlib_s:.1f} s, "
              "ratio {ratio:.2f}x".format(**build))
    print("  ef   recall ours  QPS ours   recall hnswlib  QPS hnswlib   median ratio at this ef")
    for point in result["points"]:
        print("{ef:4d}   {ours_recall:11.4f} {ours_qps:9.0f}   {hnswlib_recall:14.4f} "
              "{hnswlib_qps:12.0f}   {ratio:.2f}x".format(**point))
    for at in result["at"]:
        if at["ratio"] is None:
            print(f"recall {at['recall']:.2f}: outside the settings tried")
        else:
            print("recall {recall:.2f}: ours {ours_qps:.0f} QPS, hnswlib {hnswlib_qps:.0f} QPS, "
                  "ratio {ratio:.2f}x".format(**at))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("data")
    parser.add_argument("--metric", default="cosine", choices=sorted(TRUTH))
    parser.add_argument("--m", type=int, default=16)
    parser.add_argument("--ef-construction", type=int, default=200)
    parser.add_argument("--codes", default="f32", choices=["f32", "bf16", "sq8", "sq4"])
    parser.add_argument("--ef", type=int, nargs="+", default=[48, 64, 80, 100, 128, 160, 250, 400])
    parser.add_argument("--passes", type=int, default=7)
    parser.add_argument("--build-threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--wall", action="store_true")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of tables")
    args = parser.parse_args()
    result = measure(args)
    if args.json:
        print(json.dumps(result))
    else:
        show(result)


if __name__ == "__main__":
    main()
