"""What the Python peers share: arguments PORT WORKLOAD OPS CONCURRENCY, the statements, the measurement."""
import datetime
import json
import resource
import sys
import time

port, workload, ops, concurrency = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
warm_up = 100000 if workload == "page" else 2000
SELECT_ONE = "SELECT id,name,email,age,score,created FROM bench.kv WHERE id=?"
INSERT_ONE = "INSERT INTO bench.kv(id,name,email,age,score,created) VALUES (?,?,?,?,?,?)"
SELECT_PAGE = "SELECT pk,ck,a,b,c FROM bench.wide WHERE pk=?"
CREATED = datetime.datetime(2024, 1, 1)


def values_of(i):
    key = i % 1000
    return key, f"user-{key:08d}", f"user{key}@example.com", key % 90, key * 1.5, CREATED


class Measure:
    """CPU and wall time from its making until `report`."""

    def __init__(self):
        self.start, self.usage = time.time(), resource.getrusage(resource.RUSAGE_SELF)

    def report(self, peer):
        usage, wall = resource.getrusage(resource.RUSAGE_SELF), time.time() - self.start
        cpu = usage.ru_utime + usage.ru_stime - self.usage.ru_utime - self.usage.ru_stime
        print(json.dumps(dict(peer=peer, wl=workload, ops=ops, ops_s=round(ops / wall),
                              cpu_us=round(cpu / ops * 1e6, 2), rss_mb=round(usage.ru_maxrss / 1024))))
