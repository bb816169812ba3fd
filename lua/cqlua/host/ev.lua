-- The host that comes with cqlua: its own loop (libev's), one ready list. A coroutine waits by yielding to the
-- loop.

local core = require "cqlua.core"
local task = require "cqlua.task"

local resume, yield = coroutine.resume, coroutine.yield
local ceil, min = math.ceil, math.min

local LONGEST_MS = 60000 -- of one sleep; then the loop looks again

local M = { name = "ev" }
local loop
local ready, spare, count = {}, {}, 0

-- The loop, made at first use.
function M.loop()
  loop = loop or core.loop_new()
  return loop
end

function M.wait(waiter)
  return yield(waiter)
end

function M.wake(waiter)
  if waiter.awake then return end
  waiter.awake = true
  if not waiter.co then return end
  count = count + 1
  ready[count] = waiter
end

function M.now()
  return core.loop_now(loop or M.loop())
end

-- Nothing to do: run_until turns the loop before it sleeps.
function M.defer() end

local function resume_ready()
  local list, last = ready, count
  ready, spare, count = spare, list, 0
  for index = 1, last do
    local waiter = list[index]
    list[index] = nil
    waiter.awake = false
    if waiter.co then resume(waiter.co, waiter) end
  end
end

local function sleep_ms()
  if count > 0 then return 0 end
  local due = task.due()
  if due then return min(ceil(due * 1000), LONGEST_MS) end
  if task.is_stuck() then error("cqlua: every task waits for another: nothing can wake any of them", 0) end
  return LONGEST_MS
end

-- One turn of the loop, without waiting longer than max_ms.
function M.turn(max_ms)
  core.loop_step(M.loop(), min(sleep_ms(), max_ms), 0)
  task.turn()
  resume_ready()
end

function M.run_until(waiter)
  resume_ready()
  while not waiter.awake do M.turn(LONGEST_MS) end
end

return M
