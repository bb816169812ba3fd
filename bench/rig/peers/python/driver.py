"""The DataStax Python driver."""
from cassandra.cluster import Cluster
from cassandra.concurrent import execute_concurrent_with_args

from common import INSERT_ONE, SELECT_ONE, SELECT_PAGE, Measure, concurrency, ops, port, values_of, warm_up, workload

cluster = Cluster(["127.0.0.1"], port=port, protocol_version=4, schema_metadata_enabled=False, token_metadata_enabled=False)
session = cluster.connect()


def concurrently(text, arguments):
    statement = session.prepare(text)
    return execute_concurrent_with_args(session, statement, arguments, concurrency=concurrency, results_generator=True)


def run(n):
    if workload == "read":
        for _, result in concurrently(SELECT_ONE, ((i % 1000,) for i in range(n))):
            result.one()
    elif workload == "write":
        for _ in concurrently(INSERT_ONE, (values_of(i) for i in range(n))):
            pass
    else:
        session.default_fetch_size = 5000
        select, seen = session.prepare(SELECT_PAGE), 0
        while seen < n:
            for _ in session.execute(select, (1,)):
                seen += 1


run(warm_up)
measure = Measure()
run(ops)
measure.report("python-driver")
cluster.shutdown()
