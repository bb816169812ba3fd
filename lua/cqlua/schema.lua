-- The schema, as the cluster has it: read when it is asked for, a keyspace at a time, and kept until it may have changed.
-- The core counts changes, those of this session and those that the cluster tells; while the count is the same, what
-- was read holds. Where nobody tells (no discovery), everything is read anew.

local core = require "cqlua.core"
local describe = require "cqlua.describe"
local errors = require "cqlua.error"
local group = require "cqlua.group"
local task = require "cqlua.task"

local M = {}

-- What describes a keyspace, each in a table of system_schema.
local PARTS = { "keyspaces", "tables", "columns", "types", "indexes", "views", "functions", "aggregates" }

-- Tables ------------------------------------------------------------------------------------------

local Table = { __name = "cqlua.schema.table" }
Table.__index = {}

-- The statements that make it again, in the keyspace of that name if one is given.
function Table.__index:statements(keyspace)
  return describe.table(self, keyspace)
end

local function joined(texts)
  return table.concat(texts, ";\n\n") .. ";"
end

function Table.__index:describe(keyspace)
  return joined(self:statements(keyspace))
end

local RANK = { partition_key = 1, clustering = 2, static = 3, regular = 3 }

local function is_before(a, b)
  if RANK[a.kind] ~= RANK[b.kind] then return RANK[a.kind] < RANK[b.kind] end
  if a.position then return a.position < b.position end
  return a.name < b.name
end

local function column_of(row)
  local is_key = row.position >= 0
  return { name = row.column_name, type = row.type, kind = row.kind, position = is_key and row.position + 1 or nil,
    clustering_order = row.kind == "clustering" and row.clustering_order or nil }
end

-- Columns that are not options, in system_schema.tables and views.
local NO_OPTION = { keyspace_name = true, table_name = true, view_name = true, flags = true, id = true,
  base_table_id = true, base_table_name = true, where_clause = true, include_all_columns = true }

local function options_of(row)
  local options = {}
  for name, value in pairs(row) do
    if not NO_OPTION[name] then options[name] = value end
  end
  return options
end

local function table_of(keyspace, row)
  return setmetatable({ name = row.table_name or row.view_name, keyspace = keyspace, columns = {}, partition_key = {},
    clustering_key = {}, indexes = {}, options = options_of(row) }, Table)
end

local function view_of(keyspace, row)
  local view = table_of(keyspace, row)
  view.base_table, view.where_clause = row.base_table_name, row.where_clause
  view.include_all_columns = row.include_all_columns
  return view
end

