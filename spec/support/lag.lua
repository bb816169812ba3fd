-- The loop's own lateness. A request's deadline is judged by it: what came late because nobody ran the loop is not the client's
-- timer.

local cqlua = require "cqlua"

local Lag = {}
Lag.__index = Lag

-- In seconds.
local STEP = 0.01
local TICK = 0.01 -- the timer wheel's grain
local SLACK = 0.03 -- a tick, and what one turn of the loop may take

local function seconds() return cqlua.now() / 1000 end
Lag.seconds = seconds

function Lag.new() return setmetatable({ spans = {} }, Lag) end

-- For a task of its own, until is_over() says so: it sleeps, and notes by how much too late it was resumed.
function Lag:measure(is_over)
  while not is_over() do
    local before = seconds()
    cqlua.sleep(STEP)
    local after = seconds()
    if after - before > STEP + TICK then
      self.spans[#self.spans + 1] = { from = before, to = after, late = after - before - STEP }
    end
  end
end

-- How much lateness between two times was the loop's.
function Lag:between(from, to)
  local sum = 0
  for index = #self.spans, 1, -1 do
    local span = self.spans[index]
    if span.to < from - 1 then break end
    if span.from <= to then sum = sum + span.late end
  end
  return sum
end

-- By how much a request was later than it may be; 0 or less if it was in time. To be asked when the task has run again.
function Lag:lateness(from, to, timeout)
  return to - from - timeout - self:between(from, to) - SLACK
end

return Lag
