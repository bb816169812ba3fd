-- The host on copas, 4 or later: tasks are threads of copas, and so may wait for cqlua and for anything of copas alike.
--
-- copas waits for sockets only: a gate, which looks like one to it and is cqlua's descriptor, wakes the driver, a thread
-- that steps. Both end when nothing is open, so that copas.loop can.

local copas = require "copas"

local major = tonumber(tostring(copas._VERSION):match "(%d+)%.")
if not (major and major >= 4) then
  error(("cqlua.host.copas needs copas 4 or later, and this is %s: luarocks install copas"):format(
    tostring(copas._VERSION or "an unknown version")), 0)
end

local driven = require "cqlua.host.driven"

local M = driven "copas"

local driver -- its coroutine, while there is one
local gate
local is_driven, is_rung = false, false

-- Any coroutine: copas does not tell which are its own, and a generator of coroutine.wrap is none.
function M.may_wait()
  return true
end

function M.wait(waiter)
  if not waiter.awake then
    waiter.parked = true
    copas.pauseforever()
    waiter.parked = false
  end
  waiter.awake = false
end

-- Only who is parked: a thread that sleeps for the program's reasons sleeps on.
function M.wake(waiter)
  if waiter.awake then return end
  waiter.awake = true
  if waiter.parked then copas.wakeup(waiter.co) end
end

local function ring()
  if is_rung then return end
  is_rung = true
  if driver then copas.wakeup(driver) end
end

-- A socket to copas.receive: asked first, it has nothing; asked again, it has become readable.
local function new_gate()
  local has_waited, is_closed = false, false
  return {
    getfd = M.fd,
    dirty = function() return false end,
    close = function() is_closed = true end,
    receive = function()
      if is_closed then return nil, "closed" end
      has_waited = not has_waited
      if has_waited then return nil, "timeout" end
      return "readable"
    end,
  }
end

local function watch(own)
  while copas.receive(own) do ring() end
end

local function pause(seconds)
  if seconds then copas.pause(seconds) else copas.pauseforever() end
end

local function run_driver()
  driver = coroutine.running()
  repeat
    is_rung = true -- what is submitted meanwhile is seen to here
    M.drive()
    is_rung = false
    local is_done = M.is_idle()
    if not is_done then pause(M.delay()) end
  until is_done
  driver, is_driven = nil, false
  copas.close(gate)
end

function M.defer()
  if is_driven then return ring() end
  is_driven = true
  gate = new_gate()
  copas.addthread(run_driver)
  copas.addthread(watch, gate)
end

function M.start(body, task)
  copas.addthread(body, task)
end

return M
