-- Sessions: connect, execute, prepare, use, close.

local auth = require "cqlua.auth"
local core = require "cqlua.core"
local errors = require "cqlua.error"
local group = require "cqlua.group"
local log = require "cqlua.log"
local options = require "cqlua.options"
local request = require "cqlua.request"
local result = require "cqlua.result"
local schema = require "cqlua.schema"
local stream = require "cqlua.stream"
local task = require "cqlua.task"
local translate = require "cqlua.translate"

local core_submit, core_submit_text = core.submit, core.submit_text
local answer, enter, leave, milliseconds = request.answer, task.enter, task.leave, request.milliseconds
local text_key = stream.text_key
local next, rawget, type = next, rawget, type

local M = {}

local DRAIN_SECONDS = 10 -- of close
local REQUEST_SECONDS = 10
local MOST_KEYSPACE = 32767 -- bytes of a name
local MOST_TEXTS = 4096 -- prepared on first use, kept

local Session = { __name = "cqlua.session", __metatable = "locked", __close = group.close_now }
local methods = {}

-- What api.md names and this version does not have.
local LATER = { scan = true, metrics = true }

Session.__index = setmetatable(methods, {
  __index = function(_, name)
    if LATER[name] then errors.misuse("db:%s is not in this version of cqlua (%s)", name, core.version) end
    errors.misuse("a session has no method '%s'%s", tostring(name), errors.hint(name, methods))
  end,
})

function Session:__tostring()
  return "cqlua.session (" .. (self.closed and "closed" or "open") .. ")"
end

local function check(self, who)
  if type(self) ~= "table" or rawget(self, "_core") == nil then
    errors.misuse("%s: a session expected; write db:%s(...)", who, who)
  end
end

-- A full queue ------------------------------------------------------------------------------------

local function seconds_of(self, checked)
  return checked and checked.timeout or self._request_timeout
end

-- Misuse that the core told: a text, or an error object of that name.
local function raise_misuse(who, err)
  if type(err) == "string" then errors.misuse("%s: %s", who, err) end
  if err.name == "misuse" then errors.misuse("%s: %s", who, err.message) end
end

-- A submit was refused: misuse raises; a full queue is waited for, then the request has the rest of its time.
local function submit_within(self, me, seconds, err, submit, ...)
  raise_misuse("execute", err)
  if err.name ~= "queue_full" or self._on_full == "fail" then return nil, err end
  local deadline = task.now() + seconds
  local tag
  repeat
    local left = deadline - task.now()
    if left <= 0 or not request.wait_for_room(me, left) then
      return nil, errors.new("timeout", "the deadline passed while the request waited for room in the queue")
    end
    tag, err = submit(self, milliseconds(deadline - task.now()), ...)
  until tag or err.name ~= "queue_full"
  return tag, err
end

local function submit_again(self, me, checked, err, submit, ...)
  return submit_within(self, me, seconds_of(self, checked), err, submit, ...)
end

-- Answers -----------------------------------------------------------------------------------------

local fetch

local function link(self, rows, checked)
  result.link(rows, self, fetch, checked and checked.max_rows)
  if checked and checked.tracing then result.traced(rows, self) end
  return rows
end

-- What the core gave, as the caller gets it: rows (err: nil, or true if there are more pages), a page and its
-- shape, or an error.
local function complete(self, checked, value, err)
  if err == nil then
    if checked and checked.max_rows then result.limit(value, checked.max_rows) end
    if checked and checked.tracing then result.traced(value, self) end
    return value
  end
  if value == nil then
    if err.name == "unprepared" then self._texts, self._texts_count = {}, 0 end -- its table has changed: prepared anew
    return nil, err
  end
  if err == true then return link(self, value, checked) end
  local rows, failed = result.of_page(value, err)
  if not rows then return nil, failed end
  if checked and checked.tracing then result.traced(rows, self) end
  if result.index(rows, "has_more") then link(self, rows, checked) end
  return rows
end

