"""acsylla, the asyncio wrapper of the C++ driver."""
import asyncio

import acsylla

from common import INSERT_ONE, SELECT_ONE, SELECT_PAGE, Measure, concurrency, ops, port, values_of, warm_up, workload


async def pages(session, rows):
    prepared, seen = await session.create_prepared(SELECT_PAGE), 0
    while seen < rows:
        statement, more = prepared.bind(page_size=5000), True
        statement.bind(0, 1)
        while more:
            result = await session.execute(statement)
            for row in result:
                (row.pk, row.ck, row.a, row.b, row.c) if hasattr(row, "pk") else tuple(row)
                seen += 1
            more = result.has_more_pages()
            if more:
                statement.set_page_state(result.page_state())


async def concurrently(session, count):
    prepared = await session.create_prepared(SELECT_ONE if workload == "read" else INSERT_ONE)
    numbers = iter(range(count))

    async def worker():
        for i in numbers:
            statement = prepared.bind()
            if workload == "read":
                statement.bind(0, i % 1000)
                tuple((await session.execute(statement)).first())
            else:
                statement.bind_list(list(values_of(i)))
                await session.execute(statement)

    await asyncio.gather(*[worker() for _ in range(concurrency)])


async def main():
    cluster = acsylla.create_cluster(["127.0.0.1"], port=port, protocol_version=4, num_threads_io=1)
    session = await cluster.create_session()
    run = pages if workload == "page" else concurrently
    await run(session, warm_up)
    measure = Measure()
    await run(session, ops)
    measure.report("acsylla(cpp-driver)")
    await session.close()


asyncio.run(main())
