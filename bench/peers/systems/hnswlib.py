"""hnswlib from its Python binding, compiled on this machine for its own processor."""
from __future__ import annotations

import importlib

from systems.peer import Peer

library = importlib.import_module("hnswlib")


class System(Peer):
    package = "hnswlib"

    def make(self):
        return library.Index("ip" if self.metric == "cosine" else "l2", self.dim)

    def build(self, base, threads):
        self.index = self.make()
        self.index.init_index(len(base), M=self.config["m"],
                              ef_construction=self.config["ef_construction"])
        self.index.add_items(base, num_threads=threads)

    def save(self):
        self.index.save_index(self.path("index"))

    def open(self):
        self.index = self.make()
        self.index.load_index(self.path("index"))

    def set(self, params):
        self.index.set_ef(params["ef"])

    def search_each(self, queries, k):
        search = self.index.knn_query
        return [search(query, k, 1)[0] for query in queries]

    def search_batch(self, queries, k):
        return self.index.knn_query(queries, k, 1)[0]
