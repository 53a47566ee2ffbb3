"""What Leadline promises beside its peers, and whether a run kept it."""
import math

from fronts import ratio
from sections.filter import SHARES, at_target

# One query at a time and in batches over the best peer: (set, mode, recall, must, aim), and for batches
# what holds on processors without tiles of integers (AMX).
SEARCH = [
    ("glove", "one", "0.95", 2.5, 4), ("glove", "one", "0.99", 2, 3),
    ("fashion", "one", "0.95", 1.6, 2.5), ("fashion", "one", "0.99", 1.6, 2.5),
    ("minilm", "one", "0.95", 2, 3.5), ("minilm", "one", "0.99", 2.5, 4),
    ("synthetic", "one", "0.95", 1.5, 2.5), ("synthetic", "one", "0.99", 1.5, 2.5),
]
BATCH_AMX = [("glove", "batch", "0.95", 5, 9), ("fashion", "batch", "0.95", 2, 3),
             ("minilm", "batch", "0.95", 2.5, 4)]
BATCH = [("glove", "batch", "0.95", 3.5, 6), ("fashion", "batch", "0.95", 1.2, 2),
         ("minilm", "batch", "0.95", 1.7, 3)]
MODES = {"one": "one query a call", "batch": "batches of 1,000"}


def has_amx(results):
    return results["machine"]["leadline"]["simd"]["chosen"] == "amx"


def search(results, name, sections):
    for wanted, mode, recall, must, aim in SEARCH + (BATCH_AMX if has_amx(results) else BATCH):
        if wanted == name and "search" in sections:
            yield (f"{MODES[mode]}, recall {recall}, over the best peer",
                   ratio(sections["search"]["at"][mode][recall]), must, aim)


def exact(results, _, sections):
    speeds = {run["system"]: run["qps"] for run in sections.get("exact", {}).get("runs", [])
              if run["mode"] == "batch"}
    if {"leadline", "faiss"} <= speeds.keys():
        must, aim = (8, 15) if has_amx(results) else (3, 6)
        yield "exact, batches of 1,000, over FAISS Flat on BLAS", speeds["leadline"] / speeds["faiss"], must, aim


def build(_results, _name, sections):
    times = {(run["system"], run["name"]): run["build_s"] for run in sections.get("build", {}).get("runs", [])
             if run["threads"] == 2 and "build_s" in run}
    reference = next((s for (system, _), s in times.items() if system == "hnswlib"), None)
    for start, what, must, aim in (("index=auto", "`auto`", 20, 50), ("index=hnsw", "graph", 3, 6)):
        own = [s for (system, name), s in times.items() if system == "leadline" and name.startswith(start)]
        if own and reference:
            yield f"building on 2 threads, {what}, over hnswlib", reference / min(own), must, aim


def filters(_results, _name, sections):
    runs = sections.get("filter", {}).get("runs", [])
    auto = next((run for run in runs if run["name"].startswith("index=auto")), None)
    if auto is None or at_target(auto, "none", 1.0) is None:
        return
    unfiltered = at_target(auto, "none", 1.0)["qps"]
    for kind in ("random", "opposed"):
        found = [at_target(auto, kind, share) for share in SHARES]
        yield (f"slowest {kind} filter of 50 to .1%, `auto`, over its unfiltered speed",
               min(point["qps"] if point else 0 for point in found) / unfiltered, 0.35, 0.7)
    own = at_target(auto, "random", 0.01)
    peers = [at_target(run, "random", 0.01) for run in runs if run["system"] in ("hnswlib", "faiss")]
    peers = [point["qps"] for point in peers if point]
    if own and peers:
        yield "1% filter over hnswlib's functor and FAISS's selector", own["qps"] / max(peers), 10, 50


def writes(_results, _name, sections):
    for run in sections.get("writes", {}).get("runs", []):
        if "ratio" in run and run["name"].startswith("index=auto"):
            yield "searching while 1,000 rows a second arrive, over at rest", run["ratio"], 0.5, 0.8


def opening(_results, name, sections):
    times = {}
    for run in sections.get("open", {}).get("runs", []):
        if "error" not in run:
            times.setdefault(run["system"], []).append(run["open_s"] + run["first_query_s"])
    if name == "synthetic" and {"leadline", "hnswlib"} <= times.keys():
        yield ("opening until the first answer, over hnswlib",
               min(times["hnswlib"]) / min(times["leadline"]), 15, 100)


def ingest(_results, _name, sections):
    runs = [run for run in sections.get("ingest", {}).get("runs", []) if "rows_per_s" in run]
    for kind, what, must, aim in (
            ("synced", "synced ingest over zvec with a flush per batch", 2, 5),
            ("searchable", "rows until searched through an index, over the best peer", 5, 20)):
        own = [run["rows_per_s"] for run in runs if run["kind"] == kind and run["system"] == "leadline"]
        peers = [run["rows_per_s"] for run in runs if run["kind"] == kind and run["system"] != "leadline"]
        if own and peers:
            yield what, max(own) / max(peers), must, aim


KINDS = (search, exact, build, filters, writes, opening, ingest)


def memory(name, sections):
    """Resident bytes, of which less is better: (what, ratio, must, aim), or nothing."""
    resident = {}
    for run in sections.get("search", {}).get("runs", []):
        if run["rss_bytes"] and (run["system"] == "hnswlib" or run["name"].startswith("index=auto")):
            resident.setdefault(run["system"], []).append(run.get("kept_bytes") or run["rss_bytes"])
    if name == "synthetic" and {"leadline", "hnswlib"} <= resident.keys():
        share = min(resident["leadline"]) / min(resident["hnswlib"])
        yield "bytes that searches keep in memory, `auto`, over hnswlib", share, 0.35, 0.17


def kept(results):
    """(set, what, measured, must, aim, whether it was kept) of all that was measured."""
    for name, found in results["sets"].items():
        for kind in KINDS:
            for what, measured, must, aim in kind(results, name, found["sections"]):
                if not math.isnan(measured):
                    yield name, what, f"{measured:.2f}x", f"{must}x", f"{aim}x", measured >= must
        for what, measured, must, aim in memory(name, found["sections"]):
            yield name, what, f"{measured:.2f}", f"{must}", f"{aim}", measured <= must
