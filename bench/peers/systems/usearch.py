"""USearch: its own graph on f32, bf16, f16 or i8."""
from __future__ import annotations

import importlib

import numpy as np

from systems.peer import Peer

library = importlib.import_module("usearch.index")


class System(Peer):
    package = "usearch"

    def make(self):
        metric = "l2sq" if self.metric == "l2" else "cos" if self.config["dtype"] == "i8" else "ip"
        return library.Index(ndim=self.dim, metric=metric, dtype=self.config["dtype"],
                             connectivity=self.config["m"],
                             expansion_add=self.config["ef_construction"])

    def scaled(self, rows):
        """Pixels as i8: shifted, which keeps L2 but for the lowest value. Unit vectors are scaled by
        the library."""
        if self.config["dtype"] == "i8" and self.metric == "l2":
            return np.clip(rows - 128, -127, 127).astype(np.int8)
        return np.array(rows)

    def prepare(self, base):
        return self.scaled(base)

    def queries(self, queries):
        return self.scaled(queries)

    def requests(self, queries, k):
        return list(queries)

    def build(self, base, threads):
        self.index = self.make()
        self.index.add(np.arange(len(base), dtype=np.uint64), base, threads=threads)

    def save(self):
        self.index.save(self.path("index"))

    def open(self):
        self.index = self.make()
        self.index.load(self.path("index"))

    def set(self, params):
        self.index.expansion_search = params["ef"]

    def search_each(self, requests, k):
        search = self.index.search
        return [search(query, k, threads=1) for query in requests]

    def search_batch(self, queries, k):
        return self.index.search(queries, k, threads=1).keys

    def row_numbers(self, found):
        return found.keys if hasattr(found, "keys") else found
