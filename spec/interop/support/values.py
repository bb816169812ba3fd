"""The Python driver's side of the exchange of values.

values.py write CONTACT_POINT PORT KEYSPACE VERSION COMPRESSION FILE
    writes the row python-vVERSION-COMPRESSION: a column for each line of FILE, which is a Python expression
values.py compare CONTACT_POINT PORT KEYSPACE VERSION COMPRESSION FILE
    prints each cell whose bytes are not those of that row; raw, for the driver's own decoders cannot read all that it can write
"""
import math
import struct
import sys
from decimal import Decimal  # noqa: F401 (expressions use it)
from uuid import UUID  # noqa: F401

from cassandra.cluster import Cluster, ExecutionProfile, EXEC_PROFILE_DEFAULT
from cassandra.policies import WhiteListRoundRobinPolicy
from cassandra.protocol import ResultMessage, _ProtocolHandler, read_int
from cassandra.query import tuple_factory
from cassandra.util import Date, Duration, Time  # noqa: F401

mode, host, port, keyspace, version, compression, path = sys.argv[1:]
inf, nan, digits = math.inf, math.nan, "1234567890" * 100
row_name = "python-v%s-%s" % (version, compression)


class RawResult(ResultMessage):
    """Rows whose cells are left as the protocol has them."""

    def recv_results_rows(self, f, protocol_version, user_type_map, result_metadata, *rest):
        self.recv_results_metadata(f, user_type_map)
        metadata = self.column_metadata or result_metadata
        self.column_names = [column[2] for column in metadata]
        self.column_types = [column[3] for column in metadata]
        self.parsed_rows = [self.recv_row(f, len(metadata)) for _ in range(read_int(f))]


class RawHandler(_ProtocolHandler):
    message_types_by_opcode = {**_ProtocolHandler.message_types_by_opcode, RawResult.opcode: RawResult}


def is_nan(cell):
    if cell is None or len(cell) not in (4, 8):
        return False
    return math.isnan(struct.unpack(">f" if len(cell) == 4 else ">d", cell)[0])


def same(wanted, got, cql_type):
    if cql_type in ("float", "double") and is_nan(wanted):
        return is_nan(got)  # Lua has one NaN
    return wanted == got


def write(session, expressions):
    count = len(expressions)
    names = ", ".join("c%d" % i for i in range(1, count + 1))
    insert = session.prepare("INSERT INTO exchanged (name, %s) VALUES (?%s)" % (names, ", ?" * count))
    session.execute(insert, [row_name] + [eval(expression) for _, expression in expressions])


def compare(session, expressions):
    session.client_protocol_handler = RawHandler
    names = ", ".join("c%d" % i for i in range(1, len(expressions) + 1))
    rows = {}
    for row in session.execute("SELECT name, %s FROM exchanged" % names):
        rows[row[0].decode()] = row[1:]
    wanted = rows[row_name]
    for name, row in sorted(rows.items()):
        for (cql_type, expression), a, b in zip(expressions, wanted, row):
            if not same(a, b, cql_type):
                shown = [None if cell is None else cell[:80].hex() for cell in (a, b)]
                print("%s: %s of %s: wanted %s, got %s" % (name, expression[:60], cql_type, *shown))
    print("%d rows, %d columns" % (len(rows), len(wanted)))


with open(path) as lines:
    pairs = [line.rstrip("\n").split("\t") for line in lines]
profile = ExecutionProfile(load_balancing_policy=WhiteListRoundRobinPolicy([host]), row_factory=tuple_factory, request_timeout=60)
cluster = Cluster([host], port=int(port), protocol_version=int(version), execution_profiles={EXEC_PROFILE_DEFAULT: profile},
                  compression="lz4" if compression == "lz4" else False)
try:
    (write if mode == "write" else compare)(cluster.connect(keyspace), pairs)
finally:
    cluster.shutdown()
