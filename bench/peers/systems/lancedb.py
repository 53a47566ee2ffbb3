"""LanceDB: IVF with an HNSW on 8-bit codes, or with product codes, in a table on disk."""
from __future__ import annotations

import importlib

import numpy as np

from systems.peer import Peer

library = importlib.import_module("lancedb")
arrow = importlib.import_module("pyarrow")


class System(Peer):
    package = "lancedb"

    def build(self, base, threads):  # pylint: disable=unused-argument  # its pools follow the environment
        vectors = arrow.FixedSizeListArray.from_arrays(arrow.array(base.reshape(-1)), self.dim)
        rows = arrow.Table.from_arrays([arrow.array(np.arange(len(base))), vectors], names=["id", "v"])
        self.table = library.connect(self.path("store")).create_table("bench", rows)
        metric = "dot" if self.metric == "cosine" else "l2"
        if self.config["kind"] == "hnsw":
            self.table.create_index(metric=metric, vector_column_name="v", index_type="IVF_HNSW_SQ",
                                    num_partitions=1, m=self.config["m"],
                                    ef_construction=self.config["ef_construction"])
        else:
            self.table.create_index(metric=metric, vector_column_name="v", index_type="IVF_PQ",
                                    num_partitions=self.config["nlist"],
                                    num_sub_vectors=self.config["sub_vectors"])

    def save(self):
        pass

    def open(self):
        self.table = library.connect(self.path("store")).open_table("bench")

    def set(self, params):
        self.params = params

    def requests(self, queries, k):
        return list(queries)

    def search_each(self, requests, k):
        return [self.ask(query, k).to_arrow() for query in requests]

    def ask(self, query, k):
        search = self.table.search(query, vector_column_name="v").limit(k).select(["id"])
        if "ef" in self.params:
            search = search.ef(self.params["ef"])
        if "nprobe" in self.params:
            search = search.nprobes(self.params["nprobe"])
        if "k_factor" in self.params:
            search = search.refine_factor(self.params["k_factor"])
        return search

    def row_numbers(self, found):
        return found["id"].to_numpy()
