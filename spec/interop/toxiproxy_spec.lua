-- A real Cassandra behind links that are slow, limited, sliced or cut.
-- ctest: all live timeout=240
local cqlua = require "cqlua"
local rules_of = require "spec.interop.support.rules"
local testing = require "cqlua.testing"
local toxiproxy = require "spec.interop.support.toxiproxy"

local assert_ok, soon = cqlua.assert, rules_of.soon
local SAFE = { timeout = 5, idempotent = true }
local ONCE = { timeout = 5, idempotent = false }
local LARGE = 6000 -- bytes of a text

local WAYS = {
  { name = "v4", options = { protocol_version = 4 } },
  { name = "v5", options = { protocol_version = 5 } },
  { name = "v5 with lz4", options = { protocol_version = 5, compression = "lz4" } },
}

describe("Cassandra behind toxiproxy", function()
  local missing = toxiproxy.missing()
  if missing then
    pending("skipped: " .. missing .. " (./dev test --all installs it)")
    return
  end

  local upstream = os.getenv("CQLUA_TEST_CONTACT_POINTS"):match "[^,%s]+"
  local server, keyspace, second

  local function text_of(token) return ('SELECT (int)%d AS "token" FROM system.local'):format(token) end
  local function options_of(points, more)
    local options = { contact_points = points, discovery = false, request_timeout = 5, reconnect = { 0.05, 0.2 },
      heartbeat = { 60, 60 }, connections = { 1, 1 }, log = false }
    for name, value in pairs(more or {}) do options[name] = value end
    return options
  end

  -- A test's body fn(rules, proxies, db), with a session on so many proxies, one connection each.
  local function test(count, more, fn)
    return testing.async(function()
      local proxies, points = {}, {}
      for index = 1, count do
        proxies[index] = server:proxy(upstream)
        points[index] = proxies[index].address
      end
      assert_ok(cqlua.with(cqlua.connect, options_of(points, more), function(db)
        local rules = rules_of.new(db, text_of)
        assert.is_true(soon(5, function() return rules:count "connections" == count end))
        fn(rules, proxies, db)
        rules:finish()
      end))
      for _, proxy in ipairs(proxies) do proxy:close() end
    end, 60)
  end

  setup(function()
    server = toxiproxy.start()
    keyspace = "cqlua_toxiproxy_" .. server.folder:match("%w+$"):lower()
    second = keyspace .. "_2"
    cqlua.run(function()
      cqlua.with(cqlua.connect, options_of({ upstream }, { request_timeout = 60 }), function(db)
        for _, name in ipairs { keyspace, second } do
          assert_ok(db:execute("CREATE KEYSPACE " .. name
            .. " WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}"))
          assert_ok(db:execute("CREATE TABLE " .. name .. ".here (id int PRIMARY KEY, place text, large text)"))
          local large = {}
          for index = 1, LARGE do large[index] = string.char(97 + math.random(0, 25)) end -- which lz4 hardly shrinks
          for id = 1, 20 do
            assert_ok(db:execute(("INSERT INTO %s.here (id, place, large) VALUES (%d, '%s', '%s')"):format(name, id, name,
              table.concat(large))))
          end
        end
      end)
    end)
  end)

  teardown(function()
    cqlua.run(function()
      cqlua.with(cqlua.connect, options_of({ upstream }, { request_timeout = 60 }), function(db)
        assert_ok(db:execute("DROP KEYSPACE IF EXISTS " .. keyspace))
        assert_ok(db:execute("DROP KEYSPACE IF EXISTS " .. second))
      end)
    end)
    server:stop()
  end)

  it("fault 1 a link that is slower than the deadline: late answers are dropped and counted", test(1, {}, function(rules, proxies)
    proxies[1]:add("latency", "downstream", { latency = 400 })
    assert.same({ answered = 0, timeout = 30 }, rules:ask_many(30, { timeout = 0.15, idempotent = false }))
    assert.same({ answered = 30 }, rules:ask_many(30, ONCE))
    proxies[1]:remove("latency", "downstream")
    assert.is_true(soon(3, function() return rules:count "late_replies" == 30 end))
    assert.equal(30, rules:count "orphans")
  end))

  it("fault 11 latency on one of two connections: no statement runs in the wrong keyspace", test(2, { protocol_version = 4 },
    function(rules, proxies, db)
      local current = keyspace
      assert_ok(db:use(current))
      proxies[2]:add("latency", "downstream", { latency = 60, jitter = 40 })
      local is_over, answered, tasks = false, { [keyspace] = 0, [second] = 0 }, {}
      for index = 1, 20 do
        tasks[index] = cqlua.spawn(function()
          while not is_over do
            local wanted = current
            local res = assert_ok(rules:execute(("SELECT id, place FROM here WHERE id = %d"):format(index), SAFE))
            assert.equal(index, res[1].id)
            assert.equal(wanted, res[1].place)
            answered[wanted] = answered[wanted] + 1
            cqlua.sleep(0.002)
          end
          return true
        end)
      end
      for round = 1, 20 do
        current = round % 2 == 1 and second or keyspace
        assert_ok(rules:note("use", 5, db.use, db, current))
        cqlua.sleep(0.05)
      end
      is_over = true
      for _, task in ipairs(tasks) do assert_ok(task:join()) end
      assert.is_true(answered[keyspace] > 20 and answered[second] > 20)
    end))

  it("fault 25 a link that drops everything: deadlines hold, a heartbeat finds out, and it is made anew",
    test(1, { heartbeat = { 0.4, 0.4 } }, function(rules, proxies, db)
      proxies[1]:add("timeout", "upstream", { timeout = 0 })
      proxies[1]:add("timeout", "downstream", { timeout = 0 })
      assert.same({ answered = 0, timeout = 20 }, rules:ask_many(20, { timeout = 0.2, idempotent = false }))
      local lost = cqlua.spawn(rules.ask, rules, { timeout = 20, idempotent = false })
      assert.is_true(soon(5, function() return not db:nodes()[1].up end))
      local res, err = lost:join()
      assert.is_nil(res)
      assert.equal("connection_lost", err.name)
      assert.is_true(err.may_have_executed)
      proxies[1]:remove("timeout", "upstream")
      proxies[1]:remove("timeout", "downstream")
    end))

  it("fault 26 a link that takes a kilobyte a second: the output is bounded, deadlines fire", test(1, {},
    function(rules, proxies)
      local outcomes, numbers, most = { timeout = 0, write_queue_full = 0 }, {}, 0
      local large = ("x"):rep(256 * 1024)
      proxies[1]:add("bandwidth", "upstream", { rate = 1 })
      for index = 1, 60 do numbers[index] = index end
      local all = cqlua.spawn(cqlua.map, numbers, 60, function(index)
        local text = ("SELECT id FROM %s.here WHERE id = %d AND place = '%s' ALLOW FILTERING"):format(keyspace, index, large)
        local res, err = rules:execute(text, { timeout = 1, idempotent = false })
        assert.is_nil(res)
        outcomes[err.name] = outcomes[err.name] + 1
        assert.equal(err.name == "timeout", #err.attempts == 1)
        return true
      end)
      local before = rules:count "memory"
      while outcomes.timeout == 0 do
        most = math.max(most, rules:count "memory" - before)
        cqlua.sleep(0.05)
      end
      assert_ok(all:join())
      assert.is_true(outcomes.write_queue_full > 20, outcomes.write_queue_full)
      assert.is_true(most < 60 * #large + 4 * 2 ^ 20, most)
      proxies[1]:remove("bandwidth", "upstream")
    end))

  for _, way in ipairs(WAYS) do
    it("fault 27 links that are reset under answers fail all of them at once, on " .. way.name, test(1, way.options,
      function(rules, proxies)
        for _ = 1, 3 do
          proxies[1]:add("reset_peer", "downstream", { timeout = 0 })
          local outcomes = rules:ask_many(20, { timeout = 30, idempotent = false }) -- not at their deadline
          assert.is_true(outcomes.connection_lost > 0, cqlua.json(outcomes))
          outcomes.answered, outcomes.connection_lost, outcomes.no_nodes = nil, nil, nil
          assert.same({}, outcomes)
          proxies[1]:remove("reset_peer", "downstream")
          assert.is_true(rules:recovers())
        end
      end))

    it("fault 27 links that end within an answer, after any byte of it, on " .. way.name, test(1, way.options,
      function(rules, proxies)
        for _, bytes in ipairs { 1, 5, 8, 9, 13, 40, 100, 3000 } do
          proxies[1]:add("limit_data", "downstream", { bytes = bytes })
          local text = ("SELECT id, large FROM %s.here WHERE id = 1"):format(keyspace)
          local res, err = rules:execute(text, { timeout = 30, idempotent = false })
          assert.is_nil(res)
          assert.equal("connection_lost", err.name)
          assert.is_true(err.may_have_executed)
          assert.is_true(err.attempts[1].duration < 15)
          proxies[1]:remove("limit_data", "downstream")
          assert.is_true(rules:recovers())
        end
      end))

    it("fault 28 answers that come byte by byte are right, on " .. way.name, test(1, way.options, function(rules, proxies)
      for _, size in ipairs { 1, 3 } do
        proxies[1]:add("slicer", "downstream", { average_size = size, size_variation = 0, delay = 20 })
        assert.same({ answered = 30 }, rules:ask_many(30, SAFE))
        local res = assert_ok(rules:execute(("SELECT id, large FROM %s.here WHERE id = 2"):format(keyspace), SAFE))
        assert.equal(LARGE, #res[1].large)
        proxies[1]:remove("slicer", "downstream")
      end
      proxies[1]:add("slicer", "upstream", { average_size = 1, size_variation = 0, delay = 20 })
      assert.same({ answered = 30 }, rules:ask_many(30, SAFE))
    end))

    it("fault 29 an answer that takes longer than the heartbeat keeps its connection, on " .. way.name,
      test(1, { heartbeat = { 0.4, 0.4 }, protocol_version = way.options.protocol_version,
        compression = way.options.compression }, function(rules, proxies, db)
        local went_down = 0
        db:on("node_down", function() went_down = went_down + 1 end)
        proxies[1]:add("bandwidth", "downstream", { rate = 2 })
        local text = ("SELECT id, large FROM %s.here WHERE id = 3"):format(keyspace)
        local began = cqlua.now()
        local res = assert_ok(rules:execute(text, { timeout = 20, idempotent = false }))
        assert.equal(LARGE, #res[1].large)
        assert.is_true(cqlua.now() - began > 1600) -- longer than what a silent link gets
        local none, err = rules:execute(text, { timeout = 0.5, idempotent = false }) -- its own deadline holds
        assert.is_nil(none)
        assert.equal("timeout", err.name)
        proxies[1]:remove("bandwidth", "downstream")
        assert.is_true(rules:recovers())
        assert.equal(0, went_down)
      end))
  end
end)
