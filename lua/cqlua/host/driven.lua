-- What the hosts have in common whose loop is somebody else's: a poll set of cqlua's, which that loop drives.
--
-- The host waits until fd() is readable, for delay() seconds at most, and then calls drive(); it need not stay for it while
-- is_idle().

local core = require "cqlua.core"
local own = require "cqlua.host.own"
local task = require "cqlua.task"

local function make_loop()
  local made = core.pollset_new()
  if not core.loop_fd(made) then
    error("cqlua: this system has no descriptor that stands for several: no loop but cqlua's own can be used here", 0)
  end
  return made
end

return function(name)
  local M = own(name, make_loop)
  M.step, M.adopt = nil, nil -- the program turns its loop, and lends none

  -- Seconds; nil: for ever. To be asked last thing before waiting.
  function M.delay()
    local ms = M.timeout_ms()
    return ms >= 0 and ms / 1000 or nil
  end

  -- Nothing can happen until somebody calls again.
  function M.is_idle()
    return not (M.has_ready() or task.due()) and core.loop_is_idle(M.loop())
  end

  return M
end
