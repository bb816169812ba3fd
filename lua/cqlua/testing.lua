-- Tests without a cluster: a scriptable server inside the process, and busted tests that run as tasks.
--
-- The server is the library's (<cqlua/testing.h>): it answers by primes, which are data, from the loop that the
-- client runs on. Here they are checked and brought into the form that the core takes.

local core = require "cqlua.core"
local errors = require "cqlua.error"
local options = require "cqlua.options"
local task = require "cqlua.task"

local misuse = errors.misuse

local M = {}

local TEST_SECONDS = 10 -- of one test

-- The protocol's messages (v4 section 2.4).
local OPCODES = { ERROR = 0x00, STARTUP = 0x01, READY = 0x02, AUTHENTICATE = 0x03, OPTIONS = 0x05, SUPPORTED = 0x06,
  QUERY = 0x07, RESULT = 0x08, PREPARE = 0x09, EXECUTE = 0x0A, REGISTER = 0x0B, EVENT = 0x0C, BATCH = 0x0D,
  AUTH_CHALLENGE = 0x0E, AUTH_RESPONSE = 0x0F, AUTH_SUCCESS = 0x10 }
local ERRORS = core.server_errors()
local CONSISTENCIES = core.consistencies()

-- Kinds of options: each gives the value as it is used, or nil and what is expected ----------------

local function of_type(name)
  return function(value)
    if type(value) == name then return value end
    return nil, "a " .. name
  end
end
local text, flag, list = of_type "string", of_type "boolean", of_type "table"

local function whole(value, spec)
  local min, max = spec.min or 1, spec.max or 2147483647
  if type(value) == "number" and value % 1 == 0 and value >= min and value <= max then return value end
  return nil, ("a whole number from %d to %d"):format(min, max)
end

local function seconds(value)
  if type(value) == "number" and value > 0 and value < 3600 then return value end
  return nil, "a number of seconds above 0"
end

-- A name of `spec.of`, as its number.
local function name(value, spec)
  if type(value) == "string" and spec.of[value] then return spec.of[value] end
  return nil, spec.what .. errors.hint(value, spec.of)
end

local function opcode(value, spec)
  if type(value) == "number" then return whole(value, { min = 0, max = 255 }) end
  return name(value, { of = OPCODES, what = spec.what or "the name of a message, like \"STARTUP\"" })
end

local function close(value)
  if value == true or type(value) == "number" then return value end
  return nil, "true, or after how many bytes of the reply"
end

-- { user = "password" }, or true: Cassandra's own.
local function auth(value)
  if value == true then return { "cassandra", "cassandra" } end
  local user, password = next(type(value) == "table" and value or {})
  local is_pair = type(user) == "string" and type(password) == "string" and next(value, user) == nil
  if is_pair then return { user, password } end
  return nil, "true, or { user = \"password\" }"
end

local PLACE = { dc = { text }, rack = { text } }

-- How many, or where each is.
local function nodes(value)
  if type(value) == "number" then return whole(value, { max = 32 }) end
  if type(value) ~= "table" or #value == 0 then return nil, "their number, or a list of { dc =, rack = }" end
  for index = 1, #value do options.check(PLACE, value[index], ("testing.server: nodes[%d]"):format(index)) end
  return value
end

local SERVER = {
  version = { whole, min = 3, max = 5 },
  nodes = { nodes },
  auth = { auth },
  lz4 = { flag },
  slowdrip = { whole },
}

local MATCH = {
  query = { text },
  pattern = { text },
  opcode = { opcode },
  node = { whole, max = 32 },
  page = { whole },
}

local FRAME = {
  version = { whole, min = 0, max = 255 },
  flags = { whole, min = 0, max = 255 },
  stream = { whole, min = -32768, max = 32767 },
  opcode = { opcode },
  length = { whole, min = 0, max = 4294967295 },
}

local PRIME = {
  params = { list },
  key = { list },
  prepared_id = { text },
  columns = { list },
  rows = { list },
  pages = { list },
  applied = { flag },
  error = { function(value)
    if type(value) == "string" or type(value) == "table" then return value end
    return nil, "the name of an error, or a table with its `code`"
  end },
  keyspace = { text },
  warnings = { list },
  payload = { list },
  body = { text },
  frame = { list },
  wrong_stream = FRAME.stream,
  no_metadata = { flag },
  delay = { seconds },
  slowdrip = { whole },
  reorder = { whole },
  duplicate = { flag },
  no_answer = { flag },
  raw = { text },
  truncate = { whole, min = 0 },
  corrupt = { whole },
  close = { close },
  times = { whole },
}

