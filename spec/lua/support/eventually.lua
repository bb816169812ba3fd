-- Waits, in a task, until check() holds; fails after so many seconds (10 unless told), and says what it waited for.

local cqlua = require "cqlua"

local PAUSE = 0.005

return function(check, what, seconds)
  seconds = seconds or 10
  for _ = 1, seconds / PAUSE do
    if check() then return end
    cqlua.sleep(PAUSE)
  end
  error(("not within %d seconds: %s"):format(seconds, what or "what was waited for"), 2)
end
