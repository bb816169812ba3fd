-- cqlua in a program that lives on cqueues: coroutines of its own wait for cqlua and for cqueues alike.
--
--   luajit examples/hosts/cqueues.lua [CONTACT_POINT]
local cqlua = require "cqlua"
local cqueues = require "cqueues"
local assert = cqlua.assert

cqlua.attach(require "cqlua.host.cqueues")

local controller = cqueues.new()
local ticks, has_ended = 0, false

controller:wrap(function()
  while not has_ended do
    cqueues.sleep(0.002)
    ticks = ticks + 1
  end
end)

controller:wrap(function()
  local db = assert(cqlua.connect { contact_points = { arg[1] or "127.0.0.1" } })
  local versions = assert(cqlua.map({ 0.03, 0.02, 0.01 }, 3, function(seconds)
    cqueues.sleep(seconds) -- a task is a coroutine of the controller
    return assert(db:execute "SELECT release_version FROM system.local"):one().release_version
  end))
  print(("%d tasks were told %s; the program's own went on: %s"):format(versions.n, versions[1], tostring(ticks > 1)))
  has_ended = true
  db:close()
end)

assert(controller:loop()) -- ends when the session has closed
print "the loop has ended by itself"
