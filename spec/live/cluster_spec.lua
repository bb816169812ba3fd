-- ctest: all live timeout=300
-- Three real nodes: who they are, and that requests go to those that have the partition. CQLUA_TEST_CLUSTER is one of
-- them, as "127.0.0.101:9042"; without it there is nothing to do.
local cqlua = require "cqlua"
local live = require "spec.live.support.live"

local assert_ok, failed = cqlua.assert, live.failed
local POINT = os.getenv "CQLUA_TEST_CLUSTER"
local KEYSPACE = "cqlua_cluster"
local KEYS = 1000

if not POINT then
  describe("a cluster of three nodes", function()
    it("is not there: set CQLUA_TEST_CLUSTER, or run ./dev test --all", function() end)
  end)
  return
end

-- A session that is connected to all of them.
local function connect(more)
  local options = { contact_points = { POINT }, request_timeout = 30 }
  for name, value in pairs(more or {}) do options[name] = value end
  local db = assert_ok(cqlua.connect(options))
  for _ = 1, 200 do
    local up = 0
    for _, node in ipairs(db:nodes()) do up = up + (node.up and 1 or 0) end
    if up == 3 then return db end
    cqlua.sleep(0.05)
  end
  error "not all of the three nodes could be connected to within ten seconds"
end

local function addresses(nodes)
  local all = {}
  for _, node in ipairs(nodes) do all[node.address] = true end
  return all
end

for _, version in ipairs { 5, 4 } do
  describe("a cluster of three nodes on protocol v" .. version, function()
    local db

    setup(function()
      db = connect { protocol_version = version }
      assert_ok(db:execute("CREATE KEYSPACE IF NOT EXISTS " .. KEYSPACE
        .. " WITH replication = {'class': 'NetworkTopologyStrategy', 'datacenter1': 2}"))
      assert_ok(db:execute("CREATE TABLE IF NOT EXISTS " .. KEYSPACE .. ".one (id int PRIMARY KEY, name text)"))
      assert_ok(db:execute("CREATE TABLE IF NOT EXISTS " .. KEYSPACE
        .. ".two (a text, b bigint, n int, PRIMARY KEY ((a, b), n))"))
    end)
    teardown(function()
      assert_ok(db:execute("DROP KEYSPACE IF EXISTS " .. KEYSPACE))
      db:close()
    end)

    -- How many of KEYS requests go to a replica of their key, as the coordinator of each result tells.
    local function at_replicas(place, key_of, run)
      local keys, hits, by_node = {}, 0, {}
      for index = 1, KEYS do keys[index] = index end
      assert_ok(cqlua.map(keys, 32, function(index)
        local replicas = addresses(assert_ok(db:replicas(place, key_of(index))))
        local coordinator = assert_ok(run(key_of(index))).coordinator
        by_node[coordinator] = (by_node[coordinator] or 0) + 1
        if replicas[coordinator] then hits = hits + 1 end
      end))
      return hits, by_node
    end

    it("C2 all three are known from one, with where they are", function()
      local nodes = db:nodes()
      assert.equal(3, #nodes)
      for _, node in ipairs(nodes) do
        assert.is_true(node.up)
        assert.equal("datacenter1", node.dc)
        assert.equal("rack1", node.rack)
        assert.matches("^%x+%-%x+%-%x+%-%x+%-%x+$", node.host_id)
      end
    end)

    it("C2 prepared statements of one partition go to a replica: more than 99 of 100", function()
      local get = assert_ok(db:prepare("SELECT name FROM " .. KEYSPACE .. ".one WHERE id = ?"))
      local add = assert_ok(db:prepare("INSERT INTO " .. KEYSPACE .. ".two (b, a, n) VALUES (?, ?, 1)"))
      local hits, by_node = at_replicas(KEYSPACE .. ".one", function(index) return index end,
        function(id) return db:execute(get, { id }) end)
      assert.is_true(hits > 0.99 * KEYS, hits .. " of " .. KEYS)
      for _, node in ipairs(db:nodes()) do assert.is_true(by_node[node.address] > KEYS / 10) end
      hits = at_replicas(KEYSPACE .. ".two", function(index) return "key " .. index, index end,
        function(a, b) return db:execute(add, { b, a }, { consistency = "one" }) end)
      assert.is_true(hits > 0.99 * KEYS, hits .. " of " .. KEYS)
    end)

    it("Q1 a routing key does the same for a text", function()
      local there = connect { protocol_version = version, keyspace = KEYSPACE }
      local hits = at_replicas(KEYSPACE .. ".one", function(index) return index end, function(id)
        local key = assert_ok(there:routing_key(KEYSPACE .. ".one", id))
        return there:execute("SELECT name FROM one WHERE id = " .. id, nil, { routing_key = key })
      end)
      there:close()
      assert.is_true(hits > 0.99 * KEYS, hits .. " of " .. KEYS)
    end)

    it("Q1 node names where a call goes, one page after the other", function()
      for _, node in ipairs(db:nodes()) do
        for page in db:stream("SELECT * FROM system_schema.columns", nil, { node = node.address, page_size = 50 }):pages() do
          assert.equal(node.address, page.coordinator)
        end
      end
      failed("no_nodes", db:execute("SELECT key FROM system.local", nil, { node = "127.0.0.250" }))
    end)

    it("is fresh after own DDL, whichever node is asked", function()
      for index = 1, 5 do
        assert_ok(db:execute(("ALTER TABLE %s.one ADD v%d_%d int"):format(KEYSPACE, version, index)))
        assert.truthy(assert_ok(db:schema(KEYSPACE, "one")).columns[("v%d_%d"):format(version, index)])
      end
    end)
  end)
end
