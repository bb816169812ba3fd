-- What a query costs on one host: hosts.lua PORT HOST OPS CONCURRENCY prints one JSON line, like client.lua, whose workload
-- `read` it runs. bench/hosts runs it on all, with a server behind the port.
--
-- A host is one function here: it runs main as a task until it has ended.
local cqlua = require "cqlua"
local ffi = require "ffi"
local assert = cqlua.assert

ffi.cdef [[
struct cqlua_bench_usage { long user_s, user_us, system_s, system_us, max_rss_kb, rest[13]; };
int getrusage(int who, struct cqlua_bench_usage *usage);
struct cqlua_bench_pollfd { int fd; short events, revents; };
int poll(struct cqlua_bench_pollfd *fds, unsigned long count, int timeout);
]]

local function cpu_us()
  local use = ffi.new "struct cqlua_bench_usage"
  ffi.C.getrusage(0, use)
  return tonumber(use.user_s + use.system_s) * 1e6 + tonumber(use.user_us + use.system_us)
end

local hosts = {}

-- cqlua's own loop.
function hosts.ev(main)
  assert(cqlua.run(main))
end

-- A loop that waits for one descriptor; each step until `budget` seconds are over (nil: no bound).
local function on_poll(main, budget)
  local host = require "cqlua.host.poll"
  cqlua.attach(host)
  local has_ended = false
  cqlua.spawn(function()
    main()
    has_ended = true
  end)
  local fds = ffi.new "struct cqlua_bench_pollfd[1]"
  while not has_ended do
    local ms = host.timeout_ms()
    if ms ~= 0 then
      fds[0].fd, fds[0].events = host.fd(), 1
      ffi.C.poll(fds, 1, ms)
    end
    cqlua.step(budget)
  end
end

function hosts.poll(main)
  on_poll(main)
end

-- The same as a game does it.
function hosts.step(main)
  on_poll(main, 0.002)
end

-- A loop of the program's, which ends by itself.
local function attach(name, main)
  local host = require("cqlua.host." .. name)
  cqlua.attach(host)
  cqlua.spawn(main)
  return host
end

function hosts.luv(main)
  attach("luv", main)
  require("luv").run()
end

function hosts.cqueues(main)
  assert(attach("cqueues", main).controller():loop())
end

function hosts.copas(main)
  attach("copas", main)
  require("copas").loop()
end

-- Runs one(i) for i = 1 .. ops in `concurrency` tasks.
local function in_tasks(ops, concurrency, one)
  local following, tasks = 1, {}
  local function work()
    while following <= ops do
      local i = following
      following = i + 1
      one(i)
    end
  end
  for n = 1, concurrency do tasks[n] = cqlua.spawn(work) end
  for n = 1, concurrency do tasks[n]:join() end
end

local port, name, ops, concurrency = ...
ops, concurrency = tonumber(ops), tonumber(concurrency)
if not hosts[name] or not concurrency then
  io.stderr:write "usage: hosts.lua PORT ev|poll|step|luv|cqueues|copas OPS CONCURRENCY\n"
  os.exit(2)
end

hosts[name](function()
  local db = assert(cqlua.connect {
    contact_points = { "127.0.0.1:" .. port }, connections = { 1, 1 }, request_timeout = 60,
    protocol_version = tonumber(os.getenv "PROTOCOL") or 4,
  })
  local get = assert(db:prepare "SELECT id,name,email,age,score,created FROM bench.kv WHERE id=?")
  local sink = 0
  local function read(i)
    local row = assert(db:execute(get, { i % 1000 })):one()
    sink = sink + row.id + #row.name + #row.email + row.age + row.score + row.created
  end
  in_tasks(2000, concurrency, read)
  local cpu = cpu_us()
  in_tasks(ops, concurrency, read)
  print(('{"host":"%s","ops":%d,"concurrency":%d,"cpu_us":%.3f}'):format(name, ops, concurrency, (cpu_us() - cpu) / ops))
  db:close(0)
end)
