-- Row constructors: for each shape of result, a generated function that reads rows from the page's bytes through
-- FFI.
--
-- The source is made of fixed text; names from the server are in it only as escaped string literals. FFI is
-- captured when this file loads, so a host may hide it afterwards. Every cell is checked against the end of the
-- bytes.

local core = require "cqlua.core"
local types = require "cqlua.types"

local M = {}

local MOST_COLUMNS = 64
local MOST_LIVE = 64
local ROWS_BEFORE = 16

local ffi = types.ffi
local jit = rawget(_G, "jit")
local kinds = core.kinds

-- Helpers of the generated code -------------------------------------------------------------------

local env -- what generated code sees

local function make_env()
  local bit = require "bit"
  local cast, bswap, band, text = ffi.cast, bit.bswap, bit.band, ffi.string
  local int32_p, int64_p = ffi.typeof "const int32_t *", ffi.typeof "const int64_t *"
  local cell = ffi.new "union { int32_t i[2]; double d; float f[2]; }"
  local uuid = ffi.new "uint8_t[36]"
  local hex = ffi.new "uint8_t[16]"
  ffi.copy(hex, "0123456789abcdef", 16)
  local time_format, date_format = "%02d:%02d:%02d", "%s%04d-%02d-%02d"
  local floor = math.floor

  local function word(at) return bswap(cast(int32_p, at)[0]) end

  -- Bits of a NaN are never let through: LuaJIT would take some for a tagged value.
  local function double(at)
    local high, low = word(at), word(at + 4)
    if band(high, 0x7ff00000) == 0x7ff00000 and (band(high, 0xfffff) ~= 0 or low ~= 0) then return 0 / 0 end
    cell.i[1], cell.i[0] = high, low
    return cell.d
  end

  local function float(at)
    local bits = word(at)
    if band(bits, 0x7f800000) == 0x7f800000 and band(bits, 0x7fffff) ~= 0 then return 0 / 0 end
    cell.i[0] = bits
    return cell.f[0]
  end

  -- A 64-bit integer as a number; nil beyond 2^53.
  local function number64(at)
    local high, low = word(at), word(at + 4) % 4294967296
    if high < -0x200000 or high > 0x200000 or high == 0x200000 and low > 0 then return nil end
    return high * 4294967296 + low
  end

  local function int64(at) return bswap(cast(int64_p, at)[0]) end

  local function text64(at)
    local number = number64(at)
    if number then return ("%.0f"):format(number) end
    return types.text(int64(at))
  end

  local function uuid_text(at)
    local to = 0
    for from = 0, 15 do
      if from == 4 or from == 6 or from == 8 or from == 10 then
        uuid[to] = 45
        to = to + 1
      end
      local byte = at[from]
      uuid[to] = hex[floor(byte / 16)]
      uuid[to + 1] = hex[byte % 16]
      to = to + 2
    end
    return text(uuid, 36)
  end

  local function inet4_text(at) return at[0] .. "." .. at[1] .. "." .. at[2] .. "." .. at[3] end

  local function inet6_group(at, group) return at[group * 2] * 256 + at[group * 2 + 1] end

  -- The longest run of two or more zero groups, the first among equals: where it starts (8: there is none), its length.
  local function zero_groups(at)
    local start, longest, run = 8, 1, 0
    for group = 0, 7 do
      run = inet6_group(at, group) == 0 and run + 1 or 0
      if run > longest then start, longest = group - run + 1, run end
    end
    return start, longest
  end

  -- RFC 5952: that run is "::"; mapped IPv4 addresses end in dotted form.
  local function inet6_text(at)
    local start, longest = zero_groups(at)
    local is_mapped = start == 0 and (longest == 6 or longest == 5 and inet6_group(at, 5) == 0xffff)
    local out, group = "", 0
    while group < 8 do
      if group == start then
        out, group = out .. "::", group + longest
      else
        if group > 0 and group ~= start + longest then out = out .. ":" end
        if group == 6 and is_mapped then return out .. inet4_text(at + 12) end
        out, group = out .. ("%x"):format(inet6_group(at, group)), group + 1
      end
    end
    return out
  end

  local function inet_text(at, len)
    if len == 4 then return inet4_text(at) end
    return inet6_text(at)
  end

  local dates, dates_count = {}, 0
  local function date_text(at)
    local days = word(at) % 4294967296 - 2147483648
    local known = dates[days]
    if known then return known end
    if dates_count == 4096 then dates, dates_count = {}, 0 end
    local year, month, day = types.civil(days)
    known = date_format:format(year < 0 and "-" or year > 9999 and "+" or "", math.abs(year), month, day)
    dates[days], dates_count = known, dates_count + 1
    return known
  end

  local function time_text(at)
    local nanoseconds = number64(at)
    if not nanoseconds or nanoseconds < 0 or nanoseconds > 86399999999999 then return nil end
    local seconds = floor(nanoseconds / 1e9)
    local fraction = nanoseconds % 1e9
    local clock = time_format:format(floor(seconds / 3600), floor(seconds / 60) % 60, seconds % 60)
    return fraction == 0 and clock or clock .. (".%09d"):format(fraction)
  end

  return { word = word, double = double, float = float, number64 = number64, int64 = int64, text64 = text64,
    uuid_text = uuid_text, inet_text = inet_text, date_text = date_text, time_text = time_text, text = text,
    setmetatable = setmetatable }
