#!/usr/bin/env python3
"""Durable ingest beside zvec and LanceDB, in one run, interleaved: 60,000 x 784, 1,000 rows a call.

    scripts/install_packages.sh bench
    cmake --preset bench && cmake --build --preset bench --target ingest_pass
    python3 -m venv venv && venv/bin/pip install numpy zvec==0.8.0 lancedb==0.40.0
    venv/bin/python bench/ingest/ingest_ratio.py [--program build/bench/bin/ingest_pass]

Rows are the Fashion-MNIST training images of Debian's dataset-fashion-mnist. Compared are pairs that
promise the same: Leadline `sync` with zvec's insert() + flush() for each batch, and Leadline `os` with
LanceDB, which never syncs. Only the store's own calls are timed; records are made before. Each round
runs every store once, in turn, in a new directory; medians count. Index building is not part of the
time for zvec and LanceDB, which build later on request; Leadline's maintenance runs beside the writes
as it does by default. Prints one JSON object. Exit 1 where Leadline `sync` is slower than zvec.
"""
import argparse
import gzip
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

IMAGES = "/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz"


def read_images(path, rows):
    with gzip.open(path, "rb") as file:
        pixels = np.frombuffer(file.read(), dtype=np.uint8, offset=16)
    return pixels.reshape(-1, 784)[:rows].astype(np.float32)


def write_fvecs(path, rows):
    widths = np.full((len(rows), 1), rows.shape[1], dtype=np.int32)
    np.hstack([widths, rows.view(np.int32)]).tofile(path)


def leadline(program, base, durability, batch, folder):
    done = subprocess.run([program, base, os.path.join(folder, "db"), durability, str(batch)],
                          capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["seconds"]


def zvec_flush(rows, batch, folder):
    import zvec
    schema = zvec.CollectionSchema(
        name="bench", fields=[],
        vectors=[zvec.VectorSchema("v", zvec.DataType.VECTOR_FP32, rows.shape[1],
                                   index_param=zvec.HnswIndexParam(metric_type=zvec.MetricType.L2))])
    store = zvec.create_and_open(path=os.path.join(folder, "db"), schema=schema)
    batches = [[zvec.Doc(id=str(i), vectors={"v": rows[i].tolist()})
                for i in range(start, min(start + batch, len(rows)))]
               for start in range(0, len(rows), batch)]
    begin = time.perf_counter()
    for docs in batches:
        store.insert(docs)
        store.flush()
    return time.perf_counter() - begin


def lancedb_add(rows, batch, folder):
    import lancedb
    import pyarrow as pa
    store = lancedb.connect(os.path.join(folder, "db"))
    width = rows.shape[1]
    schema = pa.schema([("id", pa.string()), ("v", pa.list_(pa.float32(), width))])
    table = store.create_table("bench", schema=schema)
    batches = []
    for start in range(0, len(rows), batch):
        part = rows[start:start + batch]
        ids = pa.array([str(i) for i in range(start, start + len(part))])
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(part.reshape(-1)), width)
        batches.append(pa.Table.from_arrays([ids, vectors], schema=schema))
    begin = time.perf_counter()
    for part in batches:
        table.add(part)
    return time.perf_counter() - begin


def child(args):
    """Runs one peer in a process of its own, so that none inherits threads or memory of another."""
    rows = np.fromfile(args.base, dtype=np.int32).reshape(-1, 785)[:, 1:].copy().view(np.float32)
    run = {"zvec": zvec_flush, "lancedb": lancedb_add}[args.child]
    print(run(rows, args.batch, args.folder), file=sys.stderr)


def peer(name, base, batch, folder):
    done = subprocess.run([sys.executable, __file__, "--child", name, "--base", base, "--folder", folder,
                           "--batch", str(batch)], capture_output=True, text=True, check=True)
    return float(done.stderr.strip().splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--program", default="build/bench/bin/ingest_pass")
    parser.add_argument("--images", default=IMAGES)
    parser.add_argument("--rows", type=int, default=60000)
    parser.add_argument("--batch", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--directory", help="where databases are made; default: the system's")
    parser.add_argument("--child", choices=["zvec", "lancedb"], help=argparse.SUPPRESS)
    parser.add_argument("--base", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        child(args)
        return 0

    seconds = {"leadline_sync": [], "zvec_flush": [], "leadline_os": [], "lancedb": []}
    with tempfile.TemporaryDirectory(dir=args.directory) as scratch:
        base = os.path.join(scratch, "base.fvecs")
        write_fvecs(base, read_images(args.images, args.rows))
        for _ in range(args.rounds):
            for name, times in seconds.items():
                folder = os.path.join(scratch, name)
                os.makedirs(folder)
                if name.startswith("leadline"):
                    times.append(leadline(args.program, base, name.split("_")[1], args.batch, folder))
                else:
                    times.append(peer(name.split("_")[0], base, args.batch, folder))
                shutil.rmtree(folder)
    rate = {name: args.rows / statistics.median(times) for name, times in seconds.items()}
    ratio = rate["leadline_sync"] / rate["zvec_flush"]
    print(json.dumps({
        "rows": args.rows, "batch": args.batch, "rounds": args.rounds,
        "rows_per_s": {name: round(value) for name, value in rate.items()},
        "seconds": {name: [round(t, 3) for t in times] for name, times in seconds.items()},
        "sync_over_zvec": round(ratio, 2),
        "os_over_lancedb": round(rate["leadline_os"] / rate["lancedb"], 2)}))
    return 0 if ratio >= 1 else 1


if __name__ == "__main__":
    sys.exit(main())
