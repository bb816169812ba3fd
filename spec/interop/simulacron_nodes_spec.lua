-- Nodes of another's fake cluster that stop, hang, refuse, or change: the others answer, nothing spins, and all is well again
-- when they are.
-- ctest: all timeout=180
local cqlua = require "cqlua"
local rules_of = require "spec.interop.support.rules"
local simulacron = require "spec.interop.support.simulacron"
local testing = require "cqlua.testing"

local assert_ok, soon = cqlua.assert, rules_of.soon
local SAFE = { timeout = 5, idempotent = true }
local ONCE = { timeout = 5, idempotent = false }
local FAST_HEARTBEAT = { heartbeat = { 0.3, 0.3 }, attempt_timeout = 0.2 }

local function nodes_up(db)
  local up = 0
  for _, node in ipairs(db:nodes()) do up = up + (node.up and 1 or 0) end
  return up
end

-- Which nodes answer `count` requests, and how many each.
local function answered_by(rules, count)
  local by_node = {}
  for _ = 1, count do
    local node = assert_ok(rules:ask(SAFE)).coordinator
    by_node[node] = (by_node[node] or 0) + 1
  end
  return by_node
end

local function count_of(set)
  local count = 0
  for _ in pairs(set) do count = count + 1 end
  return count
end

-- Until the node takes nothing more: what was on its way when reading was paused is still answered.
local function hang(rules, cluster, node)
  cluster:pause(node)
  assert.is_true(soon(5, function()
    return not rules:ask { timeout = 0.2, idempotent = false, node = cluster.points[node] }
  end))
end

