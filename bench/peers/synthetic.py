"""Data set "synthetic": 1,000,000 x 768 unit vectors, larger than a cache, shaped like text embeddings.

Never independent noise. The shape was fitted to the set "minilm", with ranks scaled from 384 to 768:
- spectrum of each level's covariance: eigenvalue i falls as i^-0.4 up to rank 128 and as i^-1.3 after it;
- the mean of all rows has length 0.19;
- a mixture of four levels: 150 fields, 4,000 topics, 120,000 groups of power-law sizes, and rows; each
  level is a normal variable around the one above, with the share of the variance in SHARES. From topics
  down the axes of the spectrum are shuffled among like ranks, another way in each topic;
- the axes are turned at random, so no coordinate is a principal one.
Queries are drawn from the same mixture and are not among the rows. check() prints what to compare.
"""
import os
import sys

import numpy as np

from vectors import HEADER, map_bin

DIM = 768
DEFAULT_ROWS = 1_000_000
QUERIES = 2000
FIELDS, TOPICS, GROUPS = 150, 4000, 120_000
KNEE, BEFORE, AFTER = 128, 0.4, 1.3
SHARES = (0.27, 0.21, 0.25, 0.27)  # of fields, topics, groups, rows
SHUFFLE = 0.5  # of log ranks
MEAN = 0.19
SEED = 768
BLOCK = 20_000


def spectrum():
    rank = np.arange(1, DIM + 1)
    values = np.where(rank <= KNEE, rank ** -BEFORE, KNEE ** (AFTER - BEFORE) * rank ** -AFTER)
    return values / values.sum()


def power_law(rng, count, exponent):
    """Probabilities of `count` things, falling with a rank that is drawn at random."""
    weights = (rng.permutation(count) + 10.0) ** -exponent
    return weights / weights.sum()


class Mixture:
    def __init__(self):
        rng = np.random.default_rng(SEED)
        self.scale = np.sqrt(spectrum()).astype(np.float32)
        fields = self.noise(rng, FIELDS, SHARES[0]) * self.scale
        topics = self.noise(rng, TOPICS, SHARES[1]) * self.scale
        topics += fields[rng.choice(FIELDS, TOPICS, p=power_law(rng, FIELDS, 0.7))]
        ranks = np.log(np.arange(1, DIM + 1)) + SHUFFLE * rng.standard_normal((TOPICS, DIM))
        self.orders = np.argsort(ranks, axis=1).astype(np.uint16)
        self.topic_of_group = rng.choice(TOPICS, GROUPS, p=power_law(rng, TOPICS, 0.7))
        self.size_of_group = power_law(rng, GROUPS, 0.6)
        self.groups = self.noise(rng, GROUPS, SHARES[2])
        for begin in range(0, GROUPS, BLOCK):
            of_block = self.topic_of_group[begin:begin + BLOCK]
            self.groups[begin:begin + BLOCK] *= self.scale[self.orders[of_block]]
            self.groups[begin:begin + BLOCK] += topics[of_block]
        mean = rng.standard_normal(DIM).astype(np.float32)
        self.groups += mean * np.float32(MEAN / np.linalg.norm(mean))
        self.turn = np.linalg.qr(rng.standard_normal((DIM, DIM)))[0].astype(np.float32)

    @staticmethod
    def noise(rng, rows, share):
        return rng.standard_normal((rows, DIM), dtype=np.float32) * np.float32(share ** 0.5)

    def draw(self, rng, rows):
        group = rng.choice(GROUPS, rows, p=self.size_of_group)
        values = self.noise(rng, rows, SHARES[3])
        values *= self.scale[self.orders[self.topic_of_group[group]]]
        values += self.groups[group]
        values = values @ self.turn
        return values / np.linalg.norm(values, axis=1, keepdims=True)


def make(args):
    """Writes base.fbin itself, in blocks: it need not fit in memory. --size synthetic=ROWS."""
    rows = 10_000 if args.quick else args.sizes.get("synthetic", DEFAULT_ROWS)
    mixture = Mixture()
    queries = mixture.draw(np.random.default_rng(SEED + 1), QUERIES)
    path = os.path.join(args.cache, "synthetic.fbin.tmp")
    rng = np.random.default_rng(SEED + 2)
    with open(path, "wb") as file:
        np.array([rows, DIM], dtype=np.uint32).tofile(file)
        for begin in range(0, rows, BLOCK):
            mixture.draw(rng, min(BLOCK, rows - begin)).tofile(file)
    assert os.path.getsize(path) == HEADER + 4 * rows * DIM
    return path, queries, (
        f"{rows:,} drawn from a mixture of {FIELDS} fields, {TOPICS:,} topics and {GROUPS:,} "
        "groups with the spectrum of sentence embeddings (synthetic.py), held-out queries of the "
        "same mixture")


def check(rows, queries):
    """Prints spectrum, likeness of neighbours and local dimension, to compare with another set."""
    values = np.sort(np.linalg.eigvalsh(np.cov(rows[:20_000].T.astype(np.float64))))[::-1]
    share = np.cumsum(values) / values.sum()
    print("variance in 1/24, 1/12, 1/6, 1/3, 2/3 of the ranks:",
          [round(float(share[rows.shape[1] // part - 1]), 3) for part in (24, 12, 6, 3)],
          round(float(share[rows.shape[1] * 2 // 3 - 1]), 3))
    near = -np.sort(-(queries @ rows.T), axis=1)[:, :100]
    print("mean likeness of neighbours 1, 10, 100:", [round(float(near[:, i].mean()), 3) for i in (0, 9, 99)])
    far = np.sqrt(np.maximum(2 - 2 * near[:, :51], 1e-9))
    print("median local dimension:",
          round(float(np.median(-1 / np.mean(np.log(far[:, :50] / far[:, 50:]), axis=1))), 1))


if __name__ == "__main__":
    # synthetic.py [BASE.fbin QUERIES.fbin]: of that set; without, of 20,000 rows of this one.
    if len(sys.argv) > 1:
        check(*(np.array(map_bin(path, np.float32)[:count])
                for path, count in zip(sys.argv[1:], (20_000, 500))))
    else:
        drawn = Mixture()
        check(drawn.draw(np.random.default_rng(1), 20_000), drawn.draw(np.random.default_rng(2), 500))
