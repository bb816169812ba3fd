-- Results. A result is the plain array of one page's rows; all else is behind its metatable, one for each result:
--   [1] what the core packed (see info.c), [2] the shape, [3] the statement for the next page (if there is one), [4] its session
-- and fields that were read once.

local core = require "cqlua.core"
local errors = require "cqlua.error"
local json = require "cqlua.json"
local options = require "cqlua.options"
local rows_of = require "cqlua.rows"
local task = require "cqlua.task"
local types = require "cqlua.types"

local info = core.info
local getmetatable, rawget, setmetatable = getmetatable, rawget, setmetatable

local M = {}
local methods = {}

local MOST_ROWS = 1000000 -- of all(), unless told otherwise
local DRAWN_ROWS, DRAWN_WIDTH = 20, 40 -- of tostring

local PACKED = { applied = true, attempts = true, coordinator = true, cost = true, custom_payload = true,
  has_more = true, paging_state = true, schema_agreed = true, tracing_id = true, warnings = true }
local FIELDS = { columns = true, number = true }

local function meta_of(result, who)
  local meta = type(result) == "table" and getmetatable(result)
  if not meta or type(meta) ~= "table" or not meta[1] then
    errors.misuse("%s: a result expected; write result:%s()", who, who)
  end
  return meta
end

local function unknown_field(key)
  local known = {}
  for _, names in ipairs { PACKED, FIELDS, methods } do
    for name in pairs(names) do known[name] = true end
  end
  errors.misuse("a result has no field '%s'%s; its rows are result[1] to result[#result]", key, errors.hint(key, known))
end

-- __index of every result.
function M.index(result, key)
  local method = methods[key]
  if method then return method end
  if type(key) ~= "string" or key:sub(1, 2) == "__" then return nil end
  local meta = getmetatable(result)
  local value = rawget(meta, key)
  if value ~= nil then return value end
  if PACKED[key] then
    value = info(meta[1], key)
    meta[key] = value
    return value
  end
  if key == "columns" then return meta[2].columns end
  if key == "number" then return 1 end
  unknown_field(key)
end

-- Building ----------------------------------------------------------------------------------------

-- The result of rows, with what the core packed and the statement for the next page (nil: there is none).
local function of_rows(rows, packed, shape, statement)
  return setmetatable(rows, { packed, shape, statement, __index = M.index, __tostring = M.tostring })
end
M.of_rows = of_rows

-- The result of a page: its rows built, the page released. Or nil, err.
function M.of_page(page, shape)
  local packed, statement = core.page_info(page), core.page_statement(page)
  local rows, err = rows_of.all(page, shape)
  if not rows then return nil, err end
  return of_rows(rows, packed, shape, statement)
end

-- Notes where more pages come from: fetch(session, statement, paging_state) -> result, or nil, err.
function M.link(result, session, fetch, max_rows)
  local meta = getmetatable(result)
  meta[4], meta.fetch, meta.max_rows = session, fetch, max_rows
end

-- Notes how many rows all() may give.
function M.limit(result, max_rows)
  getmetatable(result).max_rows = max_rows
end

-- Notes whose result it is, for its page token.
function M.of_session(result, session)
  getmetatable(result)[4] = session
end

-- Notes who can be asked for the trace.
function M.traced(result, session)
  getmetatable(result).traced_by = session
end

-- Pages -------------------------------------------------------------------------------------------

local function next_page(result, meta)
  local fetch = meta.fetch
  if not fetch then return nil end
  local following, err = fetch(meta[4], meta[3], M.index(result, "paging_state"))
  if not following then return nil, err end
  getmetatable(following).number = M.index(result, "number") + 1
  getmetatable(following).max_rows = meta.max_rows
  return following
end

-- The next page, as a result; nil if this is the last; nil, err. (Of a stream's page: nil, its stream has the
-- next.)
function methods:next_page()
  return next_page(self, meta_of(self, "next_page"))
end

