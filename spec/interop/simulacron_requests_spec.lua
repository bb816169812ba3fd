-- Requests that another's fake server answers late, never, with errors, or by closing the connection. All of its nodes share one
-- address, so that they are found by their ports (system.peers_v2).
-- ctest: all timeout=180
local cqlua = require "cqlua"
local rules_of = require "spec.interop.support.rules"
local simulacron = require "spec.interop.support.simulacron"

local assert_ok, soon = cqlua.assert, rules_of.soon
local ONCE = { timeout = 5, idempotent = false }

local function failed(name, result, err)
  assert.is_nil(result)
  assert.equal(name, err.name, tostring(err))
  return err
end

-- Texts of their own, each primed with this answer.
local function prime_texts(cluster, count, answer)
  local texts = {}
  for index = 1, count do
    texts[index] = ("SELECT %d FROM primed"):format(rules_of.token())
    cluster:prime(texts[index], answer)
  end
  return texts
end

simulacron.describe("requests to Simulacron", "127.0.1.1", 19042, function(test)
  it("C2 go to nodes that differ by their ports", test(4, {}, function(rules, cluster)
    local answered = {}
    for _ = 1, 40 do answered[assert_ok(rules:ask { timeout = 5 }).coordinator] = true end
    for _, point in ipairs(cluster.points) do assert.is_true(answered[point], point) end
  end))

  for _, version in ipairs { 3, 4 } do
    it("fault 1 late answers reach nobody, and their ids rest until then, on v" .. version,
      test(1, { protocol_version = version }, function(rules, cluster)
        local before = cluster:connections()
        local late = prime_texts(cluster, 50, { result = "success", rows = { { token = -1 } }, column_types = { token = "int" },
          delay_in_ms = 600 })
        assert_ok(cqlua.map(late, 50, function(text)
          local err = failed("timeout", rules:execute(text, { timeout = 0.2, idempotent = false }))
          assert.is_true(err.may_have_executed)
          assert.equal(1, #err.attempts)
          return true
        end))
        assert.equal(50, rules:count "orphans")
        assert.same({ answered = 500 }, rules:ask_many(500, { timeout = 5 })) -- while the late answers come
        assert.is_true(soon(3, function() return rules:count "late_replies" == 50 end))
        assert.same({ answered = 500 }, rules:ask_many(500, { timeout = 5 }))
        assert.same(before, cluster:connections())
      end))
  end

  it("fault 7 a connection on which 300 answers never came is replaced, and nobody waits for its ids",
    test(1, { max_in_flight = 1000 }, function(rules, cluster)
      local former = next(cluster:connections())
      local text = "SELECT lost FROM t"
      cluster:prime(text, { result = "no_result" })
      local numbers = {}
      for index = 1, 300 do numbers[index] = index end
      assert_ok(cqlua.map(numbers, 300, function()
        failed("timeout", rules:execute(text, { timeout = 0.2, idempotent = false }))
        return true
      end))
      assert.is_true(soon(5, function()
        assert.same({ answered = 20 }, rules:ask_many(20, { timeout = 5 }))
        return not cluster:connections()[former]
      end))
      assert.same({ answered = 500 }, rules:ask_many(500, { timeout = 5 }))
      assert.equal(300, cluster:count(text)) -- none was sent twice
    end))

  describe("connections that are closed in the answer's place", function()
    local WRITES = {
      { "an insert", "INSERT INTO t (id) VALUES (%d)" },
      { "a counter", "UPDATE t SET n = n + 1 WHERE id = %d" },
      { "a conditional insert", "INSERT INTO t (id) VALUES (%d) IF NOT EXISTS" },
    }

    for _, kind in ipairs { "disconnect", "shutdown_write" } do
      it("fault 12 is never repeated unless it is idempotent, and says so: " .. kind, test(3, {}, function(rules, cluster)
        for _, write in ipairs(WRITES) do
          local text = write[2]:format(rules_of.token())
          cluster:prime(text, { result = "close_connection", scope = "connection", close_type = kind })
          local err = failed("connection_lost", rules:execute(text, ONCE))
          assert.is_true(err.may_have_executed)
          assert.is_false(err.retryable)
          assert.equal(1, #err.attempts)
          assert.equal("connection_lost", err.attempts[1].outcome)
          assert.equal(1, cluster:count(text), write[1])
          assert.is_true(rules:recovers())
        end
      end))
    end

    it("fault 12 an idempotent one goes to another node, with the same write time", test(3, {}, function(rules, cluster)
      local token = rules_of.token()
      local text, repeated = ("SELECT %d FROM token WHERE id = 1"):format(token), 0
      cluster:prime(text, { result = "close_connection", scope = "connection", close_type = "disconnect" }, 1)
      for _ = 1, 9 do
        cluster:clear_log()
        local res = assert_ok(rules:execute(text, { timeout = 5, idempotent = true }, token))
        assert.are_not.equal(cluster.points[1], res.coordinator)
        local times = cluster:times(text)
        assert.equal(res.cost.attempts, #times)
        assert.equal(times[1], times[#times])
        if #times > 1 then repeated = repeated + 1 end
        cqlua.sleep(0.1) -- the first node comes back
      end
      assert.is_true(repeated > 0)
    end))

    it("fault 12 a whole cluster that closes fails what is in flight at once, not at its deadline", test(3, {},
      function(rules, cluster)
        local text = "SELECT never FROM t"
        cluster:prime(text, { result = "no_result" })
        cluster:prime("SELECT end FROM t", { result = "close_connection", scope = "cluster", close_type = "disconnect" })
        local waiting = {}
        for index = 1, 30 do waiting[index] = cqlua.spawn(rules.execute, rules, text, { timeout = 30, idempotent = false }) end
        cqlua.sleep(0.1)
        rules:execute("SELECT end FROM t", { timeout = 2, idempotent = false })
        for _, task in ipairs(waiting) do
          local err = failed("connection_lost", task:join())
          assert.is_true(err.may_have_executed)
          assert.is_true(err.attempts[1].duration < 10)
        end
      end))
  end)

  describe("writes that time out", function()
    local REPEATED = { SIMPLE = true, BATCH = true, UNLOGGED_BATCH = true, BATCH_LOG = true }
    local TYPES = { "SIMPLE", "BATCH", "UNLOGGED_BATCH", "COUNTER", "BATCH_LOG", "CAS", "VIEW", "CDC" }

    local function answer(write_type)
      return { result = "write_timeout", consistency_level = "QUORUM", received = 1, block_for = 2, write_type = write_type }
    end

    local function check(err, write_type, attempts)
      assert.equal(write_type, err.write_type)
      assert.equal("quorum", err.consistency)
      assert.equal(1, err.received)
      assert.equal(2, err.block_for)
      assert.equal(0x1100, err.code)
      assert.is_true(err.may_have_executed)
      assert.equal(attempts, #err.attempts)
    end

    it("fault 17 name their write type, and are repeated only where that is safe", test(3, { max_retries = 2 },
      function(rules, cluster)
        for _, write_type in ipairs(TYPES) do
          for _, idempotent in ipairs { false, true } do
            local text = ("INSERT INTO t (id) VALUES (%d)"):format(rules_of.token())
            local attempts = idempotent and REPEATED[write_type] and 3 or 1
            cluster:prime(text, answer(write_type))
            check(failed("write_timeout", rules:execute(text, { timeout = 5, idempotent = idempotent })), write_type, attempts)
            assert.equal(attempts, cluster:count(text))
          end
        end
      end))

    it("fault 17 the same for batches", test(3, { max_retries = 2 }, function(rules, cluster, db)
      for _, write_type in ipairs { "BATCH", "BATCH_LOG", "UNLOGGED_BATCH", "COUNTER" } do
        for _, idempotent in ipairs { false, true } do
          local texts = {}
          for index = 1, 3 do texts[index] = ("INSERT INTO t (id) VALUES (%d)"):format(rules_of.token()) end
          local attempts = idempotent and REPEATED[write_type] and 3 or 1
          cluster:prime(texts, answer(write_type))
          cluster:clear_log()
          check(failed("write_timeout", rules:note("a batch", 5, db.batch, db, texts, { timeout = 5, idempotent = idempotent })),
            write_type, attempts)
          local arrived = 0
          for _, entry in ipairs(cluster:log()) do arrived = arrived + (entry.type == "BATCH" and 1 or 0) end
          assert.equal(attempts, arrived)
        end
      end
    end))
  end)

  it("fault 26 a server that stops reading: the output is bounded, deadlines fire, the rest is write_queue_full",
    test(1, { connections = { 1, 1 } }, function(rules, cluster)
      local LARGE = ("x"):rep(256 * 1024)
      local outcomes, most, tasks = { answered = 0, timeout = 0, write_queue_full = 0 }, 0, {}
      local before = rules:count "memory"
      cluster:pause()
      for index = 1, 80 do -- 20 MiB
        tasks[index] = cqlua.spawn(function()
          local text = ("SELECT %d FROM token WHERE text = '%s'"):format(rules_of.token(), LARGE)
          local res, err = rules:execute(text, { timeout = 1, idempotent = false })
          local outcome = res and "answered" or err.name -- one that was on its way already is still read
          outcomes[outcome] = outcomes[outcome] + 1
          if err then assert.equal(err.name == "timeout", #err.attempts == 1) end
          if err then assert.equal(err.name == "timeout", err.may_have_executed) end
          return true
        end)
      end
      while outcomes.timeout == 0 do
        most = math.max(most, rules:count "memory" - before)
        cqlua.sleep(0.05)
      end
      for _, task in ipairs(tasks) do assert_ok(task:join()) end
      assert.is_true(outcomes.write_queue_full > 30, outcomes.write_queue_full)
      assert.is_true(outcomes.answered <= 2, outcomes.answered)
      assert.is_true(most < 80 * #LARGE + 4 * 2 ^ 20, most) -- the texts themselves, and little more
      cluster:resume()
    end))

  describe("a change of the schema", function()
    -- What the first node says of the others: the version of one of them.
    local function prime_version(cluster, version)
      local rows = {}
      for index = 2, #cluster.points do
        local address = cluster.points[index]:match "^[^:]+"
        rows[#rows + 1] = { peer = address, rpc_address = address, data_center = "dc1", rack = "rack1", host_id = cqlua.uuid(),
          schema_version = version, tokens = { tostring(index) } }
      end
      for node = 1, #cluster.points do
        cluster:prime_rows("SELECT * FROM system.peers", { { "peer", "inet" }, { "rpc_address", "inet" },
          { "data_center", "varchar" }, { "rack", "varchar" }, { "host_id", "uuid" }, { "schema_version", "uuid" },
          { "tokens", "set<varchar>" } }, rows, node)
      end
    end

    it("fault 37 on which the nodes never agree gives its result, marked, by the request's deadline", test(3, {},
      function(rules, cluster)
        local res = assert_ok(rules:execute("CREATE TABLE one (id int)", { timeout = 5 }))
        assert.is_true(res.schema_agreed)
        prime_version(cluster, cqlua.uuid())
        res = assert_ok(rules:execute("CREATE TABLE two (id int)", { timeout = 1 }))
        assert.is_false(res.schema_agreed)
        assert.same({ answered = 100 }, rules:ask_many(100, { timeout = 5 }))
        assert.equal(1, cluster:count "CREATE TABLE two (id int)")
        cluster:unprime()
        res = assert_ok(rules:execute("CREATE TABLE three (id int)", { timeout = 5 }))
        assert.is_true(res.schema_agreed)
      end))

    it("fault 37 waits ten seconds at most, and other requests go on meanwhile", test(3, {}, function(rules, cluster)
      prime_version(cluster, cqlua.uuid())
      local change = cqlua.spawn(rules.execute, rules, "CREATE TABLE four (id int)", { timeout = 10.2 })
      local began = cqlua.now()
      while cqlua.now() - began < 9000 do
        assert.same({ answered = 20 }, rules:ask_many(20, { timeout = 5 }))
        cqlua.sleep(0.2)
      end
      local res = assert_ok(change:join())
      assert.is_false(res.schema_agreed)
      assert.is_true(cqlua.now() - began >= 9900)
    end))

    it("fault 37 nodes that do not say their version in time hold nobody longer", test(3, {}, function(rules, cluster)
      for node = 1, 3 do cluster:prime("SELECT * FROM system.peers", { result = "void", delay_in_ms = 2000 }, node) end
      local res = assert_ok(rules:execute("CREATE TABLE five (id int)", { timeout = 0.6 }))
      assert.is_false(res.schema_agreed)
    end))
  end)

  it("fault 38 statements that nodes forget are prepared once more on each, and run", test(3, {}, function(rules, cluster, db)
    local text = "SELECT v FROM t WHERE id = ?"
    local get = assert_ok(db:prepare(text))
    for round = 1, 3 do
      cluster:unprime() -- every node has forgotten it
      cluster:clear_log()
      local results = assert_ok(cqlua.map({ 1, 2, 3, 4, 5, 6, 7, 8, 9 }, 9, function(id)
        return rules:execute(get, { timeout = 5 }, nil, { tostring(id) })
      end))
      assert.equal(9, results.n)
      local prepared = cluster:count(text, nil, "PREPARE")
      assert.is_true(prepared >= 1 and prepared <= 3, ("%d in round %d"):format(prepared, round))
    end
  end))
end)
