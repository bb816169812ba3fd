local has_cqueues, cqueues = pcall(require, "cqueues")
if not has_cqueues then
  describe("the host cqueues", function() pending "cqueues is not installed (lua-cqueues)" end)
  return
end
local host = require "cqlua.host.cqueues"

local LIMIT = 60

local controller = cqueues.new()
host.controller(controller)

local function run(start)
  start()
  assert(controller:loop(LIMIT))
  assert(controller:empty(), "the controller's loop did not end by itself")
end

local function go(fn)
  local own = cqueues.new() -- of its own, so that it can be killed
  own:wrap(fn)
  controller:wrap(function() pcall(own.loop, own) end)
  return own
end

local function every(seconds, fn)
  local is_stopped = false
  controller:wrap(function()
    while not is_stopped do
      cqueues.sleep(seconds)
      if not is_stopped then coroutine.wrap(fn)() end -- a callback: no coroutine that may wait
    end
  end)
  return function() is_stopped = true end
end

require "spec.hosts.support.suite" {
  name = "cqueues", run = run, every = every, has_callbacks = true, go = go, pause = cqueues.sleep,
  kill = function(own) own:close() end,
}