end

-- The source --------------------------------------------------------------------------------------

-- By kind: which lengths a cell may have (nil: any), its value, and whether that may fail.
local readers

local function make_readers()
  local k = kinds
  readers = {
    [k.BOOL] = { len = "len ~= 1", value = "base[at] ~= 0" },
    [k.FLOAT] = { len = "len ~= 4", value = "float(base + at)" },
    [k.DOUBLE] = { len = "len ~= 8", value = "double(base + at)" },
    [k.TEXT] = { value = "text(base + at, len)", empty = '""' },
    [k.BLOB] = { value = "text(base + at, len)", empty = '""' },
    [k.UUID] = { len = "len ~= 16", value = "uuid_text(base + at)" },
    [k.INET] = { len = "len ~= 4 and len ~= 16", value = "inet_text(base + at, len)" },
    [k.DATE] = { len = "len ~= 4", value = "date_text(base + at)" },
    [k.TIME] = { len = "len ~= 8", value = "time_text(base + at)", fails = "undecodable" },
    [k.TIMESTAMP] = { len = "len ~= 8", value = "number64(base + at)", fails = "inexact" },
  }
end

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
  return readers[cell.kind]
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
  if not env then env = make_env() end
  local e = env
  local chunk = assert((loadstring or load)(source, "=cqlua.row"))
  return chunk(e.word, e.double, e.float, e.number64, e.int64, e.text64, e.uuid_text, e.inet_text, e.date_text,
    e.time_text, e.text, e.setmetatable, shape[2])
end

local function remember(key, constructor)
  if #order == MOST_LIVE then live[table.remove(order, 1)] = nil end
  order[#order + 1] = key
  live[key] = constructor
  return constructor
end

local function is_usable()
  return ffi ~= nil and jit ~= nil and jit.status() and ffi.abi "le"
end

-- function(rows, first, count, base, at, stop) -> the next `at`, or nil, row, column, why; for `count` more rows
-- of the shape. Nothing where the C builder is to be used.
function M.of(shape, bigint, count)
  shape.rows_seen = shape.rows_seen + count
  if shape.rows_seen < ROWS_BEFORE or #shape.cells > MOST_COLUMNS or not is_usable() then return nil end
  local key = bigint .. shape.metadata .. (shape[1][1] == false and "!" or "")
  local constructor = live[key]
  if constructor == nil then
    if not readers then make_readers() end
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