local function submit_fetch(self, timeout_ms, statement, state)
  return core.fetch(self._core, statement, state, timeout_ms)
end

-- The page after one with this paging state; also what result:next_page() calls.
function fetch(self, statement, state, timeout_ms)
  local me = enter()
  local rows
  local tag, err = submit_fetch(self, timeout_ms, statement, state)
  if not tag then
    local seconds = timeout_ms and timeout_ms / 1000 or self._request_timeout
    tag, err = submit_within(self, me, seconds, err, submit_fetch, statement, state)
  end
  if tag then rows, err = complete(self, nil, answer(self._core, me, tag)) end
  if not rows then err.paging_state = err.paging_state or state end -- where to resume
  return rows, err
end

-- Submitting --------------------------------------------------------------------------------------

local function submit_prepared(self, timeout_ms, prepared, params, call)
  return core_submit(self._core, prepared, params, call, false, timeout_ms)
end

-- With the values as they are now, whatever becomes of the table meanwhile.
local function submit_prepared_again(self, me, checked, err, prepared, params, call)
  if type(params) == "table" then params = stream.copy(params) end
  return submit_again(self, me, checked, err, submit_prepared, prepared, params, call)
end

local function submit_text(self, timeout_ms, text, call)
  return core_submit_text(self._core, text, call, false, timeout_ms)
end

-- Texts -------------------------------------------------------------------------------------------

local function remember(self, key, prepared)
  if self._texts_count == MOST_TEXTS then self._texts, self._texts_count = {}, 0 end
  if not self._texts[key] then self._texts_count = self._texts_count + 1 end
  self._texts[key] = prepared
  return prepared
end

local function submit_prepare(self, timeout_ms, text, keyspace)
  return core.prepare(self._core, text, timeout_ms, keyspace)
end

-- The prepared statement of a text, from the server at first use; nil, err. `keyspace`: not the session's.
local function prepare(self, me, text, seconds, keyspace)
  local texts, key = self._texts, text_key(text, keyspace)
  local known = not self.closed and texts[key] -- of a closed session, the core says that it is
  if known then return known end
  local tag, err = submit_prepare(self, seconds and milliseconds(seconds), text, keyspace)
  if not tag then
    tag, err = submit_within(self, me, seconds or self._request_timeout, err, submit_prepare, text, keyspace)
    if not tag then return nil, err end
  end
  local prepared, failed = answer(self._core, me, tag)
  if not prepared then return nil, failed end
  if texts == self._texts then remember(self, key, prepared) end -- else the keyspace is another now
  return prepared
end

-- The text without the comments and blanks before its first word.
local function first_word(text)
  local at = 1
  while true do
    local following = text:match("^%s+()", at) or text:match("^%-%-[^\n]*()", at) or text:match("^//[^\n]*()", at)
      or text:match("^/%*.-%*/()", at)
    if not following then return (text:match("^%a+", at) or ""):upper() end
    at = following
  end
end

local USE = "USE as text would leave other connections in the old keyspace: call db:use(keyspace)"

-- An error for a text that is refused, or nil.
function M.refused(text)
  local first = text:byte(1)
  if first == 83 or first == 73 then return nil end -- S, I: SELECT, INSERT
  if first_word(text) == "USE" then return errors.new("unsupported", USE) end
  return nil
end

-- Waits for the answer of a tag just submitted.
local function await(self, me, tag, checked)
  local decide = self._retry
  if checked and checked.retry then decide = checked.retry end
  if type(decide) == "function" then request.decide(tag, decide) end
  return complete(self, checked, answer(self._core, me, tag))
end

local function execute_plain(self, me, text, call, checked)
  local err = M.refused(text)
  if err then return nil, err end
  local tag
  tag, err = core_submit_text(self._core, text, call)
  if not tag then
    tag, err = submit_again(self, me, checked, err, submit_text, text, call)
    if not tag then return nil, err end
  end
  return await(self, me, tag, checked)
end

