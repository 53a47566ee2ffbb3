"""Vector files: fbin and ibin (u32 rows, u32 dim, then the rows), fvecs and ivecs (i32 dim, row by row)."""
import os

import numpy as np

HEADER = 8


def read_vecs(path, dtype):
    raw = np.fromfile(path, dtype=np.int32)
    return raw.reshape(-1, raw[0] + 1)[:, 1:].copy().view(dtype)


def shape_of(path):
    return tuple(int(n) for n in np.fromfile(path, dtype=np.uint32, count=2))


def map_bin(path, dtype):
    """The rows, mapped and read-only."""
    return np.memmap(path, dtype=dtype, mode="r", offset=HEADER, shape=shape_of(path))


def read_bin(path, dtype):
    return np.array(map_bin(path, dtype))


def write_bin(path, rows):
    with open(path + ".tmp", "wb") as file:
        np.array(rows.shape, dtype=np.uint32).tofile(file)
        np.ascontiguousarray(rows).tofile(file)
    os.replace(path + ".tmp", path)
