-- Lua 5.4: the module loads, tasks run, and what it can do without a server is right. With a node's address as argument it also
-- reads and writes:  lua5.4 spec/lua54/smoke.lua [127.0.0.1:9042]

local cqlua = require "cqlua"

assert(_VERSION == "Lua 5.4", "this is the smoke test of Lua 5.4")
assert(cqlua.run(function() return "ran" end) == "ran")

-- tasks
local order = {}
assert(cqlua.run(function()
  local slow = cqlua.spawn(function() cqlua.sleep(0.02) order[#order + 1] = "slow" return 42 end)
  cqlua.map({ 1, 2, 3 }, 2, function(item) order[#order + 1] = item end)
  assert(slow:join() == 42)
  local value, err = cqlua.with_timeout(0.01, cqlua.sleep, 10)
  assert(value == nil and err.name == "timeout")
end))
assert(table.concat(order, " ") == "1 2 3 slow")

-- integers are native
assert(cqlua.int64 "9007199254740993" == 9007199254740993)
assert(math.type(cqlua.int64 "5") == "integer")
assert(select(2, cqlua.number(9007199254740993)).name == "invalid_value")
assert(cqlua.text(9007199254740993) == "9007199254740993" and cqlua.key(5) == 5)
assert(cqlua.iso(0) == "1970-01-01T00:00:00.000Z")
assert(#cqlua.uuid() == 36)

-- numbers and durations are objects
local huge = assert(cqlua.varint "-9223372036854775809")
assert(tostring(huge) == "-9223372036854775809" and huge < cqlua.varint(math.mininteger))
assert(cqlua.varint(5.0) == cqlua.varint(5) and cqlua.varint(5) ~= cqlua.decimal(5))
assert(cqlua.decimal "1.10" == cqlua.decimal "1.1" and cqlua.decimal("1.10").scale == 2)
assert(math.type(cqlua.number(cqlua.varint "12")) == "integer" and cqlua.number(cqlua.decimal "0.5") == 0.5)
assert(select(2, cqlua.varint(1.5)).name == "invalid_value")
assert(not pcall(function() return cqlua.varint(5) < cqlua.decimal(6) end))
local day = cqlua.duration { days = 1, nanoseconds = math.maxinteger }
assert(day.days == 1 and math.type(day.nanoseconds) == "integer" and day.nanoseconds == math.maxinteger)
assert(cqlua.duration "90m" .. "" == "1h30m" and not pcall(function() return day < day end))
assert(cqlua.timeuuid_ms(cqlua.timeuuid(1234)) == 1234)

-- misuse
local ok, message = pcall(cqlua.connect, { keyspcae = "x" })
assert(not ok and message:find("did you mean 'keyspace'", 1, true))

-- Every kind of table, both ways.
local function check_collections(db)
  cqlua.assert(db:execute "CREATE TYPE IF NOT EXISTS smoke54.point (x int, y bigint)")
  cqlua.assert(db:execute [[CREATE TABLE IF NOT EXISTS smoke54.c (k int PRIMARY KEY, l list<bigint>, m map<bigint, text>,
    t tuple<int, text>, u point, v varint, d decimal, p map<frozen<list<int>>, frozen<point>>)]])
  cqlua.assert(db:execute("INSERT INTO smoke54.c (k, l, m, t, u, v, d, p) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    { 1, { math.mininteger, 2.0, "3" }, { [math.maxinteger] = "most", [5.0] = "five" }, { nil, "b", n = 2 }, { y = 7 },
      math.maxinteger, "1.10", { { { 1, 2 }, { x = 1 } } } }))
  local row = cqlua.assert(db:execute "SELECT * FROM smoke54.c WHERE k = 1"):one()
  assert(row.l[1] == math.mininteger and row.l[2] == 2 and row.l[3] == 3 and math.type(row.l[2]) == "integer")
  assert(row.m["9223372036854775807"] == "most" and row.m["5"] == "five")
  assert(row.t[1] == nil and row.t[2] == "b" and row.t.n == 2 and row.u.x == nil and row.u.y == 7)
  assert(row.v == cqlua.varint(math.maxinteger) and tostring(row.d) == "1.10")
  assert(row.p[1][1][2] == 2 and row.p[1][2].x == 1)
  local res, err = db:execute("INSERT INTO smoke54.c (k, l) VALUES (?, ?)", { 1, { 1, 2.5 } })
  assert(res == nil and err.name == "invalid_value" and err.message:find("element 2", 1, true))
end

local function on_server(address)
  local db = cqlua.assert(cqlua.connect { contact_points = { address } })
  local peers = cqlua.assert(db:execute("SELECT key, rpc_port, host_id FROM system.local WHERE key = ?", { "local" }))
  assert(#peers == 1 and peers:one().key == "local" and peers[1][1] == "local")
  cqlua.assert(db:execute [[CREATE KEYSPACE IF NOT EXISTS smoke54
    WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}]])
  cqlua.assert(db:execute "CREATE TABLE IF NOT EXISTS smoke54.t (k int PRIMARY KEY, big bigint, d double, b blob)")
  for k = 1, 100 do
    cqlua.assert(db:execute("INSERT INTO smoke54.t (k, big, d, b) VALUES (?, ?, ?, ?)",
      { k, math.maxinteger - k, k / 3, ("\0"):rep(k) }))
  end
  local count = 0
  for row in db:stream("SELECT k, big, d, b FROM smoke54.t", nil, { page_size = 7 }) do
    assert(row.big == math.maxinteger - row.k and row.d == row.k / 3 and #row.b == row.k)
    count = count + 1
  end
  assert(count == 100)
  check_collections(db)
  cqlua.assert(db:execute "DROP KEYSPACE smoke54")
  return db:close()
end

if arg[1] then assert(cqlua.run(on_server, arg[1])) end
print "1 passed, 0 failed"
