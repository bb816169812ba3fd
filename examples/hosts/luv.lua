-- cqlua in a program that lives on luv: a timer of the program's own ticks while tasks ask the cluster.
--
--   luajit examples/hosts/luv.lua [CONTACT_POINT]
local cqlua = require "cqlua"
local uv = require "luv"
local assert = cqlua.assert

cqlua.attach(require "cqlua.host.luv")

local ticks, timer = 0, uv.new_timer()
timer:start(0, 2, function() ticks = ticks + 1 end)
timer:unref() -- alone it does not keep the loop

local function main(contact_point)
  local db = assert(cqlua.connect { contact_points = { contact_point } })
  local versions = assert(cqlua.map({ 0.03, 0.02, 0.01 }, 3, function(seconds)
    cqlua.sleep(seconds)
    return assert(db:execute "SELECT release_version FROM system.local"):one().release_version
  end))
  print(("%d tasks were told %s; the program's timer went on: %s"):format(versions.n, versions[1], tostring(ticks > 1)))
  return db:close()
end

cqlua.spawn(main, arg[1] or "127.0.0.1")
uv.run() -- ends when the session has closed
print "the loop has ended by itself"