local function execute_prepared(self, me, prepared, params, call, checked, timeout_ms)
  local tag, err = core_submit(self._core, prepared, params, call, false, timeout_ms)
  if not tag then
    tag, err = submit_prepared_again(self, me, checked, err, prepared, params, call)
    if not tag then return nil, err end
  end
  return await(self, me, tag, checked)
end

-- Text with values: prepared first, within the same deadline. It runs in the keyspace that it was prepared in.
local function execute_text(self, me, text, params, call, checked)
  local keyspace = checked and checked.keyspace
  if keyspace then call = options.without_keyspace(checked, "execute", self) end
  local known = self._texts[text_key(text, keyspace)]
  if known then return execute_prepared(self, me, known, params, call, checked) end
  local seconds, began = seconds_of(self, checked), task.now()
  params = stream.copy(params) -- as they are now
  local prepared, err = prepare(self, me, text, seconds, keyspace)
  if not prepared then return nil, err end
  local left = milliseconds(seconds - (task.now() - began))
  return execute_prepared(self, me, prepared, params, call, checked, left)
end

local function check_what(what, who)
  if type(what) ~= "string" and not core.is_prepared(what) then
    errors.misuse("%s: a text or a prepared statement expected, got %s", who, type(what))
  end
end

-- Methods -----------------------------------------------------------------------------------------

local function execute_any(self, me, what, params, call, checked)
  if type(what) ~= "string" then return execute_prepared(self, me, what, params, call, checked) end
  if params == nil then return execute_plain(self, me, what, call, checked) end
  if type(params) ~= "table" then errors.misuse("execute: a table of bind values expected, got %s", type(params)) end
  if next(params) == nil and not what:find "[?:]" then return execute_plain(self, me, what, call, checked) end
  return execute_text(self, me, what, params, call, checked)
end

-- Runs a text or a prepared statement, with values by position or by name: a result, or nil, err. Waits.
function methods:execute(what, params, given)
  check(self, "execute")
  local me = enter()
  local call, checked
  if given ~= nil or self._has_profile then call, checked = options.call(given, "execute", self) end
  return leave(me, execute_any(self, me, what, params, call, checked))
end

-- Every row of every page as one array, under a cap; nil, err.
function methods:all(what, params, given)
  check(self, "all")
  local checked = options.checked(options.ALL, given, "all", self)
  local limits = { max_rows = checked.max_rows, max_bytes = checked.max_bytes }
  checked.max_bytes = nil
  local first, err = self:execute(what, params, checked)
  if not first then return nil, err end
  return first:all(limits)
end

-- Batches -----------------------------------------------------------------------------------------

-- The entries as the core takes them: { what, params }, and whether a text with values is not prepared yet. Raises.
local function entries_of(self, list, keyspace)
  if type(list) ~= "table" then errors.misuse("batch: a list of { statement, values } expected, got %s", type(list)) end
  local entries, is_complete, count = {}, true, 0
  for _ in next, list do count = count + 1 end
  for index = 1, count do
    local entry = list[index]
    if type(entry) == "string" or core.is_prepared(entry) then entry = { entry } end
    if type(entry) ~= "table" then
      errors.misuse("batch: entry %d: { statement, values } expected, got %s", index, entry == nil and "nothing" or type(entry))
    end
    local what, params = entry[1], entry[2]
    check_what(what, ("batch: entry %d"):format(index))
    if params ~= nil and type(params) ~= "table" then
      errors.misuse("batch: entry %d: a table of bind values expected, got %s", index, type(params))
    end
    if type(what) == "string" and params ~= nil and next(params) ~= nil then
      what = self._texts[text_key(what, keyspace)] or what
      is_complete = is_complete and type(what) ~= "string"
    end
    entries[index] = { what, params }
  end
  return entries, is_complete
end

