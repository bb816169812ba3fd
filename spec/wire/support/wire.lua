-- Sessions on a scriptable server, for specs of the wire.

local cqlua = require "cqlua"
local testing = require "cqlua.testing"

local M = {}

local function with_more(base, more)
  for name, value in pairs(more or {}) do base[name] = value end
  return base
end

-- Connects to the server and runs fn(session).
function M.with(server, fn, more)
  local given = with_more({ contact_points = server.contact_points, connect_timeout = 2, request_timeout = 2,
    attempt_timeout = 2, heartbeat = { 60, 60 }, reconnect = { 0.05, 0.1 }, max_retries = 0 }, more)
  return cqlua.assert(cqlua.with(cqlua.connect, given, fn))
end

-- A test's body fn(session, server) on a server of its own.
function M.test(fn, given, more)
  return testing.async(function()
    local server = testing.server(given)
    M.with(server, function(session) fn(session, server) end, more)
  end)
end

-- A prime of "SELECT <n>" whose only row is n: the token that tells answers apart.
function M.prime_token(server, token, more)
  local query = "SELECT " .. token .. " FROM t"
  server:prime(query, with_more({ columns = { { "token", "int" } }, rows = { { token } } }, more))
  return query
end

-- Whether the next good query is answered, without a restart; while the session connects again, too.
function M.is_well(session, server)
  local query = M.prime_token(server, 7000)
  for _ = 1, 50 do
    local result = session:execute(query)
    if result then return result[1].token == 7000 end
    cqlua.sleep(0.02)
  end
  return false
end

-- What the function raised, as a string; nil if nothing.
function M.raised(fn, ...)
  local ok, err = pcall(fn, ...)
  return not ok and tostring(err) or nil
end

return M
