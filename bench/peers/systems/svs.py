"""Intel's Scalable Vector Search: Vamana graph; "data" is f32, f16, lvq8, lvq4x8 or leanvec<DIMS>.

The compressed kinds end the process on processors that are not Intel's."""
from __future__ import annotations

import importlib
import os

import numpy as np

from systems.peer import Peer

library = importlib.import_module("svs")


class System(Peer):
    package = "scalable-vs"

    @property
    def distance(self):
        return library.DistanceType.MIP if self.metric == "cosine" else library.DistanceType.L2

    def prepare(self, base):
        data = self.config["data"]
        if data == "f32":
            return np.array(base)
        if data == "f16":
            return np.array(base).astype(np.float16)
        self.rows = self.path("rows.fvecs")
        library.write_vecs(np.array(base), self.rows)
        return library.VectorDataLoader(self.rows, library.DataType.float32, dims=self.dim)

    def encoded(self, rows):
        data, kind = self.config["data"], library.LeanVecKind
        if data == "lvq8":
            return library.LVQLoader(rows, primary=8)
        if data == "lvq4x8":
            return library.LVQLoader(rows, primary=4, residual=8)
        if data.startswith("leanvec"):
            return library.LeanVecLoader(rows, leanvec_dims=int(data[len("leanvec"):]),
                                         primary_kind=kind.lvq8, secondary_kind=kind.lvq8)
        return rows

    def build(self, base, threads):
        parameters = library.VamanaBuildParameters(
            alpha=0.95 if self.metric == "cosine" else 1.2,
            graph_max_degree=self.config["degree"], window_size=self.config["window"])
        self.index = library.Vamana.build(parameters, self.encoded(base), self.distance,
                                          num_threads=threads)

    def save(self):
        self.index.save(self.path("config"), self.path("graph"), self.path("data"))
        if hasattr(self, "rows"):
            os.remove(self.rows)

    def open(self):
        data = self.config["data"]
        loader = {"f32": lambda: library.VectorDataLoader(self.path("data"), library.DataType.float32),
                  "f16": lambda: library.VectorDataLoader(self.path("data"), library.DataType.float16),
                  }.get(data)
        if loader is None:
            kind = library.LeanVecLoader if data.startswith("leanvec") else library.LVQLoader
            loader = lambda: kind(self.path("data"))  # noqa: E731
        self.index = library.Vamana(self.path("config"), library.GraphLoader(self.path("graph")),
                                    loader(), self.distance, num_threads=1)

    def set(self, params):
        self.index.search_window_size = params["window"]

    def search_each(self, requests, k):
        search = self.index.search
        return [search(query, k)[0] for query in requests]

    def search_batch(self, queries, k):
        return self.index.search(queries, k)[0]