local EVENT = {
  type = { text },
  change = { text },
  address = { text },
  target = { text },
  keyspace = { text },
  name = { text },
}

local FAILURE = {
  code = { function(value)
    if type(value) == "number" then return value end
    return name(value, { of = ERRORS, what = "the name of a server's error, or the protocol's number" })
  end },
  message = { text },
  consistency = { name, of = CONSISTENCIES, what = "a consistency" },
  required = { whole, min = 0 },
  received = { whole, min = 0 },
  alive = { whole, min = 0 },
  failures = { whole, min = 0 },
  failure_map = { list },
  block_for = { whole, min = 0 },
  contentions = { whole, min = 0, max = 65535 },
  data_present = { flag },
  write_type = { text },
  keyspace = { text },
  table = { text },
  ["function"] = { text },
  arg_types = { text },
  statement_id = { text },
}

-- Primes ------------------------------------------------------------------------------------------

local Raw = {}

-- The bytes of a cell as they are, whatever its column's type.
function M.raw(bytes)
  if type(bytes) ~= "string" then misuse("testing.raw: a string expected, got %s", type(bytes)) end
  return setmetatable({ bytes = bytes }, Raw)
end

-- { "text", { "id", "int" } } as pairs of name and type.
local function pairs_of(given, what, needs_name)
  local all = {}
  for index, entry in ipairs(given) do
    if type(entry) == "string" and not needs_name then entry = { false, entry } end
    local is_pair = type(entry) == "table" and (entry[1] == false or type(entry[1]) == "string")
      and type(entry[2]) == "string"
    if not is_pair then
      misuse("prime: %s[%d]: %s expected", what, index, needs_name and "{ name, type }" or "a type, or { name, type }")
    end
    all[index] = entry
  end
  return all
end

local function strings(given, what)
  for index = 1, #given do
    if type(given[index]) ~= "string" then misuse("prime: %s[%d]: a string expected", what, index) end
  end
  return given
end