-- Texts with values are prepared, the values as they were: true, or nil, err.
local function prepare_entries(self, me, entries, seconds, keyspace)
  local deadline = task.now() + seconds
  for _, entry in ipairs(entries) do
    if entry[2] ~= nil then entry[2] = stream.copy(entry[2]) end
  end
  for index, entry in ipairs(entries) do
    if type(entry[1]) == "string" and entry[2] ~= nil and next(entry[2]) ~= nil then
      local prepared, err = prepare(self, me, entry[1], math.max(deadline - task.now(), 0.001), keyspace)
      if not prepared then
        err.index = err.index or index
        return nil, err
      end
      entry[1] = prepared
    end
  end
  return true, nil, math.max(deadline - task.now(), 0.001)
end

local function submit_batch(self, timeout_ms, entries, kind, call)
  return core.batch(self._core, entries, kind, call, timeout_ms)
end

local function batch_failed(err)
  raise_misuse("batch", err)
  return nil, err
end

-- Several writes as one request: a list of texts, prepared statements, or { statement, values }. A result, or nil, err
-- (of a value: err.index says in which entry). Nothing is sent for an empty list. Waits.
function methods:batch(list, given)
  check(self, "batch")
  local me = enter()
  local kind, call, checked = options.batch(given, self)
  local keyspace = checked and checked.keyspace
  local entries, is_complete = entries_of(self, list, keyspace)
  local refused
  for index, entry in ipairs(entries) do
    refused = refused or type(entry[1]) == "string" and M.refused(entry[1])
    if refused then
      refused.index = index
      return nil, refused
    end
  end
  local left
  if not is_complete then
    local prepared, err
    prepared, err, left = prepare_entries(self, me, entries, seconds_of(self, checked), keyspace)
    if not prepared then return nil, err end
  end
  local tag, err = submit_batch(self, left and milliseconds(left), entries, kind, call)
  if not tag then
    if type(err) == "table" and err.name == "queue_full" then
      tag, err = submit_again(self, me, checked, err, submit_batch, entries, kind, call)
    end
    if not tag then return batch_failed(err) end
  end
  return await(self, me, tag, checked)
end

-- Nobody waits for the tag of a submit: true; or what it failed with.
local function send_off(tag, err)
  if tag then
    request.ignore(tag)
    return true
  end
  raise_misuse("execute_nowait", err)
  return nil, err
end

local function submit_nowait(self, what, params, call)
  return send_off(core_submit(self._core, what, params, call))
end

-- A text whose statement is not there yet: sent once it is, with the values as they are now.
local function prepare_nowait(self, text, params, call, keyspace)
  local texts = self._texts
  local tag, err = submit_prepare(self, nil, text, keyspace)
  if not tag then return nil, err end
  params = stream.copy(params)
  local cell = {}
  function cell.on_answer(_, prepared)
    if not prepared then return end
    if texts == self._texts then remember(self, text_key(text, keyspace), prepared) end
    local sent, why = submit_nowait(self, prepared, params, call)
    if not sent then task.report(why) end
  end
  request.watch(tag, cell)
  return true
end

-- Sends a statement and waits for nothing: true, or nil, err. Failures of the server are not heard of. A text with values
-- is prepared on first use; what is wrong with the values then goes to cqlua.on_error.
function methods:execute_nowait(what, params, given)
  check(self, "execute_nowait")
  check_what(what, "execute_nowait")
  if params ~= nil and type(params) ~= "table" then
    errors.misuse("execute_nowait: a table of bind values expected, got %s", type(params))
  end
  local call, checked
  if given ~= nil or self._has_profile then call, checked = options.call(given, "execute_nowait", self) end
  if type(what) ~= "string" then return submit_nowait(self, what, params, call) end
  local refused = M.refused(what)
  if refused then return nil, refused end
  if params ~= nil and next(params) ~= nil then
    local keyspace = checked and checked.keyspace
    if keyspace then call = options.without_keyspace(checked, "execute_nowait", self) end
    local known = self._texts[text_key(what, keyspace)]
    if known then return submit_nowait(self, known, params, call) end
    return prepare_nowait(self, what, params, call, keyspace)
  end
  return send_off(core_submit_text(self._core, what, call))
