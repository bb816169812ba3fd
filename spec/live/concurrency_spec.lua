-- ctest: live timeout=180
local cqlua = require "cqlua"
local core = require "cqlua.core"
local live = require "spec.live.support.live"

local failed = live.failed
local assert_ok = cqlua.assert

live.describe("concurrency", { "CREATE TABLE tokens (id int PRIMARY KEY, mark text)" }, function(suite, version)
  local function ids_to(count)
    local list = {}
    for index = 1, count do list[index] = index end
    return list
  end

  it("fault 43 Q1 10,000 tasks on one session over at most 2 connections, one thread: each gets its own answer", function()
    local total = 10000
    collectgarbage() -- sessions that earlier specs let go of close their sockets now, not in the middle
    collectgarbage()
    local _, before = live.ports()
    local db = suite.connect { protocol_version = version, connections = { 1, 2 }, request_timeout = 120 }
    local threads, most_sockets = 0, 0
    cqlua.run(function()
      local add = assert_ok(db:prepare "INSERT INTO tokens (id, mark) VALUES (?, ?)")
      local get = assert_ok(db:prepare "SELECT id, mark FROM tokens WHERE id = ?")
      local marks = {}
      for id = 1, total do marks[id] = cqlua.uuid() end
      assert_ok(cqlua.map(ids_to(total), 256, function(id) return db:execute(add, { id, marks[id] }) end))

      local tasks, started, done = {}, 0, 0
      for id = 1, total do
        tasks[id] = cqlua.spawn(function()
          started = started + 1
          local res = assert_ok(db:execute(get, { id }))
          done = done + 1
          if done == 1 or done == 5000 then
            assert.equal(total, started) -- all of them wait at once
            threads = math.max(threads, live.threads())
            local _, now = live.ports()
            most_sockets = math.max(most_sockets, now - before)
          end
          return res
        end)
      end
      for id = 1, total do
        local res = assert_ok(tasks[id]:join())
        assert.equal(1, #res)
        assert.equal(id, res[1].id)
        assert.equal(marks[id], res[1].mark)
      end
      assert.equal(total, done)
    end)
    assert.equal(1, threads)
    assert.is_true(most_sockets >= 1 and most_sockets <= 2, most_sockets .. " sockets")
    live.assert_usable(db)
    db:close()
  end)

  it("Y8 a full queue makes execute wait, and each request is served", function()
    local db = suite.connect { protocol_version = version, connections = { 1, 1 }, max_in_flight = 8,
      max_queued = 16 }
    cqlua.run(function()
      local get = assert_ok(db:prepare "SELECT id FROM tokens WHERE id = ?")
      local answered = assert_ok(cqlua.map(ids_to(2000), 2000, function(id)
        local row = assert_ok(db:execute(get, { id }, { timeout = 60 })):one()
        assert.equal(id, row.id)
        return row.id
      end))
      for id = 1, 2000 do assert.equal(id, answered[id]) end
    end)
    db:close()
  end)

  it("Y8 with on_full = fail a full queue is queue_full, at once, and nothing else is lost", function()
    local db = suite.connect { protocol_version = version, connections = { 1, 1 }, max_in_flight = 8,
      max_queued = 16, on_full = "fail" }
    cqlua.run(function()
      local get = assert_ok(db:prepare "SELECT id FROM tokens WHERE id = ?")
      local served, refused = 0, 0
      assert_ok(cqlua.map(ids_to(500), 500, function(id)
        local res, err = db:execute(get, { id })
        if res then
          assert.equal(id, res[1].id)
          served = served + 1
        else
          failed("queue_full", res, err)
          assert.is_false(err.may_have_executed)
          assert.is_true(err.retryable)
          assert.same({}, err.attempts)
          refused = refused + 1
        end
        return true
      end))
      assert.equal(500, served + refused)
      assert.is_true(served >= 16 and refused > 0, served .. " served, " .. refused .. " refused")
    end)
    live.assert_usable(db)
    db:close()
  end)

  it("Y8 who waits for room in the queue waits no longer than its deadline, and can be cancelled", function()
    local db = suite.connect { protocol_version = version, connections = { 1, 1 }, max_in_flight = 2,
      max_queued = 2 }
    live.need_big_table()
    cqlua.run(function()
      local slow = {}
      for index = 1, 4 do
        slow[index] = cqlua.spawn(function()
          return db:execute("SELECT count(*) FROM cqlua_live_rows.numbers", nil, { timeout = 60 })
        end)
      end
      cqlua.sleep(0)
      cqlua.sleep(0)
      failed("timeout", db:execute("SELECT key FROM system.local", nil, { timeout = 0.002 }))
      local waiter = cqlua.spawn(function() return db:execute "SELECT key FROM system.local" end)
      cqlua.sleep(0)
      waiter:cancel()
      failed("cancelled", waiter:join())
      for index = 1, 4 do assert_ok(slow[index]:join()) end
      live.assert_usable(db)
    end)
    db:close()
  end)

  it("Q1 map, gather and tasks mix reads and writes without mixing answers up", function()
    local db = suite.connect { protocol_version = version }
    cqlua.run(function()
      local got = assert_ok(cqlua.gather {
        one = function() return db:execute("SELECT mark FROM tokens WHERE id = ?", { 1 }) end,
        server = function() return db:execute "SELECT key FROM system.local" end,
        both = function()
          return cqlua.map({ 2, 3, 4 }, 2, function(id)
            return assert_ok(db:execute("SELECT id FROM tokens WHERE id = ?", { id })):one().id
          end)
        end,
        stream = function()
          local count = 0
          for _ in db:stream("SELECT id FROM tokens LIMIT 500", nil, { page_size = 50 }) do count = count + 1 end
          return count
        end,
      })
      assert.is_string(got.one:one().mark)
      assert.equal("local", got.server:one().key)
      assert.same({ 2, 3, 4, n = 3 }, got.both)
      assert.equal(500, got.stream)
      local none, err = cqlua.gather {
        function() return db:execute "SELECT key FROM system.local" end,
        function() return db:execute "SELECT * FROM nowhere" end,
      }
      failed("invalid", none, err)
      live.assert_usable(db)
    end)
    assert.equal(0, core.pinned())
    db:close()
  end)
end)
