-- What every host does alike: the one suite, run for real on each against a server in the same process and loop.
--
-- suite {
--   name      as in cqlua.host.NAME
--   run(start)  calls start(), which spawns and gives the test's task, and runs the host's loop until it ends by itself
--   every(seconds, fn)  calls fn from a timer of the host's own, outside any task, until the function it gives is called
--   has_callbacks       code that `every` calls runs in no coroutine that could wait
--   go(fn)    runs fn in a coroutine of the host's own, soon; gives what kill(it) takes
--   pause(seconds)      the host's own way to wait in such a coroutine
--   kill(started)       sees that it is never resumed
-- }
-- Only name and run are needed: what else is missing is not tried.

local assert = require "luassert"
local busted = require "busted"
local cqlua = require "cqlua"
local eventually = require "spec.lua.support.eventually"
local testing = require "cqlua.testing"

local now = require("cqlua.task").now
local describe, it = busted.describe, busted.it

local LIMIT = 20 -- seconds of one test

local ROWS = { columns = { { "n", "int" } }, rows = { { 1 }, { 2 }, { 3 } } }

-- Runs fn in a task until it and the host's loop have ended.
local function inside(host, fn)
  local has_ended, ok, err, late
  host.run(function()
    return cqlua.spawn(function()
      ok, err, late = pcall(cqlua.with_timeout, LIMIT, fn)
      has_ended = true
    end)
  end)
  assert.is_true(has_ended, "the host's loop ended before the test")
  if not ok then error(err, 0) end
  assert.is_nil(not err and late or nil)
end

-- The same with a server and a session that are closed at its end.
local function connected(host, fn, options)
  return inside(host, function()
    local server = testing.server()
    local given = { contact_points = server.contact_points }
    for name, value in pairs(options or {}) do given[name] = value end
    server:prime("SELECT n", ROWS)
    server:prime("SELECT never", { no_answer = true })
    cqlua.with(server, function()
      cqlua.with(cqlua.assert(cqlua.connect(given)), function(db) fn(db, server) end)
    end)
  end)
end

