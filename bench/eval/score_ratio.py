#!/usr/bin/env python3
"""Time to read and score a TREC run of 10^6 lines: Leadline against pytrec_eval, in one run.

  cmake --preset bench && cmake --build --preset bench --target score_run
  python3 -m venv venv && venv/bin/pip install pytrec-eval-terrier
  venv/bin/python bench/eval/score_ratio.py [--program build/bench/bin/score_run]

Makes 1,000 queries x 1,000 documents with ties and 1,000 x 50 judgments (fixed seed), runs both
--rounds times in turn, checks that the means agree, and prints the ratio of the medians. Both times
contain reading both files; neither contains starting Python. For a fair score pytrec_eval reads with
its own parse_run and parse_qrel. Exit 1 where Leadline is slower or a mean differs.
"""
import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time

import pytrec_eval

MEASURES = {"map": "map", "ndcg": "ndcg", "ndcg_cut.10": "ndcg_cut_10", "P.10": "P_10",
            "recall.100": "recall_100", "recip_rank": "recip_rank", "bpref": "bpref"}
SEED = 20240601


def make_files(folder, queries, depth, judged, shuffle):
    rng = random.Random(SEED)
    run_path, qrels_path = os.path.join(folder, "run.trec"), os.path.join(folder, "qrels.trec")
    with open(run_path, "w", encoding="ascii") as run, open(qrels_path, "w", encoding="ascii") as qrels:
        lines = []
        for q in range(queries):
            docs = rng.sample(range(10_000_000), depth + judged // 2)
            score = 30.0
            for rank, doc in enumerate(docs[:depth], 1):
                score -= rng.choice((0.0, 0.003, 0.011))
                lines.append(f"{q} Q0 MARCO_{doc:08d} {rank} {score:.6f} bench\n")
            for doc in rng.sample(docs, judged):
                qrels.write(f"{q} 0 MARCO_{doc:08d} {rng.choice((0, 0, 1, 2))}\n")
        if shuffle:
            rng.shuffle(lines)
        run.writelines(lines)
    return run_path, qrels_path, len(lines)


def score_leadline(program, run_path, qrels_path):
    done = subprocess.run([program, run_path, qrels_path, *MEASURES], capture_output=True, text=True,
                          check=True)
    values = dict(line.split() for line in done.stdout.splitlines())
    return float(values.pop("seconds")), {name: float(value) for name, value in values.items()}


def score_pytrec(run_path, qrels_path):
    start = time.perf_counter()
    with open(qrels_path, encoding="ascii") as file:
        qrels = pytrec_eval.parse_qrel(file)
    with open(run_path, encoding="ascii") as file:
        run = pytrec_eval.parse_run(file)
    results = pytrec_eval.RelevanceEvaluator(qrels, set(MEASURES)).evaluate(run)
    means = {name: sum(values[name] for values in results.values()) / len(results)
             for name in MEASURES.values()}
    return time.perf_counter() - start, means


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--program", default="build/bench/bin/score_run")
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--depth", type=int, default=1000)
    parser.add_argument("--judged", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--shuffle", action="store_true", help="lines in random order")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run_path, qrels_path, lines = make_files(folder, args.queries, args.depth, args.judged,
                                                 args.shuffle)
        ours, theirs = [], []
        for _ in range(args.rounds):
            seconds, leadline_means = score_leadline(args.program, run_path, qrels_path)
            ours.append(seconds)
            seconds, pytrec_means = score_pytrec(run_path, qrels_path)
            theirs.append(seconds)
    worst = max(abs(leadline_means[name] - value) for name, value in pytrec_means.items())
    ratio = statistics.median(theirs) / statistics.median(ours)
    print(json.dumps({"lines": lines, "shuffled": args.shuffle, "rounds": args.rounds,
                      "leadline_s": round(statistics.median(ours), 4),
                      "pytrec_eval_s": round(statistics.median(theirs), 4),
                      "ratio": round(ratio, 2), "largest_difference": worst}))
    return 0 if ratio >= 1 and worst <= 1e-9 else 1


if __name__ == "__main__":
    sys.exit(main())
