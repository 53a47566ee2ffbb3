"""grpc_client.py ADDRESS TOKEN - an application in Python, with stubs generated from rpc/proto and
gRPC's own packages for health and reflection. Fails by an exception."""

import json
import random
import struct
import sys

import grpc
from google.protobuf import descriptor_pool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from leadline.v1 import (
    collections_pb2,
    collections_pb2_grpc,
    common_pb2,
    evaluation_pb2,
    evaluation_pb2_grpc,
    records_pb2,
    records_pb2_grpc,
    search_pb2,
    search_pb2_grpc,
    snapshots_pb2,
    snapshots_pb2_grpc,
)

DIM = 8
ROWS = 2000


class Application:
    def __init__(self, address, token):
        self.channel = grpc.insecure_channel(address)
        self.metadata = [("authorization", "Bearer " + token)]
        self.collections = collections_pb2_grpc.CollectionsStub(self.channel)
        self.records = records_pb2_grpc.RecordsStub(self.channel)
        self.search = search_pb2_grpc.SearchStub(self.channel)
        self.evaluation = evaluation_pb2_grpc.EvaluationStub(self.channel)
        self.snapshots = snapshots_pb2_grpc.SnapshotsStub(self.channel)
        rng = random.Random(7)
        self.rows = [[rng.gauss(0, 1) for _ in range(DIM)] for _ in range(ROWS)]

    def call(self, method, request):
        return method(request, metadata=self.metadata, timeout=60)

    def nearest(self, query, limit):
        """Ids by squared distance in single precision, the oracle."""
        def distance(row):
            return sum((a - b) ** 2 for a, b in zip(row, query))

        order = sorted(range(ROWS), key=lambda i: distance(self.rows[i]))
        return [str(i) for i in order[:limit]]

    def create(self):
        made = self.call(
            self.collections.Create,
            collections_pb2.CreateCollectionRequest(
                name="py", dim=DIM, metric=common_pb2.METRIC_L2
            ),
        )
        assert made.vectors[0].dim == DIM

    def ingest(self):
        def batches():
            for start in range(0, ROWS, 250):
                request = records_pb2.UpsertRequest(collection="py")
                for i in range(start, start + 250):
                    record = request.records.add(id=str(i), payload='{"n": %d}' % i)
                    if i % 2 == 0:
                        record.vector.extend(self.rows[i])
                    else:
                        record.vector_f32 = struct.pack("<%df" % DIM, *self.rows[i])
                yield request

        sequences = [
            answer.sequence
            for answer in self.records.Ingest(batches(), metadata=self.metadata, timeout=60)
        ]
        assert len(sequences) == ROWS // 250
        assert sequences == sorted(set(sequences)), sequences
        count = self.call(self.records.Count, records_pb2.CountRequest(collection="py"))
        assert count.count == ROWS

    def find(self):
        queries = [self.rows[i] for i in (0, 1, 999)]
        options = search_pb2.SearchOptions(limit=10, exact=True)
        wanted = [self.nearest(query, 10) for query in queries]

        def ids(response):
            return [hit.id for hit in response.hits]

        for query, ids_wanted in zip(queries, wanted):
            found = self.call(
                self.search.Search,
                search_pb2.SearchRequest(collection="py", vector=query, options=options),
            )
            assert ids(found) == ids_wanted, (ids(found), ids_wanted)
            assert found.metric == common_pb2.METRIC_L2 and not found.higher_is_better
        matrix = b"".join(struct.pack("<%df" % DIM, *query) for query in queries)
        batch = self.call(
            self.search.SearchBatch,
            search_pb2.SearchBatchRequest(collection="py", matrix_f32=matrix, options=options),
        )
        assert [ids(one) for one in batch.responses] == wanted
        stream = self.search.SearchStream(
            (
                search_pb2.SearchRequest(collection="py", vector=query, options=options)
                for query in queries
            ),
            metadata=self.metadata,
            timeout=60,
        )
        assert [ids(one) for one in stream] == wanted

    def evaluate(self):
        """Exact answers to rows of the collection: each query's own row comes first."""
        request = evaluation_pb2.StartRunRequest(
            collection="py", exact=True, measures=["recip_rank", "recall@10"], per_query=True
        )
        for i in range(0, ROWS, 100):
            request.queries.add(id="q%d" % i, vector=self.rows[i])
            judged = request.judgments.add(query="q%d" % i)
            for row in self.nearest(self.rows[i], 10):
                judged.docs.add(id=row, relevance=1)
        job = self.call(self.evaluation.StartRun, request).job
        watch = evaluation_pb2.WatchJobRequest(job=job)
        states = list(self.evaluation.Watch(watch, metadata=self.metadata, timeout=60))
        assert states[-1].state == evaluation_pb2.JOB_STATE_DONE, states[-1]
        again = list(self.evaluation.Watch(watch, metadata=self.metadata, timeout=60))
        assert [one.state for one in again] == [evaluation_pb2.JOB_STATE_DONE]
        report = self.call(self.evaluation.GetReport, evaluation_pb2.GetReportRequest(job=job))
        measures = json.loads(report.summary)["measures"]
        assert measures["recip_rank"]["value"] == 1, measures
        assert measures["recall_10"]["value"] == 1, measures
        lines = [json.loads(line.value) for line in report.lines]
        assert [line["hits"][0]["id"] for line in lines] == [str(i) for i in range(0, ROWS, 100)]

    def scroll_at_a_moment(self):
        lease = self.call(self.snapshots.Open, snapshots_pb2.OpenSnapshotRequest(lease_ms=60000))
        self.call(self.records.Delete, records_pb2.DeleteRequest(collection="py", filter="n < 500"))
        seen = []
        for page in self.records.Scroll(
            records_pb2.ScrollRequest(collection="py", limit=300, snapshot=lease.snapshot),
            metadata=self.metadata,
            timeout=60,
        ):
            seen.extend(record.id for record in page.records)
        assert len(seen) == ROWS and len(set(seen)) == ROWS
        self.call(
            self.snapshots.Release, snapshots_pb2.ReleaseSnapshotRequest(snapshot=lease.snapshot)
        )
        count = self.call(self.records.Count, records_pb2.CountRequest(collection="py"))
        assert count.count == ROWS - 500

    def errors(self):
        def expect(code, field, method, request, metadata=self.metadata):
            try:
                method(request, metadata=metadata, timeout=60)
            except grpc.RpcError as error:
                assert error.code() == code, (error.code(), error.details())
                trailer = dict(error.trailing_metadata())["leadline-error-bin"]
                detail = common_pb2.Error.FromString(trailer)
                assert detail.field == field, detail
                return
            raise AssertionError("not refused: %s" % request)

        search = search_pb2.SearchRequest(collection="py", vector=[1.0])
        expect(grpc.StatusCode.INVALID_ARGUMENT, "vector", self.search.Search, search)
        search = search_pb2.SearchRequest(
            collection="py", vector=[1.0] * DIM, options=search_pb2.SearchOptions(limit=0)
        )
        expect(grpc.StatusCode.INVALID_ARGUMENT, "limit", self.search.Search, search)
        count = records_pb2.CountRequest(collection="none")
        expect(grpc.StatusCode.NOT_FOUND, "", self.records.Count, count)
        job = evaluation_pb2.GetJobRequest(job="nothing")
        expect(grpc.StatusCode.NOT_FOUND, "", self.evaluation.Get, job)
        expect(grpc.StatusCode.UNAUTHENTICATED, "", self.records.Count, count, metadata=[])

    def health_and_reflection(self):
        stub = health_pb2_grpc.HealthStub(self.channel)
        answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=60)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        # The token goes with every call of this channel, as grpcurl sends it.
        token = self.metadata[0]
        channel = grpc.intercept_channel(self.channel, _WithMetadata(token))
        database = ProtoReflectionDescriptorDatabase(channel)
        services = set(database.get_services())
        assert {"leadline.v1.Search", "leadline.v1.Records", "grpc.health.v1.Health"} <= services
        pool = descriptor_pool.DescriptorPool(database)
        method = pool.FindServiceByName("leadline.v1.Search").FindMethodByName("Search")
        assert method.input_type.full_name == "leadline.v1.SearchRequest"


class _WithMetadata(grpc.StreamStreamClientInterceptor):
    def __init__(self, entry):
        self.entry = entry

    def intercept_stream_stream(self, continuation, details, requests):
        metadata = list(details.metadata or []) + [self.entry]
        return continuation(details._replace(metadata=metadata), requests)


def main():
    application = Application(sys.argv[1], sys.argv[2])
    application.create()
    application.ingest()
    application.find()
    application.evaluate()
    application.scroll_at_a_moment()
    application.errors()
    application.health_and_reflection()
    print("gRPC client: done")


if __name__ == "__main__":
    main()
