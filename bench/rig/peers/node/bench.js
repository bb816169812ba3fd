// cassandra-driver for node: bench.js PORT WORKLOAD OPS CONCURRENCY
const cassandra = require('cassandra-driver');

const [port, workload, ops, concurrency] = [+process.argv[2], process.argv[3], +process.argv[4], +process.argv[5]];
const SELECT_ONE = 'SELECT id,name,email,age,score,created FROM bench.kv WHERE id=?';
const INSERT_ONE = 'INSERT INTO bench.kv(id,name,email,age,score,created) VALUES (?,?,?,?,?,?)';
const SELECT_PAGE = 'SELECT pk,ck,a,b,c FROM bench.wide WHERE pk=?';
const created = new Date(1704067200000);

const client = new cassandra.Client({
  contactPoints: ['127.0.0.1'],
  localDataCenter: 'datacenter1',
  protocolOptions: { port, maxVersion: 4 },
  isMetadataSyncEnabled: false,
  pooling: { coreConnectionsPerHost: { 0: 1 }, maxRequestsPerConnection: 32768 },
});

async function pages(rows) {
  let seen = 0;
  while (seen < rows) {
    for await (const row of await client.execute(SELECT_PAGE, [1], { prepare: true, fetchSize: 5000 })) {
      seen++;
    }
  }
}

async function concurrently(count) {
  let next = 0;
  async function worker() {
    while (next < count) {
      const key = next++ % 1000;
      if (workload === 'read') {
        (await client.execute(SELECT_ONE, [key], { prepare: true })).first();
      } else {
        const name = 'user-' + String(key).padStart(8, '0');
        const values = [key, name, `user${key}@example.com`, key % 90, key * 1.5, created];
        await client.execute(INSERT_ONE, values, { prepare: true });
      }
    }
  }
  await Promise.all(Array.from({ length: concurrency }, worker));
}

async function main() {
  const run = workload === 'page' ? pages : concurrently;
  await client.connect();
  await run(workload === 'page' ? 100000 : 2000);
  const before = process.resourceUsage();
  const start = process.hrtime.bigint();
  await run(ops);
  const after = process.resourceUsage();
  const wall = Number(process.hrtime.bigint() - start) / 1e9;
  const cpu = after.userCPUTime + after.systemCPUTime - before.userCPUTime - before.systemCPUTime;
  console.log(JSON.stringify({
    peer: 'node-driver', wl: workload, ops, ops_s: Math.round(ops / wall),
    cpu_us: +(cpu / ops).toFixed(2), rss_mb: Math.round(after.maxRSS / 1024),
  }));
  await client.shutdown();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
