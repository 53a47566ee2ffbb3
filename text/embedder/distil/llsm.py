"""Writes and reads .llsm static model files, and embeds with them: the reference for the C++ code.

The byte layout is described in text/embedder/src/static_model.h.
"""

import struct

import numpy as np
import xxhash

MAGIC = b"LLSTATIC"
FORMAT_VERSION = 1
BITS = 4
HEADER = struct.Struct("<8sIIIIQIIQ16s")
CHECKSUM_AT, HEADER_BYTES, ALIGNMENT = 40, 64, 64
PEAK = 7


def quantise_int4(table):
    """Codes in -7..7 and one fp16 scale a row; the scale is the best of 25 in squared error."""
    table = np.asarray(table, np.float32)
    peaks = np.abs(table).max(1)
    best_error = np.full(len(table), np.inf, np.float32)
    scales = np.zeros(len(table), np.float16)
    codes = np.zeros(table.shape, np.int8)
    for shrink in np.linspace(0.4, 1.0, 25, dtype=np.float32):
        scale = (peaks * shrink / PEAK).astype(np.float16)
        wide = np.maximum(scale.astype(np.float32), 1e-30)[:, None]
        tried = np.clip(np.rint(table / wide), -PEAK, PEAK)
        error = np.square(tried * wide - table).sum(1)
        better = (error < best_error) & (scale > 0)
        best_error[better], scales[better] = error[better], scale[better]
        codes[better] = tried[better].astype(np.int8)
    return codes, scales


def dequantise(codes, scales):
    return codes.astype(np.float32) * scales.astype(np.float32)[:, None]


def _padded(data):
    return data + b"\0" * (-len(data) % ALIGNMENT)


def encode(vocabulary, codes, scales, revision):
    """vocabulary [V] str, codes [V x D] int8, scales [V] float16 -> the bytes of the file."""
    strings = [token.encode() for token in vocabulary]
    starts = np.concatenate([[0], np.cumsum([len(s) for s in strings])]).astype("<u4")
    half = codes.shape[1] // 2
    shifted = (codes + 8).astype(np.uint8)
    packed = shifted[:, :half] | (shifted[:, half:] << 4)
    header = HEADER.pack(MAGIC, FORMAT_VERSION, codes.shape[1], len(strings), BITS, int(starts[-1]),
                         revision, 0, 0, b"")
    body = (_padded(starts.tobytes()) + _padded(b"".join(strings))
            + _padded(scales.astype("<f2").tobytes()) + packed.tobytes())
    data = header + body
    checksum = xxhash.xxh3_64_intdigest(data[:CHECKSUM_AT] + data[CHECKSUM_AT + 8:])
    return data[:CHECKSUM_AT] + struct.pack("<Q", checksum) + data[CHECKSUM_AT + 8:]


def decode(data):
    """Returns vocabulary and the dequantised table [V x D]."""
    _, _, dim, size, _, string_bytes, _, _, checksum, _ = HEADER.unpack(data[:HEADER_BYTES])
    assert checksum == xxhash.xxh3_64_intdigest(data[:CHECKSUM_AT] + data[CHECKSUM_AT + 8:])
    at = HEADER_BYTES

    def take(count):
        nonlocal at
        at += -at % ALIGNMENT
        section = data[at:at + count]
        at += count
        return section

    starts = np.frombuffer(take(4 * (size + 1)), "<u4")
    strings = take(string_bytes)
    scales = np.frombuffer(take(2 * size), "<f2")
    packed = np.frombuffer(take(size * dim // 2), np.uint8).reshape(size, dim // 2)
    codes = np.concatenate([packed & 15, packed >> 4], axis=1).astype(np.int8) - 8
    vocabulary = [strings[a:b].decode() for a, b in zip(starts[:-1], starts[1:])]
    return vocabulary, dequantise(codes, scales)
