#!/usr/bin/env python3
"""Compares k-means on one thread with FAISS's, in one run, interleaved.

    python3 -m venv venv && venv/bin/pip install faiss-cpu==1.15.1 numpy
    cmake --preset bench && cmake --build --preset bench --target kmeans_pass
    taskset -c 0 venv/bin/python bench/peers/kmeans_ratio.py build/bench/bin/kmeans_pass ROWS NLIST

ROWS is an .fvecs file, or a gzipped IDX file of bytes as Fashion-MNIST has them; --unit scales rows
to unit length first. FAISS trains on the same rows at each number of --iterations, with BLAS. The
objective, the mean squared distance to the nearest centroid, is computed for both by FAISS. Passes
alternate, each with a seed of its own; medians count. "ratio" is FAISS's time at our objective,
interpolated between its numbers of iterations, by ours. Processor time is used: a busy machine then
disturbs less.
"""

import argparse
import gzip
import json
import os
import statistics
import subprocess
import tempfile
import time

os.environ["OMP_NUM_THREADS"] = "1"

import faiss  # noqa: E402: reads the variable when it is loaded
import numpy as np  # noqa: E402


def read_rows(path, unit):
    if path.endswith(".gz"):
        with gzip.open(path) as file:
            data = file.read()
        sizes = np.frombuffer(data, ">i4", data[3], 4)
        rows = np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(sizes[0], -1)
        rows = rows.astype(np.float32)
    else:
        raw = np.fromfile(path, dtype=np.int32)
        rows = raw.reshape(-1, raw[0] + 1)[:, 1:].copy().view(np.float32)
    if unit:
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return np.ascontiguousarray(rows)


def write_fvecs(path, rows):
    width = np.full((len(rows), 1), rows.shape[1], dtype=np.int32)
    np.hstack([width, rows.view(np.int32)]).tofile(path)


def judge(rows, centroids):
    """Mean squared distance and imbalance (1 where all clusters are equal)."""
    index = faiss.IndexFlatL2(rows.shape[1])
    index.add(centroids)
    distances, labels = index.search(rows, 1)
    sizes = np.bincount(labels[:, 0], minlength=len(centroids)).astype(np.float64)
    return float(distances.mean(dtype=np.float64)), len(sizes) * (sizes**2).sum() / len(rows) ** 2


class Ours:
    """Speaks the line protocol of bench/macro/kmeans_pass.cc."""

    def __init__(self, program, rows, nlist, folder):
        files = [os.path.join(folder, name) for name in ("rows.fvecs", "centroids.f32")]
        write_fvecs(files[0], rows)
        self.centroids = files[1]
        self.process = subprocess.Popen([program, files[0], str(nlist), files[1]],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def train(self, seed, dim):
        seconds = self.ask(f"train {seed} 1")["train_cpu_s"]
        centroids = np.fromfile(self.centroids, dtype=np.float32).reshape(-1, dim)
        return seconds, self.ask("assign 1")["assign_cpu_s"], centroids


def train_faiss(rows, nlist, iterations, seed):
    clustering = faiss.Kmeans(rows.shape[1], nlist, niter=iterations, seed=seed)
    start = time.process_time()
    clustering.train(rows)
    seconds = time.process_time() - start
    start = time.process_time()
    clustering.index.search(rows, 1)
    return seconds, time.process_time() - start, clustering.centroids


def time_at(objective, curve):
    """FAISS's seconds at an objective; None where it does not get there."""
    points = sorted(curve)  # by seconds
    for (t0, o0), (t1, o1) in zip(points, points[1:]):
        if o1 <= objective <= o0:
            return t0 + (t1 - t0) * (o0 - objective) / max(o0 - o1, 1e-12)
    return points[0][0] if objective > points[0][1] else None


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("rows")
    parser.add_argument("nlist", type=int)
    parser.add_argument("--unit", action="store_true")
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--iterations", type=int, nargs="+", default=[5, 10, 15, 25])
    args = parser.parse_args()
    # FAISS 1.15 would leave BLAS out below 128,000 rows.
    faiss.cvar.distance_compute_blas_threshold = 20
    rows = read_rows(args.rows, args.unit)
    results = {}  # name -> list of (train s, assign s, objective, imbalance)
    with tempfile.TemporaryDirectory() as folder:
        ours = Ours(args.program, rows, args.nlist, folder)
        for seed in range(1, args.passes + 1):
            runs = [("leadline", ours.train(seed, rows.shape[1]))]
            for count in args.iterations:
                runs.append((f"faiss {count}", train_faiss(rows, args.nlist, count, seed)))
            for name, (train, assign, centroids) in runs:
                results.setdefault(name, []).append((train, assign, *judge(rows, centroids)))
    medians = {name: [statistics.median(column) for column in zip(*runs)]
               for name, runs in results.items()}
    for name, (train, assign, objective, imbalance) in medians.items():
        print(f"{name:10} train {train:7.3f} s  assign {assign:6.3f} s  objective {objective:.6g}"
              f"  imbalance {imbalance:.3f}")
    ours_train, ours_assign, objective, _ = medians.pop("leadline")
    theirs = time_at(objective, [(train, value) for train, _, value, _ in medians.values()])
    if theirs is None:
        print("FAISS does not reach our objective")
    else:
        print(f"ratio: train {theirs / ours_train:.2f}  "
              f"assign {next(iter(medians.values()))[1] / ours_assign:.2f}")


if __name__ == "__main__":
    main()