local function payload_of(given)
  local flat = {}
  for key, value in pairs(given) do
    if type(key) ~= "string" or type(value) ~= "string" then misuse "prime: payload: strings by name expected" end
    flat[#flat + 1], flat[#flat + 2] = key, value
  end
  return flat
end

local function key_of(given, params)
  for index, place in ipairs(given) do
    if not whole(place, { max = params and #params or 0 }) then
      misuse("prime: key[%d]: the place of a param expected, got %s", index, tostring(place))
    end
  end
  return given
end

local function number_of(value)
  return value and 1 or 0
end

-- { [address] = reason }, as the protocol has it, and how many.
local function failure_map_of(given)
  local entries = {}
  for address, reason in pairs(given) do
    local entry = type(address) == "string" and whole(reason, { min = 0, max = 65535 })
      and core.server_failure(address, reason)
    if not entry then misuse "prime: error: failure_map: the server's reasons (numbers) by address expected" end
    entries[#entries + 1] = entry
  end
  return table.concat(entries), #entries
end

-- A number that is no code of ours is the protocol's: sent as it is.
local function error_of(given)
  if type(given) == "string" then given = { code = given } end
  local failure = options.check(FAILURE, given, "prime: error")
  if not failure.code then misuse "prime: error: its `code` is missing" end
  if type(given.code) == "number" then failure.code, failure.server_code = 0, given.code end
  if failure.failure_map then failure.failure_map, failure.failures = failure_map_of(failure.failure_map) end
  failure.data_present = number_of(failure.data_present)
  failure.message = failure.message or type(given.code) == "string" and "primed: " .. given.code or "primed"
  return failure
end

local function copy_frame(prime, frame)
  for field, value in pairs(options.check(FRAME, frame, "prime: frame")) do prime["frame_" .. field] = value end
end

local function copy_way(prime, given)
  prime.delay, prime.slowdrip, prime.hold, prime.raw = given.delay, given.slowdrip, given.reorder, given.raw
  prime.truncate = type(given.close) == "number" and given.close or given.truncate
  prime.close = number_of(given.close == true)
  prime.corrupt = given.corrupt and given.corrupt - 1
  prime.answers = given.no_answer and 0 or given.duplicate and 2 or 1
  prime.no_metadata = number_of(given.no_metadata)
  if given.frame then copy_frame(prime, given.frame) end
  prime.frame_stream = given.wrong_stream or prime.frame_stream
end

local function match_of(what)
  if type(what) == "string" then what = { query = what } end
  if type(what) ~= "table" then
    misuse("prime: a query's text, or { pattern =, opcode = } expected, got %s", type(what))
  end
  local match = options.check(MATCH, what, "prime")
  match.node = match.node and match.node - 1
  return match
end

-- What the core takes.
local function prime_of(what, given)
  local prime = match_of(what)
  given = options.check(PRIME, given, "prime")
  if (given.rows or given.pages) and not given.columns then misuse "prime: rows have columns: say `columns`" end
  if given.rows and given.pages then misuse "prime: rows or pages, not both" end
  prime.params = given.params and pairs_of(given.params, "params", false)
  prime.columns = given.columns and pairs_of(given.columns, "columns", true)
  prime.key = given.key and key_of(given.key, prime.params)
  prime.warnings = given.warnings and strings(given.warnings, "warnings")
  prime.payload = given.payload and payload_of(given.payload)
  prime.error = given.error and error_of(given.error)
  if given.applied ~= nil then prime.applied = number_of(given.applied) end
  prime.keyspace, prime.body = given.keyspace, given.body
  prime.times, prime.prepared_id = given.times, given.prepared_id
  copy_way(prime, given)
  return prime, given
end

-- Rows --------------------------------------------------------------------------------------------

-- A row without its raw cells, and those by place; nil if it has none.
local function split_raws(row, columns)
  local raws, rest
  for place, column in ipairs(columns) do
    local cell = row[place]
    if cell == nil then cell = row[column[1]] end
    if getmetatable(cell) == Raw then raws, rest = raws or {}, rest or {} raws[place] = cell.bytes end
  end
  if not raws then return row end
  for place, column in ipairs(columns) do
    local cell = row[place]
    if cell == nil then cell = row[column[1]] end
    rest[place] = raws[place] and core.null or cell
  end
  return rest, raws
end

local function add_rows(self, id, markers, columns, rows, what)
  for index, row in ipairs(rows) do
    if type(row) ~= "table" then misuse("prime: %s[%d]: a table expected, got %s", what, index, type(row)) end
    local values, raws = split_raws(row, columns)
    local ok, err = core.server_row(self._core, id, markers, values, raws)
    if not ok then
      core.server_unprime(self._core, id)
      misuse("prime: %s[%d]: %s", what, index, (tostring(err):gsub("bind marker of the statement", "column")))
    end
  end
end

local function add_pages(self, id, markers, columns, pages)
  for index, page in ipairs(pages) do
    if type(page) ~= "table" then misuse("prime: pages[%d]: a list of rows expected, got %s", index, type(page)) end
    add_rows(self, id, markers, columns, page, ("pages[%d]"):format(index))
    if index < #pages then core.server_page_end(self._core, id) end
  end
end

-- The server --------------------------------------------------------------------------------------

local Server = { __name = "cqlua.testing.server", __metatable = "locked" }
local methods = {}
Server.__index = setmetatable(methods, {
  __index = function(_, field)
    misuse("a server has no '%s'%s", tostring(field), errors.hint(field, methods))
  end,
})

function Server:__tostring()
  return "cqlua.testing.server (" .. table.concat(self.contact_points, ", ") .. ")"
end

local function check(self, who)
  if type(self) ~= "table" or rawget(self, "_core") == nil then
    misuse("%s: a server expected; write server:%s(...)", who, who)
  end
  return self._core
end

-- Adds a rule: what is answered to requests like `what`, and how. Gives its id.
function methods:prime(what, given)
  check(self, "prime")
  local prime, checked = prime_of(what, given)
  local id, failure = core.server_prime(self._core, prime)
  if not id then misuse("prime: %s", failure) end
  if checked.rows or checked.pages then
    local markers = core.server_markers(self._core, id)
    if checked.rows then add_rows(self, id, markers, checked.columns, checked.rows, "rows") end
    if checked.pages then add_pages(self, id, markers, checked.columns, checked.pages) end
  end
  return id
end

-- Forgets a prime, or all of them.
function methods:unprime(id)
  core.server_unprime(check(self, "unprime"), id)
end

-- The nodes no longer know the prepared statements of this text (nil: any).
function methods:forget(query)
  core.server_forget(check(self, "forget"), query)
end

-- Sends an event to the connections that registered for it: to how many.
function methods:event(given)
  check(self, "event")
  local sent, failure = core.server_event(self._core, options.check(EVENT, given, "event"))
  if not sent then misuse("event: %s", failure) end
  return sent
end

-- What was received, oldest first: statements of the application; `which`: an opcode's name, or "all".
function methods:received(which)
  check(self, "received")
  if which ~= nil and which ~= "all" and not OPCODES[which] then
    local message = "received: \"all\" or the name of a message expected, got %s%s"
    misuse(message, tostring(which), errors.hint(which, OPCODES))
  end
  local found, index = {}, 1
  local request = core.server_received(self._core, index)
  while request do
    local is_wanted = which == "all" or which == request.opcode or which == nil and request.is_statement
    if is_wanted then found[#found + 1] = request end
    index = index + 1
    request = core.server_received(self._core, index)
  end
  return found
end

-- How often a text was executed.
function methods:count(query)
  check(self, "count")
  if type(query) ~= "string" then misuse("count: a query's text expected, got %s", type(query)) end
  return core.server_executions(self._core, query)
end

-- Forgets what was received.
function methods:clear()
  core.server_clear(check(self, "clear"))
end

-- Closes all sockets at once; what was received can still be read.
function methods:stop()
  core.server_stop(check(self, "stop"))
  task.defer()
end
methods.close = methods.stop -- for cqlua.with
Server.__close = methods.stop -- for `local server <close> = ...` of Lua 5.4

-- Nodes -------------------------------------------------------------------------------------------

local Node = { __name = "cqlua.testing.node", __metatable = "locked" }
Node.__index = Node

local function act(what)
  return function(self)
    local ok, failure = core.server_node(self._server._core, self._index, what)
    if not ok then misuse("node: %s", failure) end
  end
end
-- Nobody listens any more, its connections are closed; again, at the same address, knowing no statement.
Node.stop, Node.start = act "stop", act "start"
-- It accepts connections and reads nothing.
Node.pause_reads, Node.resume_reads = act "pause", act "resume"

-- How many are open.
function Node:connections()
  return core.server_connections(self._server._core, self._index)
end

-- One node, from 1; with its `address`.
function methods:node(index)
  check(self, "node")
  if not whole(index, { max = #self.contact_points }) then
    misuse("node: a number from 1 to %d expected, got %s", #self.contact_points, tostring(index))
  end
  return setmetatable({ _server = self, _index = index - 1, address = self.contact_points[index] }, Node)
end

-- Starting ----------------------------------------------------------------------------------------

local started -- by the test that runs; nil outside M.async

-- The loop that the client's sessions run on.
local function own_loop()
  local host = task.host()
  if not host.loop then
    misuse("testing.server: it needs a loop of cqlua's own, and host '%s' has none", host.name)
  end
  return host.loop()
end

-- A server that listens: { version = 5, nodes = 1, auth =, lz4 =, slowdrip = }.
function M.server(given)
  local wanted = options.check(SERVER, given, "testing.server")
  local places = type(wanted.nodes) == "table" and wanted.nodes or nil
  local handle, failure = core.server_new(own_loop(), {
    version = wanted.version,
    nodes = places and #places or wanted.nodes,
    places = places,
    username = wanted.auth and wanted.auth[1],
    password = wanted.auth and wanted.auth[2],
    lz4 = number_of(wanted.lz4),
    drip = wanted.slowdrip,
  })
  if not handle then misuse("testing.server: %s", failure) end
  task.defer()
  local contact_points = {}
  for index = 1, places and #places or wanted.nodes or 1 do
    contact_points[index] = core.server_address(handle, index - 1)
  end
  local server = setmetatable({ _core = handle, contact_points = contact_points }, Server)
  if started then started[#started + 1] = server end
  return server
end

-- Tests -------------------------------------------------------------------------------------------

local function stop_all(servers)
  for index = 1, #servers do servers[index]:stop() end
end

-- A test's body as a task: gives a function for busted's `it`. What it raises comes through as it is; after so many
-- seconds (10) it fails. Servers that it leaves running are stopped.
function M.async(fn, limit)
  if type(fn) ~= "function" then misuse("testing.async: a function expected, got %s", type(fn)) end
  limit = limit or TEST_SECONDS
  if not seconds(limit) then misuse("testing.async: a number of seconds expected, got %s", tostring(limit)) end
  return function(...)
    local has_ended = false
    local function body(...)
      fn(...)
      has_ended = true
    end
    started = {}
    local servers = started
    local ok, err = pcall(task.run, function(...)
      local _, expired = task.with_timeout(limit, body, ...)
      if not has_ended then error(("the test took longer than %g seconds: %s"):format(limit, tostring(expired)), 0) end
    end, ...)
    started = nil
    stop_all(servers)
    if not ok then error(err, 0) end
  end
end

return M
