"""Chroma in this process, for rows that are in an index when they are written."""
from __future__ import annotations

import importlib

from systems.peer import Peer

library = importlib.import_module("chromadb")
BATCH = 1000


class System(Peer):
    package = "chromadb"

    def build(self, base, threads):
        space = "ip" if self.metric == "cosine" else "l2"
        collection = library.PersistentClient(self.path("store")).create_collection(
            "bench", embedding_function=None,
            configuration={"hnsw": {"space": space, "max_neighbors": self.config["m"],
                                    "ef_construction": self.config["ef_construction"],
                                    "num_threads": threads}})
        for begin in range(0, len(base), BATCH):
            part = base[begin:begin + BATCH]
            collection.add(ids=[str(begin + i) for i in range(len(part))], embeddings=part)
        # Rows that wait for the index are added to it by a search.
        collection.query(query_embeddings=base[:1], n_results=1, include=[])

    def save(self):
        pass
