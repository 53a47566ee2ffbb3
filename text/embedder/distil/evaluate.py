"""nDCG@10 (linear gain) of a token table on BEIR folders. The only place that reads judgments."""

import csv
import json
import math
import pathlib

import numpy as np


def read_folder(folder):
    folder = pathlib.Path(folder)
    docs, queries, qrels = {}, {}, {}
    with open(folder / "corpus.jsonl", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            docs[row["_id"]] = (row.get("title", "") + " " + row["text"]).strip()
    with open(folder / "queries.jsonl", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            queries[row["_id"]] = row["text"]
    with open(folder / "qrels" / "test.tsv", encoding="utf-8") as lines:
        for row in csv.DictReader(lines, delimiter="\t"):
            qrels.setdefault(row["query-id"], {})[row["corpus-id"]] = int(row["score"])
    return docs, queries, qrels


def ndcg(ranked, judged, k=10):
    dcg = sum(max(judged.get(d, 0), 0) / math.log2(i + 2) for i, d in enumerate(ranked[:k]))
    ideal = sorted((g for g in judged.values() if g > 0), reverse=True)[:k]
    return dcg / sum(g / math.log2(i + 2) for i, g in enumerate(ideal)) if ideal else None


class Collection:
    """A tokenised collection, reusable for many tables."""

    def __init__(self, folder, tokenizer):
        docs, queries, self.qrels = read_folder(folder)
        self.doc_ids = list(docs)
        self.query_ids = [q for q in queries if q in self.qrels]
        self.docs = self._tokenise(tokenizer, docs.values())
        self.queries = self._tokenise(tokenizer, [queries[q] for q in self.query_ids])

    @staticmethod
    def _tokenise(tokenizer, texts):
        return [np.array(e.ids, np.int64)
                for e in tokenizer.encode_batch(list(texts), add_special_tokens=False)]

    def score(self, embed):
        """Mean nDCG@10; embed maps a list of id arrays to unit rows. Ties go to the lower row."""
        docs, queries = embed(self.docs), embed(self.queries)
        values = []
        for i, q in enumerate(self.query_ids):
            top = np.argsort(-(docs @ queries[i]), kind="stable")[:10]
            values.append(ndcg([self.doc_ids[j] for j in top], self.qrels[q]))
        values = [v for v in values if v is not None]
        return sum(values) / len(values)


def embed_with(table):
    def embed(batch):
        out = np.zeros((len(batch), table.shape[1]), np.float32)
        for i, ids in enumerate(batch):
            out[i] = table[ids].sum(0)
        norms = np.linalg.norm(out, axis=1, keepdims=True)
        return out / np.maximum(norms, 1e-12)
    return embed
