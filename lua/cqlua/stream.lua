-- Streams: the rows of a query, page after page, never more pages held than were asked for.
--
-- One request is in flight at most: the next page is asked for when one starts being consumed and fewer than
-- `prefetch` wait. A page is pinned in C and its rows are built in chunks; moving on drops it. Several tasks may
-- take rows at once.

local core = require "cqlua.core"
local errors = require "cqlua.error"
local group = require "cqlua.group"
local options = require "cqlua.options"
local request = require "cqlua.request"
local result = require "cqlua.result"
local rows_of = require "cqlua.rows"
local task = require "cqlua.task"

local running = coroutine.running
local enter, interrupted, is_spent, wait, wake = task.enter, task.interrupted, task.is_spent, task.wait, task.wake
local milliseconds = request.milliseconds

local M = {}

local CHUNK = 128 -- rows built at once

local Stream = { __name = "cqlua.stream", __metatable = "locked", __close = group.close_now }
local methods = {}

Stream.__index = setmetatable(methods, {
  __index = function(_, name)
    errors.misuse("a stream has no method '%s'%s", tostring(name), errors.hint(name, methods))
  end,
})

function Stream:__tostring()
  return "cqlua.stream (" .. self._rows .. " rows so far)"
end

local function check(self, who)
  if type(self) ~= "table" or rawget(self, "_pages") == nil then
    errors.misuse("%s: a stream expected; write stream:%s()", who, who)
  end
end

local function wake_all(self)
  local waiters = self._waiters
  if #waiters == 0 then return end
  self._waiters = {}
  for index = 1, #waiters do wake(waiters[index]) end
end

-- Asking ------------------------------------------------------------------------------------------

-- Ends the stream; `err` (or false) is what the rows that are left end with.
local function finish(self, err)
  self._finished, self._error = true, err
  wake_all(self)
end

-- Ends it because a page failed; the error says where to resume.
local function failed(self, err)
  if self._state and not err.paging_state then err.paging_state = self._state end
  finish(self, err)
end

-- The time limit of the next page: nil for the session's; false if the total has passed.
local function limit_of(self)
  local seconds = self._page_timeout or nil
  if self._deadline then
    local left = self._deadline - task.now()
    if left <= 0 then return false end
    seconds = math.min(seconds or self._request_timeout, left)
  end
  return seconds and milliseconds(seconds)
end

local function ask(self)
  local limit = limit_of(self)
  if limit == false then
    return failed(self, errors.new("timeout", "total_timeout has passed"))
  end
  local tag, err = core.fetch(self._db._core, self._statement, self._state or nil, limit, true)
  if not tag then
    if err.name == "misuse" then return finish(self, "stream: " .. err.message) end -- the first `next` raises it
    self._full = err.name == "queue_full" and self._db._on_full == "wait"
    if not self._full then failed(self, err) end
    return
  end
  self._tag = tag
  request.watch(tag, self)
end

-- The next page is wanted as long as fewer than `prefetch` are held beside the one being read (one if that is
-- missing).
local function ask_if_wanted(self)
  if self._tag or self._finished or self.closed or not self._statement then return end
  local held = self._last - self._first + 1
  local wanted = self._reading and self._prefetch or math.max(1, self._prefetch)
  if held < wanted then ask(self) end
end

local function page_arrived(self, page, shape)
  local count, more, bytes = core.page_count(page)
  self._last = self._last + 1
  self._asked = self._asked + 1
  self._state = core.page_state(page) or false
  self._pages[self._last] = { page = page, shape = shape, count = count, bytes = bytes, state = self._state }
  if not more or self._asked == self._max_pages then finish(self, false) end
  ask_if_wanted(self)
  wake_all(self)
end

-- The text was prepared: the first page can be asked for. Misuse shows only now; the first `next` raises it.
local function prepared_arrived(self, prepared)
  local statement, err = core.statement(self._db._core, prepared, self._params or nil, self._call or nil)
  self._params = false
  if not statement then return finish(self, err) end
  self._statement = statement
  ask_if_wanted(self)
end

-- An answer came, of `prepare` or of a page.
local function on_answer(self, value, err)
  self._tag = false
  if self.closed then
    if type(err) == "table" and value ~= nil then core.page_release(value) end
  elseif value == nil then
    failed(self, err)
  elseif self._statement then
    page_arrived(self, value, err)
  else
    prepared_arrived(self, value)
  end
end

-- Progress ----------------------------------------------------------------------------------------

local function info_of(self, page)
  local seconds = task.now() - self._began
  return {
    number = self._number,
    rows = page.count,
    bytes = page.bytes,
    rows_so_far = self._rows,
    bytes_so_far = self._bytes,
    seconds = seconds,
    rows_per_second = seconds > 0 and math.floor(self._rows / seconds) or self._rows,
    has_more = page.state ~= false,
    paging_state = page.state or nil,
  }
end

