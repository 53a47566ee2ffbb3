"""Seconds to build each kind of index on 1 and on 2 threads, one after the other."""
from built import build
from settings import Setting, leadline, nlists, own_configs
from tables import table


def settings_of(data_set, extra):
    cells, dim = nlists(data_set.rows)[-1], data_set.dim
    part = dim // (2 if dim <= 128 else 4)
    return [leadline(config) for config in own_configs(data_set, extra)] + [
        Setting("hnswlib", {"m": 16, "ef_construction": 200}, []),
        Setting("faiss", {"hnsw": 16, "storage": "flat", "ef_construction": 200}, []),
        Setting("faiss", {"factory": f"IVF{cells},PQ{part}x4fsr,RFlat"}, []),
        Setting("usearch", {"dtype": "bf16", "m": 16, "ef_construction": 200}, []),
        Setting("svs", {"data": "f32", "degree": 32, "window": 100 if dim <= 128 else 200}, []),
        Setting("vsag", {"codes": "sq8_uniform", "degree": 32, "ef_construction": 200}, []),
        Setting("zvec", {"m": 16, "ef_construction": 200, "quantize": "INT8"}, []),
        Setting("lancedb", {"kind": "hnsw", "m": 20, "ef_construction": 200}, []),
    ]


def measure(args, data_set):
    runs = []
    for setting in settings_of(data_set, args.leadline_configs):
        if args.systems is None or setting.system in args.systems:
            for threads in (1, 2):
                _, built = build(args, data_set, setting, threads, tag="build")
                runs.append({"system": setting.system, "name": setting.name, "threads": threads, **built})
    return {"runs": runs}


def markdown(result):
    times = {}
    for run in result["runs"]:
        times.setdefault((run["system"], run["name"]), {})[run["threads"]] = run
    reference = next((runs for (system, _), runs in times.items() if system == "hnswlib"), {})

    def cells(runs, threads):
        run = runs.get(threads, {})
        if "build_s" not in run:
            return "", "", run.get("error", "")
        other = reference.get(threads, {}).get("build_s")
        return (f"{run['build_s']:.1f}", f"{run['build_cpu_s']:.1f}",
                f"{other / run['build_s']:.1f}x" if other else "")

    return ("### Building\n\nSeconds, and how many times faster than hnswlib. Rows that a store writes "
            "before it builds are apart.\n\n" + table(
                ("system", "configuration", "1 thread", "processor", "over hnswlib", "2 threads", "processor",
                 "over hnswlib", "rows written in s", "disk MB"),
                [(system, name, *cells(runs, 1), *cells(runs, 2),
                  f"{runs[2]['ingest_s']:.1f}" if "ingest_s" in runs.get(2, {}) else "",
                  f"{runs[2]['disk_bytes'] / 1e6:.0f}" if "disk_bytes" in runs.get(2, {}) else "")
                 for (system, name), runs in times.items()]))
