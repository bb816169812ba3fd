-- JSON text of values as they are read. What JSON has no number for (64-bit integers, varints, decimals) is a string, so
-- that no reader rounds it.

local core = require "cqlua.core"
local errors = require "cqlua.error"
local types = require "cqlua.types"

local M = {}

local DEEPEST = 64
local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n", ["\r"] = "\\r",
  ["\t"] = "\\t" }

local function escaped(byte)
  return ESCAPES[byte] or ("\\u%04x"):format(byte:byte())
end

-- Bytes that are no UTF-8 stay as they are.
local function string_text(value)
  return '"' .. value:gsub('[%z\1-\31\127"\\]', escaped) .. '"'
end

-- The shortest that reads back as the same number.
local function number_text(value)
  if value ~= value or value == math.huge or value == -math.huge then
    error(errors.new("invalid_value", "json: JSON has no " .. tostring(value)), 0)
  end
  if value == 0 and 1 / value < 0 then return "-0.0" end
  if value % 1 == 0 then
    local text = types.text(value)
    return types.is_exact(value) and text or string_text(text)
  end
  for digits = 15, 17 do
    local text = ("%." .. digits .. "g"):format(value)
    if tonumber(text) == value then return text end
  end
end

local function key_text(key)
  if type(key) == "table" then errors.misuse "json: a table cannot be a key" end
  return string_text(types.text(key))
end

local value_text

-- A tuple has its length in `n`, and nil for null.
local function array_text(list, count, depth)
  local parts = {}
  for index = 1, count do
    local element = rawget(list, index)
    parts[index] = element == nil and "null" or value_text(element, depth)
  end
  return "[" .. table.concat(parts, ",") .. "]"
end

local function object_text(object, depth)
  local parts = {}
  for key, value in next, object do parts[#parts + 1] = key_text(key) .. ":" .. value_text(value, depth) end
  table.sort(parts)
  return "{" .. table.concat(parts, ",") .. "}"
end

-- How many elements an array has; nil: it is none. A table of nothing is an array.
local function length_of(value)
  local count, highest, n = 0, 0, rawget(value, "n")
  for key in next, value do
    if type(key) == "number" and key >= 1 and key % 1 == 0 then
      count, highest = count + 1, math.max(highest, key)
    elseif key ~= "n" then
      return nil
    end
  end
  if n == nil then return count == highest and count or nil end
  return type(n) == "number" and n >= highest and n or nil
end

local function table_text(value, depth)
  if depth == DEEPEST then errors.misuse("json: more than %d levels, or a table within itself", DEEPEST) end
  local count = length_of(value)
  if count then return array_text(value, count, depth + 1) end
  return object_text(value, depth + 1)
end

function value_text(value, depth)
  local kind = type(value)
  if value == core.null then return "null" end
  if kind == "string" then return string_text(value) end
  if kind == "number" then return number_text(value) end
  if kind == "boolean" then return tostring(value) end
  if kind == "table" then return table_text(value, depth) end
  if types.int64_kind and types.int64_kind(value) or core.object_kind(value) then return string_text(types.text(value)) end
  errors.misuse("json: a %s has no JSON%s", kind, value == nil and ": say cqlua.null" or "")
end

-- What fn gives, or nil and the error object that it raised.
local function caught(fn, ...)
  local ok, text = pcall(fn, ...)
  if ok then return text end
  if errors.is(text) then return nil, text end
  error(text, 0)
end

-- cqlua.json(value): the text; nil, err for NaN and the infinities.
function M.text(value)
  return caught(value_text, value, 0)
end

-- A column whose Lua value does not tell what it is: bytes, and tables that may be empty.
local function cell_text(value, column)
  if value == nil then return "null" end
  if column.type == "blob" then return '"0x' .. value:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end) .. '"' end
  if column.type:find "^map<" and next(value) == nil then return "{}" end
  if column.type == "bigint" or column.type == "counter" then return string_text(types.text(value)) end
  return value_text(value, 1)
end

local function rows_text(rows, columns)
  local lines, names = {}, {}
  for place, column in ipairs(columns) do names[place] = string_text(column.name) .. ":" end
  for index = 1, #rows do
    local cells = {}
    for place, column in ipairs(columns) do
      cells[place] = names[place] .. cell_text(rawget(rows[index], column.name), column)
    end
    lines[index] = "{" .. table.concat(cells, ",") .. "}"
  end
  return "[" .. table.concat(lines, ",") .. "]"
end

-- The rows as an array of objects, every column of each in the order of the result.
function M.rows(rows, columns)
  return caught(rows_text, rows, columns)
end

return M
