-- CQL native protocol v4 as bytes, the server's side: what the fake server of the specs says. Section numbers are those of
-- native_protocol_v4.spec.

local M = {}

local floor, char = math.floor, string.char

local function big(number, bytes)
  local out = {}
  for index = bytes, 1, -1 do
    out[index] = char(number % 256)
    number = floor(number / 256)
  end
  return table.concat(out)
end
M.big = big

function M.short(number) return big(number, 2) end
function M.int(number) return big(number % 4294967296, 4) end
function M.string(text) return big(#text, 2) .. text end
function M.bytes(value) return value and M.int(#value) .. value or M.int(-1) end

-- A cursor over received bytes.
local Reader = {}
Reader.__index = Reader

function M.reader(bytes) return setmetatable({ bytes = bytes, at = 1 }, Reader) end
function Reader:take(count)
  local part = self.bytes:sub(self.at, self.at + count - 1)
  self.at = self.at + count
  return part
end
function Reader:number(count)
  local number = 0
  for index = 1, count do number = number * 256 + self:take(1):byte() + 0 * index end
  return number
end
function Reader:string() return self:take(self:number(2)) end
function Reader:long_string() return self:take(self:number(4)) end
function Reader:value()
  local length = self:number(4)
  if length == 4294967295 then return nil end
  if length == 4294967294 then return "unset" end
  return self:take(length)
end

-- Section 4.2.5.2: [option] ids of types. Others are tables: { "list", "int" }, { "map", "int", "text" },
-- { "tuple", "int", "text" }, { "udt", "name", { "field", "int" }... }, { "custom", "class name" }.
local TYPES = { ascii = 1, bigint = 2, blob = 3, boolean = 4, counter = 5, decimal = 6, double = 7, float = 8, int = 9,
  timestamp = 11, uuid = 12, text = 13, varint = 14, timeuuid = 15, inet = 16, date = 17, time = 18, smallint = 19,
  tinyint = 20, duration = 21, list = 32, map = 33, set = 34 }
local option
local OPTIONS = {}

local function options_of(kind, first)
  local out = {}
  for index = first, #kind do out[#out + 1] = option(kind[index]) end
  return table.concat(out)
end

function OPTIONS.custom(kind) return M.short(0) .. M.string(kind[2]) end
function OPTIONS.tuple(kind) return M.short(0x31) .. M.short(#kind - 1) .. options_of(kind, 2) end
function OPTIONS.udt(kind)
  local out = M.short(0x30) .. M.string "ks" .. M.string(kind[2]) .. M.short(#kind - 2)
  for index = 3, #kind do out = out .. M.string(kind[index][1]) .. option(kind[index][2]) end
  return out
end

function option(kind)
  if type(kind) == "string" then return M.short(assert(TYPES[kind], kind)) end
  if OPTIONS[kind[1]] then return OPTIONS[kind[1]](kind) end
  return M.short(TYPES[kind[1]]) .. options_of(kind, 2)
end

local function columns_of(columns)
  local out = ""
  for _, column in ipairs(columns) do out = out .. M.string(column[1]) .. option(column[2]) end
  return out
end

-- <metadata>: flags, count, paging state, one table for all columns.
local function metadata(columns, paging_state)
  local flags = 1 + (paging_state and 2 or 0)
  return M.int(flags) .. M.int(#columns) .. (paging_state and M.bytes(paging_state) or "")
    .. M.string "ks" .. M.string "tbl" .. columns_of(columns)
end

-- RESULT, section 4.2.5. Rows hold cells as bytes; false is null.
function M.rows(columns, rows, paging_state)
  local out = { M.int(2), metadata(columns, paging_state), M.int(#rows) }
  for _, row in ipairs(rows) do
    for index = 1, #columns do out[#out + 1] = M.bytes(row[index]) end
  end
  return 0x08, table.concat(out)
end

function M.void() return 0x08, M.int(1) end
function M.keyspace(name) return 0x08, M.int(3) .. M.string(name) end

function M.prepared(id, params, columns)
  local body = M.int(4) .. M.string(id) .. M.int(1) .. M.int(#params) .. M.int(0) .. M.string "ks" .. M.string "tbl"
    .. columns_of(params)
  if #columns == 0 then return 0x08, body .. M.int(4) .. M.int(0) end
  return 0x08, body .. metadata(columns)
end

-- ERROR, section 4.2.1.
function M.error(code, message, more) return 0x00, M.int(code) .. M.string(message) .. (more or "") end
function M.ready() return 0x02, "" end
function M.authenticate(class) return 0x03, M.string(class) end
function M.auth_challenge(token) return 0x0E, M.bytes(token) end
function M.auth_success(token) return 0x10, M.bytes(token) end
function M.supported() return 0x06, M.short(1) .. M.string "CQL_VERSION" .. M.short(1) .. M.string "3.4.5" end

function M.frame(stream, opcode, body)
  return char(0x84, 0x00) .. M.short(stream) .. char(opcode) .. M.int(#body) .. body
end

return M
