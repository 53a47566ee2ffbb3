"""The same queries to Leadline, Milvus Lite and Chroma, each from its own Python client.

A system here is a server process, a client of it, and how its index is made: HNSW, M 16,
ef_construction 200, cosine, f32. bench/service/run.py measures them in turn.
"""
import bisect
import importlib
import multiprocessing
import os
import socket
import statistics
import subprocess
import sys
import time

import numpy as np

TOP = 10
EF = [16, 24, 32, 48, 64, 80, 96, 112, 128, 160, 200, 256, 320, 400]
M = 16
EF_CONSTRUCTION = 200
PROTO = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "rpc", "proto")


def read_vecs(path, dtype):
    raw = np.fromfile(path, dtype=np.int32)
    return raw.reshape(-1, raw[0] + 1)[:, 1:].copy().view(dtype)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Leadline:
    """gRPC with stubs that grpcio-tools makes from rpc/proto, in `stubs`."""

    name = "leadline"
    client = "grpcio"
    ef_of_collection = False

    def __init__(self, address, stubs):
        sys.path.insert(0, stubs)
        import grpc
        self.messages = importlib.import_module("leadline.v1.search_pb2")
        services = importlib.import_module("leadline.v1.search_pb2_grpc")
        self.stub = services.SearchStub(grpc.insecure_channel(address))

    @staticmethod
    def make_stubs(folder):
        import grpc_tools
        from grpc_tools import protoc
        own = os.path.join(os.path.dirname(grpc_tools.__file__), "_proto")
        files = os.listdir(os.path.join(PROTO, "leadline", "v1"))
        code = protoc.main(["protoc", f"-I{PROTO}", f"-I{own}", f"--python_out={folder}",
                            f"--grpc_python_out={folder}",
                            *(f"leadline/v1/{name}" for name in files if name.endswith(".proto"))])
        if code != 0:
            raise SystemExit("no stubs could be made from rpc/proto")

    def search(self, vector, ef):
        request = self.messages.SearchRequest(collection="bench", vector_f32=vector.tobytes())
        request.options.limit = TOP
        request.options.ef_search = ef
        request.options.with_payload = False
        return [int(hit.id) for hit in self.stub.Search(request).hits]


