"""async-cassandra, a wrapper of the Python driver for asyncio. Not run by compare: for a look by hand."""
import asyncio

from async_cassandra import AsyncCluster
from async_cassandra.streaming import StreamConfig

from common import SELECT_ONE, SELECT_PAGE, Measure, concurrency, ops, port, warm_up, workload


async def pages(session, rows):
    prepared, seen = await session.prepare(SELECT_PAGE), 0
    while seen < rows:
        stream = await session.execute_stream(prepared, [1], stream_config=StreamConfig(fetch_size=5000))
        async for _ in stream:
            seen += 1


async def reads(session, count):
    prepared, numbers = await session.prepare(SELECT_ONE), iter(range(count))

    async def worker():
        for i in numbers:
            (await session.execute(prepared, [i % 1000])).one()

    await asyncio.gather(*[worker() for _ in range(concurrency)])


async def main():
    cluster = AsyncCluster(contact_points=["127.0.0.1"], port=port)
    session = await cluster.connect()
    run = pages if workload == "page" else reads
    await run(session, warm_up)
    measure = Measure()
    await run(session, ops)
    measure.report("async-cassandra")
    await cluster.shutdown()


asyncio.run(main())
