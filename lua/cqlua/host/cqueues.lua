-- The host on cqueues: tasks are coroutines of a controller, and so may wait for cqlua and for anything of cqueues alike.
--
-- A driver, which is a coroutine of the same controller, polls cqlua's descriptor; it ends when nothing is open, so that
-- the controller's loop can. Who waits does so on a condition of its own: in any controller, and resumed by that one.

local condition = require "cqueues.condition"
local cqueues = require "cqueues"

local driven = require "cqlua.host.driven"

local poll = cqueues.poll

local M = driven "cqueues"

local controller -- where tasks and the driver live
local is_driven, is_rung = false, false
local bell = condition.new() -- wakes the driver
local descriptor = { pollfd = M.fd, events = "r", timeout = M.delay }

-- The controller of tasks to come: the one given; else the one that runs at first use; else a new one. It is the
-- program's to run: `assert(host.controller():loop())`.
function M.controller(given)
  if given and given ~= controller then
    controller, is_driven = given, false
  end
  controller = controller or cqueues.running() or cqueues.new()
  return controller
end

-- The coroutine is one that a controller resumes itself.
function M.may_wait()
  local _, is_own = cqueues.running()
  return is_own
end

function M.wait(waiter)
  if not waiter.awake then
    waiter.bell = waiter.bell or condition.new()
    poll(waiter.bell)
  end
  waiter.awake = false
end

function M.wake(waiter)
  if waiter.awake then return end
  waiter.awake = true
  if waiter.bell then waiter.bell:signal() end
end

local function run_driver()
  repeat
    is_rung = false
    M.drive()
    local is_done = M.is_idle()
    if not (is_done or is_rung) then poll(descriptor, bell) end
  until is_done and not is_rung
  is_driven = false
end

function M.defer()
  if not is_driven then
    is_driven = true
    M.controller():wrap(run_driver)
  elseif not is_rung then
    is_rung = true
    bell:signal()
  end
end

function M.start(body, task)
  M.controller():wrap(body, task)
end

return M
