-- CQL that makes again what the schema has: of a table, a view, a whole keyspace. Texts only: nothing is asked.

local M = {}

-- Words that are no names unless they are quoted (CQL, appendix A).
local RESERVED = {}
for word in ([[add allow alter and apply asc authorize batch begin by columnfamily create default delete desc describe
  drop entries execute from full grant if in index infinity insert into is keyspace limit materialized mbean mbeans
  modify nan norecursive not null of on or order primary rename replace revoke schema select set table to token
  truncate unlogged unset update use using view where with]]):gmatch "%a+" do RESERVED[word] = true end

local function quoted(text)
  return "'" .. text:gsub("'", "''") .. "'"
end

-- A name as CQL has it.
local function name_of(name)
  if name:find "^%l[%l%d_]*$" and not RESERVED[name] then return name end
  return '"' .. name:gsub('"', '""') .. '"'
end
M.name = name_of

local function names_of(names)
  local all = {}
  for index, name in ipairs(names) do all[index] = name_of(name) end
  return table.concat(all, ", ")
end

local function sorted_keys(map)
  local keys = {}
  for key in pairs(map) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

-- Values of options -------------------------------------------------------------------------------

local function blob(bytes)
  return "0x" .. bytes:gsub(".", function(char) return ("%02x"):format(char:byte()) end)
end

local function map_of(map, write)
  local pairs_of = {}
  for index, key in ipairs(sorted_keys(map)) do pairs_of[index] = quoted(key) .. ": " .. write(map[key]) end
  return "{" .. table.concat(pairs_of, ", ") .. "}"
end

local function number(value)
  local short = ("%.15g"):format(value)
  return tonumber(short) == value and short or ("%.17g"):format(value)
end

local function literal(name, value)
  if type(value) == "table" then return map_of(value, name == "extensions" and blob or quoted) end
  if type(value) == "number" then return number(value) end
  if type(value) == "string" then return quoted(value) end
  return tostring(value)
end

-- What Cassandra below 4.0 had and newer ones refuse; and what says nothing.
local function is_left_out(described, name, value)
  if name == "read_repair_chance" or name == "dclocal_read_repair_chance" then return value == 0 end
  if name == "extensions" then return next(value) == nil end
  return name == "default_time_to_live" and described.base_table ~= nil
end

