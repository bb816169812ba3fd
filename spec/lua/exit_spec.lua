-- Every way to end a program, in the middle of every kind of work, on sockets and on a host of memory: the exit status is the
-- program's own, nothing crashes.
-- ctest: timeout=180
local run = require "spec.lua.support.script"

-- A node that accepts connections and never answers.
local SOCKETS = [[
  local cqlua = require "cqlua"
  local port = require "spec_system".listen()
  local function open() return cqlua.connect { contact_points = { "127.0.0.1:" .. port }, connect_timeout = 9 } end
  local function main(work)
    return cqlua.run(function()
      return work { execute = open, stream = function() return open end } -- each waits for a connection
    end)
  end
]]

local MEMORY = [[
  local cqlua = require "cqlua"
  local fixture = require "spec.lua.support.fixture"
  local function main(work)
    return fixture.with(function(db, server)
      server:prime("NEVER", { silent = true })
      server:prime("SELECT n FROM t", fixture.pages { { 1, 2, 3 }, { silent = true } })
      return work(db)
    end)
  end
]]

local WORK = {
  ["requests in flight"] = [[ for _ = 1, 10 do cqlua.spawn(function() return db:execute "NEVER" end) end
    cqlua.sleep(0.01) ]],
  ["a stream in the middle of a page"] = [[ local stream = db:stream "SELECT n FROM t"
    cqlua.spawn(function() for _ in stream do cqlua.sleep(0) end end)
    cqlua.sleep(0.01) ]],
  ["tasks that wait for one another"] = [[
    local first = cqlua.spawn(function() return db:execute "NEVER" end)
    for _ = 1, 5 do cqlua.spawn(function() first:join() end) end
    cqlua.spawn(function() cqlua.map({ 1, 2, 3 }, 2, function() return db:execute "NEVER" end) end)
    cqlua.spawn(function() pcall(cqlua.with_timeout, 100, function() return db:execute "NEVER" end) end)
    cqlua.sleep(0.01) ]],
  ["a task that was cancelled and waits on"] = [[
    local task = cqlua.spawn(function() pcall(db.execute, db, "NEVER") cqlua.shield(function() cqlua.sleep(0.3) end) end)
    cqlua.sleep(0.01)
    task:cancel()
    cqlua.sleep(0.01) ]],
}

local ENDINGS = {
  { "os.exit", "os.exit(3)", "status 3\n" },
  { "os.exit that closes the state", "os.exit(4, true)", "status 4\n" },
  { "os.exit in a task", "cqlua.spawn(function() os.exit(5, true) end) cqlua.sleep(1)", "status 5\n" },
  { "os.exit in a finalizer", "local meta = { __gc = function() os.exit(6) end } if newproxy then "
    .. "getmetatable(newproxy(true)).__gc = meta.__gc else setmetatable({}, meta) end collectgarbage() collectgarbage()",
    "status 6\n" },
  { "an error", "error('ended here')", "ended here.*status 1\n$" },
  { "the end of main", "collectgarbage()", "status 0\n$" }, -- what tasks that nobody joined died of may be said before
}

for host, prelude in pairs { sockets = SOCKETS, ["a host of memory"] = MEMORY } do
  describe("a program on " .. host, function()
    for what, work in pairs(WORK) do
      for _, ending in ipairs(ENDINGS) do
        it("fault 75 ends by " .. ending[1] .. ", with " .. what, function()
          local said = run(prelude .. "main(function(db) " .. work .. "\n" .. ending[2] .. " end)")
          if ending[3]:find("$", 1, true) then assert.matches(ending[3], said) else assert.equal(ending[3], said) end
        end)
      end
    end
  end)
end
