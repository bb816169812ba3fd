-- Values that Lua has no type for: 64-bit integers, null and unset, varints, decimals and durations, times as text.
-- On LuaJIT with FFI a bigint is int64_t cdata, on Lua 5.3 and later an integer; elsewhere a decimal string.
-- Varints, decimals and durations are objects of the core: immutable userdata.

local core = require "cqlua.core"
local errors = require "cqlua.error"

local M = { null = core.null, unset = core.unset }

local EXACT = 2 ^ 53
local integer_type = rawget(math, "type") -- Lua 5.3 and later, where a module `ffi` is not LuaJIT's
local has_ffi, ffi = false, nil
if not integer_type then has_ffi, ffi = pcall(require, "ffi") end
local int64_t, uint64_t, istype, box

if has_ffi then
  int64_t, uint64_t, istype = ffi.typeof "int64_t", ffi.typeof "uint64_t", ffi.istype
  box = ffi.cast("const int64_t *", core.box())
end

M.ffi = has_ffi and ffi or nil

-- For the C module: 1 for int64_t, 2 for uint64_t, nil for all else.
M.int64_kind = has_ffi and function(value)
  if istype(int64_t, value) then return 1 end
  if istype(uint64_t, value) then return 2 end
end or nil

M.int64_make = has_ffi and function() return box[0] end or nil

core.use_nearest(errors.nearest)

local function is_cdata(value)
  return type(value) == "cdata" and M.int64_kind(value) ~= nil
end

local function is_integer(value)
  return integer_type ~= nil and integer_type(value) == "integer"
end

-- Of a number: that it is no further than 2^53 from 0.
local function is_exact(number)
  return number >= -EXACT and number <= EXACT
end
M.is_exact = is_exact

-- The 64-bit integer of a decimal string (or of a whole number up to 2^53): exact, or nil, err.
function M.int64(value)
  if is_cdata(value) or is_integer(value) then return value end
  local text = value
  if type(value) == "number" and value % 1 == 0 and is_exact(value) then text = ("%d"):format(value) end
  if type(text) ~= "string" then errors.misuse("int64: a decimal string expected, got %s", type(value)) end
  local whole = core.int64(text)
  if whole ~= nil then return whole end
  return nil, errors.new("invalid_value", "'" .. text .. "' is no whole number within 64 bits")
end

local SHOWN = 40 -- bytes of a text that a message shows

local function maker(name, expected)
  local make = core[name]
  return function(value)
    local object, why = make(value)
    if object ~= nil then return object end
    if not why then errors.misuse("%s: %s expected, got %s", name, expected, type(value)) end
    local shown = type(value) == "string" and "'" .. value:sub(1, SHOWN) .. "'" or "this " .. type(value)
    return nil, errors.new("invalid_value", shown .. " is no " .. name .. ": " .. why)
  end
end

-- A whole number of any size: from text, a whole number, a 64-bit integer. Exact, or nil, err.
M.varint = maker("varint", "a whole number, or one as text,")

-- A decimal number of any size; from text, and what a varint is made from. Exact, or nil, err.
M.decimal = maker("decimal", "a whole number, or a number as text,")

local duration = maker("duration", "text or { months =, days =, nanoseconds = }")
local DURATION_PARTS = { months = true, days = true, nanoseconds = true }

-- A duration: from text ("1h30m", "P1DT12H") or from its parts. Exact, or nil, err.
function M.duration(value)
  for part in next, type(value) == "table" and value or {} do
    if not DURATION_PARTS[part] then
      errors.misuse("duration: unknown part '%s'%s", tostring(part), errors.hint(part, DURATION_PARTS))
    end
  end
  return duration(value)
end

-- Bytes for a blob: the string as it is.
function M.blob(bytes)
  if type(bytes) ~= "string" then errors.misuse("blob: a string expected, got %s", type(bytes)) end
  return bytes
end

local function inexact(value, why)
  return nil, errors.new("invalid_value", M.text(value):sub(1, SHOWN) .. " " .. why)
end

local function whole_number(whole)
  local number = tonumber(whole)
  if is_exact(number) and M.text(number) == M.text(whole) then return number end
  return inexact(whole, "is beyond 2^53: as a number it would be inexact")
