-- Variables that close what they hold: `local x <close> = ...` of Lua 5.4.
local cqlua = require "cqlua"
local testing = require "cqlua.testing"

local function open(server)
  return cqlua.assert(cqlua.connect { contact_points = server.contact_points, discovery = false })
end

local function numbers(server)
  local rows = {}
  for n = 1, 10 do rows[n] = { n } end
  server:prime("SELECT n FROM t", { columns = { { "n", "int" } }, rows = rows })
end

describe("a variable that is to be closed", function()
  it("C5 closes its session when its scope ends, however it ends", testing.async(function()
    local server <close> = testing.server {}
    local seen
    do
      local db <close> = open(server)
      seen = db
      assert.is_false(db.closed)
    end
    assert.is_true(seen.closed)

    local raised = { "as it is" }
    local ok, err = pcall(function()
      local db <close> = open(server)
      seen = db
      error(raised, 0)
    end)
    assert.is_false(ok)
    assert.equal(raised, err)
    assert.is_true(seen.closed)

    local value = (function()
      local db <close> = open(server)
      seen = db
      return 42
    end)()
    assert.equal(42, value)
    assert.is_true(seen.closed)
  end))

  it("C5 X1 closes its session in a task that is cancelled, and waits for the end of it", testing.async(function()
    local server <close> = testing.server {}
    server:prime("SELECT never", { no_answer = true })
    local seen
    local task = cqlua.spawn(function()
      local db <close> = open(server)
      seen = db
      return db:execute("SELECT never", nil, { timeout = 0.3 })
    end)
    while server:count "SELECT never" == 0 do cqlua.sleep(0.001) end
    task:cancel()
    assert.equal("cancelled", select(2, task:join()).name)
    assert.is_true(seen.closed)
    assert.equal("closed", select(2, seen:execute "SELECT never").name)
  end))

  it("T7 closes its stream after a break", testing.async(function()
    local server <close> = testing.server {}
    numbers(server)
    local db <close> = open(server)
    local seen
    do
      local stream <close> = db:stream("SELECT n FROM t", nil, { page_size = 2 })
      seen = stream
      for row in stream do
        if row.n == 3 then break end
      end
      assert.is_false(stream.closed)
    end
    assert.is_true(seen.closed)
    assert.equal(10, #cqlua.assert(db:all "SELECT n FROM t"))
  end))

  it("C5 closes in the order of Lua, innermost first", testing.async(function()
    local server <close> = testing.server {}
    numbers(server)
    local order = setmetatable({}, { __close = function(list) list.was_closed = list.db.closed end })
    do
      local db <close> = open(server)
      local witness <close> = order -- closed before the session is
      witness.db = db
    end
    assert.is_false(order.was_closed)
    assert.is_true(order.db.closed)
  end))
end)
