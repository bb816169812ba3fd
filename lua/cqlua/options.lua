-- Options: one declarative table for each call that takes some, and one helper that checks them. An unknown option
-- raises with the nearest name; one of a later version raises and says so, it is never ignored.

local core = require "cqlua.core"
local credentials = require "cqlua.auth"
local errors = require "cqlua.error"
local logs = require "cqlua.log"
local translate = require "cqlua.translate"

local M = {}

-- What api.md names and this version does not have. As options: refused by name.
local LATER = {
  connect = "slow_query",
  call = "lazy",
}
LATER.stream = LATER.call .. " max_buffer_bytes"

local function set_of(words)
  local set = {}
  for word in words:gmatch "%S+" do set[word] = true end
  return set
end
for kind, words in pairs(LATER) do LATER[kind] = set_of(words) end

-- Kinds of values: each gives the value as it is used, or nil and what is expected ----------------

local function seconds(value, spec)
  if type(value) ~= "number" or not (value > 0 and value < math.huge) then return nil, "a number of seconds above 0" end
  if spec.max and value > spec.max then
    return nil, ("at most %d seconds (%g: were milliseconds meant?)"):format(spec.max, value)
  end
  return value
end

local function count(value, spec)
  local min, max = spec.min or 1, spec.max or 2147483647
  if type(value) ~= "number" or value % 1 ~= 0 or value < min or value > max then
    return nil, ("a whole number from %d to %d"):format(min, max)
  end
  return value
end

