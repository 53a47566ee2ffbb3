#!/usr/bin/env python3
"""Random tie-heavy rankings scored by pytrec_eval (trec_eval 9.x: scores are 32-bit floats).

  make_pytrec_golden.py --write FILE [--cases 2000]         writes cases with the values
  make_pytrec_golden.py --compare PROGRAM [--cases 100000]  feeds cases to PROGRAM and compares

Needs `pip install pytrec-eval-terrier`. PROGRAM is pytrec_score_cases; it reads cases as written
here without the values and prints the values. Format, one case a line, fields between tabs:
relevance level, judged-only flag, run ("doc=score doc=score .."), judgments ("doc=grade .."),
values. The first line names the measures.
"""
import argparse
import math
import random
import subprocess
import sys

import pytrec_eval

SEED = 20240601
TOLERANCE = 1e-12
MEASURES = [
    "map", "ndcg", "bpref", "Rprec", "recip_rank", "infAP", "11pt_avg", "set_F", "set_map",
    "map_cut_5", "ndcg_cut_3", "ndcg_cut_10", "P_5", "P_10", "recall_5", "success_1",
    "relative_P_5", "iprec_at_recall_0.00", "iprec_at_recall_0.30", "Rprec_mult_0.80",
    "num_rel_ret", "num_nonrel_judged_ret",
]
PYTREC = {
    "map", "ndcg", "bpref", "Rprec", "recip_rank", "infAP", "11pt_avg", "set_F", "set_map",
    "map_cut.5", "ndcg_cut.3,10", "P.5,10", "recall.5", "success.1", "relative_P.5",
    "iprec_at_recall", "Rprec_mult", "num_rel_ret", "num_nonrel_judged_ret",
}
DOCS = [c for c in "abcdefghijklmnopABCDEF"] + ["aa", "ab", "a0", "é", "ก", "ข", "z-1", "10", "9", "09"]


def make_case(rng):
    """Few distinct scores, some of which differ only beyond single precision."""
    while True:
        pool = rng.sample(DOCS, rng.randint(1, 16))
        returned = rng.sample(pool, rng.randint(1, len(pool)))
        base = rng.choice([0.0, 1.0, 0.9, 17.25, -3.5, 1e-3, 12345.678])
        steps = rng.choice([[0.0], [0.0, 1e-9], [0.0, 1e-9, 1e-3], [0.0, 1e-8, 1e-7, 1e-6, 0.5]])
        run = {doc: base + rng.choice(steps) for doc in returned}
        judged = rng.sample(DOCS if rng.random() < 0.2 else pool, rng.randint(1, len(pool)))
        top = rng.choice([1, 1, 2, 3])
        qrels = {doc: rng.randint(-1, top) for doc in judged}
        level = rng.choice([1, 1, 1, 2])
        judged_only = rng.choice([0, 0, 0, 1])
        # trec_eval reads uninitialised memory where nothing is judged, and divides 0 by 0 where
        # nothing is left to rank.
        if all(grade < 0 for grade in qrels.values()):
            continue
        if judged_only and not any(qrels.get(doc, -1) >= 0 for doc in run):
            continue
        return level, judged_only, run, qrels


def pytrec_values(cases):
    values = [None] * len(cases)
    for level in (1, 2):
        for judged_only in (0, 1):
            numbers = [i for i, c in enumerate(cases) if c[0] == level and c[1] == judged_only]
            if not numbers:
                continue
            evaluator = pytrec_eval.RelevanceEvaluator(
                {f"q{i}": cases[i][3] for i in numbers}, PYTREC, level, judged_only)
            results = evaluator.evaluate({f"q{i}": cases[i][2] for i in numbers})
            for i in numbers:
                values[i] = [results[f"q{i}"][m] for m in MEASURES]
    return values


def format_case(case):
    level, judged_only, run, qrels = case
    pairs = lambda d: " ".join(f"{doc}={value!r}" for doc, value in d.items())
    return f"{level}\t{judged_only}\t{pairs(run)}\t{pairs(qrels)}"


def write(path, cases):
    with open(path, "w", encoding="utf-8") as out:
        out.write(" ".join(MEASURES) + "\n")
        for case, values in zip(cases, pytrec_values(cases)):
            out.write(format_case(case) + "\t" + " ".join(f"{v:.17g}" for v in values) + "\n")


def compare(program, cases):
    text = " ".join(MEASURES) + "\n" + "".join(format_case(c) + "\n" for c in cases)
    done = subprocess.run([program], input=text.encode(), capture_output=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{program} failed: {done.stderr.decode()}")
    lines = done.stdout.decode().splitlines()
    if len(lines) != len(cases):
        sys.exit(f"{program} answered {len(lines)} of {len(cases)} cases")
    worst = 0.0
    for case, line, expected in zip(cases, lines, pytrec_values(cases)):
        for name, text, value in zip(MEASURES, line.split(), expected, strict=True):
            difference = abs(float(text) - value)
            worst = max(worst, difference)
            if not difference <= TOLERANCE or math.isnan(value):
                sys.exit(f"{name}: leadline {text}, pytrec_eval {value!r}: {format_case(case)}")
    print(f"{len(cases)} cases x {len(MEASURES)} measures agree; largest difference {worst:g}, "
          f"seed {SEED}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write")
    parser.add_argument("--compare")
    parser.add_argument("--cases", type=int)
    args = parser.parse_args()
    rng = random.Random(SEED)
    cases = [make_case(rng) for _ in range(args.cases or (2000 if args.write else 100000))]
    if args.write:
        write(args.write, cases)
    elif args.compare:
        compare(args.compare, cases)
    else:
        parser.error("--write or --compare")


if __name__ == "__main__":
    main()
