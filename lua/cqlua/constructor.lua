-- Row constructors: for each shape of result, a generated function that reads rows from the page's bytes through
-- FFI.
--
-- The source is made of fixed text; names from the server are in it only as escaped string literals. FFI is
-- captured when this file loads, so a host may hide it afterwards. Every cell is checked against the end of the
-- bytes.

local cells = require "cqlua.cells"
local core = require "cqlua.core"
local types = require "cqlua.types"

local M = {}

local MOST_COLUMNS = 64
local MOST_LIVE = 64
local ROWS_BEFORE = 16

local ffi = types.ffi
local jit = rawget(_G, "jit")
local kinds = core.kinds

-- The source --------------------------------------------------------------------------------------

-- By kind: which lengths a cell may have (nil: any), its value, and whether that may fail.
local READERS = {
  [kinds.BOOL] = { len = "len ~= 1", value = "base[at] ~= 0" },
  [kinds.FLOAT] = { len = "len ~= 4", value = "float(base + at)" },
  [kinds.DOUBLE] = { len = "len ~= 8", value = "double(base + at)" },
  [kinds.TEXT] = { value = "text(base + at, len)", empty = '""' },
  [kinds.BLOB] = { value = "text(base + at, len)", empty = '""' },
  [kinds.UUID] = { len = "len ~= 16", value = "uuid_text(base + at)" },
  [kinds.INET] = { len = "len ~= 4 and len ~= 16", value = "inet_text(base + at, len)" },
  [kinds.DATE] = { len = "len ~= 4", value = "date_text(base + at)" },
  [kinds.TIME] = { len = "len ~= 8", value = "time_text(base + at)", fails = "undecodable" },
  [kinds.TIMESTAMP] = { len = "len ~= 8", value = "number64(base + at)", fails = "inexact" },
}
local INTEGERS = {
  [1] = { len = "len ~= 1", value = "(base[at] + 128) % 256 - 128" },
  [2] = { len = "len ~= 2", value = "(base[at] * 256 + base[at + 1] + 32768) % 65536 - 32768" },
  [4] = { len = "len ~= 4", value = "word(base + at)" },
}
local BIGINTS = {
  int64 = { len = "len ~= 8", value = "int64(base + at)" },
  number = { len = "len ~= 8", value = "number64(base + at)", fails = "inexact" },
  string = { len = "len ~= 8", value = "text64(base + at)" },
}

local function reader_of(cell, bigint)
  if cell.kind == kinds.INT then return INTEGERS[cell.width] end
  if cell.kind == kinds.BIGINT then return BIGINTS[bigint] end
  return READERS[cell.kind]
end

-- Any bytes as a Lua string literal of plain ASCII.
local function literal(text)
  return '"' .. text:gsub("[^%w_ ]", function(c) return ("\\%03d"):format(c:byte()) end) .. '"'
end
M.literal = literal

local CELL = [[
    if stop - at < 4 then return nil, row, $N, "undecodable" end
    len = word(base + at)
    at = at + 4
    local c$N$EMPTY
    if len > 0 then
      if len > stop - at$LEN then return nil, row, $N, "undecodable" end
      c$N = $VALUE$FAILS
      at = at + len
    end
]]

local function cell_source(index, reader)
  local parts = {
    N = tostring(index),
    EMPTY = reader.empty and " = len == 0 and " .. reader.empty .. " or nil" or "",
    LEN = reader.len and " or " .. reader.len or "",
    VALUE = reader.value,
    FAILS = reader.fails
      and ("\n      if c%d == nil then return nil, row, %d, %q end"):format(index, index, reader.fails) or "",
  }
  return (CELL:gsub("%$(%u+)", parts))
end

local HEAD = [[
local word, double, float, number64, int64, text64, uuid_text, inet_text, date_text, time_text, text, setmetatable,
  metatable = ...
return function(rows, first, count, base, at, stop)
  local len
  for row = first, first + count - 1 do
]]

local function source_of(shape, bigint)
  local source, fields = { HEAD }, {}
  for index, cell in ipairs(shape.cells) do
    local reader = reader_of(cell, bigint)
    if not reader then return nil end
    source[#source + 1] = cell_source(index, reader)
    if cell.key then fields[#fields + 1] = ("[%s] = c%d"):format(literal(cell.key), index) end
  end
  source[#source + 1] = "    rows[row] = setmetatable({ " .. table.concat(fields, ", ") .. " }, metatable)\n"
  source[#source + 1] = "  end\n  return at\nend\n"
  return table.concat(source)
end

-- The cache ---------------------------------------------------------------------------------------

local live, order = {}, {} -- constructors by key, and the keys from the oldest on

-- Its rows carry the metatable of the shape that it was made for: a shape of equal bytes has an equal one.
local function compile(shape, bigint)
  local source = source_of(shape, bigint)
  if not source then return false end
  local c = cells
  local chunk = assert((loadstring or load)(source, "=cqlua.row"))
  return chunk(c.word, c.double, c.float, c.number64, c.int64, c.text64, c.uuid_text, c.inet_text, c.date_text,
    c.time_text, c.text, setmetatable, shape[2])
end

local function remember(key, constructor)
  if #order == MOST_LIVE then live[table.remove(order, 1)] = nil end
  order[#order + 1] = key
  live[key] = constructor
  return constructor
end

local function is_usable()
  return cells and jit ~= nil and jit.status() and ffi.abi "le"
end

-- function(rows, first, count, base, at, stop) -> the next `at`, or nil, row, column, why; for `count` more rows
-- of the shape. Nothing where the C builder is to be used.
function M.of(shape, bigint, count)
  shape.rows_seen = shape.rows_seen + count
  if shape.rows_seen < ROWS_BEFORE or #shape.cells > MOST_COLUMNS or not is_usable() then return nil end
  local key = bigint .. shape.metadata .. (shape[1][1] == false and "!" or "")
  local constructor = live[key]
  if constructor == nil then
    constructor = remember(key, compile(shape, bigint))
  end
  return constructor or nil
end

-- The bytes at an address that the core gave.
function M.bytes(address)
  return ffi.cast("const uint8_t *", address)
end

-- How many constructors are kept; for specs.
function M.count()
  return #order
end

return M
