-- cqlua: an asynchronous Cassandra client. Calls look as if they blocked; only their task waits.

local compile = rawget(_G, "loadstring") or load
if _VERSION == "Lua 5.2" or compile and not compile "goto done ::done::" then -- LuaJIT has goto, Lua 5.1 does not
  error("cqlua needs LuaJIT, or Lua 5.3 or later; this is " .. _VERSION, 0)
end

local auth = require "cqlua.auth"
local core = require "cqlua.core"
local errors = require "cqlua.error"
local group = require "cqlua.group"
local json = require "cqlua.json"
local options = require "cqlua.options"
local session = require "cqlua.session"
local task = require "cqlua.task"
local types = require "cqlua.types"

local cqlua = {
  version = core.version,
  -- sessions
  connect = session.connect,
  adopt = session.adopt,
  options = options.build,
  auth = { plain = auth.plain, sasl = auth.sasl },
  -- tasks
  run = task.run,
  step = task.step,
  spawn = task.spawn,
  sleep = task.sleep,
  gather = group.gather,
  map = group.map,
  with = group.with,
  with_timeout = task.with_timeout,
  shield = task.shield,
  wrap = task.wrap,
  on_error = task.on_error,
  attach = task.attach,
  assert = errors.assert,
  -- values
  null = types.null,
  unset = types.unset,
  int64 = types.int64,
  number = types.number,
  text = types.text,
  key = types.key,
  iso = types.iso,
  now = types.now,
  uuid = types.uuid,
  timeuuid = types.timeuuid,
  timeuuid_ms = types.timeuuid_ms,
  varint = types.varint,
  decimal = types.decimal,
  duration = types.duration,
  blob = types.blob,
  json = json.text,
}

-- What api.md names and this version does not have.
local LATER = {}
local words = "group retry queue semaphore on_signal prometheus plain"
for name in words:gmatch "%S+" do LATER[name] = true end

return setmetatable(cqlua, {
  __index = function(_, name)
    if LATER[name] then errors.misuse("cqlua.%s is not in this version of cqlua (%s)", name, core.version) end
    return nil
  end,
})
