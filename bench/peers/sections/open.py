"""Seconds until an index is open and searches at full speed: new processes, files in the page cache."""
import statistics

from built import build, open_worker
from settings import Setting, leadline, nlists, own_configs
from tables import table

K = 10
ROUNDS = 5
PROBES = 200


def settings_of(data_set, extra):
    dim = data_set.dim
    part = dim // (2 if dim <= 128 else 4)
    hnsw = {"hnsw": 16, "storage": "flat", "ef_construction": 200}
    cells = f"IVF{nlists(data_set.rows)[0]},PQ{part}x4fsr,RFlat"
    return [(leadline(config), {"target_recall": 0.95}) for config in own_configs(data_set, extra)] + [
        (Setting("hnswlib", {"m": 16, "ef_construction": 200}, []), {"ef": 64}),
        (Setting("faiss", hnsw, []), {"ef": 64}),
        (Setting("faiss", {**hnsw, "mmap": True}, []), {"ef": 64}),
        (Setting("faiss", {"factory": cells}, []), {"nprobe": 16, "k_factor": 10}),
        (Setting("zvec", {"m": 16, "ef_construction": 200}, []), {"ef": 64}),
    ]


def once(args, data_set, setting, params, folder):
    worker, opened = open_worker(args, data_set, setting, folder)
    with worker:
        count = min(PROBES, data_set.query_count // 2)
        answer = worker.ask(args.build_limit, do="pass", mode="one", params=params, k=K, warm_up=0,
                            parts=[[0, 1], [1, count], [1, count]])
        first, cold, warm = answer["seconds"]
        return {"open_s": opened["open_s"], "first_query_s": first, "cold_qps": (count - 1) / cold,
                "warm_qps": (count - 1) / warm, "rss_bytes": worker.ask(do="memory")["rss_bytes"]}


def measure(args, data_set):
    runs = []
    for setting, params in settings_of(data_set, args.leadline_configs):
        if args.systems is not None and setting.system not in args.systems:
            continue
        folder, built = build(args, data_set, setting, args.build_threads)
        if "error" in built:
            runs.append({"system": setting.system, "name": setting.name, "error": built["error"]})
            continue
        rounds = [once(args, data_set, setting, params, folder) for _ in range(ROUNDS)]
        runs.append({"system": setting.system, "name": setting.name,
                     **{key: statistics.median(r[key] for r in rounds) for key in rounds[0]}})
    return {"runs": runs, "rounds": ROUNDS}


def markdown(result):
    done = [run for run in result["runs"] if "error" not in run]
    def until_answer(run):
        return run["open_s"] + run["first_query_s"]

    reference = next((until_answer(run) for run in done if run["system"] == "hnswlib"), None)
    return (f"### Opening\n\nMedians of {result['rounds']} new processes, page cache warm. The ratio is of "
            "the time until the first query is answered, opening included.\n\n" + table(
        ("system", "configuration", "open ms", "first query ms", "over hnswlib",
         f"next {PROBES - 1} queries, QPS", "the same again", "resident MB"),
        [(run["system"], run["name"], f"{1e3 * run['open_s']:.1f}",
          f"{1e3 * run['first_query_s']:.2f}",
          f"{reference / until_answer(run):.1f}x" if reference else "",
          f"{run['cold_qps']:,.0f}", f"{run['warm_qps']:,.0f}", f"{run['rss_bytes'] / 1e6:.0f}")
         for run in done]))
