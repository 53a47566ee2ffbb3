"""Trains a static token table towards the teacher's sentence vectors.

Row of token v:  exp(w_v) * (t_v M + f_v), with t_v the teacher's own embedding of the token in the
target space, M one learned map, w_v one learned weight, f_v a free residual under an L2 penalty.
Vector of a text: the normalised sum of its rows.
Loss: 1 - cosine, plus KL between the in-batch similarity distributions of teacher and student.
"""

import time

import numpy as np
import torch
import torch.nn.functional as F

import llsm

SIF = 1e-4  # smooth inverse frequency: the weights' starting point (Arora et al. 2017)


def principal_axes(vectors, dim):
    """Top axes of the uncentred second moment; [in x dim], columns orthonormal."""
    moment = vectors.T.astype(np.float64) @ vectors.astype(np.float64)
    values, axes = np.linalg.eigh(moment)
    order = np.argsort(values)[::-1]
    print(f"axes: {dim} keep {values[order[:dim]].sum() / values.sum():.4f} of the energy")
    return axes[:, order[:dim]].astype(np.float32)


def aligned_axes(vectors, embedded):
    """The orthonormal axes that turn the teacher's vectors closest to a table's (Procrustes): the
    target space of that table."""
    left, _, right = np.linalg.svd(vectors.T.astype(np.float64) @ embedded, full_matrices=False)
    axes = (left @ right).astype(np.float32)
    print(f"axes: {axes.shape[1]} keep {np.square(vectors @ axes).sum() / len(vectors):.4f} of the energy")
    return axes


def first_weights(bags, vocab):
    """SIF weight of each piece [vocab x 1]."""
    counts = np.bincount(bags.flat, minlength=vocab).astype(np.float64)
    return (SIF / (SIF + counts / counts.sum())).astype(np.float32)[:, None]


class Bags:
    """Token ids of all texts in one flat array."""

    def __init__(self, token_ids):
        self.lengths = np.array([len(t) for t in token_ids], np.int64)
        self.starts = np.concatenate([[0], np.cumsum(self.lengths)])
        self.flat = np.concatenate([np.asarray(t, np.int32) for t in token_ids])

    def batch(self, rows, rng, drop):
        """The pieces of these texts, each left out with probability `drop` (the first never)."""
        ids = np.concatenate([self.flat[self.starts[r]:self.starts[r + 1]] for r in rows])
        offsets = np.concatenate([[0], np.cumsum(self.lengths[rows])[:-1]])
        if drop > 0:
            kept = rng.random(len(ids), np.float32) >= drop
            kept[offsets] = True
            before = np.cumsum(kept) - kept
            ids, offsets = ids[kept], before[offsets]
        return torch.from_numpy(ids.astype(np.int64)), torch.from_numpy(offsets)


class Rounding:
    """4-bit rounding inside training: codes in -7..7, one step a row, straight-through gradient.

    A row's step is a share of its root mean square; the share is searched for least squared error,
    for all rows at once, whenever `refit` is called.
    """

    SHARES = np.linspace(0.24, 0.56, 17, dtype=np.float32)

    def __init__(self, vocab):
        self.share = torch.full((vocab, 1), 0.36)

    def step(self, table, share):
        step = table.square().mean(-1, keepdim=True).sqrt() * share
        return step.half().float().clamp_min(2.0**-24)

    def codes(self, table, step):
        return (table / step).round().clamp(-llsm.PEAK, llsm.PEAK)

    @torch.no_grad()
    def refit(self, table):
        best = torch.full((len(table), 1), torch.inf)
        for share in self.SHARES:
            step = self.step(table, float(share))
            error = (self.codes(table, step) * step - table).square().sum(-1, keepdim=True)
            self.share[error < best] = float(share)
            best = torch.minimum(best, error)

    def __call__(self, rows, used):
        with torch.no_grad():
            step = self.step(rows, self.share[used])
            change = self.codes(rows, step) * step - rows
        return rows + change

    def finish(self, table):
        step = self.step(table, self.share)
        return self.codes(table, step).numpy().astype(np.int8), step[:, 0].numpy().astype(np.float16)


def train(bags, targets, token_targets, options):
    """targets [n x d], token_targets [vocab x d], both in the target space -> the table [vocab x d],
    its codes and its steps [vocab]."""
    torch.manual_seed(options.seed)
    rng = np.random.default_rng(options.seed)
    vocab, dim = token_targets.shape
    weight = torch.nn.Parameter(torch.from_numpy(np.log(first_weights(bags, vocab))))
    linear = torch.nn.Parameter(torch.eye(dim))
    residual = torch.nn.Parameter(torch.zeros(vocab, dim))
    own = torch.from_numpy(token_targets)
    betas = (0.9, 0.98)
    optimizers = [
        torch.optim.SparseAdam([{"params": [weight], "lr": options.lr * 2},
                                {"params": [residual], "lr": options.lr}], betas=betas),
        torch.optim.Adam([linear], lr=options.lr / 4, betas=betas),
    ]
    usable = np.flatnonzero(bags.lengths > 0)
    steps = options.epochs * (len(usable) // options.batch)
    schedules = [torch.optim.lr_scheduler.LambdaLR(
        o, lambda s: min((s + 1) / 100, max(0.02, 1 - s / steps))) for o in optimizers]
    rounding = Rounding(vocab)

    def table():
        with torch.no_grad():
            return (own @ linear + residual) * weight.exp()

    start = time.time()
    for epoch in range(options.epochs):
        order = rng.permutation(usable)
        sums = np.zeros(3)
        rounded = epoch >= options.epochs - options.rounded_epochs
        if rounded:
            rounding.refit(table())
        for at in range(0, len(order) - options.batch + 1, options.batch):
            rows = order[at:at + options.batch]
            ids, offsets = bags.batch(rows, rng, options.drop)
            used, index = torch.unique(ids, return_inverse=True)
            free = F.embedding(used, residual, sparse=True)
            scale = F.embedding(used, weight, sparse=True).exp()
            vectors = (own[used] @ linear + free) * scale
            if rounded:
                vectors = rounding(vectors, used)
            out = F.normalize(F.embedding_bag(index, vectors, offsets, mode="sum"), dim=-1)
            want = torch.from_numpy(targets[rows])
            cosine = (1 - (out * want).sum(-1)).mean()
            kl = similarity_kl(out, want, options.temperature)
            l2 = free.square().sum(-1).mean()
            loss = cosine + options.kl * kl + options.l2 * l2
            for optimizer in optimizers:
                optimizer.zero_grad(set_to_none=True)
            loss.backward()
            for optimizer, schedule in zip(optimizers, schedules):
                optimizer.step()
                schedule.step()
            sums += [cosine.item(), kl.item(), l2.item()]
        print(f"epoch {epoch + 1}: cosine loss, KL, L2 {sums / (len(order) // options.batch)} "
              f"({time.time() - start:.0f} s)", flush=True)
    if options.rounded_epochs == 0:
        rounding.refit(table())
    return table().numpy(), *rounding.finish(table())


def similarity_kl(out, want, temperature):
    hide = torch.eye(len(out), dtype=torch.bool)
    p = (want @ want.T / temperature).masked_fill(hide, -1e4)
    q = (out @ out.T / temperature).masked_fill(hide, -1e4)
    return F.kl_div(q.log_softmax(-1), p.log_softmax(-1), log_target=True,
                    reduction="batchmean")
