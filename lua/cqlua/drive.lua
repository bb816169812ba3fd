-- A poll set that somebody else's loop drives: what the hosts on luv, cqueues and copas have in common.
--
-- The host waits until the descriptor is readable, for delay() seconds at most, and then calls step(); it need not stay
-- for it while is_idle().

local core = require "cqlua.core"
local task = require "cqlua.task"

local M = {}

local loop

local function new_loop()
  local made = core.pollset_new()
  if not core.loop_fd(made) then
    error("cqlua: this system has no descriptor that stands for several: no loop but cqlua's own can be used here", 0)
  end
  return made
end

-- What sessions are opened on, made at first use.
function M.loop()
  loop = loop or new_loop()
  return loop
end

function M.fd()
  return core.loop_fd(M.loop())
end

function M.now()
  return core.loop_now(loop or M.loop())
end

-- Reads what is ready, sends what was submitted, and wakes who has an answer or whose time has come.
function M.step()
  core.loop_step(loop or M.loop(), 0, 0)
  task.turn()
end

-- Seconds until step() is needed whatever the descriptor says; nil: not at all. To be asked last thing before waiting.
function M.delay()
  local ms, due = core.loop_timeout_ms(loop or M.loop()), task.due()
  if ms < 0 then return due end
  return due and due * 1000 < ms and due or ms / 1000
end

-- Nothing can happen until somebody calls again.
function M.is_idle()
  return not task.due() and core.loop_is_idle(loop or M.loop())
end

return M
