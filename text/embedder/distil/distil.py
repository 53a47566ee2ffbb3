"""Distils all-MiniLM-L6-v2 into the static token table that Leadline embeds text with.

Steps, so that the slow one runs once:

  distil.py teach --texts texts.jsonl --work folder      the teacher reads every text and piece
  distil.py train --texts texts.jsonl --work folder --out table.npz
                                                         the table is trained and rounded
  distil.py pack --table table.npz --out static-minilm-256.llsm
                                                         the rounded table is written
  distil.py evaluate --model static-minilm-256.llsm --collections folder...
                                                         nDCG@10 of a written model
"""

import argparse
import json
import pathlib

import numpy as np
import torch

import evaluate
import llsm
import student
from teacher import Int8MiniLm, MiniLm, load_tokenizer, model_folder, teach

TEACHER_TOKENS = 254  # all-MiniLM-L6-v2 reads 256, two of them markers
UNKNOWN = 100
CHUNK = 10000


def read_rows(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def tokenise(texts, tokenizer):
    ids = []
    for at in range(0, len(texts), CHUNK):
        batch = tokenizer.encode_batch(texts[at:at + CHUNK], add_special_tokens=False)
        ids.extend(e.ids[:TEACHER_TOKENS] for e in batch)
    return ids


def unit(rows):
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


def run_teach(args):
    tokenizer = load_tokenizer()
    model = Int8MiniLm(args.threads) if args.int8 else MiniLm(bf16=args.bf16)
    args.work.mkdir(parents=True, exist_ok=True)
    texts = [row["text"] for row in read_rows(args.texts)]
    vectors = teach(model, tokenise(texts, tokenizer), args.batch_tokens)
    np.save(args.work / "texts.npy", vectors.astype(np.float16))
    alone = teach(model, [[i] for i in range(tokenizer.get_vocab_size())], args.batch_tokens)
    np.save(args.work / "tokens.npy", alone.astype(np.float16))


def run_train(args):
    tokenizer = load_tokenizer()
    rows = read_rows(args.texts)
    vectors = np.load(args.work / "texts.npy").astype(np.float32)
    token_ids = tokenise([row["text"] for row in rows], tokenizer)
    bags = student.Bags(token_ids)
    if args.start:
        _, table = llsm.decode(args.start.read_bytes())
        axes = student.aligned_axes(vectors, evaluate.embed_with(table)(token_ids))
        own = table / student.first_weights(bags, len(table))
    else:
        axes = student.principal_axes(vectors, args.dim)
        own = np.load(args.work / "tokens.npy").astype(np.float32) @ axes
    targets = np.ascontiguousarray(unit(vectors @ axes))
    table, codes, scales = student.train(bags, targets, own.astype(np.float32), args)
    np.savez(args.out, table=table, codes=codes, scales=scales)


def run_pack(args):
    file = np.load(args.table)
    codes, scales = file["codes"], file["scales"]
    codes[UNKNOWN] = 0  # an unknown piece says nothing about its text
    vocabulary = (model_folder() / "vocab.txt").read_text(encoding="utf-8").split("\n")
    vocabulary = vocabulary[:len(codes)]
    args.out.write_bytes(llsm.encode(vocabulary, codes, scales, args.revision))
    print(f"wrote {args.out}: {args.out.stat().st_size} bytes")


def run_evaluate(args):
    tokenizer = load_tokenizer()
    _, table = llsm.decode(args.model.read_bytes())
    values = []
    for folder in args.collections:
        values.append(evaluate.Collection(folder, tokenizer).score(evaluate.embed_with(table)))
        print(f"nDCG@10 {folder.name:16} {values[-1]:.4f}")
    print(f"nDCG@10 {'mean':16} {sum(values) / len(values):.4f}")


def parse():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    steps = parser.add_subparsers(required=True)
    step = steps.add_parser("teach")
    step.add_argument("--texts", type=pathlib.Path, required=True)
    step.add_argument("--work", type=pathlib.Path, required=True)
    step.add_argument("--batch-tokens", type=int, default=512)
    step.add_argument("--int8", action=argparse.BooleanOptionalAction, default=True)
    step.add_argument("--bf16", action=argparse.BooleanOptionalAction, default=True)
    step.set_defaults(run=run_teach)
    step = steps.add_parser("train")
    step.add_argument("--texts", type=pathlib.Path, required=True)
    step.add_argument("--work", type=pathlib.Path, required=True)
    step.add_argument("--out", type=pathlib.Path, required=True)
    step.add_argument("--dim", type=int, default=256)
    step.add_argument("--epochs", type=int, default=3)
    step.add_argument("--batch", type=int, default=512)
    step.add_argument("--lr", type=float, default=0.003)
    step.add_argument("--start", type=pathlib.Path,
                      help="a model file to train on from, instead of the teacher's vectors of the pieces")
    step.add_argument("--drop", type=float, default=0.0, help="share of pieces left out of each text")
    step.add_argument("--rounded-epochs", type=int, default=3,
                      help="last epochs, which see the rows as they will be rounded")
    step.add_argument("--l2", type=float, default=0.03)
    step.add_argument("--kl", type=float, default=0.3)
    step.add_argument("--temperature", type=float, default=0.05)
    step.add_argument("--seed", type=int, default=2)
    step.set_defaults(run=run_train)
    step = steps.add_parser("pack")
    step.add_argument("--table", type=pathlib.Path, required=True)
    step.add_argument("--out", type=pathlib.Path, required=True)
    step.add_argument("--revision", type=int, default=2)
    step.set_defaults(run=run_pack)
    step = steps.add_parser("evaluate")
    step.add_argument("--model", type=pathlib.Path, required=True)
    step.add_argument("--collections", type=pathlib.Path, nargs="+", required=True)
    step.set_defaults(run=run_evaluate)
    return parser.parse_args()


def main():
    args = parse()
    torch.set_num_threads(args.threads)
    args.run(args)


if __name__ == "__main__":
    main()
