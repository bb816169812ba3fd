-- Values out of a page's bytes, through FFI: what generated constructors call. `at` points to a cell's first byte.
-- FFI is captured when this file loads. Without FFI it gives nothing.

local types = require "cqlua.types"

local ffi = types.ffi
if not ffi then return false end

local bit = require "bit"
local cast, bswap, band, text = ffi.cast, bit.bswap, bit.band, ffi.string
local floor = math.floor
local int32_p, int64_p = ffi.typeof "const int32_t *", ffi.typeof "const int64_t *"
local cell = ffi.new "union { int32_t i[2]; double d; float f[2]; }"
local uuid = ffi.new "uint8_t[36]"
local hex = ffi.new "uint8_t[16]"
ffi.copy(hex, "0123456789abcdef", 16)
local time_format, date_format = "%02d:%02d:%02d", "%s%04d-%02d-%02d"

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

-- The longest run of two or more zero groups, the first among equals: where it starts (8: there is none), its
-- length.
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
  uuid_text = uuid_text, inet_text = inet_text, date_text = date_text, time_text = time_text, text = text }
