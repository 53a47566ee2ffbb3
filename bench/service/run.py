#!/usr/bin/env python3
"""Compares the service with in-process use of the same database, and with peers over their networks.

bench/service/run.sh builds what this needs and starts it. 100,000 x 100 cosine, HNSW, recall@10 of at
least .95; client and server share the machine, and nothing is pinned. Every round runs all
measurements once, in turn; ratios are taken within a round, and medians count. Prints one JSON object.
Exit 1 where a promise is missed.
"""
import argparse
import contextlib
import datetime
import glob
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

import peers
import report
from machine import machine  # beside this folder: report finds it

# Sums of the lane of searches by stage, and the whole of Search calls.
STAGE = re.compile(r'leadline_call(?:_stage_seconds_sum\{(?:lane="search",)?stage="(\w+)"(?:,lane="search")?\}'
                   r'|_seconds_sum\{method="leadline.v1.Search/Search"\}) (\S+)$')
HOSTILE = ["flood", "batches", "resets", "writes"]
EF = [64, 72, 80, 88, 96, 104, 112, 128, 160, 200]


class Server:
    """`leadline serve` of one database, and what it used."""

    def __init__(self, program, database, *more):
        self.process = subprocess.Popen(
            [program, "serve", database, "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0", "--json",
             *more],
            stdout=subprocess.PIPE, text=True)
        ports = json.loads(self.process.stdout.readline())
        self.address, self.http_address = (f"127.0.0.1:{ports[name]}"
                                           for name in ("grpc_port", "http_port"))

    def use(self):
        """Processor microseconds and context switches so far; switches of threads that live."""
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
            user, system = file.read().rsplit(")", 1)[1].split()[11:13]
        switches = 0
        for status in glob.glob(f"/proc/{self.process.pid}/task/*/status"):
            with contextlib.suppress(OSError), open(status, encoding="ascii") as file:
                switches += sum(int(line.split()[1]) for line in file if "ctxt_switches" in line)
        return (int(user) + int(system)) * 1e6 / os.sysconf("SC_CLK_TCK"), switches

    def stages(self):
        """Seconds so far in the stages of searches, and from their arrival to their end."""
        with urllib.request.urlopen(f"http://{self.http_address}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        sums = {}
        for line in lines:
            stage = STAGE.match(line)
            if stage:
                sums[stage[1] or "all"] = float(stage[2])
        return sums

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Bench:
    def __init__(self, args, scratch):
        self.args = args
        self.scratch = scratch
        self.load_program = os.path.join(args.build, "bin", "leadline_service_load")
        self.hostile_program = os.path.join(args.build, "bin", "leadline_service_hostile")
        self.program = os.path.join(args.build, "bin", "leadline")
        self.database = os.path.join(scratch, "db")
        self.base, queries, truth = (os.path.join(args.data, name)
                                     for name in ("base.fvecs", "query.fvecs", "gt_cos.ivecs"))
        self.asked = ["--queries", queries, "--truth", truth]
        self.ef = None
        self.server = None

    def load(self, what, *more, server=None):
        """One run of the load program; with what the server used for each call."""
        address = server and (server.http_address if what == "http" else server.address)
        where = ["--address", address] if server else []
        before = (server.use(), server.stages()) if server else None
        done = subprocess.run([self.load_program, what, *where, *map(str, more)],
                              stdout=subprocess.PIPE, text=True, check=True)
        result = json.loads(done.stdout)
        if server:
            calls = result["all_calls"]
            after = (server.use(), server.stages())
            result["server_cpu_us_per_call"] = (after[0][0] - before[0][0]) / calls
            result["server_switches_per_call"] = (after[0][1] - before[0][1]) / calls
            result["stages_us_per_call"] = {
                stage: 1e6 * (seconds - before[1].get(stage, 0)) / calls
                for stage, seconds in after[1].items()}
        return result

    def ask(self, what, *more, server=None):
        where = [] if server else ["--database", self.database]
        return self.load(what, *where, *self.asked, "--ef", self.ef, "--seconds", self.args.seconds,
                         *more, server=server)

    def make(self):
        """Builds the database and chooses the first ef with the recall."""
        self.load("ingest", "--database", self.database, "--base", self.base, "--durability", "os")
        subprocess.run([self.program, "optimize", self.database, "bench", "--threads",
                        str(os.cpu_count()), "--quiet"], check=True, stdout=subprocess.DEVNULL)
        for self.ef in EF:
            found = self.load("search", "--database", self.database, *self.asked, "--ef", self.ef,
                              "--seconds", 0.1)
            if found["recall"] >= self.args.recall:
                return
        sys.exit(f"recall stays under {self.args.recall}")

    def ingest_here(self):
        folder = os.path.join(self.scratch, "here")
        result = self.load("ingest", "--database", folder, "--base", self.base, "--batch", 1000)
        shutil.rmtree(folder)
        return result

    def ingest_there(self):
        folder = os.path.join(self.scratch, "there")
        server = Server(self.program, folder)
        result = self.load("ingest", "--base", self.base, "--batch", 1000, server=server)
        server.stop()
        shutil.rmtree(folder)
        return result

    def measurements(self):
        """What one round does. In this process one client for each core; over the network more, for
        they wait for each other."""
        cores, clients = os.cpu_count(), self.args.clients
        there = {"server": self.server}
        return {
            "process": lambda: self.ask("search", "--clients", cores),
            "unary": lambda: self.ask("search", "--clients", clients, **there),
            "async": lambda: self.ask("async", "--clients", clients, **there),
            "process_one": lambda: self.ask("search"),
            "unary_one": lambda: self.ask("search", **there),
            "http": lambda: self.ask("http", "--clients", clients, **there),
            "http_one": lambda: self.ask("http", **there),
            "empty_one": lambda: self.ask("empty", **there),
            "process_batch": lambda: self.ask("batch", "--clients", cores),
            "batch": lambda: self.ask("batch", "--clients", clients, **there),
            "stream": lambda: self.ask("stream", "--clients", cores, **there),
            "process_ingest": self.ingest_here,
            "ingest": self.ingest_there,
        }

    def rounds(self):
        self.server = Server(self.program, self.database)
        results = {}
        for number in range(self.args.rounds):
            for name, measurement in self.measurements().items():
                results.setdefault(name, []).append(measurement())
                print(f"round {number + 1}: {name}: {results[name][-1]}", file=sys.stderr, flush=True)
        half = 0.5 * statistics.median(run["per_second"] for run in results["unary"])
        results["half_rate"] = [self.ask("search", "--clients", 64, "--rate", half, server=self.server)]
        self.server.stop()
        return results

    def hostile_rounds(self, rate):
        """Searches that fall due `rate` times a second, alone and beside one hostile client of each
        kind, each caller with a token of its own. Each kind has a copy of the database: writes change
        theirs, and nothing that one leaves behind is another's."""
        copies = {}
        for kind in ["alone", *HOSTILE]:
            folder = os.path.join(self.scratch, kind)
            shutil.copytree(self.database, folder)
            tokens = [subprocess.run([self.program, "token", "create", folder, "--role", role, "--json"],
                                     check=True, stdout=subprocess.PIPE, text=True).stdout
                      for role in ("read", "write")]
            copies[kind] = folder, *(json.loads(token)["token"] for token in tokens)
        results = {}
        for number in range(self.args.rounds):
            for kind, (folder, token, hostile_token) in copies.items():
                results.setdefault(kind, []).append(self.beside(kind, folder, token, hostile_token, rate))
                print(f"round {number + 1}: beside {kind}: {results[kind][-1]}", file=sys.stderr,
                      flush=True)
        for folder, *_ in copies.values():
            shutil.rmtree(folder)
        return results

    def beside(self, kind, folder, token, hostile_token, rate):
        """One run of others' searches; the hostile client begins before and ends after it. It has a low
        priority: its own processor time is not the server's doing, and would be another machine's."""
        server = Server(self.program, folder)
        hostile = None
        if kind != "alone":
            # As many batches of thousands as make sure that each slot could have several.
            streams = ["--streams", "8"] if kind in ("batches", "writes") else []
            hostile = subprocess.Popen(
                [self.hostile_program, kind, "--address", server.address, "--token", hostile_token,
                 *self.asked, *streams, "--seconds", "3600"],
                stdout=subprocess.PIPE, text=True, preexec_fn=lambda: os.nice(19))
            time.sleep(1)
        try:
            done = subprocess.run(
                [self.load_program, "search", "--address", server.address, "--token", token, *self.asked,
                 "--ef", str(self.ef), "--clients", "16", "--no-recall", "--rate", str(rate),
                 "--seconds", str(self.args.seconds)], stdout=subprocess.PIPE, text=True, check=True)
        finally:
            if hostile is not None:
                hostile.terminate()
        result = json.loads(done.stdout)
        if hostile is not None:
            result["hostile"] = json.loads(hostile.communicate()[0])["ends"]
        server.stop()
        return result

    def peer_rounds(self):
        """Queries a second of each system from Python, with 1 process and with one for each core."""
        rows = peers.read_vecs(self.base, peers.np.float32)
        queries = peers.read_vecs(self.asked[1], peers.np.float32)
        truth = peers.read_vecs(self.asked[3], peers.np.int32)[:, :peers.TOP]
        stubs = os.path.join(self.scratch, "stubs")
        os.makedirs(stubs)
        peers.Leadline.make_stubs(stubs)
        self.server = Server(self.program, self.database)
        started = [peers.Peer(name, self.args.peers, os.path.join(self.scratch, name))
                   for name in ("milvus-lite", "chroma")]
        results = {"leadline": self.tune(
            peers.Leadline, lambda ef: peers.connect("leadline", self.server.address, stubs), queries,
            truth)}
        for peer in started:
            print("filling", peer.name, file=sys.stderr, flush=True)
            peer.connect().fill(rows)

            def with_ef(ef, peer=peer):
                peer.set_ef(ef)
                return peer.connect()
            results[peer.name] = self.tune(peer.system, with_ef, queries, truth)
        where = {"leadline": self.server.address, **{peer.name: peer.address for peer in started}}
        for _ in range(self.args.rounds):
            for name, result in results.items():
                for processes, runs in result["runs"].items():
                    runs.append(peers.measure(name, where[name], stubs, queries, result["ef"],
                                              int(processes), self.args.seconds))
                    print(name, processes, runs[-1], file=sys.stderr, flush=True)
        for peer in started:
            peer.stop()
        self.server.stop()
        return results

    def tune(self, system, connect_with, queries, truth):
        ef, recall = peers.choose_ef(connect_with, queries, truth, self.args.recall)
        return {"client": system.client, "ef": ef, "recall": recall,
                "runs": {"1": [], str(os.cpu_count()): []}}


def measure(args):
    with tempfile.TemporaryDirectory(dir=args.directory) as scratch:
        bench = Bench(args, scratch)
        bench.make()
        runs = bench.rounds()
        # A fifth of what closed loops reach: others take less than their share.
        rate = 0.2 * statistics.median(run["per_second"] for run in runs["unary"])
        hostile = bench.hostile_rounds(rate)
        systems = bench.peer_rounds() if args.peers else {}
    base = peers.read_vecs(os.path.join(args.data, "base.fvecs"), peers.np.float32)
    return {"date": datetime.date.today().isoformat(), "machine": machine(bench.program),
            "rows": len(base), "dim": base.shape[1], "ef": bench.ef, "cpus": os.cpu_count(),
            "usable_cpus": sorted(os.sched_getaffinity(0)), "load": os.getloadavg(),
            "rounds": args.rounds, "seconds": args.seconds,
            "recall": min(run["recall"] for name in ("process", "unary", "async", "http") for run in runs[name]),
            "ratios": report.ratios(runs, hostile, systems), "runs": runs, "hostile": hostile, "peers": systems}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", default="build/bench", help="folder of the bench preset")
    parser.add_argument("--data", required=True)
    parser.add_argument("--directory", help="where databases are made; default: the system's")
    parser.add_argument("--peers", help="folder of the programs of the peers; without it none is run")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--recall", type=float, default=0.95)
    parser.add_argument("--clients", type=int, default=8 * os.cpu_count(),
                        help="over the network: enough that no core waits for them")
    parser.add_argument("--json", help="write the results here; default: standard output")
    parser.add_argument("--markdown", help="write the section of docs/performance.md here")
    args = parser.parse_args()
    result = measure(args)
    if args.markdown:
        with open(args.markdown, "w", encoding="utf-8") as file:
            file.write(report.section(result))
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump(result, file, indent=1)
    else:
        print(json.dumps(result))
    return 0 if all(ok for *_, ok in report.kept(result)) else 1


if __name__ == "__main__":
    sys.exit(main())
