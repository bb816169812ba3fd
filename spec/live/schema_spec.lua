-- ctest: live timeout=300
-- The schema of a real server: what is in a keyspace, and CQL that makes it again.
local cqlua = require "cqlua"
local live = require "spec.live.support.live"

local failed, raised = live.failed, live.raised
local assert_ok = cqlua.assert

local TABLES = {
  "CREATE TYPE street (name text, number int)",
  "CREATE TYPE address (street frozen<street>, zip int)",
  [[CREATE TABLE people (country text, "Id" int, at timeuuid, n int, note text static, name text, age int,
    tags set<text>, home frozen<address>, points map<text, frozen<list<int>>>, pair tuple<int, text>,
    PRIMARY KEY ((country, "Id"), at, n)) WITH CLUSTERING ORDER BY (at DESC, n ASC) AND comment = 'it''s people'
    AND default_time_to_live = 86400 AND gc_grace_seconds = 100 AND bloom_filter_fp_chance = 0.05
    AND compaction = {'class': 'LeveledCompactionStrategy', 'sstable_size_in_mb': '64'}]],
  "CREATE INDEX people_by_name ON people (name)",
  "CREATE INDEX people_by_tag ON people (values(tags))",
  "CREATE TABLE hits (path text PRIMARY KEY, n counter)",
  'CREATE TABLE "Select" ("from" int PRIMARY KEY, "to" text)',
}

-- A description without its keyspace's name, to be compared with another's.
local function nameless(described)
  if type(described) ~= "table" then return described end
  local copy = {}
  for key, value in pairs(described) do copy[key] = key ~= "keyspace" and nameless(value) or nil end
  return copy
end

live.describe("schema", TABLES, function(suite, version)
  local db
  before_each(function() db = suite.connect { protocol_version = version } end)
  after_each(function() db:close() end)

  it("has each column with its type, kind, position and order", function()
    local people = assert_ok(db:schema(suite.keyspace, "people"))
    local names = {}
    for index, column in ipairs(people.columns) do names[index] = column.name end
    assert.same({ "country", "Id", "at", "n", "age", "home", "name", "note", "pair", "points", "tags" }, names)
    assert.same({ "country", "Id" }, people.partition_key)
    assert.same({ "at", "n" }, people.clustering_key)
    assert.same({ name = "at", type = "timeuuid", kind = "clustering", position = 1, clustering_order = "desc" },
      people.columns.at)
    assert.equal("static", people.columns.note.kind)
    assert.equal("map<text, frozen<list<int>>>", people.columns.points.type)
    assert.equal("it's people", people.options.comment)
    assert.equal(86400, people.options.default_time_to_live)
    assert.equal(2, #people.indexes)
  end)

  it("has what is in a keyspace, and the names of all keyspaces", function()
    local keyspace = assert_ok(db:schema(suite.keyspace))
    assert.matches("SimpleStrategy$", keyspace.replication.class)
    assert.is_true(keyspace.durable_writes)
    assert.same({ { name = "street", type = "frozen<street>" }, { name = "zip", type = "int" } }, keyspace.types.address.fields)
    assert.equal("people", keyspace.indexes.people_by_name.table)
    assert.truthy(keyspace.tables.Select and keyspace.tables.hits)
    local is_there = {}
    for _, name in ipairs(assert_ok(db:schema())) do is_there[name] = true end
    assert.is_true(is_there[suite.keyspace] and is_there.system)
  end)

  it("describes a keyspace in CQL that makes it again", function()
    local copy = suite.keyspace .. "_copy"
    local keyspace = assert_ok(db:schema(suite.keyspace))
    assert_ok(db:execute("DROP KEYSPACE IF EXISTS " .. copy))
    for _, text in ipairs(keyspace:statements(copy)) do assert_ok(db:execute(text)) end
    local again = assert_ok(db:schema(copy))
    assert.equal(keyspace:describe "x", again:describe "x")
    again.name = keyspace.name
    assert.same(nameless(keyspace), nameless(again))
    assert_ok(db:execute("DROP KEYSPACE " .. copy))
    failed("invalid", db:schema(copy))
  end)

  it("is fresh after DDL of the session, and soon after another's", function()
    local name = "changing_v" .. version
    assert_ok(db:execute(("CREATE TABLE %s.%s (id int PRIMARY KEY)"):format(suite.keyspace, name)))
    for index = 1, 5 do
      assert_ok(db:execute(("ALTER TABLE %s.%s ADD c%d int"):format(suite.keyspace, name, index)))
      assert.equal("int", assert_ok(db:schema(suite.keyspace, name)).columns["c" .. index].type)
    end
    local heard
    local undo = db:on("schema_changed", function(info) heard = info.name == name and info or heard end)
    assert_ok(suite.db:execute(("ALTER TABLE %s.%s ADD other text"):format(suite.keyspace, name)))
    for _ = 1, 100 do
      if heard then break end
      cqlua.sleep(0.05)
    end
    undo()
    assert.same({ change = "updated", target = "table", keyspace = suite.keyspace, name = name }, heard)
    assert.equal("text", assert_ok(db:schema(suite.keyspace, name)).columns.other.type)
    assert_ok(db:execute(("DROP TABLE %s.%s"):format(suite.keyspace, name)))
    failed("invalid", db:schema(suite.keyspace, name))
  end)

  it("says what there is not", function()
    assert.matches("did you mean 'people'", failed("invalid", db:schema(suite.keyspace, "poeple")).message)
    assert.matches("no_such_keyspace", failed("invalid", db:schema "no_such_keyspace").message)
    assert.matches("has 2 columns %(country, Id%), got 1 value",
      raised(db.replicas, db, suite.keyspace .. ".people", "de"))
  end)

  it("Q1 the one node there is has every partition, and can be named", function()
    local nodes = assert_ok(db:replicas(suite.keyspace .. ".people", "de", 7))
    assert.equal(1, #nodes)
    assert.equal(db:nodes()[1].host_id, nodes[1].host_id)
    local key = assert_ok(db:routing_key(suite.keyspace .. ".people", "de", 7))
    assert.equal("\0\2de\0\0\4\0\0\0\7\0", key)
    local res = assert_ok(db:execute("SELECT key FROM system.local", nil, { node = nodes[1].address, routing_key = key }))
    assert.equal(nodes[1].address, res.coordinator)
    failed("no_nodes", db:execute("SELECT key FROM system.local", nil, { node = "127.0.0.250" }))
  end)
end)
