"""Which configurations run on a data set, and which search parameters each is swept over.

A chain is a list of parameters by rising effort; a sweep of it ends where recall no longer grows, is
above what is asked for, or a pass takes too long. To add a configuration of Leadline, add a line to
LEADLINE, or give --leadline-config JSON.
"""
import dataclasses
import math

EF = [10, 12, 14, 17, 20, 24, 29, 35, 42, 50, 60, 72, 86, 100, 125, 150, 180, 215, 260, 310, 375, 450, 540,
      650, 780, 1000, 1300, 1700, 2200]
NPROBE = [1, 2, 3, 4, 6, 8, 11, 15, 20, 27, 36, 48, 64, 86, 115, 150, 200, 270, 360, 480, 640]
K_FACTOR = [2, 4, 10, 20, 40]
TARGETS = [.75, .82, .87, .9, .92, .94, .955, .965, .975, .983, .99, .993, .996, .998, .999]
# Those that the engine has: VectorField's index, codes, m, ef_construction, nlist; 0 or absent: default.
LEADLINE = [
    {"index": "auto", "codes": "auto"},
    {"index": "ivf", "codes": "sq8"},
    {"index": "hnsw", "codes": "sq4", "m": 16, "ef_construction": 200},
    {"index": "hnsw", "codes": "sq8", "m": 16, "ef_construction": 200},
    {"index": "hnsw", "codes": "pca8", "m": 16, "ef_construction": 200},
]


@dataclasses.dataclass
class Setting:
    system: str
    config: dict
    chains: list

    @property
    def name(self):
        return " ".join(f"{key}={value}" for key, value in self.config.items())


def chain(name, values, **fixed):
    return [{name: value, **fixed} for value in values]


def leadline(config):
    # What a segment measured of itself turns a target into parameters; a sweep of them is the check.
    targets = chain("target_recall", TARGETS)
    if config["index"] == "hnsw":
        return Setting("leadline", config, [targets, chain("ef_search", EF)])
    if config["index"] == "ivf":
        return Setting("leadline", config, [targets, chain("nprobe", NPROBE)])
    return Setting("leadline", config, [targets])


def nlists(rows):
    """Powers of two around the root of the rows, as the libraries' own pages advise."""
    root = 2 ** round(math.log2(math.sqrt(rows)))
    return [root, 2 * root] if rows < 500_000 else [root, 4 * root]


