"""Regenerates the reference files of the C++ tests with `tokenizers` and NumPy.

  wordpiece_multilingual.tsv  FNV-1a hash of the token ids, tab, one sentence (all languages of XQuAD,
                              iapp-wiki-qa-th)
  wordpiece_scifact.txt       one hash per document of examples/scifact, title + " " + text
  wordpiece_runes.txt         one hash per block of 1,024 code points, each tokenised in a small frame
  embedding_texts.txt         one text a line
  embedding.f32               their vectors, [n x 256] little-endian float32
"""

import argparse
import json
import pathlib
import random

import numpy as np
from tokenizers import Tokenizer

import llsm
from teacher import model_folder

FNV_OFFSET, FNV_PRIME, MASK = 0xCBF29CE484222325, 0x100000001B3, 2**64 - 1
PER_LANGUAGE = 450
CUT = 120
BLOCK = 1024


def load_tokenizer():
    """Special tokens in a text are ordinary text."""
    tokenizer = Tokenizer.from_file(str(model_folder() / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True
    return tokenizer


def ids_of(tokenizer, texts):
    return [e.ids for e in tokenizer.encode_batch(texts, add_special_tokens=False)]


def fnv(ids, state=FNV_OFFSET):
    for value in ids:
        for byte in int(value).to_bytes(4, "little"):
            state = ((state ^ byte) * FNV_PRIME) & MASK
    return state


def sentences(text):
    for part in text.replace("\t", " ").replace("\r", " ").split("\n"):
        while len(part) > CUT:  # a cut anywhere is as good a test
            yield part[:CUT]
            part = part[CUT:]
        if part.strip():
            yield part


def read_texts(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def multilingual(data, seed):
    sets = {language.name: language / "corpus.jsonl"
            for language in sorted((data / "xquad").iterdir())
            if language.is_dir() and language.name != "en"}
    sets["iapp"] = data / "iapp-wiki-qa-th" / "corpus.jsonl"
    for _, path in sorted(sets.items()):
        found = [s for row in read_texts(path) for s in sentences(row["text"])]
        yield from random.Random(seed).sample(found, min(PER_LANGUAGE, len(found)))


def rune_frame(rune):
    c = chr(rune)
    return f"a{c}b {c} x{c}{c}"


def write_wordpiece(tokenizer, data, examples, out, seed):
    texts = list(multilingual(data, seed))
    with open(out / "wordpiece_multilingual.tsv", "w", encoding="utf-8", newline="\n") as file:
        for text, ids in zip(texts, ids_of(tokenizer, texts)):
            file.write(f"{fnv(ids):016x}\t{text}\n")
    docs = [f"{row['title']} {row['text']}" for row in read_texts(examples / "corpus.jsonl")]
    with open(out / "wordpiece_scifact.txt", "w", newline="\n") as file:
        file.writelines(f"{fnv(ids):016x}\n" for ids in ids_of(tokenizer, docs))
    print(f"wordpiece: {len(texts)} multilingual sentences, {len(docs)} documents")
    with open(out / "wordpiece_runes.txt", "w", newline="\n") as file:
        for block in range(0, 0x110000, BLOCK):
            runes = [r for r in range(block, block + BLOCK) if not 0xD800 <= r < 0xE000]
            state = FNV_OFFSET
            for ids in ids_of(tokenizer, [rune_frame(r) for r in runes]):
                state = fnv(ids, state)
            file.write(f"{state:016x}\n")


def write_embedding(tokenizer, model, data, examples, out, seed):
    _, table = llsm.decode(model.read_bytes())
    docs = [f"{row['title']} {row['text']}" for row in read_texts(examples / "corpus.jsonl")]
    claims = [row["text"] for row in read_texts(examples / "queries.jsonl")]
    foreign = [t for t in multilingual(data, seed)]
    pick = random.Random(seed)
    texts = pick.sample(docs, 60) + pick.sample(claims, 90) + pick.sample(foreign, 60)
    texts = [" ".join(text.split()) for text in texts]
    rows = []
    with open(out / "embedding_texts.txt", "w", encoding="utf-8", newline="\n") as file:
        for text, ids in zip(texts, ids_of(tokenizer, texts)):
            total = table[ids].astype(np.float64).sum(0)
            norm = np.linalg.norm(total)
            if norm > 0:
                file.write(text + "\n")
                rows.append(total / norm)
    np.array(rows, "<f4").tofile(out / "embedding.f32")
    print(f"embedding: {len(rows)} texts")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--examples", type=pathlib.Path, required=True, help="examples/scifact")
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--wordpiece-out", type=pathlib.Path, required=True)
    parser.add_argument("--embedding-out", type=pathlib.Path, required=True)
    parser.add_argument("--seed", type=int, default=3)
    args = parser.parse_args()
    tokenizer = load_tokenizer()
    for folder in (args.wordpiece_out, args.embedding_out):
        folder.mkdir(parents=True, exist_ok=True)
    write_wordpiece(tokenizer, args.data, args.examples, args.wordpiece_out, args.seed)
    write_embedding(tokenizer, args.model, args.data, args.examples, args.embedding_out, args.seed)


if __name__ == "__main__":
    main()
