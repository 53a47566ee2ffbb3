#!/usr/bin/env python3
"""Compares Leadline's index with the best peers. bench/peers/run.sh builds what this needs and starts it.

Writes results.json, report.md and plots into --out after each section, so that a run that is cut off
leaves what it has. Interleaved in one run on one core; see README.md for the rules.
"""
import argparse
import datetime
import importlib
import json
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..")]

import datasets  # noqa: E402
import report  # noqa: E402
from machine import machine  # noqa: E402

SECTIONS = ["search", "exact", "build", "filter", "writes", "open", "ingest"]


def names(known):
    def parse(text):
        chosen = text.split(",")
        for name in chosen:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name} is none of {', '.join(known)}")
        return chosen
    return parse


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--only", type=names(SECTIONS), default=SECTIONS, help=",".join(SECTIONS))
    parser.add_argument("--sets", type=names(list(datasets.SETS)), default=list(datasets.SETS),
                        help=",".join(datasets.SETS))
    parser.add_argument("--systems", type=lambda text: text.split(","),
                        help="only these, such as leadline,faiss,hnswlib; default: all")
    parser.add_argument("--data", default=os.path.join(HERE, "..", "..", "..", "shared", "data"),
                        help="folder with glove-wink-100k and the corpora")
    parser.add_argument("--cache", default="build/bench/data", help="where data sets and indexes are kept")
    parser.add_argument("--out", default="build/bench/peers", help="where results are written")
    parser.add_argument("--leadline", default="build/bench/bin/leadline_peer_worker")
    parser.add_argument("--hnswlib", default="build/bench/hnswlib_worker", help="hnswlib_worker.cc, compiled")
    parser.add_argument("--program", default="build/bench/bin/leadline", help="for its version and kernels")
    parser.add_argument("--leadline-config", dest="leadline_configs", type=json.loads, action="append",
                        default=[], help='one more, such as {"index":"ivf","codes":"pq4","nlist":1024}')
    parser.add_argument("--size", dest="sizes", action="append", default=[], metavar="SET=ROWS",
                        help="rows of minilm or synthetic; default: what 15 minutes embed, and 1,000,000")
    parser.add_argument("--quick", action="store_true",
                        help="10,000 rows of each set: shows that everything runs; the numbers mean nothing")
    parser.add_argument("--passes", type=int, help="rounds over all systems; default 5, with --quick 2")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--timing", choices=["wall", "processor"], default="wall",
                        help="processor: on a machine that does other work")
    parser.add_argument("--build-threads", type=int, default=min(2, os.cpu_count()))
    parser.add_argument("--build-limit", type=int, default=7200, help="seconds for one build")
    parser.add_argument("--rebuild", action="store_true", help="build anew what the cache has")
    parser.add_argument("--keep", action="store_true", help="use kept indexes of Leadline too")
    parser.add_argument("--missing", help="file that says which peers could not be installed")
    args = parser.parse_args()
    args.timing = {"wall": "seconds", "processor": "cpu_s"}[args.timing]
    args.passes = args.passes or (2 if args.quick else 5)
    args.sizes = {name: int(rows) for name, rows in (size.split("=") for size in args.sizes)}
    for name in ("cache", "out", "data", "leadline", "hnswlib", "program"):
        setattr(args, name, os.path.abspath(getattr(args, name)))
    return args


def save(args, results):
    path = os.path.join(args.out, "results.json")
    with open(path + ".tmp", "w", encoding="utf-8") as file:
        json.dump(results, file, indent=1)
    os.replace(path + ".tmp", path)
    report.write(results, os.path.join(args.out, "report.md"), args.out)


def main():
    args = arguments()
    os.makedirs(args.out, exist_ok=True)
    results = {"date": datetime.date.today().isoformat(), "machine": machine(args.program),
               "quick": args.quick, "core": args.core, "sets": {},
               "versions": report.versions(), "missing": report.missing(args.missing)}
    for name in args.sets:
        data_set = datasets.prepare(name, args)
        found = results["sets"][name] = {"about": data_set.about, "sections": {}}
        for section in args.only:
            print(f"--- {name}: {section}", file=sys.stderr, flush=True)
            begin = time.monotonic()
            measured = importlib.import_module("sections." + section).measure(args, data_set)
            if measured is not None:
                measured["took_s"] = time.monotonic() - begin
                found["sections"][section] = measured
            save(args, results)
    print(os.path.join(args.out, "report.md"))


if __name__ == "__main__":
    main()