end

local function object_number(value)
  local number = core.exact(value)
  if number ~= nil then return number end
  return inexact(value, "would be inexact as a number")
end

-- The value as a Lua number (a double): exact, or nil, err.
function M.number(value)
  local kind = core.object_kind(value)
  if kind == "varint" or kind == "decimal" then return object_number(value) end
  if is_cdata(value) or is_integer(value) then return whole_number(value) end
  if type(value) == "number" then return value end
  if type(value) ~= "string" then errors.misuse("number: an integer or a decimal expected, got %s", type(value)) end
  local whole, err = M.int64(value)
  if whole == nil then return nil, err end
  return whole_number(whole)
end

-- The value as text: 64-bit integers without their suffix, whole numbers without a fraction.
function M.text(value)
  if type(value) == "cdata" then return (tostring(value):gsub("U?LL$", "")) end
  if type(value) == "number" and value % 1 == 0 and is_exact(value) then return ("%d"):format(value) end
  return tostring(value)
end

-- The value as a table key that finds it again: 64-bit integers, varints, decimals and durations as text, all else as
-- it is.
function M.key(value)
  if type(value) == "cdata" or core.object_kind(value) then return M.text(value) end
  return value
end

-- Days since 1970-01-01 as year, month, day (proleptic Gregorian; H. Hinnant's algorithm).
function M.civil(days)
  local shifted = days + 719468
  local era = math.floor(shifted / 146097)
  local day_of_era = shifted - era * 146097
  local year_of_era = math.floor((day_of_era - math.floor(day_of_era / 1460) + math.floor(day_of_era / 36524)
    - math.floor(day_of_era / 146096)) / 365)
  local day_of_year = day_of_era - (365 * year_of_era + math.floor(year_of_era / 4) - math.floor(year_of_era / 100))
  local shifted_month = math.floor((5 * day_of_year + 2) / 153)
  local day = day_of_year - math.floor((153 * shifted_month + 2) / 5) + 1
  local month = shifted_month < 10 and shifted_month + 3 or shifted_month - 9
  local year = year_of_era + era * 400 + (month <= 2 and 1 or 0)
  return year, month, day
end

-- Milliseconds since 1970 as ISO 8601 in UTC.
function M.iso(milliseconds)
  if type(milliseconds) ~= "number" or not is_exact(milliseconds) then
    errors.misuse("iso: milliseconds since 1970 expected, got %s", tostring(milliseconds))
  end
  local seconds = math.floor(milliseconds / 1000)
  local year, month, day = M.civil(math.floor(seconds / 86400))
  local rest = seconds % 86400
  return ("%04d-%02d-%02dT%02d:%02d:%02d.%03dZ"):format(year, month, day, math.floor(rest / 3600),
    math.floor(rest % 3600 / 60), rest % 60, math.floor(milliseconds % 1000))
end

-- Milliseconds since 1970.
M.now = core.wall

-- A new random UUID, as text.
M.uuid = core.uuid

-- A new time-based UUID, as text: of now (each later than the one before), or of a time in milliseconds since 1970.
function M.timeuuid(milliseconds)
  if milliseconds == nil then return core.timeuuid() end
  if type(milliseconds) ~= "number" or milliseconds % 1 ~= 0 then
    errors.misuse("timeuuid: whole milliseconds since 1970 expected, got %s", tostring(milliseconds))
  end
  local uuid = core.timeuuid(milliseconds)
  if uuid then return uuid end
  return nil, errors.new("invalid_value", M.text(milliseconds) .. " is no time that a timeuuid can have")
end

-- The time of a time-based UUID, in milliseconds since 1970; nil, err if it is none.
function M.timeuuid_ms(uuid)
  if type(uuid) ~= "string" then errors.misuse("timeuuid_ms: a string expected, got %s", type(uuid)) end
  local milliseconds = core.timeuuid_ms(uuid)
  if milliseconds then return milliseconds end
  return nil, errors.new("invalid_value", "'" .. uuid:sub(1, SHOWN) .. "' is no time-based UUID")
end

return M
