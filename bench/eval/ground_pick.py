#!/usr/bin/env python3
"""Picks the constants of the groundedness judge on the labelled sets that may be tuned on.

  cmake --preset bench && cmake --build --preset bench --target ground_measures
  python3 -m venv venv && venv/bin/pip install numpy
  venv/bin/python bench/eval/ground_pick.py --data DIR [--program RANK:LABEL=FILE]...

DIR holds begin/ (three dev parts), scifact/ (training claims) and pubmedqa/; no other set is read.
The objective is the mean AUROC of these five sets, each weighing the same. Of the candidates whose
mean is within one standard error of the best (DeLong, paired) the simplest is taken, among equally
simple ones the best. The weights of the four measures come first, without penalties, then the
penalties, then the calibration on the four sets with human labels, each class of each set weighing
the same. Every measure keeps a weight of 0.1 at least: a score without pairs and order gives a
shuffled copy full marks, and these sets hardly have one; what is chosen without this rule is printed
too. To compare other cuts or word tables, build the program with each and name them all, RANK
being 0 for the simplest.
"""
import argparse
import itertools
import json
import os
import subprocess
import tempfile

import numpy as np

HUMAN = ("begin wow", "begin tc", "begin cmu", "scifact train")
SETS = (*HUMAN, "pubmedqa")
NO_PENALTY = (0.0, 0.0, 0.0)  # absent number, moved number, opposition
EQUAL = (0.25, 0.25, 0.25, 0.25)  # document, window, pairs, order
RESTS = (0.85, 0.5, 0.5, 0.6, 0.8)  # moved number, absent number, antonym, negation, name


