-- CQL that makes again what the schema has: what a plain Cassandra has switched off (views, functions), and names and
-- values that need care.
local cql = require "cqlua.describe"

local function keyspace(more)
  local described = { name = "shop", replication = { class = "SimpleStrategy", replication_factor = "1" }, durable_writes = true,
    tables = {}, views = {}, types = {}, indexes = {}, functions = {}, aggregates = {} }
  for name, value in pairs(more) do described[name] = value end
  return cql.keyspace(described)
end

local function column(name, type, kind, order)
  return { name = name, type = type, kind = kind or "regular", clustering_order = order }
end

local function table_of(columns, more)
  local described = { name = "t", keyspace = "shop", columns = columns, partition_key = {}, clustering_key = {}, indexes = {},
    options = { comment = "" } }
  for _, each in ipairs(columns) do
    columns[each.name] = each
    if each.kind == "partition_key" then table.insert(described.partition_key, each.name) end
    if each.kind == "clustering" then table.insert(described.clustering_key, each.name) end
  end
  for name, value in pairs(more or {}) do described[name] = value end
  return described
end

describe("cqlua.describe", function()
  it("quotes names that need it", function()
    assert.equal("plain_1", cql.name "plain_1")
    assert.equal('"Upper"', cql.name "Upper")
    assert.equal('"select"', cql.name "select")
    assert.equal('"1st"', cql.name "1st")
    assert.equal('"a""b"', cql.name 'a"b')
  end)

  it("writes a keyspace with types after those that they are made of", function()
    local function type(name, of) return { name = name, fields = { { name = "f", type = of } } } end
    local texts = keyspace { types = { a = type("a", "list<frozen<m>>"), m = type("m", 'map<int, frozen<"Z">>'),
      Z = type("Z", "int") } }
    assert.equal("CREATE KEYSPACE shop WITH replication = {'class': 'SimpleStrategy', 'replication_factor': '1'}"
      .. " AND durable_writes = true", texts[1])
    assert.matches('^CREATE TYPE shop."Z"', texts[2])
    assert.matches("^CREATE TYPE shop.m", texts[3])
    assert.matches("^CREATE TYPE shop.a", texts[4])
  end)

  it("writes functions and aggregates", function()
    local texts = keyspace {
      functions = { { name = "plus", args = { "int", "map<text, int>" }, arg_names = { "a", "from" }, returns = "int",
        language = "java", body = "return a;", called_on_null = true } },
      aggregates = { { name = "total", args = { "int" }, returns = "int", state_function = "plus", state_type = "int",
        final_function = "Fin", initial = "0" } } }
    assert.equal('CREATE FUNCTION shop.plus (a int, "from" map<text, int>)\n    CALLED ON NULL INPUT\n    RETURNS int\n'
      .. "    LANGUAGE java\n    AS $$return a;$$", texts[2])
    assert.equal('CREATE AGGREGATE shop.total (int)\n    SFUNC plus\n    STYPE int\n    FINALFUNC "Fin"\n    INITCOND 0',
      texts[3])
  end)

  it("writes a view, which has no time to live of its own", function()
    local view = table_of({ column("id", "int", "partition_key"), column("at", "int", "clustering", "desc") },
      { base_table = "users", where_clause = "id IS NOT NULL AND at IS NOT NULL",
        options = { comment = "c", default_time_to_live = 0 } })
    assert.same({ "CREATE MATERIALIZED VIEW shop.t AS\n    SELECT id, at\n    FROM shop.users\n"
      .. "    WHERE id IS NOT NULL AND at IS NOT NULL\n    PRIMARY KEY (id, at)\n"
      .. "    WITH CLUSTERING ORDER BY (at DESC)\n    AND comment = 'c'" }, cql.table(view))
    view.include_all_columns = true
    assert.matches("SELECT %*\n", cql.table(view)[1])
  end)

  it("writes indexes, those of a class with their options", function()
    local texts = cql.table(table_of({ column("id", "int", "partition_key") }, { indexes = {
      { name = "plain", options = { target = "values(tags)" } },
      { name = "Sai", options = { target = "name", class_name = "StorageAttachedIndex", case_sensitive = "false" } } } }))
    assert.equal("CREATE INDEX plain ON shop.t (values(tags))", texts[2])
    assert.equal("CREATE CUSTOM INDEX \"Sai\" ON shop.t (name) USING 'StorageAttachedIndex'"
      .. " WITH OPTIONS = {'case_sensitive': 'false'}", texts[3])
  end)

  it("writes each option as CQL has it, and leaves out what says nothing", function()
    local text = cql.table(table_of({ column("id", "int", "partition_key") }, { options = {
      comment = "it's", bloom_filter_fp_chance = 0.1, gc_grace_seconds = 864000, cdc = false, read_repair_chance = 0,
      extensions = {}, caching = { rows_per_partition = "NONE", keys = "ALL" } } }), "other")[1]
    assert.equal([[CREATE TABLE other.t (
    id int,
    PRIMARY KEY (id)
) WITH bloom_filter_fp_chance = 0.1
    AND caching = {'keys': 'ALL', 'rows_per_partition': 'NONE'}
    AND cdc = false
    AND comment = 'it''s'
    AND gc_grace_seconds = 864000]], text)
    assert.matches("extensions = {'k': 0x00ff}",
      cql.table(table_of({ column("id", "int", "partition_key") }, { options = { extensions = { k = "\0\255" } } }))[1])
  end)
end)
