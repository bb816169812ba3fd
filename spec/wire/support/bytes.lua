-- What a server says, as bytes, also where no server should: bodies of RESULT, frames and v5 segments, each part of
-- which may
-- lie. Section numbers are those of native_protocol_v5.spec.

local bit = require "spec.wire.support.bit"
local words = require "spec.lua.support.wire"

local band, bxor, lshift, rshift = bit.band, bit.bxor, bit.lshift, bit.rshift
local char = string.char

local M = { short = words.short, int = words.int, string = words.string, bytes = words.bytes, big = words.big }

M.TYPES = { int = "\0\9", text = "\0\13", blob = "\0\3", list = "\0\32" } -- [option] of section 4.2.5.2
M.VOID = M.int(1)

-- RESULT ----------------------------------------------------------------------------------------------

local function columns_of(columns)
  local out = { M.string "ks", M.string "t" }
  for _, column in ipairs(columns) do out[#out + 1] = M.string(column[1]) .. (M.TYPES[column[2]] or column[2]) end
  return table.concat(out)
end

-- Rows: { columns = { { name, type or its bytes }... }, cells =, rows =, and what lies: flags, count, state, new_id }.
function M.rows(given)
  local columns = given.columns or { { "token", "int" } }
  return table.concat {
    M.int(2), M.int(given.flags or 1), M.int(given.count or #columns), given.state and M.bytes(given.state) or "",
    given.new_id and M.string(given.new_id) or "", given.specs or columns_of(columns), M.int(given.rows or 1),
    given.cells or M.bytes(M.int(1)),
  }
end

-- Frames ----------------------------------------------------------------------------------------------

-- The bytes of one frame; `more` may say flags and length.
function M.frame(version, stream, opcode, body, more)
  more = more or {}
  return char(128 + version, more.flags or 0) .. M.short(stream % 65536) .. char(opcode)
    .. M.int(more.length or #body) .. body
end

-- Segments (section 2) --------------------------------------------------------------------------------

local function little(number, bytes)
  local out = {}
  for index = 1, bytes do
    out[index] = char(number % 256)
    number = math.floor(number / 256)
  end
  return table.concat(out)
end

local function crc24(header)
  local crc = 0x875060
  for index = 1, #header do
    crc = bxor(crc, lshift(header:byte(index), 16))
    for _ = 1, 8 do
      crc = lshift(crc, 1)
      if band(crc, 0x1000000) ~= 0 then crc = bxor(crc, 0x1974F0B) end
    end
  end
  return band(crc, 0xFFFFFF)
end

local function crc32(bytes)
  local crc = -1
  for index = 1, #bytes do
    crc = bxor(crc, bytes:byte(index))
    for _ = 1, 8 do
      local odd = band(crc, 1) == 1
      crc = rshift(crc, 1)
      if odd then crc = bxor(crc, 0xEDB88320) end
    end
  end
  return (bit.bnot(crc)) % 4294967296
end

-- One segment around a payload: `more` may say lz4 (the header's other form), uncompressed, length, is_part (not
-- self-contained), crc24 and crc32.
function M.segment(payload, more)
  more = more or {}
  local number = more.length or #payload
  if more.lz4 then number = number + (more.uncompressed or 0) * 2 ^ 17 end
  if not more.is_part then number = number + (more.lz4 and 2 ^ 34 or 2 ^ 17) end
  local header = little(number, more.lz4 and 5 or 3)
  return header .. little(more.crc24 or crc24(header), 3) .. payload
    .. little(more.crc32 or crc32("\250\45\85\202" .. payload), 4)
end

-- lz4 -------------------------------------------------------------------------------------------------

-- An lz4 block of literals alone.
function M.lz4(bytes)
  local count = #bytes
  if count < 15 then return char(count * 16) .. bytes end
  count = count - 15
  return "\240" .. ("\255"):rep(math.floor(count / 255)) .. char(count % 255) .. bytes
end

return M
