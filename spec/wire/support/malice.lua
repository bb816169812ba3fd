-- Sessions of every protocol on a server that lies: after each lie the error is typed, nothing hangs, the memory is
-- as before,
-- and the next good query works.

local assert = require "luassert"
local core = require "cqlua.core"
local cqlua = require "cqlua"
local testing = require "cqlua.testing"
local wire = require "spec.wire.support.wire"

local M = {}

M.ways = {
  { version = 4, lz4 = false, name = "v4" },
  { version = 4, lz4 = true, name = "v4 with lz4" },
  { version = 5, lz4 = false, name = "v5" },
  { version = 5, lz4 = true, name = "v5 with lz4" },
}
M.sizes = { 1, 40 } -- rows: built by the C module, by a generated constructor

local IS_SANITIZED = os.getenv "CQLUA_SANITIZE" == "1" -- slower, and keeps what was freed
local MOST_GROWTH = 2 ^ 20 -- of a session's own memory
local tokens = 1000

-- What the session counts, and the bytes that it holds ("memory").
function M.count(session, what)
  return core.session_count(rawget(session, "_core"))[what]
end

-- Waits until the condition holds; whether it does within a second, or so many tries.
function M.soon(holds, tries)
  for _ = 1, tries or 100 do
    if holds() then return true end
    cqlua.sleep(0.01)
  end
  return false
end

-- A number that no other request has.
function M.token()
  tokens = tokens + 1
  return tokens
end

local function in_way(way, what, fn)
  local ok, err = pcall(fn)
  if ok then return end
  if type(err) == "table" and err.message then err = tostring(err.message) end
  error(("%s%s: %s"):format(way.name, what, tostring(err)), 0)
end

-- Whether the next good query is answered; while the session connects again, too.
function M.is_well(session, server)
  local query = wire.prime_token(server, M.token())
  for _ = 1, 1000 do
    local result, err = session:execute(query)
    if result then return result[1].token == tokens end
    if err.name ~= "no_nodes" then return false end
    cqlua.sleep(0.001)
  end
  return false
end

local function checked(way, fn, session, server, growth)
  assert.is_true(M.is_well(session, server))
  local before = M.count(session, "memory")
  fn(session, server, way)
  assert.is_true(M.is_well(session, server))
  local after
  local is_back = M.soon(function()
    after = M.count(session, "memory")
    return after <= before + growth
  end)
  if not is_back then error(("the session held %d bytes before, and %d after"):format(before, after), 0) end
  assert.is_true(M.soon(function() return M.count(session, "in_flight") == 0 end))
end

-- fn(session, server, way) with every protocol; `more`: options of connect, `seconds` until it is stopped, `ways`,
-- `server`: options of the server, `growth`: bytes that the session may hold more at the end.
function M.each(fn, more)
  more = more or {}
  for _, way in ipairs(more.ways or M.ways) do
    in_way(way, "", testing.async(function()
      local given = { version = way.version, lz4 = way.lz4 }
      for name, value in pairs(more.server or {}) do given[name] = value end
      local server = testing.server(given)
      local options = { compression = way.lz4 and "lz4" or nil, reconnect = { 0.001, 0.002 } }
      for name, value in pairs(more.connect or {}) do options[name] = value end
      wire.with(server, function(session) checked(way, fn, session, server, more.growth or MOST_GROWTH) end, options)
    end, (more.seconds or 10) * (IS_SANITIZED and 4 or 1)))
  end
end

-- Waits until good queries work again, behind an answer that never ends: heartbeats close its connection.
function M.recovers(session, server, tries)
  return M.soon(function()
    return session:execute(wire.prime_token(server, M.token()), nil, { timeout = 0.1 }) ~= nil
  end, tries)
end

-- Asks a question of its own, whose answer has this fault: result, or nil, err. `call`: options of the call.
function M.ask(session, server, fault, call)
  local given = { times = 1 }
  for name, value in pairs(fault) do given[name] = value end
  local result, err = session:execute(wire.prime_token(server, M.token(), given), nil, call)
  return result, err
end

-- An error says what, why and where.
function M.check_error(err, name, server, text)
  if name ~= err.name then error(tostring(err), 0) end
  assert.equal(server.contact_points[1], err.node)
  assert.is_true(#err.message > 20)
  if text then assert.matches(text, err.message, 1, true) end
end

-- The answer with this fault fails its request, which may have been executed, and the next good query works.
function M.fails(session, server, fault, name, text)
  local result, err = M.ask(session, server, fault)
  assert.is_nil(result)
  M.check_error(err, name or "protocol", server, text)
  assert.is_true(err.may_have_executed)
  assert.is_true(M.is_well(session, server))
  return err
end

-- The same for a RESULT with this body.
function M.refuses(session, server, body, text)
  return M.fails(session, server, { body = body }, "protocol", text)
end

-- Asks, with bytes in the frame's place that bear the request's stream id: `fault(stream)` makes them. Ids are used
-- first-in
-- first-out, so the next is one more than the last; where another request came between, it is done again.
function M.ask_at_stream(session, server, fault)
  for _ = 1, 10 do
    server:clear()
    assert.is_true(M.is_well(session, server))
    local all = server:received "all"
    local stream = (all[#all].stream + 1) % 32768
    local raw = fault(stream)
    server:clear()
    local result, err = M.ask(session, server, { raw = raw })
    local asked = server:received()[1]
    if asked and asked.stream == stream then return result, err end
  end
  error "the stream ids are not told"
end

-- The same; it fails, and the next good query works.
function M.fails_at_stream(session, server, fault, name, text)
  local result, err = M.ask_at_stream(session, server, fault)
  assert.is_nil(result)
  M.check_error(err, name or "protocol", server, text)
  assert.is_true(err.may_have_executed)
  assert.is_true(M.is_well(session, server))
end

local function status(field)
  for line in io.lines "/proc/self/status" do
    local kib = line:match("^" .. field .. ":%s+(%d+) kB")
    if kib then return tonumber(kib) * 1024 end
  end
end

-- fn must not make the process grow by as much as a lie says, whether the memory is then touched or not.
function M.does_not_grow(fn, most)
  local before = status "VmPeak"
  fn()
  most = IS_SANITIZED and 2 ^ 30 or most or 48 * 2 ^ 20
  assert.is_true(status "VmPeak" - before < most)
end

return M
