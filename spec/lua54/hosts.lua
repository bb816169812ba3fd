-- The hosts on luv and cqueues on Lua 5.4, against a server in this process; one after the other, for tasks have one host.
local cqlua = require "cqlua"
local testing = require "cqlua.testing"
local assert = cqlua.assert

local function main()
  local server = testing.server()
  server:prime("SELECT n", { columns = { { "n", "int" } }, rows = { { 1 }, { 2 }, { 3 } } })
  server:prime("SELECT never", { no_answer = true })
  local db = assert(cqlua.connect { contact_points = server.contact_points })
  local counts = assert(cqlua.map({ 0.01, 0, 0.005 }, 3, function(seconds)
    cqlua.sleep(seconds)
    return #assert(db:execute "SELECT n")
  end))
  assert(counts.n == 3 and counts[1] + counts[2] + counts[3] == 9)
  local res, late = cqlua.with_timeout(0.01, db.execute, db, "SELECT never")
  assert(res == nil and late.name == "timeout")
  db:close()
  server:stop()
  return "done"
end

local loops = {}

function loops.luv(uv)
  local others, timer = "", uv.new_timer()
  timer:start(1, 0, function()
    timer:close()
    coroutine.wrap(function() -- a coroutine of the program's own
      cqlua.sleep(0.001)
      others = "slept"
    end)()
  end)
  local task = cqlua.spawn(main)
  uv.run()
  return task, others
end

function loops.cqueues(cqueues)
  local controller, others = cqueues.new(), ""
  require("cqlua.host.cqueues").controller(controller)
  controller:wrap(function()
    cqlua.sleep(0.001)
    others = "slept"
  end)
  local task = cqlua.spawn(function()
    cqueues.sleep(0.001)
    return main()
  end)
  assert(controller:loop(60))
  return task, others
end

for _, name in ipairs { "luv", "cqueues" } do
  local is_there, module = pcall(require, name)
  if is_there then
    cqlua.attach(require("cqlua.host." .. name))
    local task, others = loops[name](module)
    if task.state ~= "done" then error(name .. ": " .. tostring(task.error or task.state), 0) end
    assert(others == "slept", name .. ": a coroutine of the program's did not end")
    print("ok " .. name)
  else
    print("skipped: " .. name .. " is not installed for Lua 5.4")
  end
end
