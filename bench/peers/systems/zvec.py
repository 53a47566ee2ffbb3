"""zvec: a collection on disk, opened for reading and asked for row numbers, its fastest call."""
from __future__ import annotations

import importlib
import time

import numpy as np

from systems.peer import Peer

library = importlib.import_module("zvec")
BATCH = 1000


class System(Peer):
    package = "zvec"

    def build(self, base, threads):
        library.init(query_threads=1, optimize_threads=threads)
        metric = library.MetricType.IP if self.metric == "cosine" else library.MetricType.L2
        quantize = library.QuantizeType.__members__[self.config.get("quantize", "UNDEFINED")]
        kind = self.config.get("kind", "hnsw")
        if kind == "hnsw":
            index = library.HnswIndexParam(metric, self.config["m"], self.config["ef_construction"],
                                           quantize, use_contiguous_memory=True)
        else:
            index = library.IVFIndexParam(metric, self.config["nlist"], quantize_type=quantize)
        schema = library.CollectionSchema(
            name="bench", fields=[],
            vectors=[library.VectorSchema("v", library.DataType.VECTOR_FP32, self.dim, index)])
        self.store = library.create_and_open(self.path("collection"), schema)
        ingest = 0
        for begin in range(0, len(base), BATCH):
            documents = [library.Doc(id=str(i), vectors={"v": base[i]})
                         for i in range(begin, min(begin + BATCH, len(base)))]
            started = time.perf_counter()
            self.store.insert(documents)
            if self.config.get("synced"):
                self.store.flush()
            ingest += time.perf_counter() - started
        self.store.flush()
        begun = time.perf_counter()
        self.store.optimize(library.OptimizeOption(threads))
        self.times = {"ingest_s": ingest, "build_s": time.perf_counter() - begun}

    def save(self):
        self.store.close()

    def open(self):
        library.init(query_threads=1, optimize_threads=1)
        self.store = library.open(self.path("collection"), library.CollectionOption(read_only=True))

    def set(self, params):
        refine = self.config.get("quantize", "UNDEFINED") != "UNDEFINED"
        if "nprobe" in params:
            self.params = library.IVFQueryParam(params["nprobe"], is_using_refiner=refine,
                                                scale_factor=params.get("k_factor", 10))
        else:
            self.params = library.HnswQueryParam(ef=params["ef"], is_using_refiner=refine,
                                                 scale_factor=params.get("k_factor", 0))
        self.names = {}

    def requests(self, queries, k):
        return [library.Query("v", vector=query, param=self.params) for query in queries]

    def search_each(self, requests, k):
        search = self.store.query_internal_ids
        return [search(query, topk=k) for query in requests]

    def row_numbers(self, found):
        unknown = [int(i) for i in found if i >= 0 and int(i) not in self.names]
        if unknown:
            self.names.update(zip(unknown, map(int, self.store.resolve_internal_ids(
                np.array(unknown, dtype=np.int64)))))
        return [self.names.get(int(i), -1) for i in found]