local function choice(value, spec)
  if type(value) == "string" and spec.of[value] then return value end
  local names = {}
  for name in pairs(spec.of) do names[#names + 1] = '"' .. name .. '"' end
  table.sort(names)
  local hint = type(value) == "string" and errors.hint(value, spec.of) or ""
  return nil, "one of " .. table.concat(names, ", ") .. hint
end

local function of_type(name)
  return function(value)
    if type(value) == name then return value end
    return nil, "a " .. name
  end
end
local text, flag, fn = of_type "string", of_type "boolean", of_type "function"

local function secret(value)
  if type(value) == "string" and value ~= "" then return value end
  return nil, "a string of random bytes"
end

-- A keyspace as the schema has it.
local function keyspace(value)
  if type(value) == "string" and value ~= "" and not value:find("\0", 1, true) then return value end
  return nil, "the name of a keyspace"
end

local function whole(value)
  if type(value) == "number" and value % 1 == 0 and value >= -2 ^ 53 and value <= 2 ^ 53 then return value end
  return nil, "a whole number"
end

-- { first, second }, each checked by spec.each
local function pair(value, spec)
  if type(value) ~= "table" then return nil, spec.expected end
  for index = 1, 2 do
    if spec.each(value[index], spec) == nil then return nil, spec.expected end
  end
  if spec.is_range and value[1] > value[2] then return nil, spec.expected end
  return value
end

local function words(value)
  if type(value) == "string" then value = { value } end
  if type(value) ~= "table" or #value == 0 then return nil, "a list of strings" end
  for index = 1, #value do
    if type(value[index]) ~= "string" or value[index] == "" or value[index]:find(",", 1, true) then
      return nil, "a list of strings, each without a comma"
    end
  end
  return value
end

-- Nodes that a call may go to, by their addresses: one, a list, or a function that picks them from db:nodes().
local function node(value)
  if type(value) == "function" then return value end
  if type(value) == "table" and #value == 0 then return "" end
  local list = words(value)
  if not list then return nil, "an address, a list of addresses, or a function that gives one" end
  return table.concat(list, ",")
end

-- A custom payload: names to bytes, or to cqlua.null.
local function payload(value)
  if type(value) ~= "table" then return nil, "a table of strings by name" end
  for name, bytes in pairs(value) do
    if type(name) ~= "string" or type(bytes) ~= "string" and bytes ~= core.null then
      return nil, "a table of strings (or cqlua.null) by name"
    end
  end
  return value
end

-- The application's name, or { name =, version = }.
local function application(value)
  if type(value) == "string" then value = { name = value } end
  if type(value) == "table" and type(value.name) == "string" and (value.version == nil or type(value.version) == "string") then
    return value
  end
  return nil, 'a name, or { name = "shop", version = "1.2" }'
end

local function compression(value)
  if value == "lz4" or value == "none" then return value end
  local hint = value == "snappy" and " (snappy is not supported: lz4 is faster, and protocol v5 has no snappy)" or ""
  return nil, '"lz4" or "none"' .. hint
end

-- What a server's certificate must say.
local function identity(value)
  if value == "address" or value == "chain" then return value end
  if type(value) == "table" and words(value) then return value end
  return nil, '"address", "chain", or a list of host names'
end

-- What follows a failed attempt: a name, or function(err, attempt) that gives "same", "next" or "fail" (nil: as usual).
local function retry(value)
  if value == "default" or value == "none" or type(value) == "function" then return value end
  return nil, '"default", "none", or a function(err, attempt)'
end

-- { delay = seconds, max = further nodes }, or false: none.
local function speculation(value)
  if value == false then return value end
  local expected = "{ delay = seconds, max = how many further nodes }, or false"
  if type(value) ~= "table" then return nil, expected end
  for name in pairs(value) do
    if name ~= "delay" and name ~= "max" then return nil, expected end
  end
  local is_right = seconds(value.delay, { max = 300 }) and (value.max == nil or count(value.max, { max = 7 }))
  return is_right and value or nil, expected
end

-- The options -------------------------------------------------------------------------------------

local CONSISTENCIES = core.consistencies()
local SERIAL = { serial = true, local_serial = true }

local CALL = {
  consistency = { choice, of = CONSISTENCIES },
  serial_consistency = { choice, of = SERIAL },
  timeout = { seconds, max = 300 },
  attempt_timeout = { seconds, max = 300 },
  page_size = { count },
  max_rows = { count },
  paging_state = { text },
  page_token = { text },
  idempotent = { flag },
  tracing = { flag },
  keyspace = { keyspace },
  timestamp = { whole },
  now_in_seconds = { count, min = 0 },
  bigint = { choice, of = { int64 = true, number = true, string = true } },
  nil_as = { choice, of = { error = true, unset = true, null = true } },
  custom_payload = { payload },
  retry = { retry },
  speculation = { speculation },
  node = { node },
  routing_key = { text },
  profile = { text },
}

local function extend(base, more)
  local all = {}
  for name, spec in pairs(base) do all[name] = spec end
  for name, spec in pairs(more) do all[name] = spec end
  return all
end

local BATCH = { kind = { choice, of = { logged = true, unlogged = true, counter = true } } }
for _, name in ipairs { "consistency", "serial_consistency", "timeout", "attempt_timeout", "idempotent", "tracing", "keyspace",
  "timestamp", "now_in_seconds", "bigint", "nil_as", "custom_payload", "retry", "speculation", "node", "routing_key",
  "profile" } do
  BATCH[name] = CALL[name]
end

local ALL = extend(CALL, { max_bytes = { count, max = 2 ^ 53 } })

local STREAM = extend(CALL, {
  prefetch = { count, min = 0, max = 64 },
  on_page = { fn },
  max_pages = { count },
  page_timeout = { seconds, max = 300 },
  total_timeout = { seconds },
})

local function auth(value)
  if type(value) == "function" or credentials.is(value) then return value end
  return nil, "cqlua.auth.plain(user, password), cqlua.auth.sasl { ... }, or a function that returns user and password"
end

local function log(value)
  if logs.is(value) then return value end
  return nil, '"error", "warn", "info", "debug", false, or a function'
end

-- The options of `tls`, and what identity may be besides a list of names.
local TLS = {
  ca_file = { text },
  ca_dir = { text },
  ca = { text },
  cert_file = { text },
  cert = { text },
  key_file = { text },
  key = { text, is_secret = true },
  passphrase = { text, is_secret = true },
  identity = { identity },
  server_name = { text },
  min_version = { choice, of = { ["1.2"] = true, ["1.3"] = true } },
  insecure_skip_verify = { flag },
  debug_keylog_file = { text },
}
LATER[TLS] = {}

-- true, or a table of options: as the core has them; false: none.
local function tls(value)
  if type(value) == "boolean" then return { tls = value } end
  if type(value) ~= "table" then return nil, "true, or a table of options" end
  local opt = { tls = true }
  for name, given in pairs(M.check(TLS, value, "connect: tls")) do opt["tls_" .. name] = given end
  if type(opt.tls_identity) == "table" then
    opt.tls_identity, opt.tls_names = "names", table.concat(opt.tls_identity, ",")
  end
  return opt
end

-- Which nodes may be used: lists of addresses and networks.
local function node_lists(value)
  if type(value) ~= "table" then return nil, 'a table { allow = { "10.0.0.0/8" }, deny = { ... } }' end
  for name, list in pairs(value) do
    if name ~= "allow" and name ~= "deny" or not words(list) then
      return nil, "lists of addresses and networks by the names allow and deny"
    end
  end
  return value
end

-- { remote_dcs = true }: when no local node is up, requests may go to other data centres.
local function load_balancing(value)
  local known = { remote_dcs = true }
  if type(value) ~= "table" then return nil, "a table such as { remote_dcs = true }" end
  for name, flagged in pairs(value) do
    if not known[name] or type(flagged) ~= "boolean" then return nil, "remote_dcs = true or false" end
  end
  return value
end

-- What a profile may say: what is not of one call alone.
local PROFILE = extend(CALL, {})
for _, name in ipairs { "profile", "paging_state", "page_token", "routing_key", "timestamp" } do PROFILE[name] = nil end

local function profiles(value)
  local checked = {}
  if type(value) ~= "table" then return nil, "tables of a call's options by name" end
  for name, given in pairs(value) do
    if type(name) ~= "string" then return nil, "tables of a call's options by name" end
    checked[name] = M.check(PROFILE, given, ("connect: profile '%s'"):format(name))
  end
  return checked
end

local CONNECT = {
  contact_points = { words },
  local_dc = { text },
  local_rack = { text },
  discovery = { flag },
  nodes = { node_lists },
  load_balancing = { load_balancing },
  translate_address = { translate.check },
  port = { count, max = 65535 },
  keyspace = { keyspace },
  auth = { auth, is_secret = true },
  request_timeout = { seconds, max = 300 },
  attempt_timeout = { seconds, max = 300 },
  connect_timeout = { seconds, max = 300 },
  protocol_version = { count, min = 3, max = 5 },
  consistency = CALL.consistency,
  serial_consistency = CALL.serial_consistency,
  page_size = CALL.page_size,
  bigint = CALL.bigint,
  nil_as = CALL.nil_as,
  retry = CALL.retry,
  speculation = CALL.speculation,
  heartbeat = { pair, each = seconds, expected = "{ seconds of silence, seconds to answer }" },
  reconnect = { pair, each = seconds, is_range = true, expected = "{ least seconds, most seconds }" },
  connections = { pair, each = count, is_range = true, expected = "{ least, most } connections for each node" },
  max_retries = { count, min = 0, max = 1000 },
  max_in_flight = { count, max = 32767 },
  max_queued = { count },
  max_prepared = { count },
  max_frame_bytes = { count, min = 4096 },
  max_result_bytes = { count, min = 1024 },
  max_memory_bytes = { count, min = 2 ^ 20, max = 2 ^ 50 },
  on_full = { choice, of = { wait = true, fail = true } },
  allow_plaintext_auth = { flag },
  require_auth = { flag },
  paging_secret = { secret, is_secret = true },
  log = { log },
  authenticators = { words },
  compression = { compression },
  application = { application },
  client_id = { text },
  timestamps = { choice, of = { client = true, server = true } },
  throw_on_overload = { flag },
  tls = { tls },
  profiles = { profiles },
  profile = { text },
}

-- Of a C program's session: what only Lua's side of it knows.
local ADOPT = {}
for _, name in ipairs { "bigint", "nil_as", "on_full", "profile", "profiles", "request_timeout", "retry" } do
  ADOPT[name] = CONNECT[name]
end

local LIMITS = { max_rows = ALL.max_rows, max_bytes = ALL.max_bytes }

M.CALL, M.ALL, M.STREAM, M.CONNECT, M.ADOPT, M.LIMITS = CALL, ALL, STREAM, CONNECT, ADOPT, LIMITS
LATER[CALL], LATER[ALL], LATER[STREAM], LATER[CONNECT], LATER[LIMITS], LATER[BATCH], LATER[PROFILE] =
  LATER.call, LATER.call, LATER.stream, LATER.connect, {}, LATER.call, LATER.call

local function unknown(specs, name, who)
  if type(name) ~= "string" then errors.misuse("%s: options are given by name, got a value at %s", who, tostring(name)) end
  if LATER[specs] and LATER[specs][name] then
    local message = "%s: option '%s' is unsupported: it is not in this version of cqlua (%s)"
    errors.misuse(message, who, name, core.version)
  end
  errors.misuse("%s: there is no option '%s'%s", who, name, errors.hint(name, specs))
end

-- Checks `given` (a table or nil) against `specs`: a new table of the values. Raises, naming `who`, the option and
-- what is expected.
function M.check(specs, given, who)
  local checked = {}
  if given == nil then return checked end
  if type(given) ~= "table" then errors.misuse("%s: a table of options expected, got %s", who, type(given)) end
  for name, value in pairs(given) do
    local spec = specs[name] or unknown(specs, name, who)
    local accepted, expected = spec[1](value, spec)
    if accepted == nil then
      local got = type(value) == "string" and "'" .. value .. "'" or tostring(value)
      if spec.is_secret then got = "a " .. type(value) end
      errors.misuse("%s: option '%s': %s expected, got %s", who, name, expected, got)
    end
    checked[name] = accepted
  end
  if checked.page_token and checked.paging_state then
    errors.misuse("%s: options 'page_token' and 'paging_state' both say where to start: give one of them", who)
  end
  return checked
end

-- What the core is told about speculation that is wished for.
local function to_core_speculation(into, speculated)
  into.speculation_delay_ms = math.max(1, math.floor(speculated.delay * 1000 + 0.5))
  into.speculation_max = speculated.max or 1
end
M.to_core_speculation = to_core_speculation

-- What the core is told about retries and speculation.
local function to_core(checked)
  local retried, speculated = checked.retry, checked.speculation
  if retried == nil and speculated == nil then return checked end
  local given = {}
  for name, value in pairs(checked) do given[name] = value end
  if type(retried) == "function" then given.ask_retry = true
  elseif retried == "none" then given.no_retries = -1
  elseif retried then given.usual_retries = true end
  if speculated == false then given.speculation_delay_ms = -1
  elseif speculated then to_core_speculation(given, speculated)
  end
  return given
end
M.to_core = to_core

-- Profiles: options by name, beneath those of a call -----------------------------------------------

-- What a session keeps of connect's options: the profiles, and what calls become with them.
function M.profiles(checked)
  local ready = setmetatable({}, { __mode = "k" })
  local kept = { by_name = checked.profiles or {}, default = checked.profile or false, ready = ready }
  if kept.default and not kept.by_name[kept.default] then
    errors.misuse("connect: there is no profile '%s'%s", kept.default, errors.hint(kept.default, kept.by_name))
  end
  return kept
end

-- The options of a call with those of its profile, or of the session's default one, beneath them.
local function with_profile(specs, checked, who, session)
  local kept = session._profiles
  local name = checked.profile or kept.default
  if not name then return checked end
  local profile = kept.by_name[name]
  if not profile then errors.misuse("%s: there is no profile '%s'%s", who, name, errors.hint(name, kept.by_name)) end
  local merged = {}
  for option, value in pairs(profile) do
    if specs[option] then merged[option] = value end
  end
  for option, value in pairs(checked) do merged[option] = value end
  return merged
end

-- What a function gave as nodes, addresses or nodes of db:nodes(), as one text.
local function addresses(given, who)
  if type(given) ~= "table" then given = { given } end
  local list = {}
  for index, entry in ipairs(given) do list[index] = type(entry) == "table" and entry.address or entry end
  local text_of, expected = node(list)
  if not text_of then errors.misuse("%s: option 'node': its function gave no list of addresses: %s expected", who, expected) end
  return text_of
end

-- The core's form of checked options.
function M.for_core(checked, who, session)
  if type(checked.node) ~= "function" then return core.call(to_core(checked)) end
  local copy = {}
  for name, value in pairs(checked) do copy[name] = value end
  copy.node = addresses(checked.node(session:nodes()), who)
  return core.call(to_core(copy))
end

-- Prebuilt options of a call: checked once, sent as they are --------------------------------------

local Options = { __name = "cqlua.options", __metatable = "locked" }
local built = setmetatable({}, { __mode = "k" })

function Options:__index(name)
  return built[self][name]
end

function Options.__newindex()
  errors.misuse "cqlua.options: an options object is never changed; build another"
end

function Options:__tostring()
  local names = {}
  for name in pairs(built[self]) do names[#names + 1] = name end
  table.sort(names)
  return "cqlua.options (" .. table.concat(names, ", ") .. ")"
end

-- cqlua.options { ... }
function M.build(given)
  local object = setmetatable({}, Options)
  built[object] = M.check(CALL, given, "options")
  return object
end

-- The checked options that `specs` allows, of a table or an options object, with those of their profile.
function M.checked(specs, given, who, session)
  local checked = M.check(specs, given ~= nil and built[given] or given, who)
  return session and with_profile(specs, checked, who, session) or checked
end

-- The core's form of a call's options (nil, a table or an options object), and the checked ones with their profile. What
-- is the same at each call is made once.
function M.call(given, who, session)
  local ready = session._profiles.ready
  local key = given == nil and ready or given
  local known = ready[key]
  if known then return known.call, known.checked end
  local checked = with_profile(CALL, built[key] or M.check(CALL, given, who), who, session)
  local call = M.for_core(checked, who, session)
  local is_lasting = (given == nil or built[key] ~= nil) and type(checked.node) ~= "function"
  if is_lasting then ready[key] = { call = call, checked = checked } end
  return call, checked
end

-- The core's form of checked options but for the keyspace: that of a statement that was prepared in it.
function M.without_keyspace(checked, who, session)
  local rest = {}
  for name, value in pairs(checked) do rest[name] = value end
  rest.keyspace = nil
  return M.for_core(rest, who, session)
end

-- The same for a batch, whose `kind` is apart: kind, call, checked.
function M.batch(given, session)
  local own = given ~= nil and built[given] or M.check(BATCH, given, "batch")
  local checked = with_profile(BATCH, own, "batch", session)
  return checked.kind or "logged", M.for_core(checked, "batch", session), checked
end

return M
