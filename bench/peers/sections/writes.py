"""Searching while rows arrive at 1,000 a second, beside searching the same rows at rest.

Two processors: searches, inserts and what the store does in the background share them. The last fifth
of the rows, 20 seconds of it at most, arrives while queries run; then the collection is measured again
as it is.
"""
import shutil
import time

import numpy as np

from built import build, cores
from datasets import DataSet, write_set
from remote import Worker, WorkerFailed
from settings import leadline, own_configs
from tables import table
from vectors import map_bin, read_bin

K = 10
RATE = 1000
SHARE = 0.8
PARAMS = {"target_recall": 0.95}


def measure(args, data_set):
    if args.systems is not None and "leadline" not in args.systems:
        return None
    begin = int(data_set.rows * SHARE)
    part = shortened(data_set, begin)
    runs = []
    for config in own_configs(data_set, args.leadline_configs):
        setting = leadline(config)
        run = {"name": setting.name}
        try:
            folder, built = build(args, part, setting, args.build_threads, tag="writes")
            if "error" in built:
                raise WorkerFailed(built["error"])
            run.update(with_writes(args, data_set, setting, folder, begin))
        except WorkerFailed as failure:
            run["error"] = str(failure)
        runs.append(run)
    return {"runs": runs, "rate": RATE}


def shortened(data_set, rows):
    folder = data_set.folder + "-part"
    try:
        return DataSet(data_set.name, folder)
    except FileNotFoundError:
        write_set(data_set.name, folder, np.array(map_bin(data_set.base, np.float32)[:rows]),
                  read_bin(data_set.queries, np.float32), {})
        return DataSet(data_set.name, folder)


def with_writes(args, data_set, setting, folder, begin):
    end = min(data_set.rows, begin + 20 * RATE)
    copy = folder + "-written"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy)
    with Worker("leadline", args.leadline, cores(args, 2), 2) as worker:
        worker.ask(do="open", folder=copy, metric=data_set.metric, config=setting.config,
                   queries=data_set.queries, writable=True)

        def passes(seconds):
            """Queries a second and the slowest pass, for this long."""
            count, parts = data_set.query_count, [[0, data_set.query_count]]
            taken = []
            stop = time.monotonic() + seconds
            while time.monotonic() < stop or not taken:
                taken += worker.ask(do="pass", mode="one", params=PARAMS, k=K, parts=parts)["seconds"]
            return {"qps": count * len(taken) / sum(taken), "slowest_qps": count / max(taken)}

        passes(1)
        before = passes(5)
        worker.ask(do="insert", base=data_set.base, begin=begin, end=end, rate=RATE)
        during = passes((end - begin) / RATE * 0.95)
        inserted = worker.ask(do="inserted")
        after = passes(5)
    shutil.rmtree(copy, ignore_errors=True)
    return {"before": before, "during": during, "after": after, "inserted_rows": inserted["rows"],
            "rows_per_s": inserted["rows"] / inserted["seconds"], "ratio": during["qps"] / before["qps"]}


def markdown(result):
    return (f"### Searching while {result['rate']:,} rows a second arrive\n\n"
            "Two processors for both.\n\n" + table(
        ("Leadline", "rows/s that arrived", "QPS at rest", "QPS meanwhile", "slowest pass", "QPS afterwards",
         "meanwhile over at rest", ""),
        [(run["name"], "", "", "", "", "", "", run["error"]) if "error" in run else
         (run["name"], f"{run['rows_per_s']:,.0f}", f"{run['before']['qps']:,.0f}",
          f"{run['during']['qps']:,.0f}",
          f"{run['during']['slowest_qps']:,.0f}", f"{run['after']['qps']:,.0f}", f"{run['ratio']:.2f}x", "")
         for run in result["runs"]]))