end

-- Prepares a text: a prepared statement (fields text, params, columns), or nil, err. Waits.
function methods:prepare(text)
  check(self, "prepare")
  if type(text) ~= "string" then errors.misuse("prepare: a text expected, got %s", type(text)) end
  local me = enter()
  local err = M.refused(text)
  if err then return nil, err end
  return prepare(self, me, text)
end

-- A stream of the rows of a query: requests the first page and returns at once.
function methods:stream(what, params, given)
  check(self, "stream")
  check_what(what, "stream")
  local checked = options.checked(options.STREAM, given, "stream", self)
  if params ~= nil and type(params) ~= "table" then
    errors.misuse("stream: a table of bind values expected, got %s", type(params))
  end
  return stream.new(self, what, params, checked, type(what) == "string" and M.refused(what) or nil)
end

-- Makes a keyspace that of new requests: true, or nil, err. Waits.
function methods:use(keyspace)
  check(self, "use")
  if type(keyspace) ~= "string" then errors.misuse("use: the name of a keyspace expected, got %s", type(keyspace)) end
  if keyspace == "" or #keyspace > MOST_KEYSPACE or keyspace:find("%z") then
    return nil, errors.new("invalid_value", "use: that is no name of a keyspace: it is empty, too long, or has a NUL in it")
  end
  local me = enter()
  local tag, err = core.use(self._core, keyspace)
  if not tag then return nil, err end
  self._texts, self._texts_count = {}, 0
  local done, failed = answer(self._core, me, tag)
  if done then return true end
  self._texts, self._texts_count = {}, 0
  return nil, failed
end

-- The nodes that are known: { address, dc, rack, host_id, up, in_flight } each.
function methods:nodes()
  check(self, "nodes")
  return core.nodes(self._core)
end

-- The schema ---------------------------------------------------------------------------------------

local function check_name(name, what, who)
  if name ~= nil and type(name) ~= "string" then errors.misuse("%s: the name of a %s expected, got %s", who, what, type(name)) end
end

-- The names of the keyspaces; a keyspace { name, replication, tables, types, ... }; or a table or view of it
-- { name, columns, partition_key, clustering_key, indexes, options }, with :describe(). nil, err. Waits.
function methods:schema(keyspace, name)
  check(self, "schema")
  check_name(keyspace, "keyspace", "schema")
  check_name(name, "table", "schema")
  if keyspace == nil and name ~= nil then errors.misuse "schema: the name of a keyspace expected before the table's" end
  return schema.get(self, keyspace, name)
end

-- The bytes of a partition key of "keyspace.table", as the option routing_key takes them; nil, err. Waits.
function methods:routing_key(place, ...)
  check(self, "routing_key")
  local keyspace, name = tostring(place):match "^([^.]+)%.([^.]+)$"
  if type(place) ~= "string" or not keyspace then
    errors.misuse('routing_key: a table as "keyspace.table" expected, got %s', tostring(place))
  end
  return schema.routing_key(self, keyspace, name, select("#", ...), { ... })
end

-- The nodes that have a partition, in the order of the ring: of "keyspace.table" and the values of its partition key, or of
-- a keyspace and the key's bytes. Empty: it is not known. nil, err. Waits if the schema is to be read.
function methods:replicas(place, ...)
  check(self, "replicas")
  local first = ...
  if type(place) == "string" and place:find(".", 1, true) then
    local key, err = self:routing_key(place, ...)
    if not key then return nil, err end
    return core.replicas(self._core, place:match "^[^.]+", key)
  end
  if type(place) ~= "string" or type(first) ~= "string" then
    errors.misuse 'replicas: "keyspace.table" and the values of its key expected, or a keyspace and a routing key'
  end
  return core.replicas(self._core, place, first)
end

local function is_answered(res, err)
  if res then return true end
  return nil, err
end