-- Where the next page starts, as a text for links: of use as `page_token` with the same query and values only. nil if this is
-- the last page; nil, err (`closed`).
function methods:page_token()
  local meta = meta_of(self, "page_token")
  local state = M.index(self, "paging_state")
  if not state or not meta[3] then return nil end
  return core.page_token(meta[4]._core, meta[3], state)
end

-- The first row of this page, or nil.
function methods:one()
  meta_of(self, "one")
  return rawget(self, 1)
end

-- An iterator over every row of the query, from this page on; raises if a page fails. (Of a stream's page: over
-- that page.)
function methods:rows()
  local page, index, meta = self, 0, meta_of(self, "rows")
  return function()
    while page do
      index = index + 1
      local row = rawget(page, index)
      if row ~= nil then return row end
      local following, err = next_page(page, meta)
      if err then errors.raise(err) end
      page, index, meta = following, 0, following and getmetatable(following)
    end
  end
end

local function too_many(what, limit)
  return nil, errors.new("too_many_rows", ("more than %d %s: raise the limit, or use db:stream"):format(limit, what))
end

-- Every row of the query, from this page on, as one plain array; nil, err if a page fails or a limit is passed.
function methods:all(limits)
  local meta = meta_of(self, "all")
  limits = options.check(options.LIMITS, limits, "all")
  local most, most_bytes = limits.max_rows or meta.max_rows or MOST_ROWS, limits.max_bytes
  local all, count, bytes, page = {}, 0, 0, self
  while page do
    bytes = bytes + (most_bytes and M.index(page, "cost").bytes_in or 0)
    if count + #page > most then return too_many("rows", most) end
    if most_bytes and bytes > most_bytes then return too_many("bytes", most_bytes) end
    for index = 1, #page do all[count + index] = page[index] end
    count = count + #page
    local following, err = next_page(page, getmetatable(page))
    if err then return nil, err end
    page = following
  end
  return all
end

local function check_column(meta, name, who)
  if not meta[2].positions[name] then
    errors.misuse("%s: the result has no column '%s'%s", who, tostring(name), errors.hint(name, meta[2].positions))
  end
end

-- The rows of this page by the value of a column.
function methods:map(name)
  check_column(meta_of(self, "map"), name, "map")
  local by = {}
  for index = 1, #self do
    local key = rawget(self[index], name)
    if key == key and key ~= nil then by[types.key(key)] = self[index] end -- NaN is no key either
  end
  return by
end

