-- The host for a loop of yours that can wait for one descriptor: cqlua.attach(require "cqlua.host.poll"), then again and again:
-- wait until fd() is readable, for timeout_ms() at most, and call step(). See docs/hosts/poll.md.

local core = require "cqlua.core"
local own = require "cqlua.host.own"

local M = own("poll", core.pollset_new)

-- The descriptor that is readable while anything is ready, the same for good; nil where the system has none (no epoll).
function M.fd()
  return core.loop_fd(M.loop())
end

return M