def faiss(data_set):
    dim, cells = data_set.dim, nlists(data_set.rows)
    probes = {n: [p for p in NPROBE if p <= n] for n in cells}
    parts = [dim // 2, dim // 4] if dim <= 128 else [dim // 4, dim // 8]
    for nlist in cells:
        for part in parts:
            yield Setting("faiss", {"factory": f"IVF{nlist},PQ{part}x4fsr,RFlat"},
                          [chain("nprobe", probes[nlist], k_factor=k) for k in K_FACTOR])
    if dim > 128:
        yield Setting("faiss", {"factory": f"IVF{cells[0]},PQ{dim // 2}x4fsr,RFlat"},
                      [chain("nprobe", probes[cells[0]], k_factor=k) for k in K_FACTOR])
    yield Setting("faiss", {"factory": f"IVF{cells[-1]},Flat"}, [chain("nprobe", probes[cells[-1]])])
    for m in (16, 32):
        yield Setting("faiss", {"hnsw": m, "storage": "flat", "ef_construction": 200}, [chain("ef", EF)])
    yield Setting("faiss", {"hnsw": 32, "storage": "sq8", "ef_construction": 200}, [chain("ef", EF)])


def graphs(data_set):
    """The peers that search a graph."""
    cosine = data_set.metric == "cosine"
    yield Setting("hnswlib", {"m": 16, "ef_construction": 200}, [chain("ef", EF)])
    yield Setting("hnswlib", {"m": 32, "ef_construction": 300}, [chain("ef", EF)])
    for dtype in ("bf16", "i8") if cosine else ("f32", "i8"):
        yield Setting("usearch", {"dtype": dtype, "m": 16, "ef_construction": 200}, [chain("ef", EF)])
    kinds = ["f32", "f16", "lvq8", "lvq4x8"]
    if data_set.dim >= 256:
        kinds.append(f"leanvec{160 if data_set.dim < 700 else 192}")
    window = 100 if data_set.dim <= 128 else 200
    for kind in kinds:
        yield Setting("svs", {"data": kind, "degree": 32, "window": window}, [chain("window", EF)])
    for codes in ("sq8_uniform", "sq4_uniform"):
        yield Setting("vsag", {"codes": codes, "degree": 32, "ef_construction": 200},
                      [chain("ef", [ef for ef in EF if ef <= 1000])])
    yield Setting("zvec", {"m": 16, "ef_construction": 200}, [chain("ef", EF)])
    yield Setting("zvec", {"m": 16, "ef_construction": 200, "quantize": "INT8"}, [chain("ef", EF)])


def lancedb(data_set):
    few = [ef for ef in EF if ef <= 540][::2]
    yield Setting("lancedb", {"kind": "hnsw", "m": 20, "ef_construction": 200},
                  [chain("ef", [ef for ef in few if ef >= 10 * k], k_factor=k) for k in (1, 4)])
    yield Setting("lancedb", {"kind": "pq", "nlist": nlists(data_set.rows)[0],
                              "sub_vectors": data_set.dim // (2 if data_set.dim <= 128 else 8)},
                  [chain("nprobe", NPROBE[:15:2], k_factor=k) for k in (4, 10)])


def settings(data_set, extra=(), systems=None):
    """All of a set. `extra`: configurations of Leadline; `systems`: names, None for all."""
    peers = [*faiss(data_set), *graphs(data_set), *lancedb(data_set)]
    if is_large(data_set):
        peers = [peer for peer in peers if leading_peer(peer, data_set)]
    found = [*map(leadline, own_configs(data_set, extra)), *peers]
    return [s for s in found if systems is None or s.system in systems]


def own_configs(data_set, extra=()):
    """Leadline's: of a large set without graphs, of few dimensions without codes that reduce them."""
    fitting = [config for config in LEADLINE
               if not (is_large(data_set) and config["index"] == "hnsw") and
               not (data_set.dim < 256 and config["codes"] == "pca8")]
    return [*fitting, *extra]


def is_large(data_set):
    return data_set.rows * data_set.dim > 300_000_000


def leading_peer(setting, data_set):
    """Whether it leads on the smaller sets: of a large one, which takes hours to index, the others are left."""
    leading = {
        "faiss": [{"factory": f"IVF{nlists(data_set.rows)[-1]},PQ{data_set.dim // 4}x4fsr,RFlat"}],
        "hnswlib": [{"m": 16, "ef_construction": 200}],
        "usearch": [{"dtype": "bf16", "m": 16, "ef_construction": 200}],
        "svs": [{"data": "f16", "degree": 32, "window": 200},
                {"data": "leanvec192", "degree": 32, "window": 200}],
        "zvec": [{"m": 16, "ef_construction": 200, "quantize": "INT8"}],
    }
    return setting.config in leading.get(setting.system, [])


# For the cost of a call: the least work that each system can be given.
TINY = {
    "leadline": {"index": "flat"},
    "faiss": {"factory": "Flat"},
    "hnswlib": {"m": 16, "ef_construction": 200},
    "usearch": {"dtype": "f32", "m": 16, "ef_construction": 200},
    "svs": {"data": "f32", "degree": 32, "window": 100},
    "vsag": {"codes": "sq8_uniform", "degree": 32, "ef_construction": 200},
    "zvec": {"m": 16, "ef_construction": 200},
}
TINY_PARAMS = {"leadline": {}, "faiss": {}, "svs": {"window": 10}}
