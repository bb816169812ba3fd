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

describe("a task on cqueues", function()
  local cqlua = require "cqlua"
  local condition = require "cqueues.condition"
  local socket = require "cqueues.socket"

  -- Runs fn in a task, beside `other` in a coroutine of the controller.
  local function beside(other, fn)
    local ok, err
    run(function()
      controller:wrap(other)
      return cqlua.spawn(function() ok, err = pcall(fn) end)
    end)
    if not ok then error(err, 0) end
  end

  it("waits for conditions and sockets as any coroutine of the controller does", function()
    local bell, here, there = condition.new(), socket.pair()
    beside(function()
      cqueues.sleep(0.01)
      bell:signal()
      cqueues.sleep(0.01)
      there:write "ping\n"
      there:flush()
    end, function()
      assert.equal(bell, cqueues.poll(bell, 10))
      assert.equal("ping", here:read "*l")
      cqlua.sleep(0.001)
      assert.equal(7, cqlua.spawn(function() cqueues.sleep(0) return 7 end):join())
    end)
  end)

  it("raises at the join what it raises after such a wait", function()
    beside(function() end, function()
      local task = cqlua.spawn(function() cqueues.sleep(0.001) error("here", 0) end)
      local ok, err = pcall(task.join, task)
      assert.same({ false, "here" }, { ok, err })
    end)
  end)
end)
