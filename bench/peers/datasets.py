"""Makes the data sets in a cache folder: base.fbin, queries.fbin, truth.ibin, truth_scores.fbin, set.json.

Rows and queries are f32; those of a "cosine" set are unit vectors. Truth: the exact 100 nearest rows of
each query by blocked matrix products in f32, the candidates ordered again in f64. Whatever is there is
used again.
"""
import gzip
import json
import os
import sys

import numpy as np

import minilm
import synthetic
from vectors import map_bin, read_bin, read_vecs, write_bin

TRUTH = 100
QUICK_ROWS = 10_000
QUICK_QUERIES = 400
FASHION = "/usr/share/datasets/fashion-mnist"


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def glove(args):
    folder = os.path.join(args.data, "glove-wink-100k")
    return (unit(read_vecs(os.path.join(folder, "base.fvecs"), np.float32)),
            unit(read_vecs(os.path.join(folder, "query.fvecs"), np.float32)),
            "100,000 English word vectors (GloVe), 1,000 held-out words as queries")


def images(name):
    with gzip.open(os.path.join(FASHION, name), "rb") as file:
        pixels = np.frombuffer(file.read(), dtype=np.uint8, offset=16)
    return pixels.reshape(-1, 784).astype(np.float32)


def fashion(_):
    return (images("train-images-idx3-ubyte.gz"), images("t10k-images-idx3-ubyte.gz")[:2000],
            "60,000 training images, the first 2,000 test images as queries")


# Metric, and what makes (rows, queries, what they are). Rows are an array, or the path of an fbin file of
# a set that need not fit in memory, which is then moved here.
SETS = {
    "glove": ("cosine", glove),
    "fashion": ("l2", fashion),
    "minilm": ("cosine", minilm.make),
    "synthetic": ("cosine", synthetic.make),
}


class DataSet:
    """Paths and shape of a set that is there."""

    def __init__(self, name, folder):
        self.name, self.folder = name, folder
        with open(os.path.join(folder, "set.json"), encoding="utf-8") as file:
            self.about = json.load(file)
        self.metric = self.about["metric"]
        self.rows, self.dim = self.about["rows"], self.about["dim"]
        self.query_count = self.about["queries"]

    def path(self, name):
        return os.path.abspath(os.path.join(self.folder, name))

    @property
    def base(self):
        return self.path("base.fbin")

    @property
    def queries(self):
        return self.path("queries.fbin")

    @property
    def half(self):
        """Where the second half of the queries begins: the first is for choosing."""
        return self.query_count // 2


def scores(queries, rows, metric):
    """Larger is nearer."""
    if metric == "cosine":
        return queries @ rows.T
    return 2 * (queries @ rows.T) - np.einsum("ij,ij->i", rows, rows)


def exact(base, queries, metric, k, block=50_000):
    """(rows, scores) of the k best of each query; scores are the metric's own, in f64. Ties by row."""
    k = min(k, len(base))
    spare = min(k + 28, len(base))
    best = np.empty((len(queries), 0), dtype=np.float32)
    where = np.empty((len(queries), 0), dtype=np.int64)
    for begin in range(0, len(base), block):
        rows = np.asarray(base[begin:begin + block])
        found = scores(queries, rows, metric)
        few = min(spare, len(rows))
        near = np.argpartition(-found, few - 1, axis=1)[:, :few]
        best = np.hstack([best, np.take_along_axis(found, near, axis=1)])
        where = np.hstack([where, near + begin])
        keep = np.argpartition(-best, spare - 1, axis=1)[:, :spare] if best.shape[1] > spare else \
            np.tile(np.arange(best.shape[1]), (len(queries), 1))
        best, where = (np.take_along_axis(a, keep, axis=1) for a in (best, where))
    ids = np.empty((len(queries), k), dtype=np.int32)
    values = np.empty((len(queries), k))
    for i, query in enumerate(queries.astype(np.float64)):
        rows = np.asarray(base[np.sort(where[i])], dtype=np.float64)
        found = rows @ query if metric == "cosine" else np.sum((rows - query) ** 2, axis=1)
        order = np.argsort(-found if metric == "cosine" else found, kind="stable")[:k]
        ids[i], values[i] = np.sort(where[i])[order], found[order]
    return ids, values


def write_set(name, folder, base, queries, about):
    """Writes a set and its truth. `base` None: base.fbin is there."""
    metric = SETS[name][0]
    os.makedirs(folder, exist_ok=True)
    if base is not None:
        write_bin(os.path.join(folder, "base.fbin"), base.astype(np.float32, copy=False))
    write_bin(os.path.join(folder, "queries.fbin"), queries.astype(np.float32, copy=False))
    base = map_bin(os.path.join(folder, "base.fbin"), np.float32)
    queries = read_bin(os.path.join(folder, "queries.fbin"), np.float32)
    ids, values = exact(base, queries, metric, TRUTH)
    write_bin(os.path.join(folder, "truth.ibin"), ids)
    write_bin(os.path.join(folder, "truth_scores.fbin"), values.astype(np.float32))
    text = {"name": name, "metric": metric, "rows": len(base), "dim": base.shape[1],
            "queries": len(queries), **about}
    with open(os.path.join(folder, "set.json"), "w", encoding="utf-8") as file:
        json.dump(text, file, indent=1)


def prepare(name, args):
    """Makes the set, or with --quick a small part of it, unless it is there."""
    whole = os.path.join(args.cache, name + (f"-{args.sizes[name]}" if name in args.sizes else ""))
    folder = whole + "-quick" if args.quick else whole
    if not os.path.exists(os.path.join(folder, "set.json")):
        print(f"--- data set {name}", file=sys.stderr, flush=True)
        os.makedirs(folder, exist_ok=True)
        base, queries, about = SETS[name][1](args)
        if isinstance(base, str):
            os.replace(base, os.path.join(folder, "base.fbin"))
            base = None
        elif args.quick:
            base = base[:QUICK_ROWS]
        write_set(name, folder, base, queries[:QUICK_QUERIES] if args.quick else queries, {"about": about})
    return DataSet(name, folder)


class Truth:
    """Which rows count as found: the exact 10, and rows as near as the tenth."""

    def __init__(self, data_set, k=10):
        ids = read_bin(data_set.path("truth.ibin"), np.int32)
        values = read_bin(data_set.path("truth_scores.fbin"), np.float32)
        self.k = k
        self.right = [set(row[:k]) | set(row[np.isclose(value, value[k - 1], rtol=1e-6, atol=0)])
                      for row, value in zip(ids, values)]

    def recalls(self, found):
        """Recall of each query."""
        return np.array([min(self.k, len(right.intersection(row))) / self.k
                         for right, row in zip(self.right, found)])
