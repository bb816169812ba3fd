-- What a session tells of its cluster, and what it knows of the schema: nodes in the process, whose events and system
-- tables are as the spec wants them.
local await = require "spec.lua.support.eventually"
local cqlua = require "cqlua"
local testing = require "cqlua.testing"
local wire = require "spec.wire.support.wire"

local COLUMNS = "SELECT * FROM system_schema.columns WHERE keyspace_name = ?"

local function times_read(server)
  local times = 0
  for _, request in ipairs(server:received "EXECUTE") do
    if request.query == COLUMNS then times = times + 1 end
  end
  return times
end

local function eventually(check) -- within two seconds
  return await(check, nil, 2)
end

-- A list that the events of these names go to.
local function listen(db, ...)
  local heard = {}
  for _, name in ipairs { ... } do
    db:on(name, function(info) heard[#heard + 1] = { name = name, info = info } end)
  end
  return heard
end

-- Keyspace shop, with the table users (id int, name text), or what else is given as columns.
local function prime_schema(server, columns)
  local function part(name, described, rows)
    server:prime(("SELECT * FROM system_schema.%s WHERE keyspace_name = ?"):format(name),
      { params = { "text" }, columns = described, rows = rows })
  end
  part("keyspaces", { { "keyspace_name", "text" }, { "durable_writes", "boolean" }, { "replication", "map<text, text>" } },
    { { "shop", true, { class = "SimpleStrategy", replication_factor = "2" } } })
  part("tables", { { "keyspace_name", "text" }, { "table_name", "text" }, { "comment", "text" },
    { "default_time_to_live", "int" } }, { { "shop", "users", "who", 60 } })
  part("columns", { { "keyspace_name", "text" }, { "table_name", "text" }, { "column_name", "text" },
    { "clustering_order", "text" }, { "kind", "text" }, { "position", "int" }, { "type", "text" } },
    columns or { { "shop", "users", "name", "none", "regular", -1, "text" },
      { "shop", "users", "id", "none", "partition_key", 0, "int" } })
  server:prime("SELECT keyspace_name, replication FROM system_schema.keyspaces", {
    columns = { { "keyspace_name", "text" }, { "replication", "map<text, text>" } },
    rows = { { "shop", { class = "SimpleStrategy", replication_factor = "2" } } } })
end

-- RESULT of kind Schema_change (v4 section 4.2.5.5).
local function string_of(text) return string.char(0, #text) .. text end
local function schema_change(change, target, ...)
  local body = "\0\0\0\5" .. string_of(change) .. string_of(target)
  for _, name in ipairs { ... } do body = body .. string_of(name) end
  return body
end

describe("events", function()
  it("M4 a node that stops is down, and up again once it is back", wire.test(function(db, server)
    eventually(function() return db:nodes()[1].up and db:nodes()[2].up end)
    local heard = listen(db, "node_up", "node_down")
    server:node(2):stop()
    eventually(function() return #heard == 1 end)
    server:node(2):start()
    eventually(function() return #heard == 2 end)
    for index, name in ipairs { "node_down", "node_up" } do
      assert.equal(name, heard[index].name)
      assert.equal(server:node(2).address, heard[index].info.address)
      assert.equal("rack2", heard[index].info.rack)
      assert.equal("datacenter1", heard[index].info.dc)
      assert.matches("^%x+%-", heard[index].info.host_id)
    end
  end, { nodes = { { dc = "datacenter1", rack = "rack1" }, { dc = "datacenter1", rack = "rack2" } } },
    { local_dc = "datacenter1" }))

  it("M4 a schema change is told with what changed", wire.test(function(db, server)
    local heard = listen(db, "schema_changed")
    assert.equal(1, server:event { type = "SCHEMA_CHANGE", change = "CREATED", target = "KEYSPACE", keyspace = "shop" })
    server:event { type = "SCHEMA_CHANGE", change = "UPDATED", target = "TABLE", keyspace = "shop", name = "users" }
    server:event { type = "SCHEMA_CHANGE", change = "DROPPED", target = "AGGREGATE", keyspace = "shop", name = "sum" }
    eventually(function() return #heard == 3 end)
    assert.same({ change = "created", target = "keyspace", keyspace = "shop" }, heard[1].info)
    assert.same({ change = "updated", target = "table", keyspace = "shop", name = "users" }, heard[2].info)
    assert.same("dropped aggregate shop.sum",
      ("%s %s %s.%s"):format(heard[3].info.change, heard[3].info.target, heard[3].info.keyspace, heard[3].info.name))
  end))

  it("M4 what may have been missed is told as a change that is unknown", wire.test(function(db, server)
    local heard = listen(db, "schema_changed")
    server:node(1):stop()
    server:node(1):start()
    eventually(function() return #heard > 0 end)
    assert.same({ change = "unknown" }, heard[1].info)
  end))

  it("M4 undone, a function hears no more; the others go on, whatever one of them raises", wire.test(function(db, server)
    local first, second, reported = 0, 0, nil
    local undo = db:on("schema_changed", function()
      first = first + 1
      error("not my day", 0)
    end)
    db:on("schema_changed", function() second = second + 1 end)
    cqlua.on_error(function(err) reported = err end)
    local function change()
      server:event { type = "SCHEMA_CHANGE", change = "CREATED", target = "KEYSPACE", keyspace = "shop" }
    end
    change()
    eventually(function() return second == 1 end)
    assert.equal("not my day", reported)
    undo()
    undo()
    change()
    eventually(function() return second == 2 end)
    assert.equal(1, first)
    cqlua.on_error(nil)
  end))

  it("M4 a function that waits is told that it cannot", wire.test(function(db, server)
    local reported
    db:on("schema_changed", function() db:execute "SELECT 1" end)
    cqlua.on_error(function(err) reported = err end)
    server:event { type = "SCHEMA_CHANGE", change = "CREATED", target = "KEYSPACE", keyspace = "shop" }
    eventually(function() return reported end)
    cqlua.on_error(nil)
    assert.matches("cqlua can wait in a task only", reported)
    assert.is_true(wire.is_well(db, server))
  end))

  it("fault 31: of a flood all are told, or that some are missing", wire.test(function(db, server)
    local heard = listen(db, "schema_changed")
    for index = 1, 2000 do
      server:event { type = "SCHEMA_CHANGE", change = "UPDATED", target = "TABLE", keyspace = "shop", name = "t" .. index }
    end
    eventually(function() return #heard > 0 and (#heard == 2000 or heard[#heard].info.change == "unknown") end)
    assert.is_true(wire.is_well(db, server))
  end))

  it("names that are no events raise, with the nearest", wire.test(function(db)
    local function never() end
    assert.matches("no event 'node_donw'; did you mean 'node_down'", wire.raised(db.on, db, "node_donw", never))
    assert.matches("'slow_query' is unsupported", wire.raised(db.on, db, "slow_query", never))
    assert.matches("a function expected, got nil", wire.raised(db.on, db, "node_up"))
  end))
end)

describe("the schema", function()
  it("has keyspaces, tables and columns, in CQL's order and by name", wire.test(function(db, server)
    prime_schema(server)
    local users = cqlua.assert(db:schema("shop", "users"))
    assert.equal("id", users.columns[1].name)
    assert.equal(users.columns[2], users.columns.name)
    assert.same({ name = "id", type = "int", kind = "partition_key", position = 1 }, users.columns.id)
    assert.same({ "id" }, users.partition_key)
    assert.same({}, users.clustering_key)
    assert.equal("who", users.options.comment)
    local shop = cqlua.assert(db:schema "shop")
    assert.equal(users, shop.tables.users)
    assert.equal("2", shop.replication.replication_factor)
    assert.is_true(shop.durable_writes)
    assert.equal([[CREATE TABLE other.users (
    id int,
    name text,
    PRIMARY KEY (id)
) WITH comment = 'who'
    AND default_time_to_live = 60;]], users:describe "other")
  end))

  it("says what there is not", wire.test(function(db, server)
    prime_schema(server)
    local none, err = db:schema("shop", "user")
    assert.is_nil(none)
    assert.equal("invalid", err.name)
    assert.matches("no table 'user' in keyspace 'shop'; did you mean 'users'", err.message)
    server:prime("SELECT * FROM system_schema.keyspaces WHERE keyspace_name = ?", { params = { "text" },
      columns = { { "keyspace_name", "text" } }, rows = {} })
    none, err = db:schema "stop"
    assert.is_nil(none)
    assert.equal("invalid", err.name)
    assert.matches("the name of a keyspace expected, got number", wire.raised(db.schema, db, 7))
  end))

  it("is read once for many, and again when it has changed", wire.test(function(db, server)
    prime_schema(server)
    cqlua.assert(cqlua.map({ 1, 2, 3, 4, 5, 6, 7, 8 }, 8, function() return db:schema("shop", "users") end))
    cqlua.assert(db:schema "shop")
    assert.equal(1, times_read(server))
    server:event { type = "SCHEMA_CHANGE", change = "UPDATED", target = "TABLE", keyspace = "shop", name = "users" }
    prime_schema(server, { { "shop", "users", "id", "none", "partition_key", 0, "bigint" } })
    eventually(function() return cqlua.assert(db:schema("shop", "users")).columns.id.type == "bigint" end)
  end))

  it("is fresh after the session's own change, without any event", wire.test(function(db, server)
    prime_schema(server)
    server:prime("ALTER TABLE shop.users ADD age int", { body = schema_change("UPDATED", "TABLE", "shop", "users") })
    assert.is_nil(cqlua.assert(db:schema("shop", "users")).columns.age)
    prime_schema(server, { { "shop", "users", "id", "none", "partition_key", 0, "int" },
      { "shop", "users", "age", "none", "regular", -1, "int" } })
    assert.is_nil(cqlua.assert(db:schema("shop", "users")).columns.age)
    cqlua.assert(db:execute "ALTER TABLE shop.users ADD age int")
    assert.equal("int", cqlua.assert(db:schema("shop", "users")).columns.age.type)
  end))

  it("is read anew each time where nobody tells of changes", wire.test(function(db, server)
    prime_schema(server)
    cqlua.assert(db:schema "shop")
    cqlua.assert(db:schema "shop")
    assert.equal(2, times_read(server))
  end, nil, { discovery = false }))

  it("a reader that gives up spoils nothing for the others", wire.test(function(db, server)
    prime_schema(server)
    local first = cqlua.spawn(function() return db:schema "shop" end)
    local second = cqlua.spawn(function() return db:schema "shop" end)
    cqlua.sleep(0)
    first:cancel()
    assert.equal("shop", cqlua.assert(second:join()).name)
    assert.equal(1, times_read(server))
  end))
end)

describe("routes", function()
  local THREE = { nodes = 3 }

  local function all_up(db)
    eventually(function()
      for _, node in ipairs(db:nodes()) do if not node.up then return false end end
      return #db:nodes() == 3
    end)
  end

  local function wire_test(fn, more)
    return testing.async(function()
      local server = testing.server(THREE)
      prime_schema(server)
      server:prime("SELECT 1", { columns = { { "token", "int" } }, rows = { { 1 } } })
      wire.with(server, function(db)
        all_up(db)
        fn(db, server)
      end, more)
    end)
  end

  it("Q1 node says where a call goes: an address, a list, or what a function picks", wire_test(function(db, server)
    local function goes_to(node)
      return cqlua.assert(db:execute("SELECT 1", nil, { node = node })).coordinator
    end
    for index = 1, 3 do
      local address = server:node(index).address
      for _ = 1, 5 do assert.equal(address, goes_to(address)) end
      assert.equal(address, goes_to(address:match "^[^:]+"))
      assert.equal(address, goes_to { "127.0.0.77", address })
      assert.equal(address, goes_to(function(nodes)
        for _, node in ipairs(nodes) do
          if node.address == address then return { node } end
        end
      end))
    end
  end))

  it("Q1 a node that is not known is no_nodes, and named", wire_test(function(db, server)
    local res, err = db:execute("SELECT 1", nil, { node = "127.0.0.77" })
    assert.is_nil(res)
    assert.equal("no_nodes", err.name)
    assert.matches("127%.0%.0%.77", err.message)
    res, err = db:execute("SELECT 1", nil, { node = function() return {} end })
    assert.is_nil(res)
    assert.equal("no_nodes", err.name)
    server:node(3):stop()
    eventually(function()
      res, err = db:execute("SELECT 1", nil, { node = server:node(3).address })
      return not res and err.name == "no_nodes"
    end)
    assert.is_true(wire.is_well(db, server))
  end))

  it("Q1 paging and prepared options keep the node", wire_test(function(db, server)
    local address = server:node(2).address
    local there = cqlua.options { node = address, page_size = 2 }
    server:prime("SELECT n FROM numbers", { columns = { { "n", "int" } }, rows = { { 1 }, { 2 }, { 3 }, { 4 }, { 5 } } })
    local page, pages = cqlua.assert(db:execute("SELECT n FROM numbers", nil, there)), 1
    while page.has_more do
      assert.equal(address, page.coordinator)
      collectgarbage()
      page, pages = cqlua.assert(page:next_page()), pages + 1
    end
    assert.equal(3, pages)
    for p in db:stream("SELECT n FROM numbers", nil, there):pages() do assert.equal(address, p.coordinator) end
  end))

  it("Q1 a routing key leads a text to a replica, which db:replicas names", wire_test(function(db, server)
    server:prime("SELECT id FROM shop.users WHERE id = ?", { params = { { "id", "int" } }, key = { 1 } })
    for id = 1, 20 do
      local key = cqlua.assert(db:routing_key("shop.users", id))
      assert.equal(("\0\0\0" .. string.char(id)), key)
      local is_replica, replicas = {}, cqlua.assert(db:replicas("shop.users", id))
      assert.equal(2, #replicas)
      for _, node in ipairs(replicas) do is_replica[node.address] = true end
      assert.same(replicas[1].address, db:replicas("shop", key)[1].address)
      local res = cqlua.assert(db:execute("SELECT 1", nil, { routing_key = key, keyspace = "shop" }))
      assert.is_true(is_replica[res.coordinator])
    end
    assert.same({}, db:replicas("nowhere", "key"))
    assert.matches("has 1 columns %(id%), got 2 values", wire.raised(db.replicas, db, "shop.users", 1, 2))
    assert.matches("keyspace.table", wire.raised(db.replicas, db, "shop"))
  end))
end)

describe("execution profiles", function()
  local function test(fn, more)
    return wire.test(function(db, server)
      server:prime("SELECT 1", { columns = { { "token", "int" } }, rows = { { 1 } } })
      fn(db, server)
    end, nil, more)
  end
  local PROFILES = { fast = { timeout = 0.05, consistency = "one" }, sure = { consistency = "all", page_size = 7 } }

  local function asked(server) return server:received()[#server:received()] end

  it("Q1 a profile's options are beneath the call's and above the session's", test(function(db, server)
    db:execute("SELECT 1", nil, { profile = "sure" })
    assert.equal("all", asked(server).consistency)
    assert.equal(7, asked(server).page_size)
    db:execute("SELECT 1", nil, { profile = "sure", consistency = "two" })
    assert.equal("two", asked(server).consistency)
    assert.equal(7, asked(server).page_size)
    db:execute "SELECT 1"
    assert.equal("local_quorum", asked(server).consistency)
    db:execute("SELECT 1", nil, cqlua.options { profile = "fast" })
    assert.equal("one", asked(server).consistency)
  end, { profiles = PROFILES }))

  it("Q1 the session's own profile holds where a call names none", test(function(db, server)
    db:execute "SELECT 1"
    assert.equal("all", asked(server).consistency)
    db:execute("SELECT 1", nil, { page_size = 9 })
    assert.equal("all", asked(server).consistency)
    assert.equal(9, asked(server).page_size)
    for _ in db:stream("SELECT 1", nil, { profile = "fast" }) do assert.equal("one", asked(server).consistency) end
    cqlua.assert(db:all("SELECT 1"))
    assert.equal("all", asked(server).consistency)
  end, { profiles = PROFILES, profile = "sure" }))

  it("Q1 a profile's timeout counts", test(function(db, server)
    server:prime("SELECT 1", { delay = 0.5 })
    local began = cqlua.now()
    local res, err = db:execute("SELECT 1", nil, { profile = "fast" })
    assert.is_nil(res)
    assert.equal("timeout", err.name)
    assert.is_true(cqlua.now() - began < 400)
  end, { profiles = PROFILES }))

  it("Q1 names that are no profiles, and options that are none, raise with the nearest", test(function(db)
    assert.matches("no profile 'fats'; did you mean 'fast'", wire.raised(db.execute, db, "SELECT 1", nil, { profile = "fats" }))
    assert.matches("profile 'x': there is no option 'timeuot'; did you mean 'timeout'",
      wire.raised(cqlua.connect, { profiles = { x = { timeuot = 1 } } }))
    assert.matches("no profile 'y'", wire.raised(cqlua.connect, { profile = "y" }))
  end, { profiles = PROFILES }))
end)
