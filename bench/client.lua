-- The benchmark's Lua client: client.lua PORT WORKLOAD OPS CONCURRENCY prints one JSON line (see bench/rig/compare).
-- PROTOCOL pins the native protocol's version (4 unless set).
local cqlua = require "cqlua"
local ffi = require "ffi"
local assert = cqlua.assert

ffi.cdef [[
struct cqlua_bench_usage { long user_s, user_us, system_s, system_us, max_rss_kb, rest[13]; };
int getrusage(int who, struct cqlua_bench_usage *usage);
struct cqlua_bench_time { long s, ns; };
int clock_gettime(int clock, struct cqlua_bench_time *time);
]]

local function usage()
  local use = ffi.new "struct cqlua_bench_usage"
  ffi.C.getrusage(0, use)
  return tonumber(use.user_s + use.system_s) * 1e6 + tonumber(use.user_us + use.system_us), tonumber(use.max_rss_kb)
end

local function seconds()
  local time = ffi.new "struct cqlua_bench_time"
  ffi.C.clock_gettime(1, time)
  return tonumber(time.s) + tonumber(time.ns) / 1e9
end

local sink = 0 -- what was read goes here, so that it is read

-- Runs `one(i)` for i = 0 .. ops - 1 in `concurrency` tasks.
local function in_tasks(ops, concurrency, one)
  local next_one, tasks = 0, {}
  local function work()
    while next_one < ops do
      local i = next_one
      next_one = i + 1
      one(i)
    end
  end
  for n = 1, concurrency do tasks[n] = cqlua.spawn(work) end
  for n = 1, concurrency do tasks[n]:join() end
end

local workloads = {}

function workloads.read(db)
  local get = assert(db:prepare "SELECT id,name,email,age,score,created FROM bench.kv WHERE id=?")
  return function(ops, concurrency)
    in_tasks(ops, concurrency, function(i)
      local row = assert(db:execute(get, { i % 1000 })):one()
      sink = sink + row.id + #row.name + #row.email + row.age + row.score + row.created
    end)
  end, 2000
end

function workloads.write(db)
  local put = assert(db:prepare "INSERT INTO bench.kv(id,name,email,age,score,created) VALUES (?,?,?,?,?,?)")
  return function(ops, concurrency)
    in_tasks(ops, concurrency, function(i)
      local id = i % 1000
      local name, email = ("user-%08d"):format(id), ("user%d@example.com"):format(id)
      assert(db:execute(put, { id, name, email, i % 90, id * 1.5, 1704067200000 }))
    end)
  end, 2000
end

function workloads.page(db)
  local get = assert(db:prepare "SELECT pk,ck,a,b,c FROM bench.wide WHERE pk=?")
  return function(rows)
    local read = 0
    while read < rows do
      for row in db:stream(get, { 1 }, { page_size = 5000 }) do
        sink = sink + row.pk + row.ck + #row.a + tonumber(row.b) + row.c
        read = read + 1
      end
    end
  end, 100000
end

local function main(port, name, ops, concurrency)
  local db = assert(cqlua.connect {
    contact_points = { "127.0.0.1:" .. port }, connections = { 1, 1 }, request_timeout = 60,
    protocol_version = tonumber(os.getenv "PROTOCOL") or 4,
  })
  local run, warm_up = workloads[name](db)
  run(warm_up, concurrency)
  local cpu, start = usage(), seconds()
  run(ops, concurrency)
  local cpu_after, rss = usage()
  local wall = seconds() - start
  print(('{"peer":"cqlua Lua","wl":"%s","ops":%d,"ops_s":%.0f,"cpu_us":%.3f,"rss_mb":%d}'):format(
    name, ops, ops / wall, (cpu_after - cpu) / ops, rss / 1024))
  return db:close(0)
end

local port, name, ops, concurrency = ...
if not workloads[name] or not tonumber(concurrency) then
  io.stderr:write "usage: client.lua PORT read|write|page OPS CONCURRENCY\n"
  os.exit(2)
end
assert(cqlua.run(main, port, name, tonumber(ops), tonumber(concurrency)))