-- The values of a column in this page, and their number as `n` (for there may be nulls).
function methods:column(name)
  check_column(meta_of(self, "column"), name, "column")
  local values = { n = #self }
  for index = 1, #self do values[index] = rawget(self[index], name) end
  return values
end

-- The rows of this page as JSON: an array of objects; nil, err for what JSON cannot say (NaN, infinities).
function methods:json()
  return json.rows(self, meta_of(self, "json")[2].columns)
end

-- Tracing -----------------------------------------------------------------------------------------

local TRACE_SECONDS = 5 -- for the server to finish writing it
local TRACE_PAUSE = 0.02
local SESSION = "SELECT command, client, coordinator, duration, parameters, request, started_at"
  .. " FROM system_traces.sessions WHERE session_id = ?"
local EVENTS = "SELECT activity, source, source_elapsed, thread FROM system_traces.events WHERE session_id = ?"
local ASK = options.build { consistency = "one", bigint = "int64" }

-- The row of the trace, once the server has noted how long it took; nil, err.
local function finished_trace(session, id)
  local deadline, pause = task.now() + TRACE_SECONDS, TRACE_PAUSE
  while true do
    local found, err = session:execute(SESSION, { id }, ASK)
    if not found then return nil, err end
    local row = found[1]
    if row and row.duration then return row end
    if task.now() >= deadline then
      return nil, errors.new("timeout", "the server has not finished the trace within " .. TRACE_SECONDS .. " s")
    end
    task.sleep(pause)
    pause = math.min(pause * 2, 0.5)
  end
end

-- The trace of a request that was made with `tracing = true`: a table with id, request, command, client, coordinator,
-- started_at (ms), duration_us, parameters, events (each: activity, source, elapsed_us, thread); or nil, err. Waits until
-- the server has written all of it.
function methods:trace()
  local meta = meta_of(self, "trace")
  local id, session = M.index(self, "tracing_id"), meta.traced_by
  if not id or not session then errors.misuse "trace: the request was not traced: give it the option tracing = true" end
  local row, err = finished_trace(session, id)
  if not row then return nil, err end
  local found
  found, err = session:execute(EVENTS, { id }, ASK)
  if not found then return nil, err end
  local events
  events, err = found:all()
  if not events then return nil, err end
  local trace = { id = id, request = row.request, command = row.command, client = row.client, coordinator = row.coordinator,
    started_at = row.started_at, duration_us = row.duration, parameters = row.parameters, events = {} }
  for index, event in ipairs(events) do
    trace.events[index] = { activity = event.activity, source = event.source, elapsed_us = event.source_elapsed,
      thread = event.thread }
  end
  return trace
end

-- tostring ----------------------------------------------------------------------------------------

local function element_text(value)
  if value == nil or value == core.null then return "null" end
  return type(value) == "table" and "..." or types.text(value)
end

-- A list as [a, b], a tuple as (a, b), a map as {k: v}; no more of it than is shown.
local function collection_text(value, type_text)
  local parts, length = {}, 0
  local function add(text)
    parts[#parts + 1] = text
    length = length + #text
    return length > DRAWN_WIDTH
  end
  local is_tuple = type_text:find "^tuple<"
  if is_tuple or value[1] ~= nil then
    for place = 1, is_tuple and value.n or #value do
      if add(element_text(value[place])) then break end
    end
  else
    for key, element in pairs(value) do
      if add(types.text(key) .. ": " .. element_text(element)) then break end
    end
  end
  local left, right = "{", "}"
  if is_tuple then left, right = "(", ")" elseif value[1] ~= nil then left, right = "[", "]" end
  return left .. table.concat(parts, ", ") .. right
end

local function cell_text(value, type_text)
  if value == nil then return "null" end
  local text = (type(value) == "table" and collection_text(value, type_text) or types.text(value)):gsub("%c", "?")
  if #text > DRAWN_WIDTH then text = text:sub(1, DRAWN_WIDTH - 3) .. "..." end
  return text
end

local function pad(text, width, is_number)
  local space = (" "):rep(width - #text)
  return is_number and space .. text or text .. space
end

local function draw(rows, columns, shown)
  local lines, widths, rule = {}, {}, {}
  for place, column in ipairs(columns) do
    local width = #cell_text(column.name)
    for index = 1, shown do width = math.max(width, #cell_text(rawget(rows[index], column.name), column.type)) end
    widths[place], rule[place] = width, ("-"):rep(width + 2)
  end
  for index = 0, shown do
    local cells = {}
    for place, column in ipairs(columns) do
      local value = column.name
      if index > 0 then value = rawget(rows[index], column.name) end
      cells[place] = " " .. pad(cell_text(value, column.type), widths[place], index > 0 and type(value) ~= "string") .. " "
    end
    lines[#lines + 1] = table.concat(cells, "|")
    if index == 0 then lines[#lines + 1] = table.concat(rule, "+") end
  end
  return table.concat(lines, "\n")
end

-- A table of the first rows.
function M.tostring(result)
  local columns = M.index(result, "columns")
  local count = #result
  local shown = math.min(count, DRAWN_ROWS)
  local noun, more = count == 1 and "row" or "rows", M.index(result, "has_more") and ", more pages" or ""
  local foot = ("(%d %s%s)"):format(count, noun, more)
  if #columns == 0 then return foot end
  return draw(result, columns, shown) .. (shown < count and "\n..." or "") .. "\n" .. foot
end

return M
