-- cqlua.step with a budget, on the host poll: what one step does is counted, with a clock that runs out at each look.

local cqlua = require "cqlua"
local core = require "cqlua.core"
local poll = require "cqlua.host.poll"
local testing = require "cqlua.testing"

cqlua.attach(poll)

local real_now, ahead, tick = poll.now, 0, 0
function poll.now()
  ahead = ahead + tick
  return real_now() + ahead
end

-- One step whose time is up at the first look: it does the least that a step does.
local function least_step()
  tick = 1
  local handled, more = cqlua.step(0.5)
  tick = 0
  return handled, more
end

local function until_true(condition, step)
  for count = 1, 100000 do
    if condition() then return count - 1 end
    step()
  end
  error "it never came about"
end

local server, db

local function rows_of(count, text)
  local rows = {}
  for n = 1, count do rows[n] = { n, text } end
  return { columns = { { "n", "int" }, { "t", "text" } }, rows = rows }
end

local function run(fn)
  local task = cqlua.spawn(fn)
  task.joined = true -- its errors are looked at here
  until_true(function() return task.state end, function() cqlua.step() end)
  if task.state == "failed" then error(task.error, 0) end
end

-- The answer is there: what is left is to build it.
local function arrived()
  for _ = 1, 20 do core.loop_step(poll.loop(), 1, 0) end
end

describe("a step", function()
  setup(function()
    server = testing.server {}
    server:prime("SELECT small", rows_of(2000, "x"))
    server:prime("SELECT wide", rows_of(50, ("x"):rep(5000)))
    server:prime("SELECT one", rows_of(1, "x"))
    run(function() db = assert(cqlua.connect { contact_points = server.contact_points, heartbeat = { 300, 300 } }) end)
  end)

  teardown(function()
    run(function() db:close() end)
    server:stop()
  end)

  -- Steps until `query` is answered, and its rows.
  local function steps_for(query)
    local rows
    cqlua.spawn(function() rows = assert(db:execute(query)) end)
    cqlua.step()
    arrived()
    return until_true(function() return rows end, least_step), rows
  end

  it("builds a page over as many steps as it takes before its task resumes", function()
    local steps, rows = steps_for "SELECT small"
    assert.equal(2000, #rows)
    for n = 1, 2000 do assert.equal(n, rows[n].n) end
    assert.is_true(steps >= 2000 / 16 and steps <= 2000 / 16 + 10, steps)
  end)

  it("builds at most one row of a page of wide rows", function()
    local steps, rows = steps_for "SELECT wide"
    assert.equal(50, #rows)
    assert.equal(5000, #rows[50].t)
    assert.is_true(steps >= 50 and steps <= 60, steps)
  end)

  it("builds a whole page at once where its time is not bound", function()
    local rows
    cqlua.spawn(function() rows = assert(db:execute "SELECT small") end)
    cqlua.step()
    arrived()
    cqlua.step()
    assert.equal(2000, #rows)
  end)

  it("gives one row of a stream and then way to the program", function()
    local last, most = 0, 0
    cqlua.spawn(function()
      for row in db:stream("SELECT small", nil, { page_size = 300 }) do
        assert(row.n == last + 1)
        last = row.n
      end
      last = "done"
    end)
    until_true(function() return last == "done" end, function()
      local before = last
      least_step()
      if last ~= "done" then most = math.max(most, last - before) end
    end)
    assert.equal(1, most)
  end)

  it("resumes one task, the oldest first, and says that more are left", function()
    local order = {}
    for n = 1, 20 do cqlua.spawn(function() order[#order + 1] = n end) end
    for n = 1, 20 do
      local _, more = least_step()
      assert.equal(n, #order)
      assert.equal(n, order[n])
      assert.equal(n < 20, more)
    end
  end)

  it("answers every request in the end, however small its budget", function()
    local answered = 0
    for _ = 1, 300 do
      cqlua.spawn(function()
        assert(assert(db:execute "SELECT one"):one().n == 1)
        answered = answered + 1
      end)
    end
    until_true(function() return answered == 300 end, least_step)
  end)

  it("sends what resumed tasks submitted before it returns", function()
    server:clear()
    cqlua.spawn(function() db:execute "SELECT one" end)
    cqlua.step()
    until_true(function() return #server:received() == 1 end, function() core.loop_step(poll.loop(), 1, 1) end)
    run(function() end)
  end)

  it("wakes those who wait for one another in the same step", function()
    local joined
    cqlua.spawn(function() joined = cqlua.spawn(function() return 42 end):join() end)
    cqlua.step()
    assert.equal(42, joined)
  end)

  it("raises `cancelled` in a task whose page it is building, and holds nothing of it", function()
    local pinned, err = core.pinned(), nil
    local task = cqlua.spawn(function()
      local ok, raised = pcall(db.execute, db, "SELECT small")
      err = not ok and raised
    end)
    cqlua.step()
    arrived()
    for _ = 1, 10 do least_step() end
    assert.is_true(core.pinned() > pinned)
    task:cancel()
    until_true(function() return err end, least_step)
    assert.equal("cancelled", err.name)
    assert.equal(pinned, core.pinned())
    assert.equal(2000, #select(2, steps_for "SELECT small"))
  end)

  it("loses no row of a stream whose reader ran out of time between two of them", function()
    local seen, late = 0, nil
    run(function()
      local stream = db:stream "SELECT small"
      local _, err = cqlua.with_timeout(0.02, function()
        for _ in stream do
          seen = seen + 1
          cqlua.sleep(0.001)
        end
      end)
      late = err
      local before = seen
      for row in stream do
        seen = seen + 1
        assert(row.n == seen, before)
      end
    end)
    assert.equal("timeout", late.name)
    assert.equal(2000, seen)
  end)

  it("does nothing and says so where nothing is to be done", function()
    cqlua.step()
    assert.same({ 0, false }, { cqlua.step(0.01) })
  end)

  it("is refused, at the caller's line, where the loop is running already, or for what is no number of seconds", function()
    local ok, err
    run(function() ok, err = pcall(cqlua.step) end)
    assert.is_false(ok)
    assert.matches("step_spec.lua:%d+: step: the loop is running already", err)
    ok, err = pcall(cqlua.step, "soon")
    assert.is_false(ok)
    assert.matches("step_spec.lua:%d+: step: a number of seconds expected, got soon", err)
    local undo = db:on("schema_changed", function() err = select(2, pcall(cqlua.step)) end)
    err = nil
    server:event { type = "SCHEMA_CHANGE", change = "CREATED", target = "KEYSPACE", keyspace = "shop" }
    until_true(function() return err end, function() cqlua.step() end)
    assert.matches("step: the loop is in a step already", err)
    undo()
  end)
end)
