"""What bench/service/run.py found: ratios, promises and the section of docs/performance.md."""
import os
import statistics
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from machine import described  # noqa: E402

# (what, unit of the ratio, measured by, promise, aim); more is better only for "x".
PROMISES = [
    ("one query a call, 16 under way, over in-process", "x", "async_over_process", 0.4, 0.6),
    ("one query a call, from 16 threads that wait, over in-process", "x", "unary_over_process", 0.4, 0.6),
    ("32 queries a call, over in-process", "x", "batch_over_process", 0.85, 0.95),
    ("latency that a call adds, median", "us", "added_us", 150, 80),
    ("ingest over the stream, over in-process", "x", "ingest_over_process", 0.7, 0.9),
    ("p99 of others beside a flood of searches, over alone", "times", "flood_p99", 2, None),
    ("p99 of others beside batches of 4,096 queries, over alone", "times", "batches_p99", 2, None),
    ("p99 of others beside calls taken back, over alone", "times", "resets_p99", 2, None),
    ("p99 of others beside batches of 4,096 writes, over alone", "times", "writes_p99", 2, None),
    ("one query a call from Python, over Milvus Lite", "x", "python_over_milvus-lite", 3, 10),
    ("one query a call from Python, over Chroma", "x", "python_over_chroma", 3, 10),
]


def spread(values):
    """Median and the ends."""
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def paired(results, above, below, field="per_second"):
    return spread([a[field] / b[field] for a, b in zip(results[above], results[below])])


def ratios(results, hostile, systems):
    found = {
        "unary_over_process": paired(results, "unary", "process"),
        "async_over_process": paired(results, "async", "process"),
        "batch_over_process": paired(results, "batch", "process_batch"),
        "stream_over_process": paired(results, "stream", "process"),
        "http_over_process": paired(results, "http", "process"),
        "ingest_over_process": paired(results, "ingest", "process_ingest"),
        "added_us": spread([a["latency_us"]["p50"] - b["latency_us"]["p50"]
                            for a, b in zip(results["unary_one"], results["process_one"])]),
    }
    for kind in hostile:
        if kind != "alone":
            found[f"{kind}_p99"] = spread([a["latency_us"]["p99"] / b["latency_us"]["p99"]
                                           for a, b in zip(hostile[kind], hostile["alone"])])
    for name, system in systems.items():
        if name != "leadline":
            processes = max(system["runs"], key=int)
            found[f"python_over_{name}"] = spread(
                [a["qps"] / b["qps"] for a, b in zip(systems["leadline"]["runs"][processes],
                                                     system["runs"][processes])])
    return found


def kept(result):
    """(what, measured, spread, promise, kept) for each promise that was measured."""
    for what, unit, name, promise, aim in PROMISES:
        if name not in result["ratios"]:
            continue
        value = result["ratios"][name]
        if unit == "us":
            yield (what, f"{value['median']:.0f} us", f"{value['low']:.0f} to {value['high']:.0f}",
                   f"at most {promise} us, aim {aim}", value["median"] <= promise)
        elif unit == "times":
            yield (what, f"{value['median']:.2f}x", f"{value['low']:.2f} to {value['high']:.2f}",
                   f"at most {promise}x", value["median"] <= promise)
        else:
            yield (what, f"{value['median']:.2f}x", f"{value['low']:.2f} to {value['high']:.2f}",
                   f"at least {promise}x, aim {aim}x", value["median"] >= promise)


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows])


def calls_table(runs):
    def cell(name, *path):
        def value(run):
            for part in path:
                run = run.get(part, {})
            return run
        values = [value(run) for run in runs[name]]
        return f"{statistics.median(values):,.0f}" if all(isinstance(v, float) for v in values) else ""

    names = {"process": "in process", "async": "one query a call, under way",
             "unary": "one query a call, threads that wait", "stream": "stream",
             "process_batch": "in process, 32 a call", "batch": "32 queries a call",
             "process_one": "in process, one client", "unary_one": "one client",
             "http": "one query a call over HTTP", "http_one": "one client over HTTP",
             "empty_one": "one client, calls that do nothing",
             "half_rate": "one query a call, due at random at half the rate",
             "process_ingest": "ingest in process, 1,000 rows a call", "ingest": "ingest stream"}
    return table(("run", "clients", "a second", "p50 us", "p99 us", "p99.9 us", "client CPU us a call",
                  "server CPU us a call"),
                 [(shown, runs[name][0]["clients"], cell(name, "per_second"),
                   *(cell(name, "latency_us", q) for q in ("p50", "p99", "p999")),
                   cell(name, "cpu_us_per_call"), cell(name, "server_cpu_us_per_call"))
                  for name, shown in names.items()])


