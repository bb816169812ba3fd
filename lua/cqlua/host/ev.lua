-- The host that comes with cqlua: its own loop (libev's), which it turns for code outside any task.

local core = require "cqlua.core"
local own = require "cqlua.host.own"
local task = require "cqlua.task"

local ceil, min = math.ceil, math.min

local LONGEST_MS = 60000 -- of one sleep; then the loop looks again

local M = own("ev", core.loop_new)

local function sleep_ms()
  if M.has_ready() then return 0 end
  local due = task.due()
  if due then return min(ceil(due * 1000), LONGEST_MS) end
  if task.is_stuck() then error("cqlua: every task waits for another: nothing can wake any of them", 0) end
  return LONGEST_MS
end

-- One turn of the loop, without waiting longer than max_ms.
function M.turn(max_ms)
  core.loop_step(M.loop(), min(sleep_ms(), max_ms), 0)
  task.turn()
  M.resume_ready()
end

function M.run_until(waiter)
  M.resume_ready()
  while not waiter.awake do M.turn(LONGEST_MS) end
end

return M