-- Waits for the first connection: true, or nil, err.
function methods:ready()
  check(self, "ready")
  local me = enter()
  if self._is_lent then return is_answered(execute_plain(self, me, "SELECT key FROM system.local")) end
  request.wait_event(me, self, "_opened")
  if self._opened == true and not self.closed then return true end
  return nil, self._opened ~= true and self._opened or errors.new("closed", "the session is closed")
end

local function drain(self, seconds)
  local me = enter()
  self.closed = true
  if self._is_lent then core.session_detach(self._core) return true end
  if not self._ended then
    core.session_close(self._core, math.floor(seconds * 1000))
    request.wait_event(me, self, "_ended", seconds + 1)
    self._ended = true
    core.session_free(self._core)
  end
  return true
end

-- Accepts no more requests, waits for those in flight (10 seconds, unless given), and ends. Again is harmless.
function methods:close(seconds)
  check(self, "close")
  if seconds ~= nil and (type(seconds) ~= "number" or not (seconds >= 0 and seconds < 1e6)) then
    errors.misuse("close: a number of seconds expected, got %s", tostring(seconds))
  end
  return task.shield(function() return drain(self, seconds or DRAIN_SECONDS) end)
end

-- Events ------------------------------------------------------------------------------------------

local function credentials_of(ask, node)
  local ok, user, password = pcall(ask, node)
  if not ok then return nil, nil, user end
  if type(user) == "string" and type(password) == "string" then return user, password end
  return nil, nil, user == nil and password or "cqlua: the function given as `auth` must return user and password"
end

local DECISIONS = { same = true, next = true, fail = true }

-- The user's function says what follows a failed attempt: an error in it is reported, and the usual is done.
local function answer_retry(self, question)
  local decide = request.decider(question.tag)
  local ok, decision = true, nil
  if decide then ok, decision = pcall(decide, question.error, question.attempts) end
  if not ok then
    task.report(decision)
  elseif decision ~= nil and not DECISIONS[decision] then
    task.report(('cqlua: the function given as `retry` gave %s: "same", "next" or "fail" expected'):format(tostring(decision)))
  end
  core.answer_retry(self._core, question.id, ok and DECISIONS[decision] and decision or "default")
  task.submitted()
end

-- A task: the user's function may itself wait. What it raised is reported; the server's side sees only that it failed.
local function answer_question(self, question)
  if question.question == "retry" then return answer_retry(self, question) end
  local user, password, token, address, port, err
  if question.question == "address" then
    address, port, err = translate.ask(self._translate, question)
    core.answer_address(self._core, question.id, address, port)
  elseif question.question == "credentials" then
    user, password, err = credentials_of(self._auth, question.node)
    core.answer(self._core, question.id, user, password)
  else
    token, err = auth.respond(self._auth, self._exchanges, question)
    core.answer_token(self._core, question.id, token)
  end
  task.submitted()
  if err then task.report(err) end
end

local TOLD = { node_up = true, node_down = true, node_added = true, node_removed = true, schema_changed = true }
local TOLD_LATER = { slow_query = true, request = true }

