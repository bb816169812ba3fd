-- ctest: live timeout=120
local cqlua = require "cqlua"
local live = require "spec.live.support.live"

local failed = live.failed
local assert_ok = cqlua.assert
local HEAVY = "SELECT count(*) AS n FROM cqlua_live_rows.numbers"

live.describe("timeout", { "CREATE TABLE tokens (id int PRIMARY KEY, mark text)" }, function(suite, version)
  local db, requests

  setup(live.need_big_table)
  before_each(function()
    db, requests = live.connect_counted { keyspace = suite.keyspace, protocol_version = version, connections = { 1, 1 } }
  end)
  after_each(function() db:close() end)

  it("Q4 a request gets timeout at its deadline: typed, with its attempt, and the session goes on", function()
    local err = failed("timeout", db:execute(HEAVY, nil, { timeout = 0.001 }))
    assert.is_true(err.may_have_executed) -- it was sent
    assert.equal(live.points[1], err.node)
    assert.equal(1, #err.attempts)
    assert.equal(live.points[1], err.attempts[1].node)
    assert.equal("timeout", err.attempts[1].outcome)
    assert.matches("timeout", tostring(err))
    live.assert_usable(db)
  end)

  it("Q4 a write that times out may have been executed, and says so", function()
    local add = assert_ok(db:prepare "INSERT INTO tokens (id, mark) VALUES (?, ?)")
    local timed_out = 0
    cqlua.run(function()
      for _ = 1, 40 do
        local blob = ("x"):rep(2e6) -- takes longer than a millisecond to send and store
        local res, err = db:execute(add, { 5, blob }, { timeout = 0.001 })
        if not res then
          -- the second: the one before is still being sent
          assert.is_true(err.name == "timeout" or err.name == "write_queue_full", err.name)
          if #err.attempts > 0 then
            timed_out = timed_out + 1
            assert.is_true(err.may_have_executed)
          end
        end
      end
    end)
    assert.is_true(timed_out > 0)
    live.assert_usable(db)
  end)

  it("fault 1 a late reply reaches nobody: the requests that come after it get their own answers", function()
    cqlua.run(function()
      local add = assert_ok(db:prepare "INSERT INTO tokens (id, mark) VALUES (?, ?)")
      local get = assert_ok(db:prepare "SELECT mark FROM tokens WHERE id = ?")
      for id = 1, 50 do assert_ok(db:execute(add, { id, "token-" .. id })) end
      local before = requests()
      local late, timeouts = {}, 0
      for index = 1, 8 do
        late[index] = cqlua.spawn(function()
          local res, err = db:execute(HEAVY, nil, { timeout = 0.001 + index / 1000 })
          if err then
            assert.equal("timeout", err.name)
            timeouts = timeouts + 1
          else
            assert.equal(live.big.rows, cqlua.number(res:one().n))
          end
          return true
        end)
      end
      local rounds = 0
      repeat -- until the server has answered what nobody waits for any more
        rounds = rounds + 1
        local ids = {}
        for id = 1, 50 do ids[id] = id end
        assert_ok(cqlua.map(ids, 50, function(id)
          local res = assert_ok(db:execute(get, { id }, { timeout = 60 }))
          assert.equal(1, #res)
          assert.equal("token-" .. id, res[1].mark)
          return true
        end))
      until rounds >= 20
      for index = 1, 8 do assert_ok(late[index]:join()) end
      assert.is_true(timeouts > 0)
      assert_ok(db:execute(HEAVY, nil, { timeout = 60 })) -- they are served in order of arrival: all late replies are in
      for id = 1, 50 do assert.equal("token-" .. id, assert_ok(db:execute(get, { id }))[1].mark) end
      local after, connections = requests()
      assert.equal(1, connections) -- no connection was given up for it
      assert.equal(8 + 20 * 50 + 1 + 50 + 1, after - before)
    end)
  end)

  it("Q4 a timed out request of a text with values leaves the text usable", function()
    local text = "SELECT count(*) AS n FROM cqlua_live_rows.numbers WHERE n >= ? ALLOW FILTERING"
    failed("timeout", db:execute(text, { 0 }, { timeout = 0.001 }))
    assert.equal(live.big.rows, cqlua.number(assert_ok(db:execute(text, { 0 }, { timeout = 60 })):one().n))
  end)

  it("Q4 with_timeout ends all waits inside, whatever they are", function()
    local page, err = cqlua.with_timeout(0.002, function() return db:execute(HEAVY, nil, { timeout = 60 }) end)
    failed("timeout", page, err)
    assert.matches("with_timeout", err.message)
    assert.equal("kept", cqlua.with_timeout(60, function()
      live.assert_usable(db)
      return "kept"
    end))
    live.assert_usable(db)
  end)

  it("Q4 the session's request_timeout holds where a call gives none", function()
    local short = suite.connect { protocol_version = version, request_timeout = 0.002 }
    failed("timeout", short:execute(HEAVY))
    assert.equal(live.big.rows, cqlua.number(assert_ok(short:execute(HEAVY, nil, { timeout = 60 })):one().n))
    short:close()
  end)
end)