def lines(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def begin(data, part):
    return [(line["response"], [line["knowledge"]], line["begin_label"] == "Fully attributable")
            for line in lines(data, "begin", f"begin_dev_{part}.jsonl")]


def scifact(data):
    texts = {line["_id"]: f"{line['title']}\n{line['text']}" for line in lines(data, "scifact", "corpus.jsonl")}
    return [(claim["claim"], [texts[doc]],
             any(e["doc"] == doc and e["label"] == "SUPPORT" for e in claim["evidence"]))
            for claim in lines(data, "scifact", "claims_train.jsonl") for doc in claim["cited_doc_ids"]]


def pubmedqa(data):
    """Conclusions against their own abstract and against the next one."""
    given = lines(data, "pubmedqa", "pqal_dev.jsonl")
    return [(source["long_answer"], one["contexts"], source is one)
            for one, after in zip(given, given[1:] + given[:1]) for source in (one, after)]


def write_sets(data, path):
    loaded = {**{f"begin {part}": begin(data, part) for part in ("wow", "tc", "cmu")},
              "scifact train": scifact(data), "pubmedqa": pubmedqa(data)}
    with open(path, "w", encoding="utf-8") as file:
        for name in SETS:
            for i, (response, contexts, grounded) in enumerate(loaded[name]):
                file.write(json.dumps({"id": f"{name}|{i}", "response": response, "contexts": contexts,
                                       "label": int(grounded)}) + "\n")


class Measures:
    """What the program printed: one row a sentence, `owner` the response it belongs to."""

    def __init__(self, program, path):
        done = subprocess.run([program, path], capture_output=True, text=True, check=True)
        rows = [line.split("\t") for line in done.stdout.splitlines()]
        ids = {name: i for i, name in enumerate(dict.fromkeys(row[0] for row in rows))}
        self.owner = np.array([ids[row[0]] for row in rows])
        table = np.array([[float(x) for x in row[1:]] for row in rows])
        self.weight, self.shares = table[:, 1], table[:, 2:6]
        number, opposition, name, rest = table[:, 6:].T
        self.number, self.opposed = number, opposition > 0
        self.rest_needed = np.min([np.where(number == 1, RESTS[0], 9), np.where(number == 2, RESTS[1], 9),
                                   np.where(opposition == 1, RESTS[2], 9),
                                   np.where(opposition == 2, RESTS[3], 9),
                                   np.where(name > 0, RESTS[4], 9)], axis=0)
        self.contradicted = rest >= self.rest_needed
        first = np.unique(self.owner, return_index=True)[1]
        self.grounded = table[first, 0] > 0
        self.set = np.array([SETS.index(row.split("|")[0]) for row in ids])
        self.total = np.bincount(self.owner, self.weight)

    def raw(self, weights, penalties, threshold=None):
        """Raw scores of the responses; contradictions are capped where there is a threshold."""
        absent, moved, opposition = penalties
        raw = (self.shares @ np.array(weights) - absent * (self.number == 2) - moved * (self.number == 1)
               - opposition * self.opposed)
        raw = np.clip(raw, 0, 1)
        if threshold is not None:
            raw = np.where(self.contradicted, np.minimum(raw, threshold - 0.05 + 0.1 * (raw - 1)), raw)
        return np.bincount(self.owner, raw * self.weight) / self.total

    def fit(self, raw):
        """Slope and threshold of the logistic calibration."""
        share = np.zeros(len(raw))
        for s in range(len(HUMAN)):
            for label in (False, True):
                chosen = (self.set == s) & (self.grounded == label)
                share[chosen] = 1 / chosen.sum()
        x = np.stack([raw, np.ones(len(raw))])
        beta = np.zeros(2)
        for _ in range(30):
            p = 1 / (1 + np.exp(-beta @ x))
            step = np.linalg.solve((x * (share * p * (1 - p))) @ x.T, x @ (share * (self.grounded - p)))
            beta += step
        return beta[0], -beta[1] / beta[0]

    def score(self, weights, penalties):
        """Raw scores, capped at the threshold that fits them."""
        threshold = self.fit(self.raw(weights, penalties))[1]
        for _ in range(3):
            threshold = self.fit(self.raw(weights, penalties, threshold))[1]
        return Auroc(self, self.raw(weights, penalties, threshold))


class Auroc:
    """AUROC of each set, with DeLong's components for paired standard errors."""

    def __init__(self, measures, raw):
        self.sets, self.parts = [], []
        raw = np.round(raw, 9)
        for s in range(len(SETS)):
            mine = measures.set == s
            high, low = raw[mine & measures.grounded], raw[mine & ~measures.grounded]
            wins = (share_below(high, low), 1 - share_below(low, high))
            self.parts.append(wins)
            self.sets.append(wins[0].mean())
        self.mean = float(np.mean(self.sets))

    def error_of_difference(self, other):
        variance = 0.0
        for mine, theirs in zip(self.parts, other.parts):
            variance += sum(np.var(a - b, ddof=1) / len(a) for a, b in zip(mine, theirs))
        return float(np.sqrt(variance)) / len(SETS)


def share_below(values, others):
    """For each value the share of `others` below it, equal ones counting half."""
    ordered = np.sort(others)
    return (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")) / (2 * len(ordered))


def pick(title, candidates, shown=6):
    """candidates: {value: (complexity, Auroc)}. Returns the value chosen."""
    best = max(candidates, key=lambda value: candidates[value][1].mean)
    top = candidates[best][1]
    within = [value for value, (_, auroc) in candidates.items()
              if top.mean - auroc.mean <= top.error_of_difference(auroc)]
    chosen = min(within, key=lambda value: (candidates[value][0], -candidates[value][1].mean))
    print(f"{title}: {len(candidates)} candidates, {len(within)} within one standard error of the best")
    ranked = sorted(candidates, key=lambda value: -candidates[value][1].mean)
    for value in ranked[:shown] + [v for v in ranked[shown:] if v == chosen]:
        auroc = candidates[value][1]
        mark = "chosen" if value == chosen else ""
        print(f"  {value} mean {auroc.mean:.4f} best less this {top.mean - auroc.mean:.4f} "
              f"+- {top.error_of_difference(auroc):.4f} | {' '.join(f'{x:.3f}' for x in auroc.sets)} {mark}")
    return chosen


def weight_grid(least):
    tenths = [w for w in itertools.product(range(least, 11), repeat=4) if sum(w) == 10]
    return [EQUAL, *(tuple(x / 10 for x in w) for w in tenths)]


def weight_complexity(weights):
    """Number of different weights; zero counts as one."""
    return len(set(weights))


def penalty_grid():
    steps = (0.0, 0.1, 0.2, 0.3)
    return [(a, m, o) for a in steps for m in steps if m <= a for o in steps]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--program", action="append", metavar="RANK:LABEL=FILE")
    args = parser.parse_args()
    programs = args.program or ["0:present=build/bench/bin/ground_measures"]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "sets.jsonl")
        write_sets(args.data, path)
        runs = {label: Measures(program, path)
                for label, program in (one.split("=", 1) for one in programs)}
    words, weights = next(iter(runs)), EQUAL
    print("columns after |:", ", ".join(SETS))
    for turn in (1, 2):
        if len(runs) > 1:
            words = pick(f"words, turn {turn}",
                         {label: (int(label.split(":")[0]), m.score(weights, NO_PENALTY))
                          for label, m in runs.items()}, len(runs))
        measures = runs[words]
        for title, least in (("any weights", 0), ("weights", 1)):
            weights = pick(f"{title}, turn {turn}", {w: (weight_complexity(w), measures.score(w, NO_PENALTY))
                                                     for w in weight_grid(least)})
    penalties = pick("penalties", {p: (len(set(p) - {0.0}), measures.score(weights, p))
                                   for p in penalty_grid()})
    slope, threshold = measures.fit(measures.raw(weights, penalties))
    for _ in range(20):
        slope, threshold = measures.fit(measures.raw(weights, penalties, threshold))
    print(f"calibration: slope {slope:.3f}, threshold {threshold:.4f}")


if __name__ == "__main__":
    main()
