#!/usr/bin/env python3
"""Measures every number that the project promises, in one run on one machine, and writes the page.

    scripts/install_packages.sh build check bench
    cmake --preset bench && cmake --build --preset bench
    python3 -m venv venv && venv/bin/pip install -r bench/requirements.txt
    venv/bin/python bench/performance.py --glove DATA --page docs/performance.md

DATA is a folder with base.fvecs, query.fvecs and gt_cos.ivecs (100,000 GloVe vectors). Takes about
an hour; nothing else should run meanwhile. Raw results go beside the page as JSON under
--raw. Exit 1 where a promise is missed.
"""
import argparse
import datetime
import json
import os
import shutil
import subprocess
import sys
import tempfile

from machine import described, machine
from service import report as service

HERE = os.path.dirname(os.path.abspath(__file__))
MIB = 1 << 20


def run_json(*command):
    print("---", " ".join(command), file=sys.stderr, flush=True)
    # A missed promise is exit code 1 and still a result.
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode not in (0, 1):
        sys.exit(f"{command[0]} failed with exit code {done.returncode}")
    return json.loads(done.stdout)


def measure_open(program, rows, dim, rounds, directory):
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        path = os.path.join(scratch, "db")
        result = run_json(program, "build", path, str(rows), str(dim))
        opens = [run_json(program, "open", path) for _ in range(rounds)]
    result.update({"rows": rows, "dim": dim, "rounds": rounds,
                   "open_ms": sorted(o["open_ms"] for o in opens),
                   "idle_anonymous_bytes": max(o["idle_anonymous_bytes"] for o in opens),
                   "first_search_ms": sorted(o["first_search_ms"] for o in opens),
                   "second_search_ms": sorted(o["second_search_ms"] for o in opens)})
    return result


def measure_text(program):
    result = run_json(program, "--benchmark_filter=(Tokenize|Embed)/abstracts",
                      "--benchmark_repetitions=9", "--benchmark_report_aggregates_only=true",
                      "--benchmark_format=json")
    middle = {run["run_name"]: run for run in result["benchmarks"]
              if run["aggregate_name"] == "median"}
    embed, tokenize = middle["BenchEmbed/abstracts"], middle["BenchTokenize/abstracts"]
    return {"embed_pieces_per_s": embed["items_per_second"], "texts_per_s": embed["texts"],
            "tokenize_pieces_per_s": tokenize["items_per_second"],
            "load": result["context"]["load_avg"][0]}


