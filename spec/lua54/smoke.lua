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

-- misuse
local ok, message = pcall(cqlua.connect, { keyspcae = "x" })
assert(not ok and message:find("did you mean 'keyspace'", 1, true))

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
  cqlua.assert(db:execute "DROP KEYSPACE smoke54")
  return db:close()
end

if arg[1] then assert(cqlua.run(on_server, arg[1])) end
print "1 passed, 0 failed"
