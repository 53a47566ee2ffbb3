"""Rows a second until they are durable, and until they are searched through an index.

Synced: each batch of 1,000 rows is on the disk before the next (Leadline `sync`, zvec with flush()
after each batch). Searchable: from the first row to a finished index, on 2 threads, at each store's
own durability. Chroma builds its index as it writes, the others afterwards.
"""
from built import build
from settings import Setting
from tables import table

GRAPH = {"m": 16, "ef_construction": 200}
SYNCED = [Setting("leadline", {"index": "auto", "synced": True}, []),
          Setting("zvec", {**GRAPH, "synced": True}, [])]
SEARCHABLE = [Setting("leadline", {"index": "auto"}, []),
              Setting("leadline", {"index": "hnsw", **GRAPH}, []),
              Setting("zvec", GRAPH, []),
              Setting("chroma", GRAPH, []),
              Setting("milvus_lite", GRAPH, [])]


def measure(args, data_set):
    runs = []
    for kind, settings in (("synced", SYNCED), ("searchable", SEARCHABLE)):
        for setting in settings:
            if args.systems is not None and setting.system not in args.systems:
                continue
            _, built = build(args, data_set, setting, 2, tag="ingest")
            run = {"kind": kind, "system": setting.system, "name": setting.name, **built}
            if "error" not in built:
                seconds = built.get("ingest_s", 0) + (built["build_s"] if kind == "searchable" else 0)
                run["rows_per_s"] = data_set.rows / seconds
            runs.append(run)
    return {"runs": runs}


def markdown(result):
    parts = []
    for kind, title in (("synced", "Durable, 1,000 rows a batch"),
                        ("searchable", "Until the last row is in an index, 2 threads")):
        runs = [run for run in result["runs"] if run["kind"] == kind]
        own = max((run.get("rows_per_s", 0) for run in runs if run["system"] == "leadline"), default=0)
        parts.append(f"**{title}**\n\n" + table(
            ("system", "configuration", "rows/s", "Leadline's best over it", "rows written in s",
             "index s", ""),
            [(run["system"], run["name"], f"{run['rows_per_s']:,.0f}" if "rows_per_s" in run else "",
              f"{own / run['rows_per_s']:.1f}x" if "rows_per_s" in run else "",
              f"{run['ingest_s']:.1f}" if "ingest_s" in run else "",
              f"{run['build_s']:.1f}" if "build_s" in run else "", run.get("error", "")) for run in runs]))
    return "### Ingest\n\n" + "\n\n".join(parts)
