"""Exact search in batches and one query at a time, beside FAISS's flat index on BLAS."""
import tempfile

import numpy as np

from built import build, open_worker
from datasets import Truth
from remote import WorkerFailed
from settings import Setting
from tables import table

K = 10
BATCH = 1000
SETTINGS = [Setting("leadline", {"index": "flat"}, [[{"exact": True}]]),
            Setting("faiss", {"factory": "Flat"}, [[{}]])]
VALUES_A_PASS = 4e9  # compared one query at a time; bounds the length of a pass


def parts_of(data_set, mode):
    few = int(VALUES_A_PASS / (data_set.rows * data_set.dim))
    return [[0, min(data_set.query_count, BATCH if mode == "batch" else max(20, few))]]


def measure(args, data_set):
    truth = Truth(data_set, K)
    runs, workers = [], []
    try:
        for setting in SETTINGS:
            if args.systems is None or setting.system in args.systems:
                folder, built = build(args, data_set, setting, 1)
                if "error" in built:
                    raise WorkerFailed(built["error"])
                worker, _ = open_worker(args, data_set, setting, folder)
                workers.append((setting, worker))
        best = {}
        for _ in range(args.passes):
            for setting, worker in workers:
                for mode in ("one", "batch"):
                    best.setdefault((setting.system, mode), []).append(
                        one_pass(args, data_set, setting, worker, mode, truth))
        for (system, mode), passes in best.items():
            runs.append({"system": system, "mode": mode, "queries": passes[0]["queries"],
                         "qps": max(p["qps"] for p in passes), "recall": passes[0]["recall"],
                         "wrong_answers": passes[0]["wrong_answers"]})
    finally:
        for _, worker in workers:
            worker.close()
    return {"runs": runs}


def one_pass(args, data_set, setting, worker, mode, truth):
    parts = parts_of(data_set, mode)
    end = parts[0][1]
    with tempfile.NamedTemporaryFile(suffix=".i32") as file:
        answer = worker.ask(args.build_limit, do="pass", mode=mode, params=setting.chains[0][0], k=K,
                            count=BATCH, parts=parts, found=file.name, warm_up=2)
        found = np.fromfile(file.name, dtype=np.int32).reshape(-1, K)[:end]
    recalls = truth.recalls(found)
    return {"qps": end / answer[args.timing][0], "recall": float(recalls.mean()), "queries": end,
            "wrong_answers": int((recalls < 1).sum())}


def markdown(result):
    rows = [(run["system"], run["mode"], run["queries"], f"{run['qps']:,.0f}", f"{run['recall']:.5f}",
             run["wrong_answers"]) for run in result["runs"]]
    speeds = {(run["system"], run["mode"]): run["qps"] for run in result["runs"]}
    ratios = [f"{mode}: {speeds['leadline', mode] / speeds['faiss', mode]:.2f}x" for mode in ("one", "batch")
              if ("leadline", mode) in speeds and ("faiss", mode) in speeds]
    header = ("system", "mode", "queries", "QPS", "recall@10", "answers that differ")
    return ("### Exact search\n\n" + table(header, rows) +
            "\n\nLeadline over FAISS Flat: " + ", ".join(ratios) + ".")