def stages_table(runs):
    """Where a search spends its time in the server; the rest of its latency is transport."""
    rows = []
    for name, shown in (("unary_one", "gRPC, one client"), ("unary", "gRPC"),
                        ("http_one", "HTTP, one client"), ("http", "HTTP")):
        def median(stage, name=name):
            return statistics.median(run["stages_us_per_call"].get(stage, 0) for run in runs[name])
        inside = [median(stage) for stage in ("parse", "queue", "work", "write")]
        latency = statistics.median(run["latency_us"]["mean"] for run in runs[name])
        rows.append((shown, runs[name][0]["clients"], f"{latency:,.0f}",
                     *(f"{us:,.1f} ({us / latency:.0%})" for us in inside),
                     f"{latency - sum(inside):,.0f} ({1 - sum(inside) / latency:.0%})"))
    return table(("search over", "clients", "mean latency us", "parse", "queue", "check and search",
                  "write", "transport and both kernels"), rows)


def hostile_table(hostile):
    """What others see beside one hostile client, and what became of its calls in all rounds."""
    shown = {"alone": "nobody", "flood": "128 searches at a time", "batches": "8 batches of 4,096 queries",
             "resets": "calls taken back at once", "writes": "8 batches of 4,096 records"}
    rows = []
    for kind, runs in hostile.items():
        ends = {}
        for run in runs:
            for code, count in run.get("hostile", {}).items():
                ends[code] = ends.get(code, 0) + count
        rows.append((shown[kind], *(f"{statistics.median(run['latency_us'][q] for run in runs):,.0f}"
                                    for q in ("p50", "p99", "p999")),
                     ", ".join(f"{count:,} of code {code}" for code, count in sorted(ends.items()))))
    return table(("beside", "p50 us", "p99 us", "p99.9 us", "its calls ended"), rows)


def peers_table(systems):
    rows = []
    for name, system in systems.items():
        for processes, runs in system["runs"].items():
            rows.append((name, system["client"], system["ef"], f"{system['recall']:.4f}", processes,
                         f"{statistics.median(run['qps'] for run in runs):,.0f}",
                         f"{statistics.median(run['p50_us'] for run in runs):,.0f}"))
    return table(("system", "client", "ef", "recall@10", "client processes", "QPS", "p50 us"), rows)


def section(result):
    """The part of docs/performance.md about the service."""
    peers_part = f"""
From Python, one client library for each system, each client one process that calls again when it has
its answer:

{peers_table(result['peers'])}
""" if result["peers"] else ""
    ratio_table = table(("what", "measured", "rounds", "promise", ""),
                        [(what, measured, ends, promise, "kept" if ok else "**missed**")
                         for what, measured, ends, promise, ok in kept(result)])
    def cpu(name, *fields):
        return statistics.median(sum(run[field] for field in fields) for run in result["runs"][name])
    alone = cpu("process", "cpu_us_per_call")
    whole = cpu("async", "cpu_us_per_call", "server_cpu_us_per_call")
    waiting = cpu("unary", "cpu_us_per_call", "server_cpu_us_per_call")
    return f"""## Service

One run on {result['date']}: {described(result['machine'])}.

`bench/service/run.sh`: {result['rows']:,} x {result['dim']}, cosine, ef_search {result['ef']}, recall@10
{result['recall']:.4f} in process, over gRPC and over HTTP alike. Client and server share {result['cpus']} cores; TCP
over the loopback; medians of {result['rounds']} interleaved rounds.

{ratio_table}

A search takes {alone:.0f} us of processor time in process and, client and server together, {whole:.0f} us over gRPC where
one thread has many under way (`Collection::SearchAsync`), {waiting:.0f} us where a thread waits for each: {alone / whole:.2f}x and
{alone / waiting:.2f}x are the most that these cores can give one query a call; the faster the search, the less.

{calls_table(result['runs'])}

Mean microseconds of a search in the stages of the server (`leadline_call_stage_seconds`), and their share of the
latency that the client sees:

{stages_table(result['runs'])}

Searches that fall due at random, {result['hostile']['alone'][0]['per_second']:,.0f} a second, beside one hostile client
(`leadline_service_hostile`) with a token of its own; rounds in turn, ratios of p99 in the first table:

{hostile_table(result['hostile'])}
{peers_part}"""