-- That its task was cancelled, or ran out of time, is no error of on_page: the next wait raises it again.
local function tell(self, me, page)
  local ok, err = xpcall(self._on_page, debug and debug.traceback or tostring, info_of(self, page))
  if not ok and not (me.alarm and interrupted(me)) then task.report(err) end
end

local function progress(self, me, page)
  self._number = self._number + 1
  self._rows = self._rows + page.count
  self._bytes = self._bytes + page.bytes
  if self._on_page then tell(self, me, page) end
end

-- Reading -----------------------------------------------------------------------------------------

local function drop_reader(self)
  if self._reader then rows_of.close(self._reader) end
  self._reader, self._index, self._built = false, 0, 0
end

local function wait_here(self, me)
  self._waiters[#self._waiters + 1] = me
  wait(me)
  local err = me.alarm and interrupted(me)
  if err then error(err, 0) end
end

-- The session's queue was full when the page was asked for.
local function wait_for_room(self, me)
  self._full = false
  if not request.wait_for_room(me, self._page_timeout or self._request_timeout) then
    failed(self, errors.new("timeout", "the deadline passed while the stream waited for room in the queue"))
  end
end

-- Takes the next page off the list, waiting for it: the page; nil at the end; nil, err.
local function take_page(self, me)
  self._reading = false
  while not self.closed do
    local page = self._pages[self._first]
    if page then
      self._pages[self._first] = nil
      self._first, self._reading = self._first + 1, true
      return page
    end
    if self._finished then return nil, self._error or nil end
    ask_if_wanted(self)
    if self._full then wait_for_room(self, me) elseif not self._finished then wait_here(self, me) end
  end
  return nil
end

local function read_next_page(self, me)
  local page, err = take_page(self, me)
  if not page then return page, err end
  self._reader = rows_of.open(page.page, page.shape)
  ask_if_wanted(self)
  progress(self, me, page)
  return true
end

-- The coroutine that runs; true: the main one.
local function here()
  return running() or true
end

-- Makes the next page the one that is read: true; nil at the end; nil, err. Other tasks wait meanwhile.
local function move_on(self, me)
  drop_reader(self)
  self._moving = here()
  local ok, moved, err = pcall(read_next_page, self, me)
  self._moving = false
  if self.closed then drop_reader(self) end
  wake_all(self)
  if not ok then error(moved, 0) end
  return moved, err
end

local function fail(self, err)
  self:close()
  self._error = err
  if type(err) == "string" then errors.misuse("stream: %s", err) end
  return nil, err
end

-- Builds the next rows: true; false at the end; nil, err. Waits.
local function build_more(self)
  local me = enter()
  while true do
    if self._moving == here() then
      errors.misuse "stream: on_page cannot read rows of its own stream: it is between two pages"
    end
    while self._moving and not self.closed do wait_here(self, me) end
    if self.closed then return self._error and nil, self._error or nil end
    local reader = self._reader
    if self._index < self._built then return true end
    if reader and reader.left > 0 then
      local count, err = rows_of.read(reader, self._chunk, 1, CHUNK)
      if not count then return fail(self, err) end
      self._index, self._built = 0, count
      return true
    end
    local moved, err = move_on(self, me)
    if err then return fail(self, err) end
    if not moved then
      self:close()
      return false
    end
  end
end

-- Each row is a chance for the program that drives the loop.
local function give_way()
  local err = task.give_way()
  if err then error(err, 0) end
end

-- The next row; nil at the end; nil, err (err.paging_state: where to resume). Waits.
function methods:next()
  if is_spent() then give_way() end
  local index = self._index + 1
  while index > self._built do
    local built, err = build_more(self)
    if not built then return nil, err end
    index = self._index + 1
  end
  self._index = index
  return self._chunk[index]
end

-- for row in stream: raises if a page fails.
function Stream:__call()
  local row, err = methods.next(self)
  if err then errors.raise(err) end
  return row
end

-- A page as a result. Its rows() stops at its end.
local function result_of(self, page)
  local rows, err = result.of_page(page.page, page.shape)
  if not rows then return nil, err end
  getmetatable(rows).number = self._number
  result.of_session(rows, self._db)
  return rows
end

-- An iterator over pages, each a result; raises if a page fails.
function methods:pages()
  check(self, "pages")
  return function()
    local me = enter()
    if self.closed then return nil end
    local page, err = take_page(self, me)
    if not page then
      self:close()
      if type(err) == "string" then errors.misuse("stream: %s", err) end
      if err then errors.raise(err) end
      return nil
    end
    ask_if_wanted(self)
    progress(self, me, page)
    local rows
    rows, err = result_of(self, page)
    if not rows then
      self:close()
      errors.raise(err)
    end
    return rows
  end
end

local function each_worker(state)
  local self, fn = state.stream, state.fn
  while not state.group.ended do
    local row, err = methods.next(self)
    if not row then
      if err then return nil, err end
      return
    end
    local value, failure = fn(row)
    if value == nil and failure ~= nil then return nil, failure end
    state.count = state.count + 1
  end
end

local function closed_after(self, state, ok, done, err)
  self:close()
  if not ok then error(done, 0) end
  if not done then return nil, err end
  return state.count
end

-- fn(row) for every row, in n tasks at once; then closes. The number of rows, or the first error, returned or
-- raised.
function methods:each(n, fn)
  check(self, "each")
  group.check_workers(n, "each")
  if type(fn) ~= "function" then errors.misuse("each: a function expected, got %s", type(fn)) end
  local state = { stream = self, fn = fn, count = 0 }
  return closed_after(self, state, pcall(group.run_workers, n, each_worker, state))
end

-- Ends the stream and frees what it holds at once; tasks that wait on it get its end. Again is harmless.
function methods:close()
  check(self, "close")
  if self.closed then return true end
  self.closed = true
  if self._tag then
    request.abandon(self._db._core, self._tag, self)
    self._tag = false
  end
  for index = self._first, self._last do core.page_release(self._pages[index].page) end
  self._pages, self._first, self._last = {}, 1, 0
  if not self._moving then drop_reader(self) end
  self._chunk, self._statement = {}, false
  wake_all(self)
  return true
end

-- Opening -----------------------------------------------------------------------------------------

-- Options that are of the stream, not of its requests.
local OWN = { prefetch = true, on_page = true, max_pages = true, max_rows = true, page_timeout = true,
  total_timeout = true }

local function call_of(db, checked, omitted)
  local of_call, is_any = {}, false
  for name, value in pairs(checked) do
    if not OWN[name] and name ~= omitted then
      of_call[name], is_any = value, true
    end
  end
  return is_any and options.for_core(of_call, "stream", db) or nil
end

local function new(db, checked)
  local now = task.now()
  return setmetatable({
    closed = false,
    on_answer = on_answer,
    _db = db,
    _call = call_of(db, checked) or false,
    _params = false,
    _statement = false,
    _state = checked.paging_state or false, -- where the page that is asked for next starts
    _tag = false,
    _pages = {}, -- that have arrived and are not read yet, from _first to _last
    _first = 1,
    _last = 0,
    _asked = 0, -- pages that have arrived
    _reader = false, -- of the page being read
    _chunk = {},
    _index = 0,
    _built = 0,
    _reading = false, -- a page is being consumed
    _full = false, -- the queue was full when a page was asked for
    _moving = false, -- the coroutine that is between two pages, as here() gives it
    _waiters = {},
    _finished = false, -- no page comes after those in _pages
    _error = false,
    _number = 0,
    _rows = 0,
    _bytes = 0,
    _began = now,
    _deadline = checked.total_timeout and now + checked.total_timeout or false,
    _page_timeout = checked.page_timeout or checked.timeout or false,
    _request_timeout = db._request_timeout,
    _prefetch = checked.prefetch or 1,
    _max_pages = checked.max_pages or false,
    _on_page = checked.on_page or false,
  }, Stream)
end

local DEEPEST = 32 -- levels of a value: what is deeper (or within itself) is refused when it is bound

-- Bind values as they are now, collections included.
local function copy(params, levels)
  local copied = {}
  levels = levels or DEEPEST
  for key, value in next, params do
    copied[key] = type(value) == "table" and levels > 0 and copy(value, levels - 1) or value
  end
  return copied
end
M.copy = copy

-- The key of a text's prepared statement in db._texts: a keyspace of the call's own is part of it.
local function text_key(text, keyspace)
  return keyspace and keyspace .. "\0" .. text or text
end
M.text_key = text_key

local function prepare_first(self, text, params, keyspace)
  self._params = copy(params)
  local limit = self._page_timeout and milliseconds(self._page_timeout) or nil
  local tag, err = core.prepare(self._db._core, text, limit or 0, keyspace)
  if not tag then return finish(self, err) end
  self._tag = tag
  request.watch(tag, self)
end

-- A stream of a text or a prepared statement; `checked` are its options. Asks for the first page and returns at
-- once. `refused`: the error that it ends with instead, or nil.
function M.new(db, what, params, checked, refused)
  local self = new(db, checked)
  if refused then
    finish(self, refused)
    return self
  end
  if type(what) == "string" and params ~= nil and next(params) ~= nil then
    if checked.keyspace then self._call = call_of(db, checked, "keyspace") or false end -- it is prepared in it
    local known = db._texts[text_key(what, checked.keyspace)]
    if not known then
      prepare_first(self, what, params, checked.keyspace)
      return self
    end
    what = known
  end
  local statement, err = core.statement(db._core, what, params, self._call or nil)
  if type(err) == "string" then errors.misuse("stream: %s", err) end
  if not statement then
    finish(self, err)
    return self
  end
  self._statement = statement
  ask(self)
  return self
end

return M