-- Sorts the columns, and puts them there by name too.
local function finish_columns(described)
  local columns = described.columns
  table.sort(columns, is_before)
  for index = 1, #columns do
    local column = columns[index]
    local key = column.kind == "partition_key" and described.partition_key
      or column.kind == "clustering" and described.clustering_key
    if key then key[#key + 1] = column.name end
    columns[column.name] = column
  end
end

-- Keyspaces ---------------------------------------------------------------------------------------

local Keyspace = { __name = "cqlua.schema.keyspace" }
Keyspace.__index = {}

function Keyspace.__index:statements(keyspace)
  return describe.keyspace(self, keyspace)
end

function Keyspace.__index:describe(keyspace)
  return joined(self:statements(keyspace))
end

local function type_of(row)
  local fields = {}
  for index, name in ipairs(row.field_names or {}) do fields[index] = { name = name, type = row.field_types[index] } end
  return { name = row.type_name, fields = fields }
end

local function function_of(row)
  return { name = row.function_name, args = row.argument_types or {}, arg_names = row.argument_names or {},
    returns = row.return_type, language = row.language, body = row.body, called_on_null = row.called_on_null_input }
end

local function aggregate_of(row)
  return { name = row.aggregate_name, args = row.argument_types or {}, returns = row.return_type,
    state_function = row.state_func, state_type = row.state_type, final_function = row.final_func,
    initial = row.initcond }
end

local function add_indexes(keyspace, rows)
  for _, row in ipairs(rows) do
    local index = { name = row.index_name, table = row.table_name, kind = row.kind, options = row.options or {} }
    local owner = keyspace.tables[row.table_name]
    keyspace.indexes[index.name] = index
    if owner then owner.indexes[#owner.indexes + 1] = index end
  end
end

local function all_of(rows, make)
  local all = {}
  for index, row in ipairs(rows) do all[index] = make(row) end
  return all
end

local function keyspace_of(name, parts)
  local row = parts.keyspaces[1]
  local keyspace = setmetatable({ name = name, replication = row.replication, durable_writes = row.durable_writes,
    tables = {}, views = {}, types = {}, indexes = {}, functions = all_of(parts.functions, function_of),
    aggregates = all_of(parts.aggregates, aggregate_of) }, Keyspace)
  for _, of_table in ipairs(parts.tables) do keyspace.tables[of_table.table_name] = table_of(name, of_table) end
  for _, of_view in ipairs(parts.views) do keyspace.views[of_view.view_name] = view_of(name, of_view) end
  for _, of_type in ipairs(parts.types) do keyspace.types[of_type.type_name] = type_of(of_type) end
  for _, of_column in ipairs(parts.columns) do
    local owner = keyspace.tables[of_column.table_name] or keyspace.views[of_column.table_name]
    if owner then owner.columns[#owner.columns + 1] = column_of(of_column) end
  end
  add_indexes(keyspace, parts.indexes)
  for _, kind in ipairs { "tables", "views" } do
    for _, described in pairs(keyspace[kind]) do finish_columns(described) end
  end
  return keyspace
end

-- Reading -----------------------------------------------------------------------------------------

-- Whatever the calls of the session are like: each node has its own schema, and knows all of it.
local function read_options(session)
  return { consistency = "local_one", timeout = session._request_timeout }
end

local function unknown(message, ...)
  return nil, errors.new("invalid", message:format(...))
end

local function read_keyspace(session, name)
  local asked, options = {}, read_options(session)
  for _, part in ipairs(PARTS) do
    local text = ("SELECT * FROM system_schema.%s WHERE keyspace_name = ?"):format(part)
    asked[part] = function() return session:all(text, { name }, options) end
  end
  local parts, err = group.gather(asked)
  if not parts then return nil, err end
  if #parts.keyspaces == 0 then return unknown("there is no keyspace '%s'", name) end
  return keyspace_of(name, parts)
end

-- A task's body: others wait for its end.
local function read(session, cache, name)
  local keyspace, err = read_keyspace(session, name)
  cache.readings[name] = nil
  if keyspace and cache.revision == core.schema_revision(session._core) then cache.keyspaces[name] = keyspace end
  return keyspace, err
end

function M.new_cache()
  return { revision = 0, keyspaces = {}, readings = {} }
end

-- What is known at present. Of no use to anybody else if nobody tells of changes.
local function present(session)
  local revision = core.schema_revision(session._core)
  if revision == 0 then return M.new_cache() end
  if session._schema.revision ~= revision then
    session._schema = M.new_cache()
    session._schema.revision = revision
  end
  return session._schema
end

local function keyspace_named(session, name)
  local cache = present(session)
  if cache.keyspaces[name] then return cache.keyspaces[name] end
  local reading = cache.readings[name]
  if not reading then
    reading = task.spawn_apart(read, session, cache, name) -- for all who ask meanwhile
    cache.readings[name] = reading
  end
  return reading:join()
end

local function keyspace_names(session)
  local rows, err = session:all("SELECT keyspace_name FROM system_schema.keyspaces", nil, read_options(session))
  if not rows then return nil, err end
  local names = {}
  for index, row in ipairs(rows) do names[index] = row.keyspace_name end
  table.sort(names)
  return names
end

-- The names of all keyspaces; a keyspace; or a table or view of it. nil, err `invalid` if there is none. Waits.
function M.get(session, keyspace, name)
  task.enter()
  if keyspace == nil then return keyspace_names(session) end
  local known, err = keyspace_named(session, keyspace)
  if not known or name == nil then return known, err end
  local found = known.tables[name] or known.views[name]
  if found then return found end
  return unknown("there is no table '%s' in keyspace '%s'%s", name, keyspace, errors.hint(name, known.tables))
end

-- Keys --------------------------------------------------------------------------------------------

-- A statement whose markers are the table's partition key: it is prepared for their types, and never sent.
local function key_statement(described)
  local names, equal = {}, {}
  for index, name in ipairs(described.partition_key) do
    names[index] = describe.name(name)
    equal[index] = names[index] .. " = ?"
  end
  return ("SELECT %s FROM %s.%s WHERE %s"):format(table.concat(names, ", "), describe.name(described.keyspace),
    describe.name(described.name), table.concat(equal, " AND "))
end

-- The bytes of a key of the table: nil, err. Waits.
function M.routing_key(session, keyspace, name, count, values)
  local described, err = M.get(session, keyspace, name)
  if not described then return nil, err end
  if count ~= #described.partition_key then
    errors.misuse("the partition key of %s.%s has %d columns (%s), got %d values", keyspace, name,
      #described.partition_key, table.concat(described.partition_key, ", "), count)
  end
  local prepared, failed = session:prepare(key_statement(described))
  if not prepared then return nil, failed end
  local key, wrong = core.routing_key(session._core, prepared, values)
  if type(wrong) == "string" then errors.misuse("%s", wrong) end
  if key == "" then return nil, errors.new("unsupported", "protocol v3 does not tell which bind markers are the key") end
  return key, wrong
end

return M
