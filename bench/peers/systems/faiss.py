"""FAISS: factory strings, and HNSW on codes. Single queries go to the C++ call without the Python wrapper."""
from __future__ import annotations

import importlib

import numpy as np

from systems.peer import Peer

library = importlib.import_module("faiss")


class System(Peer):
    package = "faiss-cpu"

    def make(self):
        metric = library.METRIC_INNER_PRODUCT if self.metric == "cosine" else library.METRIC_L2
        if "hnsw" in self.config:
            storage = {"flat": lambda: library.IndexHNSWFlat(self.dim, self.config["hnsw"], metric),
                       "sq8": lambda: library.IndexHNSWSQ(self.dim, library.ScalarQuantizer.QT_8bit,
                                                          self.config["hnsw"], metric)}
            index = storage[self.config["storage"]]()
            index.hnsw.efConstruction = self.config["ef_construction"]
            return index
        return library.index_factory(self.dim, self.config["factory"], metric)

    def build(self, base, threads):
        library.omp_set_num_threads(threads)
        self.index = self.make()
        inner = library.try_extract_index_ivf(self.index)
        if inner is not None:
            inner.cp.max_points_per_centroid = 1 << 20  # all rows: fairer than the 256 a centroid
        self.index.train(base)
        self.index.add(base)

    def save(self):
        library.write_index(self.index, self.path("index"))

    def open(self):
        library.omp_set_num_threads(1)
        # By default no batch of this size uses BLAS, which makes exact search 16 times slower.
        library.cvar.distance_compute_blas_threshold = 20
        flags = library.IO_FLAG_MMAP if self.config.get("mmap") else 0
        self.index = library.read_index(self.path("index"), flags)

    def set(self, params):
        self.current = params
        space = library.ParameterSpace()
        names = {"ef": "efSearch", "nprobe": "nprobe", "k_factor": "k_factor_rf"}
        for name, value in params.items():
            if name == "k_factor":
                self.index.k_factor = value
            else:
                space.set_index_parameter(self.index, names[name], value)

    def requests(self, queries, k):
        self.labels = np.empty((len(queries), k), dtype=np.int64)
        self.distances = np.empty((len(queries), k), dtype=np.float32)
        return [tuple(library.swig_ptr(part) for part in parts)
                for parts in zip(queries, self.distances, self.labels)]

    def search_each(self, requests, k):
        search = self.index.search_c
        for query, distances, labels in requests:
            search(1, query, k, distances, labels)
        return self.labels

    def set_filters(self, masks):
        """`masks`: a bitmap over all rows for each filter."""
        self.masks = masks
        self.selectors = [library.IDSelectorBitmap(mask) for mask in masks]
        self.filters = [self.with_selector(selector) for selector in self.selectors]

    def with_selector(self, selector):
        params = dict(self.current)
        k_factor = params.pop("k_factor", None)
        if "ef" in params:
            return library.SearchParametersHNSW(efSearch=params["ef"], sel=selector)
        if "nprobe" not in params:
            return library.SearchParameters(sel=selector)
        cells = library.SearchParametersIVF(nprobe=params["nprobe"], sel=selector)
        if k_factor is None:
            return cells
        return library.IndexRefineSearchParameters(k_factor=k_factor, base_index_params=cells)

    def search_filtered(self, requests, which, k):
        search, filters = self.index.search_c, self.filters
        for (query, distances, labels), number in zip(requests, which):
            search(1, query, k, distances, labels, filters[number])
        return self.labels

    def search_batch(self, queries, k):
        return self.index.search(queries, k)[1]
