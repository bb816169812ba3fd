-- The host for a loop of yours that can wait for one descriptor: cqlua.attach(require "cqlua.host.poll"), then again and again:
-- wait until fd() is readable, for timeout_ms() at most, and call step(). See docs/hosts/poll.md.

local core = require "cqlua.core"
local own = require "cqlua.host.own"

return own("poll", core.pollset_new)
