"""VSAG: HGraph on quantised codes, reordered with f32. It has no call for several queries."""
from __future__ import annotations

import importlib
import json

import numpy as np

from systems.peer import Peer

library = importlib.import_module("pyvsag")


class System(Peer):
    package = "pyvsag"

    def make(self, threads):
        return library.Index("hgraph", json.dumps({
            "dtype": "float32", "dim": self.dim, "metric_type": "ip" if self.metric == "cosine" else "l2",
            "index_param": {
                "base_quantization_type": self.config["codes"], "max_degree": self.config["degree"],
                "ef_construction": self.config["ef_construction"], "build_thread_count": threads,
                **({"use_reorder": True, "precise_quantization_type": "fp32"}
                   if self.config["codes"] != "fp32" else {})}}))

    def prepare(self, base):
        return super().prepare(base).reshape(-1)

    def build(self, base, threads):
        self.index = self.make(threads)
        rows = len(base) // self.dim
        self.index.build(base, np.arange(rows, dtype=np.int64), rows, self.dim)

    def save(self):
        self.index.save(self.path("index"))

    def open(self):
        self.index = self.make(1)
        self.index.load(self.path("index"))

    def set(self, params):
        self.params = json.dumps({"hgraph": {"ef_search": params["ef"]}})

    def requests(self, queries, k):
        return list(queries)

    def search_each(self, requests, k):
        search, params = self.index.knn_search, self.params
        return [search(query, k, params) for query in requests]

    def row_numbers(self, found):
        return found[0]