class MilvusLite:
    name = "milvus-lite"
    client = "pymilvus"
    ef_of_collection = False

    def __init__(self, address, _stubs):
        from pymilvus import MilvusClient
        self.store = MilvusClient(uri=f"http://{address}")

    @staticmethod
    def start(programs, folder, port):
        return subprocess.Popen([os.path.join(programs, "milvus-lite"), "server", "--data-dir", folder,
                                 "--host", "127.0.0.1", "--port", str(port)],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def fill(self, rows):
        from pymilvus import DataType, MilvusException
        schema = self.store.create_schema(auto_id=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=rows.shape[1])
        self.store.create_collection("bench", schema=schema)
        for begin in range(0, len(rows), 5000):
            self.store.insert("bench", [{"id": begin + i, "vector": row.tolist()}
                                        for i, row in enumerate(rows[begin:begin + 5000])])
        self.store.flush("bench")
        # Only rows that are there by now are indexed for certain.
        index = self.store.prepare_index_params()
        index.add_index("vector", index_type="HNSW", metric_type="COSINE",
                        params={"M": M, "efConstruction": EF_CONSTRUCTION})
        try:
            self.store.create_index("bench", index)
        except MilvusException as error:
            # The client's pings during the build make the server end the connection; the client then
            # asks a second time.
            if "already exists" not in str(error):
                raise
        self.store.load_collection("bench")

    def search(self, vector, ef):
        found = self.store.search("bench", [vector.tolist()], limit=TOP,
                                  search_params={"metric_type": "COSINE", "params": {"ef": ef}})
        return [hit["id"] for hit in found[0]]


class Chroma:
    name = "chroma"
    client = "chromadb HttpClient"
    ef_of_collection = True

    def __init__(self, address, _stubs):
        import chromadb
        host, port = address.split(":")
        self.store = chromadb.HttpClient(host=host, port=int(port))
        self.collection = None

    @staticmethod
    def start(programs, folder, port):
        return subprocess.Popen([os.path.join(programs, "chroma"), "run", "--path", folder,
                                 "--host", "127.0.0.1", "--port", str(port)],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def fill(self, rows):
        collection = self.store.create_collection(
            "bench", embedding_function=None,
            configuration={"hnsw": {"space": "cosine", "max_neighbors": M,
                                    "ef_construction": EF_CONSTRUCTION, "ef_search": EF[0]}})
        for begin in range(0, len(rows), 5000):
            part = rows[begin:begin + 5000]
            collection.add(ids=[str(begin + i) for i in range(len(part))], embeddings=part)

    def set_ef(self, ef):
        """Of the collection, not of a call; a server that has the index open keeps the old one."""
        collection = self.store.get_collection("bench", embedding_function=None)
        collection.modify(configuration={"hnsw": {"ef_search": ef}})

    def search(self, vector, _ef):
        if self.collection is None:
            self.collection = self.store.get_collection("bench", embedding_function=None)
        found = self.collection.query(query_embeddings=[vector], n_results=TOP, include=[])
        return [int(name) for name in found["ids"][0]]


SYSTEMS = {system.name: system for system in (Leadline, MilvusLite, Chroma)}


def connect(name, address, stubs, patience_s=60):
    """A client once the server answers."""
    end = time.monotonic() + patience_s
    while True:
        try:
            with socket.create_connection((address.split(":")[0], int(address.split(":")[1])), 1):
                pass
            return SYSTEMS[name](address, stubs)
        except Exception:  # pylint: disable=broad-except  # each client has errors of its own
            if time.monotonic() > end:
                raise
            time.sleep(0.5)


def recall_of(client, queries, truth, ef):
    right = sum(len(set(client.search(query, ef)) & set(exact))
                for query, exact in zip(queries, truth))
    return right / (len(queries) * TOP)


class Peer:
    """The server of one peer, on a folder and a port of its own."""

    def __init__(self, name, programs, folder):
        self.name, self.programs, self.folder = name, programs, folder
        self.system = SYSTEMS[name]
        self.start()

    def start(self):
        port = free_port()
        self.address = f"127.0.0.1:{port}"
        self.process = self.system.start(self.programs, self.folder, port)

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def connect(self):
        return connect(self.name, self.address, None)

    def set_ef(self, ef):
        if self.system.ef_of_collection:
            self.connect().set_ef(ef)
            self.stop()
            self.start()


def choose_ef(connect_with, queries, truth, target):
    """The first ef of the ladder with the recall, and that; `connect_with` makes a client for an ef."""
    recalls = {}

    def reaches(ef):
        recalls[ef] = recall_of(connect_with(ef), queries, truth, ef)
        return recalls[ef] >= target

    first = bisect.bisect_left(EF, True, key=reaches)  # recall rises with ef
    if first == len(EF):
        raise SystemExit(f"recall stays under {target}")
    return EF[first], recalls[EF[first]]


def call_on_and_on(name, address, stubs, queries, ef, seconds, number, ready, start, results):
    client = connect(name, address, stubs)
    for query in queries[:20]:
        client.search(query, ef)
    ready.release()
    start.wait()
    times = []
    end = time.perf_counter() + seconds
    at = number * 389 % len(queries)
    before = time.perf_counter()
    while before < end:
        client.search(queries[at], ef)
        after = time.perf_counter()
        times.append(after - before)
        before, at = after, (at + 1) % len(queries)
    results.put(times)


def measure(name, address, stubs, queries, ef, processes, seconds):
    """Closed loop, each process one client that calls again when it has its answer."""
    context = multiprocessing.get_context("spawn")
    ready, start, results = context.Semaphore(0), context.Event(), context.Queue()
    workers = [context.Process(target=call_on_and_on,
                               args=(name, address, stubs, queries, ef, seconds, i, ready, start,
                                     results)) for i in range(processes)]
    for worker in workers:
        worker.start()
    for _ in workers:
        ready.acquire()
    start.set()
    times = [t for _ in workers for t in results.get()]
    for worker in workers:
        worker.join()
    return {"qps": len(times) / seconds, "p50_us": statistics.median(times) * 1e6}
