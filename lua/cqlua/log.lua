-- Where the records of a session's log go: standard error (or the host's log), or a function of the user's.

local M = {}

local LEVELS = { error = true, warn = true, info = true, debug = true }

-- One line: time, level, node, message, and how many like it were left out.
local function line(record)
  local seconds = math.floor(record.time)
  local time = ("%s.%03dZ"):format(os.date("!%Y-%m-%dT%H:%M:%S", seconds), math.floor((record.time - seconds) * 1000))
  local about = record.node and record.node .. ": " or ""
  local left_out = record.suppressed > 0 and (" (%d like it left out)"):format(record.suppressed) or ""
  return ("%s cqlua %s: %s%s%s"):format(time, record.level, about, record.message, left_out)
end

-- What keeps the lines of records: a host with a log of its own sets another.
function M.write(_, record)
  io.stderr:write(line(record), "\n")
end

local function write(record)
  return M.write(record.level, record)
end

-- Whether it can be the option `log`.
function M.is(value)
  return value == false or type(value) == "function" or LEVELS[value] == true
end

-- The level of the option `log` (nil: nothing is logged) and who hears the records. CQLUA_LOG has the last word on the
-- level of what is logged at all.
function M.choose(value)
  if value == false then return nil, false end
  local given = os.getenv "CQLUA_LOG"
  if given == "none" then return nil, false end
  local level = LEVELS[given] and given or type(value) == "string" and value
  if type(value) == "function" then return level or "info", value end
  return level or "warn", write
end

return M
