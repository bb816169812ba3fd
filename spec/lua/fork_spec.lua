-- Fault 42, as a script meets it: the child's waiting calls return `forked`, and it may connect for itself.
local run = require "spec.lua.support.script"

local SCRIPT = [[
  local cqlua = require "cqlua"
  local system = require "spec_system"
  local port = system.listen()
  local function connect(seconds)
    return cqlua.connect { contact_points = { "127.0.0.1:" .. port }, connect_timeout = seconds }
  end
  local ok, failed = pcall(cqlua.run, function()
    local waiting = cqlua.spawn(connect, 1)
    cqlua.sleep(0.1)
    local child = system.fork()
    local start = cqlua.now()
    local db, err = waiting:join()
    assert(db == nil)
    if child then
      assert(system.wait(child), "the child failed")
      return assert(err.name == "no_nodes", tostring(err)) -- the parent's own connect, to its end
    end
    assert(err.name == "forked", tostring(err))
    assert(err.message:find "open another one here")
    assert(cqlua.now() - start < 500, "the child waited")
    local again, own = connect(0.2)
    assert(again == nil and own.name == "no_nodes", tostring(own))
    io.stdout:write "child\n"
    io.stdout:flush()
    system.quit(0)
  end)
  if not ok then print(failed) system.quit(1) end
  io.stdout:write "parent\n"
]]

describe("a script that forks", function()
  it("fault 42 gets `forked` in the child at once, and the parent goes on", function()
    assert.equal("child\nparent\nstatus 0\n", run(SCRIPT))
  end)
end)
