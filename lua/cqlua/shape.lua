-- A shape: what the rows of one result metadata have in common. Their keys, their one metatable, and what is known
-- of the columns.
--   [1]        the keys by column; false where a column is no part of the rows
--   [2]        the rows' metatable
--   columns    for users: an array of { name =, type =, keyspace =, table = }
--   positions  column by key
--   cells      for readers of the bytes: an array of { kind =, width =, key =, type = }, all columns
--   metadata   the protocol's bytes that define it

local errors = require "cqlua.error"

local M = {}

local function unique(name, positions)
  if not positions[name] then return name end
  local repeated = 2
  while positions[name .. "#" .. repeated] do repeated = repeated + 1 end
  return name .. "#" .. repeated
end

local function row_metatable(names, positions)
  local function index(row, key)
    if type(key) == "number" then
      local name = names[key]
      return name and rawget(row, name)
    end
    if type(key) ~= "string" or positions[key] then return nil end
    errors.misuse("the row has no column '%s'%s", key, errors.hint(key, positions))
  end
  return { __name = "cqlua.row", __index = index }
end

-- From columns { name =, type =, keyspace =, table =, kind =, width = }. Of a conditional statement the column
-- [applied] is a field of the result, not of its rows.
function M.new(columns, conditional, metadata)
  local names, keys, positions, visible, cells = {}, {}, {}, {}, {}
  for index = 1, #columns do
    local column = columns[index]
    local key = false
    if not (conditional and index == 1 and column.name == "[applied]") then
      key = unique(column.name, positions)
      visible[#visible + 1] = { name = key, type = column.type, keyspace = column.keyspace, table = column.table }
      positions[key], names[#visible] = #visible, key
    end
    keys[index] = key
    cells[index] = { kind = column.kind, width = column.width, key = key, name = column.name, type = column.type }
  end
  return { keys, row_metatable(names, positions), columns = visible, positions = positions, cells = cells,
    metadata = metadata, rows_seen = 0 }
end

return M
