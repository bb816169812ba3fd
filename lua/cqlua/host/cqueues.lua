-- The host on cqueues: the program runs a controller.
--
-- A driver, which is a coroutine of that controller, polls cqlua's descriptor and resumes the tasks; it ends when nothing is
-- open, so that the controller's loop can. What a task yields to wait for something of cqueues' is carried to the controller by
-- a coroutine in its place. The program's own coroutines wait on a condition, in whichever controller they are.

local condition = require "cqueues.condition"
local cqueues = require "cqueues"

local driven = require "cqlua.host.driven"

local poll = cqueues.poll
local resume, yield = coroutine.resume, coroutine.yield

local M = driven "cqueues"

local controller -- of the driver
local is_driven, is_rung = false, false
local bell = condition.new() -- wakes the driver
local descriptor = { pollfd = M.fd, events = "r", timeout = M.delay }

-- The controller that drives cqlua: the one given; else the one that runs at first use; else a new one. It is the program's to
-- run: `assert(host.controller():loop())`.
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

local wait_for_driver, wake_for_driver = M.wait, M.wake

function M.wait(waiter)
  if not waiter.is_guest then return wait_for_driver(waiter) end
  if not waiter.awake then
    waiter.bell = waiter.bell or condition.new()
    poll(waiter.bell)
  end
  waiter.awake = false
end

function M.wake(waiter)
  if not waiter.is_guest then
    wake_for_driver(waiter)
    return M.defer()
  end
  if waiter.awake then return end
  waiter.awake = true
  if waiter.bell then waiter.bell:signal() end
end

-- In the controller, in the task's place: yields what it yielded, until it waits for the driver again, or has ended.
local function stand_in(waiter, _, ...)
  if waiter.parked == true or not waiter.co then return end
  return stand_in(waiter, resume(waiter.co, yield(...)))
end

function M.carry(waiter, ...)
  controller:wrap(stand_in, waiter, true, ...)
end

local function run_driver()
  repeat
    is_rung = true -- what is submitted meanwhile is seen to here
    M.drive()
    is_rung = false
    local is_done = M.is_idle()
    if not is_done then poll(descriptor, bell) end
  until is_done
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

return M