local function options_of(described)
  local lines = {}
  local orders = {}
  for index, name in ipairs(described.clustering_key) do
    orders[index] = name_of(name) .. " " .. described.columns[name].clustering_order:upper()
  end
  if #orders > 0 then lines[1] = ("CLUSTERING ORDER BY (%s)"):format(table.concat(orders, ", ")) end
  for _, name in ipairs(sorted_keys(described.options)) do
    local value = described.options[name]
    if not is_left_out(described, name, value) then lines[#lines + 1] = name .. " = " .. literal(name, value) end
  end
  return table.concat(lines, "\n    AND ")
end

-- Tables, indexes, views --------------------------------------------------------------------------

local function key_of(described)
  local partition = names_of(described.partition_key)
  if #described.partition_key > 1 then partition = "(" .. partition .. ")" end
  if #described.clustering_key == 0 then return "PRIMARY KEY (" .. partition .. ")" end
  return ("PRIMARY KEY (%s, %s)"):format(partition, names_of(described.clustering_key))
end

local function place(keyspace, name)
  return name_of(keyspace) .. "." .. name_of(name)
end

local function create_table(described, keyspace)
  local lines = {}
  for index, column in ipairs(described.columns) do
    lines[index] = ("    %s %s%s"):format(name_of(column.name), column.type, column.kind == "static" and " static" or "")
  end
  lines[#lines + 1] = "    " .. key_of(described)
  return ("CREATE TABLE %s (\n%s\n) WITH %s"):format(place(keyspace, described.name), table.concat(lines, ",\n"),
    options_of(described))
end

local function create_index(index, described, keyspace)
  local options, class = {}, index.options.class_name
  for name, value in pairs(index.options) do
    if name ~= "target" and name ~= "class_name" then options[name] = value end
  end
  local text = ("CREATE %sINDEX %s ON %s (%s)"):format(class and "CUSTOM " or "", name_of(index.name),
    place(keyspace, described.name), index.options.target)
  if class then text = text .. " USING " .. quoted(class) end
  if next(options) ~= nil then text = text .. " WITH OPTIONS = " .. map_of(options, quoted) end
  return text
end

local function create_view(view, keyspace)
  local selected = {}
  for index, column in ipairs(view.columns) do selected[index] = name_of(column.name) end
  return ("CREATE MATERIALIZED VIEW %s AS\n    SELECT %s\n    FROM %s\n    WHERE %s\n    %s\n    WITH %s"):format(
    place(keyspace, view.name), view.include_all_columns and "*" or table.concat(selected, ", "),
    place(keyspace, view.base_table), view.where_clause, key_of(view), options_of(view))
end

-- The statements that make a table with its indexes, or a view.
function M.table(described, keyspace)
  keyspace = keyspace or described.keyspace
  if described.base_table then return { create_view(described, keyspace) } end
  local texts = { create_table(described, keyspace) }
  for _, index in ipairs(described.indexes) do texts[#texts + 1] = create_index(index, described, keyspace) end
  return texts
end

-- Keyspaces ---------------------------------------------------------------------------------------

local function create_keyspace(described, keyspace)
  return ("CREATE KEYSPACE %s WITH replication = %s AND durable_writes = %s"):format(name_of(keyspace),
    map_of(described.replication, quoted), tostring(described.durable_writes))
end

local function create_type(described, keyspace)
  local fields = {}
  for index, field in ipairs(described.fields) do fields[index] = "    " .. name_of(field.name) .. " " .. field.type end
  return ("CREATE TYPE %s (\n%s\n)"):format(place(keyspace, described.name), table.concat(fields, ",\n"))
end

-- Whether a field's type names the other type.
local function names_type(text, other)
  if name_of(other) ~= other then return text:find(name_of(other), 1, true) ~= nil end
  for word in text:gmatch "[%w_]+" do
    if word == other then return true end
  end
  return false
end

-- Types after those that their fields are of.
local function types_in_order(types)
  local ordered, is_there = {}, {}
  local function add(described)
    if is_there[described.name] then return end
    is_there[described.name] = true
    for _, other in ipairs(sorted_keys(types)) do
      for _, field in ipairs(described.fields) do
        if other ~= described.name and names_type(field.type, other) then add(types[other]) end
      end
    end
    ordered[#ordered + 1] = described
  end
  for _, name in ipairs(sorted_keys(types)) do add(types[name]) end
  return ordered
end

local function create_function(described, keyspace)
  local args = {}
  for index, type in ipairs(described.args) do args[index] = name_of(described.arg_names[index]) .. " " .. type end
  return ("CREATE FUNCTION %s (%s)\n    %s ON NULL INPUT\n    RETURNS %s\n    LANGUAGE %s\n    AS $$%s$$"):format(
    place(keyspace, described.name), table.concat(args, ", "), described.called_on_null and "CALLED" or "RETURNS NULL",
    described.returns, described.language, described.body)
end

local function create_aggregate(described, keyspace)
  local text = ("CREATE AGGREGATE %s (%s)\n    SFUNC %s\n    STYPE %s"):format(place(keyspace, described.name),
    table.concat(described.args, ", "), name_of(described.state_function), described.state_type)
  if described.final_function then text = text .. "\n    FINALFUNC " .. name_of(described.final_function) end
  if described.initial then text = text .. "\n    INITCOND " .. described.initial end
  return text
end

-- The statements that make a keyspace with all that is in it.
function M.keyspace(described, keyspace)
  keyspace = keyspace or described.name
  local texts = { create_keyspace(described, keyspace) }
  local function add(text) texts[#texts + 1] = text end
  for _, of_type in ipairs(types_in_order(described.types)) do add(create_type(of_type, keyspace)) end
  for _, of_function in ipairs(described.functions) do add(create_function(of_function, keyspace)) end
  for _, aggregate in ipairs(described.aggregates) do add(create_aggregate(aggregate, keyspace)) end
  for _, kind in ipairs { "tables", "views" } do
    for _, name in ipairs(sorted_keys(described[kind])) do
      for _, text in ipairs(M.table(described[kind][name], keyspace)) do add(text) end
    end
  end
  return texts
end

return M
