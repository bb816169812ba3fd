-- cqlua in a program that lives on copas (4 or later): threads of its own wait for cqlua and for copas alike.
--
--   luajit examples/hosts/copas.lua [CONTACT_POINT]
local copas = require "copas"
local cqlua = require "cqlua"
local assert = cqlua.assert

cqlua.attach(require "cqlua.host.copas")

local ticks, has_ended = 0, false

copas.addthread(function()
  while not has_ended do
    copas.pause(0.002)
    ticks = ticks + 1
  end
end)

copas.addthread(function()
  local db = assert(cqlua.connect { contact_points = { arg[1] or "127.0.0.1" } })
  local versions = assert(cqlua.map({ 0.03, 0.02, 0.01 }, 3, function(seconds)
    copas.pause(seconds) -- a task is a thread of copas
    return assert(db:execute "SELECT release_version FROM system.local"):one().release_version
  end))
  print(("%d tasks were told %s; the program's own went on: %s"):format(versions.n, versions[1], tostring(ticks > 1)))
  has_ended = true
  db:close()
end)

copas.loop() -- ends when the session has closed
print "the loop has ended by itself"
