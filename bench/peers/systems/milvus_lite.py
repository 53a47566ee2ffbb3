"""Milvus Lite by its engine in this process: rows first, then the index."""
from __future__ import annotations

import importlib
import time

from systems.peer import Peer

library = importlib.import_module("milvus_lite")
schema = importlib.import_module("milvus_lite.schema.types")
BATCH = 1000


class System(Peer):
    package = "milvus-lite"

    def build(self, base, threads):  # pylint: disable=unused-argument  # its pools follow the environment
        fields = [schema.FieldSchema(name="id", dtype=schema.DataType.INT64, is_primary=True),
                  schema.FieldSchema(name="v", dtype=schema.DataType.FLOAT_VECTOR, dim=self.dim)]
        store = library.MilvusLite(self.path("store"))
        collection = store.create_collection("bench", schema.CollectionSchema(fields=fields))
        ingest = 0
        for begin in range(0, len(base), BATCH):
            records = [{"id": begin + i, "v": row.tolist()}
                       for i, row in enumerate(base[begin:begin + BATCH])]
            started = time.perf_counter()
            collection.insert(records)
            ingest += time.perf_counter() - started
        collection.flush()
        begun = time.perf_counter()
        collection.create_index("v", {"index_type": "HNSW",
                                      "metric_type": "IP" if self.metric == "cosine" else "L2",
                                      "params": {"M": self.config["m"],
                                                 "efConstruction": self.config["ef_construction"]}})
        collection.load()
        self.times = {"ingest_s": ingest, "build_s": time.perf_counter() - begun}
        self.store = store

    def save(self):
        self.store.close()
