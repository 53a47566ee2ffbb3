#!/usr/bin/env python3
"""Holds an index of one peer and runs timed passes on command: worker.py PEER.

A JSON object a line on standard input, one a line back; {"error": ".."} where a command fails.
leadline_worker.cc speaks the same:

  {"do":"build","base":FBIN,"metric":"cosine"|"l2","config":{..},"threads":1,"folder":DIR}
      builds an index and saves it: {"build_s","build_cpu_s","save_s","disk_bytes","version"}. A store
      that writes rows first says "ingest_s", which is not in build_s
  {"do":"open","folder":DIR,"metric":..,"config":{..},"queries":FBIN}
      opens what build saved: {"open_s","rss_bytes"}
  {"do":"pass","mode":"one"|"batch","params":{..},"k":10,"count":N,"parts":[[0,500],[500,1000]],
   "found":FILE,"warm_up":50,"filters":{"masks":FILE,"count":2,"which":[..]}}
      searches for the queries of each part, timed; batches hold at most "count" queries. "one" is one
      call after the other. Row numbers go to FILE as i32 [queries x k], -1 where none came back. Filters
      are bitmaps over the rows, one after the other, and the number of that of each query:
      {"seconds":[..],"cpu_s":[..]}, one value a part
  {"do":"memory"}
      {"rss_bytes"}: growth of resident memory since before open

Metric "cosine" comes with unit vectors: a peer may use the inner product.
"""
import importlib
import json
import os
import sys
import time

import numpy as np

from vectors import map_bin, read_bin

WARM_UP = 50


def resident_bytes():
    # Not statm: its counters lag behind.
    with open("/proc/self/smaps_rollup", encoding="ascii") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith("Rss:"))


def disk_bytes(folder):
    return sum(os.path.getsize(os.path.join(where, name))
               for where, _, names in os.walk(folder) for name in names)


class Worker:
    def __init__(self, system):
        self.system = system
        self.queries = None
        self.before = 0

    def build(self, command):
        base = map_bin(command["base"], np.float32)
        os.makedirs(command["folder"], exist_ok=True)
        peer = self.system(command["config"], command["metric"], base.shape[1], command["folder"])
        base = peer.prepare(base)
        wall, cpu = time.perf_counter(), time.process_time()
        peer.build(base, command["threads"])
        built, cpu = time.perf_counter(), time.process_time() - cpu
        peer.save()
        return {"build_s": built - wall, "build_cpu_s": cpu, "save_s": time.perf_counter() - built,
                "disk_bytes": disk_bytes(command["folder"]), "version": self.system.version(), **peer.times}

    def open(self, command):
        self.queries = read_bin(command["queries"], np.float32)
        self.peer = self.system(command["config"], command["metric"], self.queries.shape[1],
                                command["folder"])
        self.before = resident_bytes()
        begin = time.perf_counter()
        self.peer.open()
        return {"open_s": time.perf_counter() - begin, **self.memory({})}

    def memory(self, _):
        return {"rss_bytes": resident_bytes() - self.before}

    def run_pass(self, command):
        k, one = command["k"], command["mode"] == "one"
        if not one and not hasattr(self.peer, "search_batch"):
            raise ValueError("no batches")
        self.peer.set(command["params"])
        queries = self.peer.queries(self.queries)
        found = np.full((len(queries), k), -1, dtype=np.int32)
        answer = {"seconds": [], "cpu_s": []}
        warm_up = command.get("warm_up", WARM_UP)
        if warm_up:
            self.peer.search_each(self.peer.requests(queries[:warm_up], k), k)
        filters = command.get("filters")
        if filters:
            self.peer.set_filters(np.fromfile(filters["masks"], dtype=np.uint8).reshape(filters["count"], -1))
        for begin, end in command["parts"]:
            asked, search = self.calls(command, queries, begin, end)
            wall, cpu = time.perf_counter(), time.process_time()
            rows = search(asked, k)
            answer["seconds"].append(time.perf_counter() - wall)
            answer["cpu_s"].append(time.process_time() - cpu)
            for i, ids in enumerate(rows if one else (ids for part in rows for ids in part), begin):
                ids = np.asarray(self.peer.row_numbers(ids)).reshape(-1)[:k]
                found[i, :len(ids)] = ids
        if command.get("found"):
            found.tofile(command["found"])
        return answer

    def calls(self, command, queries, begin, end):
        """What is timed for these queries: a function, and its first argument."""
        if command["mode"] != "one":
            return [queries[i:min(i + command["count"], end)]
                    for i in range(begin, end, command["count"])], self.search_batches
        asked = self.peer.requests(queries[begin:end], command["k"])
        if "filters" not in command:
            return asked, self.peer.search_each
        which = command["filters"]["which"][begin:end]
        return asked, lambda requests, k: self.peer.search_filtered(requests, which, k)

    def search_batches(self, asked, k):
        return [self.peer.search_batch(part, k) for part in asked]

    def answer(self, command):
        return {"build": self.build, "open": self.open, "pass": self.run_pass,
                "memory": self.memory}[command["do"]](command)


def main():
    # Whatever a library prints goes to the log.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    worker = Worker(importlib.import_module("systems." + sys.argv[1]).System)
    for line in sys.stdin:
        try:
            answer = worker.answer(json.loads(line))
        except Exception as error:  # pylint: disable=broad-except  # each peer has errors of its own
            answer = {"error": f"{type(error).__name__}: {error}"}
        out.write(json.dumps(answer) + "\n")
        out.flush()
    # Some peers crash while they are taken down.
    os._exit(0)


if __name__ == "__main__":
    main()