def median(values):
    return sorted(values)[len(values) // 2]


def promises(results):
    """(what, measured, promise, kept) per line of the first table; kept is None without a promise."""
    graph, ingest, opening, scoring = (results[k] for k in ("graph", "ingest", "open", "score"))
    at95 = next(a["ratio"] for a in graph["at"] if a["recall"] == 0.95)
    built = next(b["ratio"] for b in graph["build"] if b["threads"] == 2)
    disk = opening["disk_bytes"] / opening["raw_bytes"]
    open_ms = median(opening["open_ms"])
    idle_mib = opening["idle_anonymous_bytes"] / MIB
    yield ("HNSW f32 search, one thread, recall@10 .95, over hnswlib 0.8 at equal M and "
           "ef_construction", f"{at95:.2f}x", "at least 1.4x", at95 >= 1.4)
    yield ("HNSW build, 2 threads, over hnswlib 0.8", f"{built:.2f}x", "at least 1x", built >= 1)
    yield ("durable ingest (`sync`) over zvec with a flush per batch",
           f"{ingest['sync_over_zvec']:.2f}x", "at least 1x", ingest["sync_over_zvec"] >= 1)
    yield ("ingest in `os` mode over LanceDB, which never syncs",
           f"{ingest['os_over_lancedb']:.2f}x", "none", None)
    yield (f"open of a cleanly closed database of {opening['rows']:,} x {opening['dim']}",
           f"{open_ms:.0f} ms", "under 150 ms", open_ms < 150)
    yield ("resident memory of that database, open and idle, mapped files not counted",
           f"{idle_mib:.0f} MiB", "under 64 MiB", idle_mib < 64)
    yield ("disk over raw vectors, f32 codes", f"{disk:.2f}x", "at most 2.2x", disk <= 2.2)
    pieces = results["text"]["embed_pieces_per_s"]
    yield ("word pieces a second, tokenizer and embedder, one core", f"{pieces / 1e6:.1f} million",
           "at least 3 million", pieces >= 3e6)
    yield ("10^6 run lines read and scored, over pytrec_eval", f"{scoring['ratio']:.2f}x",
           "at least 1x", scoring["ratio"] >= 1)
    if "service" in results:
        for what, measured, _, promise, ok in service.kept(results["service"]):
            yield f"service: {what}", measured, promise, ok


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def graph_section(graph):
    points = table(("ef", "recall, ours", "QPS, ours", "recall, hnswlib", "QPS, hnswlib",
                    "QPS ratio at this ef"),
                   [(p["ef"], f"{p['ours_recall']:.4f}", f"{p['ours_qps']:,.0f}",
                     f"{p['hnswlib_recall']:.4f}", f"{p['hnswlib_qps']:,.0f}", f"{p['ratio']:.2f}x")
                    for p in graph["points"]])
    at = table(("recall@10", "QPS, ours", "QPS, hnswlib", "ratio"),
               [(f"{a['recall']:.2f}", f"{a['ours_qps']:,.0f}", f"{a['hnswlib_qps']:,.0f}",
                 f"{a['ratio']:.2f}x") for a in graph["at"] if a["ratio"]])
    built = table(("threads", "ours", "hnswlib", "ratio"),
                  [(b["threads"], f"{b['ours_s']:.1f} s", f"{b['hnswlib_s']:.1f} s",
                    f"{b['ratio']:.2f}x") for b in graph["build"]])
    return f"""{graph['rows']:,} x {graph['dim']}, {graph['metric']}, M {graph['m']}, ef_construction \
{graph['ef_construction']}; {graph['timing']} time; all queries in one call on one thread, best of
{graph['passes']} interleaved passes; QPS at a recall is interpolated between the two settings around
it. hnswlib is compiled on the machine for its own processor; ours picks its kernels at run time.

{at}

{points}

Building ({graph['timing']} time):

{built}"""


def ann_section(ann):
    rows = [("all rows", point) for point in ann["points"]]
    for filtered in ann.get("filtered", []):
        rows += [(f"{filtered['selectivity']:g} of the rows", p) for p in filtered["points"]]
    cells = [(who, p.get("ef_search", p.get("nprobe")), f"{p['recall']['id']:.4f}",
              f"{p['recall']['id_p5']:.1f}", f"{p['qps']:,.0f}", f"{p['latency_us']['p50']:,.0f}",
              f"{p['latency_us']['p99']:,.0f}") for who, p in rows]
    return table(("filter", "ef_search", "recall@10", "5th percentile", "QPS", "p50 us", "p99 us"),
                 cells)


def page(results):
    host = results["machine"]
    info = host["leadline"]
    ingest, opening, scoring = results["ingest"], results["open"], results["score"]
    text = results["text"]
    newer = [level for level in info["simd"]["available"] if level.startswith("avx512")]
    kernels = "" if newer else ("""
- The machine has no AVX-512, and no run of this page on one that has exists: what those kernels gain is not shown.""")
    kept = table(("what", "measured", "promise", ""),
                 [(what, measured, promise, {None: "", True: "kept", False: "**missed**"}[ok])
                  for what, measured, promise, ok in promises(results)])
    stores = table(("store", "rows/s", "seconds of each round"),
                   [(name.replace("_", " "), f"{rate:,}",
                     ", ".join(f"{s:.2f}" for s in ingest["seconds"][name]))
                    for name, rate in ingest["rows_per_s"].items()])
    return f"""# Performance

<!-- Written by bench/performance.py; change the script, not this page. -->

One run on {results['date']}: {described(host)}, {info['blas'].split(" NO_")[0]}. Every comparison ran
interleaved with its peer in this run. Ratios travel between machines; the figures beside them do not.

{kept}

## Graph search and building

Beside all peers, with codes, filters and writes: [peers.md](peers.md). Here full precision, with
`bench/peers/hnswlib_ratio.py` on the index alone:

{graph_section(results['graph'])}

Through the public calls an application uses (`leadline bench ann`, one query a call, so the call, the
merge of sources and the ids are in the time):

{ann_section(results['ann'])}

## Ingest

`bench/ingest/ingest_ratio.py`: {ingest['rows']:,} x 784, {ingest['batch']:,} rows a call. What `sync`
and zvec with a flush per batch acknowledge survives a power cut; what `os` and LanceDB do need not.

{stores}

{service.section(results['service']) if 'service' in results else ''}
## Opening, memory, disk

`bench/ingest/open_pass.cc`: {opening['rows']:,} x {opening['dim']} clustered rows with an HNSW index,
cleanly closed, opened for writing by {opening['rounds']} fresh processes with a warm page cache.

| what | measured |
|---|---|
| open | {", ".join(f"{ms:.1f}" for ms in opening['open_ms'])} ms |
| memory before any search, mapped files not counted | {opening['idle_anonymous_bytes'] / MIB:.1f} MiB |
| first search: verifies the whole segment once | {median(opening['first_search_ms']):.0f} ms |
| second search | {median(opening['second_search_ms']):.2f} ms |
| raw vectors | {opening['raw_bytes'] / MIB:.0f} MiB |
| database on disk: store and segment each hold the vectors | {opening['disk_bytes'] / MIB:.0f} MiB |
| ingest and index, 2 threads | {opening['build_s']:.0f} s |

## Text

`bench/micro/tokenizer_bench.cc`: titles and abstracts of 1,000 SciFact documents, one thread, processor
time, median of 9 repetitions; load average {text['load']:.1f} when it started.

| what | a second |
|---|---|
| word pieces, tokenizer and embedder | {text['embed_pieces_per_s'] / 1e6:.1f} million |
| texts, the same | {text['texts_per_s']:,.0f} |
| word pieces, tokenizer alone | {text['tokenize_pieces_per_s'] / 1e6:.1f} million |

## Scoring

`bench/eval/score_ratio.py`: {scoring['lines']:,} run lines, seven measures, reading included: Leadline
{scoring['leadline_s']:.2f} s, pytrec_eval {scoring['pytrec_eval_s']:.2f} s; the means differ by at most
{scoring['largest_difference']:.1g}.

## Where Leadline loses, and what these numbers do not say

- The graph above is one of full-precision vectors, built by searching and compared at equal parameters with
  hnswlib. What `auto` chooses, and Leadline's codes beside the best peers, stand in [peers.md](peers.md), with
  the promises that were kept and missed there.
- The first search after opening pays for verifying the segment. Later ones do not.
- Importing in `os` mode is slower than LanceDB: every record goes through the log and the memory table
  of the store with its id, payload and sequence, where LanceDB appends columns to a file.
- Disk holds every vector twice, in the store and in the segment.
- All data here fits in memory, and most of it in the cache.{kernels}
"""


def save(results, path):
    if path:
        with open(path, "w", encoding="utf-8") as file:
            json.dump(results, file, indent=1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", default="build/bench", help="folder of the bench preset")
    parser.add_argument("--glove", required=True)
    parser.add_argument("--page", help="write the page here; default: standard output")
    parser.add_argument("--raw", help="write the raw results here, as JSON")
    parser.add_argument("--from", dest="saved", help="make the page from results saved with --raw")
    parser.add_argument("--directory", help="where databases are made; default: the system's")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()

    if args.saved:
        with open(args.saved, encoding="utf-8") as file:
            results = json.load(file)
    else:
        def program(name):
            return os.path.join(args.build, "bin", name)

        def script(name):
            return [sys.executable, os.path.join(HERE, name)]

        def glove(name):
            return os.path.join(args.glove, name)

        in_directory = ["--directory", args.directory] if args.directory else []
        measures = {
            "machine": lambda: machine(program("leadline")),
            "graph": lambda: run_json(*script("peers/hnswlib_ratio.py"), program("ann_pass"),
                                      args.glove, "--passes", "15", "--json"),
            "ann": lambda: run_json(
                program("leadline"), "bench", "ann", "--base", glove("base.fvecs"), "--queries",
                glove("query.fvecs"), "--truth", glove("gt_cos.ivecs"), "--metric", "cosine",
                "--index", "hnsw", "--sweep", "ef_search=32,64,128,256", "--filter-selectivity",
                "0.5,0.1,0.01,0.001", "--json", "--quiet"),
            "ingest": lambda: run_json(*script("ingest/ingest_ratio.py"), "--program",
                                       program("ingest_pass"), *in_directory),
            "open": lambda: measure_open(program("open_pass"), 100_000, 768, args.rounds,
                                         args.directory),
            "text": lambda: measure_text(program("tokenizer_bench")),
            "score": lambda: run_json(*script("eval/score_ratio.py"), "--program",
                                      program("score_run")),
            "service": lambda: run_json(os.path.join(HERE, "service", "run.sh"), "--data", args.glove,
                                        *in_directory),
        }
        results = {"date": datetime.date.today().isoformat()}
        for name, measure in measures.items():
            results[name] = measure()
            save(results, args.raw)
    text = page(results)
    if args.page:
        with open(args.page + ".tmp", "w", encoding="utf-8") as file:
            file.write(text)
        shutil.move(args.page + ".tmp", args.page)
    else:
        print(text)
    return 1 if any(ok is False for *_, ok in promises(results)) else 0


if __name__ == "__main__":
    sys.exit(main())