-- Calls fn(info) at each event of the name, until what it gives is called. fn must not wait.
function methods:on(event, fn)
  check(self, "on")
  if self._is_lent then errors.misuse "on: an adopted session tells its events to the C program that opened it" end
  if TOLD_LATER[event] then
    errors.misuse("on: event '%s' is unsupported: it is not in this version of cqlua (%s)", event, core.version)
  end
  if not TOLD[event] then errors.misuse("on: there is no event '%s'%s", tostring(event), errors.hint(event, TOLD)) end
  if type(fn) ~= "function" then errors.misuse("on: a function expected, got %s", type(fn)) end
  local listeners = self._listeners
  local listener = { event = event, fn = fn }
  listeners[#listeners + 1] = listener
  return function()
    for index = #listeners, 1, -1 do
      if listeners[index] == listener then table.remove(listeners, index) end
    end
    listener.fn = nil
  end
end

-- "int, map<int, text>" as an array of types.
local function split_types(text)
  local all, depth, from = {}, 0, 1
  for at, char in (text .. ","):gmatch "()([<>,])" do
    if char == "<" then depth = depth + 1 elseif char == ">" then depth = depth - 1 end
    if char == "," and depth == 0 then
      all[#all + 1] = text:sub(from, at - 1):match "^%s*(.-)$"
      from = at + 1
    end
  end
  return all
end

local function trace_of(err)
  return { err = err, trace = debug and debug.traceback("", 2) or "" }
end

-- Each gets it, whatever another does; one that was undone meanwhile does not.
local function tell(self, info)
  local event = info.event
  info.event, info.args = nil, info.args and split_types(info.args)
  local listeners = {}
  for index, listener in ipairs(self._listeners) do listeners[index] = listener end
  for _, listener in ipairs(listeners) do
    if listener.event == event and listener.fn then
      local ok, failed = xpcall(function() return listener.fn(info) end, trace_of)
      if not ok then task.report(failed.err, failed.trace) end
    end
  end
end

function methods:_on_event(value, err)
  if type(value) == "table" and value.event then return tell(self, value) end
  if type(value) == "table" then
    if value.level then return self._log(value) end
    task.spawn(answer_question, self, value)
    return
  end
  if value == "closed" then self._ended = true else self._opened = err or true end
  if value ~= "closed" and self._on_opened then self._on_opened(self, err) end
  local waiters = self._waiters
  self._waiters = {}
  for index = 1, #waiters do task.wake(waiters[index]) end
end

-- Open --------------------------------------------------------------------------------------------

local function comma_list(list)
  if type(list) == "table" then return table.concat(list, ",") end
  return list
end

local function core_options(checked, log_level)
  local opt = {}
  for name, value in pairs(checked) do opt[name] = value end
  for name, value in pairs(checked.tls or {}) do opt[name] = value end
  opt.contact_points = table.concat(checked.contact_points or { "127.0.0.1" }, ",")
  opt.authenticators = checked.authenticators and table.concat(checked.authenticators, ",")
  opt.no_discovery = checked.discovery == false
  opt.ask_addresses = checked.translate_address ~= nil
  opt.remote_dcs = checked.load_balancing and checked.load_balancing.remote_dcs or false
  local lists = checked.nodes or {}
  opt.allow_nodes, opt.deny_nodes = comma_list(lists.allow), comma_list(lists.deny)
  local heartbeat, reconnect, connections = checked.heartbeat, checked.reconnect, checked.connections
  if heartbeat then opt.heartbeat_interval, opt.heartbeat_timeout = heartbeat[1], heartbeat[2] end
  if reconnect then opt.reconnect_min, opt.reconnect_max = reconnect[1], reconnect[2] end
  if connections then opt.connections_min, opt.connections_max = connections[1], connections[2] end
  if checked.max_retries == 0 then opt.max_retries = -1 end
  if checked.auth then auth.fill(opt, checked.auth) end
  local application = checked.application
  if application then opt.application_name, opt.application_version = application.name, application.version end
  opt.log_level = log_level
  opt.server_timestamps = checked.timestamps == "server"
  opt.defaults = options.to_core { bigint = checked.bigint, nil_as = checked.nil_as, retry = checked.retry,
    serial_consistency = checked.serial_consistency }
  if checked.speculation then options.to_core_speculation(opt, checked.speculation) end
  return opt
end

local function new(checked)
  return setmetatable({
    closed = false,
    _core = false,
    _texts = {},
    _texts_count = 0,
    _is_lent = false, -- a C program's: its events and its end are that program's
    _opened = false, -- true, or the error
    _on_opened = false,
    _ended = false,
    _waiters = {},
    _listeners = {},
    _profiles = options.profiles(checked),
    _has_profile = checked.profile ~= nil,
    _schema = schema.new_cache(),
    _auth = checked.auth or false,
    _exchanges = {}, -- of SASL, by their numbers
    _translate = checked.translate_address or false,
    _log = false,
    _on_full = checked.on_full or "wait",
    _retry = checked.retry or false,
    _request_timeout = checked.request_timeout or REQUEST_SECONDS,
  }, Session)
end

-- Opens it from checked options, without waiting: true, or nil, err.
local function start(self, checked)
  local level
  level, self._log = log.choose(checked.log)
  local host = task.host()
  local drive = host.pump and host.pump(self) or host.loop()
  local handle, serial = core.session_open(drive, request.queue, core_options(checked, level))
  if not handle and serial.name == "misuse" then errors.misuse("connect: %s", serial.message) end
  if not handle then return nil, serial end
  self._core = handle
  request.add_session(serial, self)
  task.submitted()
  return true
end

-- Opens a session from checked options, without waiting: nil, err if an option is refused. `on_opened(session, err)`, if
-- given, hears of it once it has connected, or could not; it must not wait.
function M.open(checked, on_opened)
  local self = new(checked)
  self._on_opened = on_opened or false
  local ok, err = start(self, checked)
  if not ok then return nil, err end
  return self
end

-- Opens a session that could not connect, or has closed, anew: the same session to those who hold it. true, or nil, err.
function M.reopen(self, checked)
  core.session_free(self._core)
  self.closed, self._opened, self._ended = false, false, false
  self._texts, self._texts_count = {}, 0
  return start(self, checked)
end

-- Ends it at once: what is in flight gets `closed`. Does not wait, unlike session:close().
function M.stop(self)
  core.session_close(self._core, 0)
end

local NO_LOOP = "adopt: the sessions of one Lua state share one loop, and others run on its own: adopt before cqlua.connect"

-- A session of the C program's, given as lightuserdata: its loop, which that program turns, is then the tasks' too.
function M.adopt(pointer, given)
  if type(pointer) ~= "userdata" or pointer == core.null or getmetatable(pointer) ~= nil then
    errors.misuse("adopt: a `struct cqlua_session *` as lightuserdata expected, got %s",
      pointer == core.null and "NULL" or type(pointer))
  end
  local checked = options.check(options.ADOPT, given, "adopt")
  local host = task.host()
  if not host.adopt then errors.misuse("adopt: host '%s' has a loop of its own: attach none, or 'poll'", host.name) end
  local self = new(checked)
  local serial
  local defaults = options.to_core { bigint = checked.bigint, nil_as = checked.nil_as, retry = checked.retry }
  self._core, serial = core.session_adopt(pointer, request.queue, { defaults = defaults })
  if not host.adopt(self._core) then errors.misuse(NO_LOOP) end
  self._is_lent = true
  request.add_session(serial, self)
  return self
end

local function discard(self)
  self.closed, self._ended = true, true
  core.session_free(self._core)
end

-- Without discovery: whether the node that was reached is in the data centre that was named; else an error.
local function check_dc(self, me, wanted)
  local res, err = execute_plain(self, me, "SELECT data_center FROM system.local")
  if not res then return nil, err end
  local found = res:one() and res:one().data_center
  if found == wanted then return true end
  local message = "local_dc is '%s', but the contact point %s is in '%s': name contact points of one data centre"
  return nil, errors.new("no_nodes", message:format(wanted, res.coordinator, tostring(found)))
end

-- Connects: a session once the first connection is ready, or nil, err. Waits.
function M.connect(given)
  local checked = options.check(options.CONNECT, given, "connect")
  local me = enter()
  local self, err = M.open(checked)
  if not self then return nil, err end
  local ok, raised = pcall(request.wait_event, me, self, "_opened")
  if not ok then
    discard(self)
    error(raised, 0)
  end
  local failed = self._opened ~= true and self._opened or nil
  if not failed and checked.local_dc and checked.discovery == false then
    ok, raised, failed = pcall(check_dc, self, me, checked.local_dc)
    if not ok then
      discard(self)
      error(raised, 0)
    end
  end
  if not failed then return self end
  discard(self)
  return nil, failed
end

return M
