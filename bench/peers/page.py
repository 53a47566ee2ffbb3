#!/usr/bin/env python3
"""Writes docs/peers.md and its plots from results of bench/peers/run.py.

    bench/peers/page.py --out docs/peers.md build/bench/peers/results.json ...

A set's section that several files have is taken from the last; machine and versions must be the same.
"""
import argparse
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))

import report  # noqa: E402


def merged(paths):
    results = None
    for path in paths:
        with open(path, encoding="utf-8") as file:
            read = json.load(file)
        if results is None:
            results = read
            continue
        for key in ("versions", "quick"):
            if read[key] != results[key]:
                sys.exit(f"{path}: other {key} than {paths[0]}: {read[key]}")
        if read["machine"]["cpu"] != results["machine"]["cpu"]:
            sys.exit(f"{path}: another machine than {paths[0]}")
        results["date"] = max(results["date"], read["date"])
        for name, found in read["sets"].items():
            kept = results["sets"].setdefault(name, found)
            kept["sections"].update(found["sections"])
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("results", nargs="+", help="results.json of one or more runs")
    parser.add_argument("--out", required=True, help="the page; plots go to a folder of its name")
    parser.add_argument("--note", help="a sentence about the run, such as which peers were left out")
    args = parser.parse_args()
    page = os.path.abspath(args.out)
    images = os.path.splitext(page)[0]
    os.makedirs(images, exist_ok=True)
    results = merged(args.results)
    results["note"] = args.note
    report.write(results, page, images)


if __name__ == "__main__":
    main()