local function usable(db)
  assert.equal(3, #cqlua.assert(db:execute "SELECT n"))
end

local function requests(host)
  it("Q1 overlaps the requests of its tasks", function()
    connected(host, function(db, server)
      server:prime("SELECT slow", { delay = 0.05, columns = ROWS.columns, rows = ROWS.rows })
      local at_first_answer
      cqlua.assert(cqlua.map({ 1, 2, 3, 4, 5 }, 5, function()
        cqlua.assert(db:execute "SELECT slow")
        at_first_answer = at_first_answer or server:count "SELECT slow"
        return true
      end))
      assert.equal(5, at_first_answer)
    end)
  end)

  it("Q2 returns the server's errors typed, and goes on", function()
    connected(host, function(db, server)
      server:prime("SELECT bad", { error = { code = "read_timeout", message = "too slow", block_for = 2, received = 1 } })
      local res, err = db:execute("SELECT bad", nil, { retry = "none" })
      assert.is_nil(res)
      assert.same({ "read_timeout", 2, 1 }, { err.name, err.block_for, err.received })
      usable(db)
    end)
  end)

  it("Q4 ends a request at its deadline", function()
    connected(host, function(db)
      local res, err = db:execute("SELECT never", nil, { timeout = 0.03 })
      assert.is_nil(res)
      assert.equal("timeout", err.name)
      usable(db)
    end)
  end)

  it("serves 2,000 requests of 50 tasks", function()
    connected(host, function(db)
      local list = {}
      for n = 1, 2000 do list[n] = n end
      local got = cqlua.assert(cqlua.map(list, 50, function() return #cqlua.assert(db:execute "SELECT n") end))
      assert.equal(2000, got.n)
      for n = 1, 2000 do assert.equal(3, got[n]) end
    end)
  end)

  it("T1 streams page after page, and a broken one frees its session", function()
    connected(host, function(db, server)
      server:prime("SELECT pages", { columns = ROWS.columns, pages = { { { 1 }, { 2 } }, {}, { { 3 } }, { { 4 }, { 5 } } } })
      local seen = {}
      for row in db:stream "SELECT pages" do seen[#seen + 1] = row.n end
      assert.same({ 1, 2, 3, 4, 5 }, seen)
      for _ in db:stream "SELECT pages" do break end -- luacheck: ignore 512
      local count = cqlua.assert(db:stream("SELECT pages"):each(2, function() cqlua.sleep(0.001) return true end))
      assert.equal(5, count)
      usable(db)
    end)
  end)
end

local function tasks(host)
  it("sleeps, each task its own time", function()
    inside(host, function()
      local wanted, began = { 0.06, 0.02, 0.04, 0 }, now()
      local slept = cqlua.assert(cqlua.map(wanted, 4, function(seconds)
        cqlua.sleep(seconds)
        return now() - began
      end))
      for index, seconds in ipairs(wanted) do assert.is_true(slept[index] >= seconds) end
    end)
  end)

  it("ends what with_timeout limits, and only that", function()
    connected(host, function(db)
      local res, late = cqlua.with_timeout(0.03, function() return db:execute "SELECT never" end)
      assert.is_nil(res)
      assert.equal("timeout", late.name)
      assert.equal(3, #cqlua.with_timeout(LIMIT, db.execute, db, "SELECT n"))
    end)
  end)

  it("X1 cancels a task where it waits", function()
    connected(host, function(db)
      local reached
      local task = cqlua.spawn(function()
        pcall(db.execute, db, "SELECT never")
        reached = true
        cqlua.sleep(0)
      end)
      cqlua.sleep(0.01)
      assert.is_true(task:cancel())
      local value, err = task:join()
      assert.is_nil(value)
      assert.same({ "cancelled", true }, { err.name, reached })
      usable(db)
    end)
  end)

  it("raises at the join what a task raised", function()
    inside(host, function()
      local raised = { "as it is" }
      local task = cqlua.spawn(function() cqlua.sleep(0.001) error(raised, 0) end)
      local ok, err = pcall(task.join, task)
      assert.is_false(ok)
      assert.equal(raised, err)
    end)
  end)
end

local function ends(host)
  it("C4 closes twice at once, refuses what comes later, and lets the host's loop end", function()
    connected(host, function(db)
      local request = cqlua.spawn(db.execute, db, "SELECT n")
      cqlua.sleep(0)
      cqlua.assert(cqlua.map({ 1, 2 }, 2, function() return db:close() end))
      assert.is_truthy(request:join())
      local res, err = db:execute "SELECT n"
      assert.is_nil(res)
      assert.equal("closed", err.name)
    end)
  end)

  it("C1 fails to connect, and lets the host's loop end", function()
    inside(host, function()
      local server = testing.server()
      server:stop()
      local db, err = cqlua.connect { contact_points = server.contact_points, connect_timeout = 0.1 }
      assert.is_nil(db)
      assert.equal("no_nodes", err.name)
    end)
  end)
end

-- Beside what else runs in the host's loop.
local function guests(host)
  it("sends before the loop sleeps what was submitted outside its steps", function()
    connected(host, function(db, server)
      local sleeper = cqlua.spawn(cqlua.sleep, LIMIT)
      local ticks, count = 0, nil
      local stop
      stop = host.every(0.01, function()
        ticks = ticks + 1
        if ticks == 1 then cqlua.assert(db:execute_nowait "SELECT n") end
        count = server:count "SELECT n"
        if count == 1 or ticks == 50 then
          stop()
          sleeper:cancel()
        end
      end)
      sleeper:join()
      assert.equal(1, count)
    end, { heartbeat = { 60, 60 } })
  end)

  it("starts a task from a callback", function()
    connected(host, function(db)
      local task, stop
      stop = host.every(0.005, function()
        stop()
        task = cqlua.spawn(function() return #cqlua.assert(db:execute "SELECT n") end)
      end)
      eventually(function() return task end)
      assert.equal(3, task:join())
    end)
  end)

  it("leaves the host's own timers running", function()
    connected(host, function(db)
      local ticks = 0
      local stop = host.every(0.001, function() ticks = ticks + 1 end)
      local rounds = 0
      repeat
        usable(db)
        rounds = rounds + 1
      until ticks >= 3 or rounds == 100000
      stop()
      assert.is_true(ticks >= 3)
    end)
  end)

  it("raises in a generator, and says what to do", function()
    connected(host, function(db)
      local ok, err = pcall(coroutine.wrap(function() db:execute "SELECT n" end))
      assert.is_false(ok)
      assert.matches("cqlua%.wrap", err)
      usable(db)
      assert.equal(3, #cqlua.wrap(function() return db:execute "SELECT n" end)())
    end)
  end)
end

local function callbacks(host)
  it("raises in a callback, and says what to do", function()
    connected(host, function(db)
      local ok, err, stop
      stop = host.every(0.001, function()
        stop()
        ok, err = pcall(db.execute, db, "SELECT n")
      end)
      eventually(function() return ok ~= nil end)
      assert.is_false(ok)
      assert.matches("cqlua%.spawn", err)
      usable(db)
    end)
  end)
end

local function coroutines(host)
  local function in_own(fn)
    return function(db, server)
      local has_ended, ok, err
      host.go(function()
        ok, err = pcall(fn, db, server)
        has_ended = true
      end)
      eventually(function() return has_ended end)
      if not ok then error(err, 0) end
    end
  end

  it("waits in a coroutine of the host's own", function()
    connected(host, in_own(function(db)
      usable(db)
      host.pause(0.002)
      usable(db)
      cqlua.sleep(0.001)
      local sum = 0
      for row in db:stream "SELECT n" do sum = sum + row.n end
      assert.equal(6, sum)
      assert.equal(7, cqlua.spawn(function() return 7 end):join())
    end))
  end)

  it("limits and shields a coroutine of the host's own", function()
    connected(host, in_own(function(db)
      local res, late = cqlua.with_timeout(0.02, function()
        cqlua.shield(function() return usable(db) end)
        return db:execute "SELECT never"
      end)
      assert.is_nil(res)
      assert.equal("timeout", late.name)
      usable(db)
    end))
  end)

  it("lets a task wait for the host as well, where a cancel waits until it is back", function()
    connected(host, function(db)
      local is_pausing, is_cancelled, seconds
      local task = cqlua.spawn(function()
        usable(db)
        local began = now()
        is_pausing = true
        host.pause(0.02)
        seconds = now() - began
        while not is_cancelled do host.pause(0.001) end
        cqlua.sleep(0)
      end)
      eventually(function() return is_pausing end)
      is_cancelled = task:cancel()
      local _, err = task:join()
      assert.equal("cancelled", err.name)
      assert.is_true(seconds > 0.018)
      usable(db)
    end)
  end)
end

local function killed(host)
  it("X2 frees the request of a killed coroutine by its deadline and keeps the connection", function()
    connected(host, function(db, server)
      local before = server:node(1):connections()
      local resumed
      local victim = host.go(function()
        db:execute("SELECT never", nil, { timeout = 0.05 })
        resumed = true
      end)
      eventually(function() return server:count "SELECT never" == 1 end)
      host.kill(victim)
      eventually(function() return db:nodes()[1].in_flight == 0 end)
      usable(db)
      cqlua.sleep(0.01)
      assert.is_nil(resumed)
      assert.equal(before, server:node(1):connections())
    end)
  end)
end

return function(host)
  cqlua.attach(require("cqlua.host." .. host.name))
  describe("the host " .. host.name, function()
    requests(host)
    tasks(host)
    ends(host)
    if host.every then guests(host) end
    if host.has_callbacks then callbacks(host) end
    if host.go then coroutines(host) end
    if host.kill then killed(host) end
  end)
end
