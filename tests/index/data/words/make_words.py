#!/usr/bin/env python3
"""Makes words.i8 from a larger set of the same vectors: every tenth row and every fifth query.

usage: make_words.py BASE.fvecs QUERY.fvecs words.i8
"""
import struct
import sys


def read_fvecs(path):
    with open(path, "rb") as file:
        data = file.read()
    dim = struct.unpack_from("<i", data)[0]
    size = 4 + 4 * dim
    return [struct.unpack_from(f"<{dim}f", data, at + 4) for at in range(0, len(data), size)]


def encode(row):
    """The scale as float32, then each number divided by it and rounded to [-127, 127]."""
    scale = struct.unpack("<f", struct.pack("<f", max(map(abs, row)) / 127))[0]
    return struct.pack(f"<f{len(row)}b", scale, *(round(x / scale) for x in row))


def main(base, query, out):
    rows = read_fvecs(base)[::10][:10000]
    queries = read_fvecs(query)[::5][:200]
    with open(out, "wb") as file:
        for row in rows + queries:
            file.write(encode(row))


main(*sys.argv[1:])