simulacron.describe("nodes of Simulacron", "127.0.2.1", nil, function(test, its)
  describe("in two data centres", function()
    it("C2 requests stay in the local one, whatever happens there", test({ 2, 2 }, {}, function(rules, cluster, db)
      assert.equal(4, #db:nodes())
      local answered = answered_by(rules, 40)
      assert.equal(40, answered[cluster.points[1]] + answered[cluster.points[2]])
      cluster:refuse("stop", 1)
      cluster:refuse("stop", 2)
      assert.is_true(soon(2, function() return nodes_up(db) == 0 end))
      local res, err = rules:ask(SAFE)
      assert.is_nil(res)
      assert.equal("no_nodes", err.name)
      cluster:listen()
    end))

    it("C2 with remote_dcs they go to the other while no local node is up",
      test({ 2, 2 }, { load_balancing = { remote_dcs = true } }, function(rules, cluster)
        assert.equal(2, count_of(answered_by(rules, 40)))
        cluster:refuse("stop", 1)
        assert.same({ answered = 40 }, rules:ask_many(40, SAFE))
        assert.equal(1, count_of(answered_by(rules, 20)))
        cluster:refuse("stop", 2)
        assert.is_true(soon(3, function() return rules:ask(SAFE) ~= nil end))
        local answered = answered_by(rules, 40)
        assert.equal(40, answered[cluster.points[3]] + answered[cluster.points[4]])
        cluster:listen()
        assert.is_true(soon(5, function() return answered_by(rules, 1)[cluster.points[1]] ~= nil end))
      end))
  end)

  describe("that hang", function()
    it("fault 20 idempotent requests move on, and heartbeats close the connection", test(3, FAST_HEARTBEAT,
      function(rules, cluster, db)
        local former = cluster:connections(2)
        hang(rules, cluster, 2)
        assert.same({ answered = 60 }, rules:ask_many(60, SAFE))
        assert.is_true(soon(3, function()
          assert_ok(rules:ask(SAFE))
          for connection in pairs(cluster:connections(2)) do
            if former[connection] then return false end
          end
          return true
        end))
        cluster:resume(2)
        assert.is_true(soon(5, function() return nodes_up(db) == 3 end))
        assert.equal(3, count_of(answered_by(rules, 60)))
      end))

    it("fault 20 others are told that they may have been executed", test(3, { heartbeat = { 0.3, 0.3 } }, function(rules, cluster)
      hang(rules, cluster, 2)
      local lost, numbers = 0, {}
      for index = 1, 30 do numbers[index] = index end
      assert_ok(cqlua.map(numbers, 30, function()
        local res, err = rules:ask(ONCE)
        if not res then
          lost = lost + 1
          assert.equal("connection_lost", err.name)
          assert.equal(cluster.points[2], err.node)
          assert.is_true(err.may_have_executed)
          assert.is_true(err.attempts[1].duration < 3) -- by the heartbeat, not by its deadline
        end
        return true
      end))
      assert.is_true(lost > 0 and lost < 30)
    end))

    for _, kind in ipairs { "shutdown_read", "shutdown_write" } do
      it("fault 20 half a connection is none: " .. kind, test(3, FAST_HEARTBEAT, function(rules, cluster, db)
        cluster:close(kind, 2)
        assert.same({ answered = 100 }, rules:ask_many(100, SAFE))
        assert.is_true(soon(5, function() return nodes_up(db) == 3 end))
        assert.same({ answered = 100 }, rules:ask_many(100, ONCE))
      end))
    end
  end)

  describe("that stop", function()
    it("fault 19 fail nobody whose request is idempotent, and take part again when they are back", test(3, {},
      function(rules, cluster, db)
        local tasks, is_over = {}, false
        for index = 1, 20 do
          tasks[index] = cqlua.spawn(function()
            while not is_over do
              assert_ok(rules:ask(SAFE))
              cqlua.sleep(0.005)
            end
            return true
          end)
        end
        for node = 1, 3 do -- the one with the control connection is among them
          cluster:refuse("stop", node)
          assert.is_true(soon(2, function() return nodes_up(db) == 2 end))
          cqlua.sleep(0.2)
          cluster:listen(node)
          assert.is_true(soon(5, function() return nodes_up(db) == 3 end))
        end
        is_over = true
        for _, task in ipairs(tasks) do assert_ok(task:join()) end
        assert.equal(3, count_of(answered_by(rules, 30)))
      end))

    it("fault 21 all of them: no_nodes at once, and all is well when they are back", test(3, {}, function(rules, cluster, db)
      cluster:refuse "stop"
      assert.is_true(soon(2, function() return nodes_up(db) == 0 end))
      for _ = 1, 50 do
        local res, err = rules:note("a text", 0, db.execute, db, "SELECT 0 FROM token", nil, ONCE) -- not at its deadline
        assert.is_nil(res)
        assert.equal("no_nodes", err.name)
        assert.is_false(err.may_have_executed)
        for _, point in ipairs(cluster.points) do assert.matches(point, err.message, 1, true) end
      end
      cluster:listen()
      assert.is_true(soon(5, function() return nodes_up(db) == 3 end))
      assert.same({ answered = 90 }, rules:ask_many(90, ONCE))
    end))

    it("fault 21 all of them: connecting is tried with growing pauses, and nothing spins",
      test(3, { reconnect = { 0.2, 0.8 }, connect_timeout = 0.1 }, function(_, cluster, db)
        cluster:refuse "reject_startup" -- which counts the attempts
        cluster:clear_log()
        cluster:close "disconnect"
        local worked = os.clock()
        cqlua.sleep(4)
        assert.is_true(os.clock() - worked < 2)
        for node = 1, 3 do
          local attempts = cluster:count("STARTUP", node)
          assert.is_true(attempts >= 3 and attempts <= 12, attempts)
        end
        cluster:listen()
        assert.is_true(soon(5, function() return nodes_up(db) == 3 end))
      end))

    it("fault 34 all of them, and others come in their places", test(3, {}, function(rules, cluster, db)
      local former = {}
      for _, node in ipairs(db:nodes()) do former[node.host_id] = true end
      local replaced = its():cluster(3)
      assert.same(cluster.points, replaced.points)
      assert.is_true(rules:recovers())
      assert.is_true(soon(5, function()
        local known = 0
        for _, node in ipairs(db:nodes()) do
          if node.up and not former[node.host_id] then known = known + 1 end
        end
        return known == 3 and #db:nodes() == 3
      end))
      assert.equal(3, count_of(answered_by(rules, 30)))
    end))
  end)

  describe("that hand on", function()
    for _, name in ipairs { "overloaded", "is_bootstrapping" } do
      local answer = { result = name, message = name == "overloaded" and "too much" or nil }

      it("fault 23 one of them: another answers, also what is not idempotent: " .. name, test(3, {}, function(rules, cluster)
        for index = 1, 12 do
          local token = rules_of.token()
          local text = ("SELECT %d FROM token WHERE id = 1"):format(token)
          cluster:prime(text, answer, 1)
          local res = assert_ok(rules:execute(text, index % 2 == 0 and SAFE or ONCE, token))
          assert.are_not.equal(cluster.points[1], res.coordinator)
          assert.is_true(cluster:count(text, 1) <= 1)
        end
      end))

      it("fault 23 all of them: as many attempts as there may be, and no more: " .. name, test(3, { max_retries = 4 },
        function(rules, cluster)
          for index = 1, 4 do
            local text = ("SELECT %d FROM token WHERE id = 2"):format(rules_of.token())
            cluster:prime(text, answer)
            local res, err = rules:execute(text, index % 2 == 0 and SAFE or ONCE)
            assert.is_nil(res)
            assert.equal(name, err.name)
            assert.is_false(err.may_have_executed)
            assert.is_true(err.retryable)
            assert.equal(5, #err.attempts)
            assert.equal(5, cluster:count(text))
          end
        end))
    end
  end)

  describe("that never answer STARTUP", function()
    it("fault 24 all of them: connecting ends by its one deadline, and says what each did", testing.async(function()
      local cluster = its():cluster(3)
      local options = { contact_points = cluster.points, protocol_version = 4, connect_timeout = 0.8, log = false }
      local rules = rules_of.new(nil, simulacron.text_of)
      cluster:refuse "reject_startup"
      local none, err = rules:note("connect", 0.8, cqlua.connect, options)
      assert.is_nil(none)
      assert.equal("no_nodes", err.name)
      assert.equal(3, #err.attempts)
      for _, point in ipairs(cluster.points) do assert.matches(point, err.message, 1, true) end
      cluster:listen()
      rules.db = assert_ok(rules:note("connect", 5, cqlua.connect, { contact_points = cluster.points, log = false }))
      rules:finish()
      rules.db:close()
    end, 30))

    it("fault 24 one of them: the others answer meanwhile", test(3, { connect_timeout = 0.5 }, function(rules, cluster, db)
      cluster:refuse("reject_startup", 3)
      cluster:close("disconnect", 3)
      assert.is_true(soon(2, function() return nodes_up(db) == 2 end))
      local began = cqlua.now()
      while cqlua.now() - began < 1500 do
        assert.same({ answered = 20 }, rules:ask_many(20, SAFE))
        cqlua.sleep(0.02)
      end
      assert.equal(2, nodes_up(db))
      assert.is_true(cluster:count("STARTUP", 3) >= 3) -- it was tried again
      cluster:listen(3)
      assert.is_true(soon(5, function() return nodes_up(db) == 3 end))
    end))
  end)

  it("fault 36 that could speak more than the first are spoken to as the first is", test(3, { versions = { { 3 } } },
    function(rules, cluster, db)
      assert.same({ answered = 90 }, rules:ask_many(90, SAFE))
      assert.is_true(soon(5, function() return nodes_up(db) == 3 end))
      cluster:clear_log()
      assert.equal(3, count_of(answered_by(rules, 30)))
      for _, entry in ipairs(cluster:log()) do assert.equal(3, entry.frame.protocol_version) end
    end))

  it("Y7 fault 13 a slow one is overtaken by another, with the same write time, and its late answer reaches nobody",
    test(3, {}, function(rules, cluster)
      for _ = 1, 6 do
        local token = rules_of.token()
        local text = ("SELECT %d FROM token WHERE id = 3"):format(token)
        cluster:prime(text, { result = "success", rows = { { token = -1 } }, column_types = { token = "int" },
          delay_in_ms = 700 }, 1)
        local res = assert_ok(rules:execute(text, { timeout = 5, speculation = { delay = 0.05 } }, token))
        assert.are_not.equal(cluster.points[1], res.coordinator)
        local times = cluster:times(text)
        assert.equal(res.cost.attempts, #times)
        assert.equal(times[1], times[#times])
      end
      assert.is_true(soon(3, function() return rules:count "late_replies" == rules:count "orphans" end))
    end))
end)
