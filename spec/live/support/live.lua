-- What the live specs share: sessions on both protocol versions, a keyspace for each spec file, and what the kernel and
-- the server know of this process.

local busted = require "busted"
local cqlua = require "cqlua"

local M = { versions = { 4, 5 } }

M.points = {}
for point in (os.getenv "CQLUA_TEST_CONTACT_POINTS" or "127.0.0.1:9042"):gmatch "[^,%s]+" do
  M.points[#M.points + 1] = point
end
M.port = tonumber(M.points[1]:match ":(%d+)$") or 9042
M.build = os.getenv "CQLUA_BUILD"
M.is_sanitized = os.getenv "CQLUA_SANITIZE" == "1"

-- Sessions ----------------------------------------------------------------------------------------

local function merge(base, more)
  local merged = {}
  for name, value in pairs(base) do merged[name] = value end
  for name, value in pairs(more or {}) do merged[name] = value end
  return merged
end

-- connect's options with the test server's address, and `more`.
function M.options(more)
  return merge({ contact_points = M.points }, more)
end

function M.connect(more)
  return cqlua.assert(cqlua.connect(M.options(more)))
end

local function process_id()
  local file = assert(io.open "/proc/self/stat")
  local id = file:read "*n"
  file:close()
  return id
end

-- Describes `name` once on each protocol version. fn(suite, version) is called while the specs are found; suite.db is a
-- session while they run, in the keyspace `suite.keyspace`, which has the given tables and is dropped at the end.
function M.describe(name, tables, fn)
  local suite = { keyspace = ("cqlua_live_%s_%d"):format(name:gsub("%W", "_"), process_id()) }
  local function create(db)
    cqlua.assert(db:execute("CREATE KEYSPACE IF NOT EXISTS " .. suite.keyspace
      .. " WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}"))
    for _, text in ipairs(tables) do cqlua.assert(db:execute(text, nil, { keyspace = suite.keyspace })) end
  end
  function suite.connect(more) return M.connect(merge({ keyspace = suite.keyspace }, more)) end
  busted.describe(name, function()
    busted.setup(function() cqlua.with(M.connect, { protocol_version = 5, request_timeout = 60 }, create) end)
    busted.teardown(function()
      cqlua.with(M.connect, { request_timeout = 60 }, function(db)
        cqlua.assert(db:execute("DROP KEYSPACE IF EXISTS " .. suite.keyspace))
      end)
    end)
    for _, version in ipairs(M.versions) do
      busted.describe("on protocol v" .. version, function()
        busted.setup(function() suite.db = suite.connect { protocol_version = version } end)
        busted.teardown(function() suite.db:close() end)
        fn(suite, version)
      end)
    end
  end)
end

-- Describes `name` once on each protocol version, without a session.
function M.each_version(name, fn)
  for _, version in ipairs(M.versions) do
    busted.describe(name .. " on protocol v" .. version, function() fn(version) end)
  end
end

-- The session still answers, and rightly.
function M.assert_usable(db)
  local row = cqlua.assert(db:execute "SELECT key, bootstrapped FROM system.local"):one()
  busted.assert.equal("local", row.key)
  busted.assert.equal("COMPLETED", row.bootstrapped)
end

-- What the function raised; fails if it raised nothing.
function M.raised(fn, ...)
  local ok, err = pcall(fn, ...)
  if ok then error("nothing was raised", 2) end
  return err
end

-- The error that a call returned with nil; fails if it is none, or not of that name.
function M.failed(name, value, err)
  busted.assert.is_nil(value)
  busted.assert.is_table(err)
  busted.assert.equal(name, err.name, tostring(err))
  return err
end

-- A big table ---------------------------------------------------------------------------------------

local PARTITIONS, ROWS_OF_ONE = 100, 1000
M.big = { keyspace = "cqlua_live_rows", table = "cqlua_live_rows.numbers", rows = PARTITIONS * ROWS_OF_ONE,
  partitions = PARTITIONS, rows_of_one = ROWS_OF_ONE }

-- What column `word` of a row holds.
function M.big.word(part, n) return ("%d/%d:"):format(part, n) .. ("x"):rep(60 + n % 40) end

local function fill_big(db)
  for _, text in ipairs {
    "CREATE KEYSPACE IF NOT EXISTS cqlua_live_rows WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
    "CREATE TABLE IF NOT EXISTS cqlua_live_rows.numbers (part int, n int, word text, PRIMARY KEY (part, n))",
    "CREATE TABLE IF NOT EXISTS cqlua_live_rows.filled (name text PRIMARY KEY, rows int)" } do
    cqlua.assert(db:execute(text))
  end
  local filled = cqlua.assert(db:execute "SELECT rows FROM cqlua_live_rows.filled WHERE name = 'numbers'"):one()
  if filled and filled.rows == M.big.rows then return end
  local add = cqlua.assert(db:prepare "INSERT INTO cqlua_live_rows.numbers (part, n, word) VALUES (?, ?, ?)")
  local keys = {}
  for index = 0, M.big.rows - 1 do keys[index + 1] = index end
  cqlua.assert(cqlua.map(keys, 256, function(key)
    local part, n = math.floor(key / ROWS_OF_ONE), key % ROWS_OF_ONE
    return db:execute(add, { part, n, M.big.word(part, n) }, { idempotent = true })
  end))
  cqlua.assert(db:execute("INSERT INTO cqlua_live_rows.filled (name, rows) VALUES ('numbers', ?)", { M.big.rows }))
end

-- Makes the big table, or finds it complete. It is kept from run to run.
function M.need_big_table()
  cqlua.run(function() cqlua.with(M.connect, { request_timeout = 60 }, fill_big) end)
end

-- A checker of the big table's rows as they come: call it with each row, then :finish(). Every row once, each partition
-- in one piece, in clustering order.
function M.big.checker()
  local checker = { count = 0, parts = 0, seen = {}, part = nil, n = ROWS_OF_ONE - 1 }
  function checker:row(row)
    if self.n == ROWS_OF_ONE - 1 then
      if self.seen[row.part] then error("partition " .. row.part .. " comes twice") end
      self.seen[row.part], self.part, self.n, self.parts = true, row.part, -1, self.parts + 1
    end
    self.n, self.count = self.n + 1, self.count + 1
    if row.part ~= self.part or row.n ~= self.n or row.word ~= M.big.word(row.part, row.n) then
      error(("row %d is wrong: part %s, n %s, expected part %s, n %s"):format(self.count, row.part, row.n, self.part, self.n))
    end
  end
  function checker:finish()
    busted.assert.equal(M.big.rows, self.count)
    busted.assert.equal(PARTITIONS, self.parts)
  end
  return checker
end

-- The process ---------------------------------------------------------------------------------------

local function lines_of(command)
  local pipe, lines = assert(io.popen(command)), {}
  for line in pipe:lines() do lines[#lines + 1] = line end
  pipe:close()
  return lines
end

-- How many threads this process has.
function M.threads()
  return #lines_of(("ls /proc/%d/task"):format(process_id()))
end

-- The local port of each TCP connection, by the inode of its socket. The kernel writes these lists piece by piece: what
-- changes meanwhile, of any process, makes it pass over a line or write one twice.
local function add_ports(of_inode)
  for _, name in ipairs { "tcp", "tcp6" } do
    for line in io.lines("/proc/self/net/" .. name) do
      local port, remote, inode = line:match "^%s*%d+: %x+:(%x+) %x+:(%x+)%s+%x+ %S+ %S+ %S+%s+%d+%s+%d+ (%d+)"
      if port and tonumber(remote, 16) ~= 0 then of_inode[inode] = tonumber(port, 16) end
    end
  end
end

-- The local ports of this process's TCP connections, as a set, and their number.
function M.ports()
  local of_inode, ports, count = {}, {}, 0
  for _ = 1, 3 do add_ports(of_inode) end
  for _, line in ipairs(lines_of(("ls -l /proc/%d/fd"):format(process_id()))) do
    local port = of_inode[line:match "socket:%[(%d+)%]" or ""]
    if port then
      ports[port] = true
      count = count + 1
    end
  end
  return ports, count
end

-- What the server knows of this process's connections: an array of { port, protocol_version, request_count, ... }.
-- `db` asks; its own connections are among them.
function M.server_side(db)
  local ports, mine = M.ports(), {}
  for row in cqlua.assert(db:execute "SELECT * FROM system_views.clients"):rows() do
    if ports[row.port] then mine[#mine + 1] = row end
  end
  return mine
end

-- A session, and a function that tells how many requests the server has had from it, its own question included, and over
-- how many connections.
function M.connect_counted(more)
  local others = M.ports()
  local db = M.connect(more)
  return db, function()
    local requests, connections = 0, 0
    for _, connection in ipairs(M.server_side(db)) do
      if not others[connection.port] then
        requests, connections = requests + cqlua.number(connection.request_count), connections + 1
      end
    end
    return requests, connections
  end
end

-- VmRSS in bytes.
function M.rss()
  for line in io.lines "/proc/self/status" do
    local kib = line:match "^VmRSS:%s+(%d+) kB"
    if kib then return tonumber(kib) * 1024 end
  end
end

local ffi = require "ffi"
ffi.cdef [[
  struct cqlua_spec_mallinfo { size_t arena, ordblks, smblks, hblks, hblkhd, usmblks, fsmblks, uordblks, fordblks, keepcost; };
  struct cqlua_spec_mallinfo mallinfo2(void);
]]

-- Bytes that C code holds from malloc. (LuaJIT's own heap is not among them.)
function M.c_heap()
  local info = ffi.C.mallinfo2()
  return tonumber(info.uordblks) + tonumber(info.hblkhd)
end

-- How many references the Lua registry holds.
function M.registry()
  local count = 0
  for _ in pairs(debug.getregistry()) do count = count + 1 end
  return count
end

-- Runs a Lua file, or a program, in a process of its own: its output (both streams) and its exit status.
function M.script(path, ...)
  local words = { "luajit", path, ... }
  for index, word in ipairs(words) do words[index] = "'" .. word .. "'" end
  return M.shell(table.concat(words, " "))
end

function M.shell(command)
  local pipe = assert(io.popen("{ " .. command .. "; } 2>&1; echo \"|$?\""))
  local output, status = pipe:read("*a"):match "^(.*)|(%d+)\n$"
  pipe:close()
  return (output:gsub("\n$", "")), tonumber(status)
end

return M
