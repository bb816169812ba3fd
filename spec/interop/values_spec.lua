-- Values of every type, exchanged with the Python driver through a real server. What Python writes is read here and written
-- again; what is written here from the same values must be the same bytes, on each protocol version, with lz4 and without.
-- ctest: all live timeout=300
local cqlua = require "cqlua"
local interop = require "spec.interop.support.interop"

local check = cqlua.assert
local python = interop.home .. "/python/bin/python spec/interop/support/values.py "
local wires = {}
for _, version in ipairs { 4, 5 } do
  for _, compression in ipairs { "plain", "lz4" } do wires[#wires + 1] = { version = version, compression = compression } end
end

describe("values", function()
  if not interop.has("test -f " .. interop.home .. "/python/complete") then
    pending "skipped: no Python driver (./dev test --all fetches it)"
    return
  end

  local values = require "spec.interop.support.values"
  local point = os.getenv("CQLUA_TEST_CONTACT_POINTS"):match "[^,%s]+"
  local folder, keyspace

  local function connect(wire, fn)
    return cqlua.run(function()
      return cqlua.with(cqlua.connect, {
        contact_points = { point }, protocol_version = wire.version, request_timeout = 60,
        compression = wire.compression == "lz4" and "lz4" or nil,
      }, fn)
    end)
  end

  local function row_name(who, wire) return ("%s-v%d-%s"):format(who, wire.version, wire.compression) end

  local function run_python(mode, wire)
    local host, port = point:match "^(.*):(%d+)$"
    return interop.run(python .. table.concat({ mode, host or point, port or "9042", keyspace, wire.version, wire.compression,
      folder .. "/values" }, " "))
  end

  setup(function()
    folder = interop.folder()
    keyspace = "cqlua_interop_" .. folder:match("%w+$"):lower()
    local columns, expressions = {}, {}
    for i, value in ipairs(values) do
      columns[i] = ("c%d %s"):format(i, value[1])
      expressions[i] = value[1] .. "\t" .. value[3] .. "\n"
    end
    local file = assert(io.open(folder .. "/values", "w"))
    file:write(table.concat(expressions))
    file:close()
    connect(wires[#wires], function(db)
      for _, text in ipairs {
        "CREATE KEYSPACE %s WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
        "CREATE TYPE %s.phone (code int, number text)",
        "CREATE TYPE %s.address (street text, zips frozen<list<int>>, phone frozen<phone>)",
        "CREATE TABLE %s.exchanged (name text PRIMARY KEY, " .. table.concat(columns, ", ") .. ")" } do
        check(db:execute(text:format(keyspace)))
      end
    end)
  end)

  teardown(function()
    connect(wires[#wires], function(db) check(db:execute("DROP KEYSPACE IF EXISTS " .. keyspace)) end)
    interop.run("rm -rf " .. folder)
  end)

  local function names_of(form)
    local names = {}
    for i = 1, #values do names[i] = form:format(i) end
    return table.concat(names, ", ")
  end

  local function write(db, name, row)
    local insert = ("INSERT INTO %s.exchanged (name, %s) VALUES (?, %s)"):format(keyspace, names_of "c%d", names_of "?")
    check(db:execute(insert, row))
    return name
  end

  for _, wire in ipairs(wires) do
    it("V1 of every type are the same bytes as the Python driver's on " .. row_name("protocol", wire), function()
      run_python("write", wire)
      connect(wire, function(db)
        local mine = { row_name("lua", wire) }
        for i, value in ipairs(values) do mine[i + 1] = value[2] end
        write(db, "lua", mine)
        local select_theirs = ("SELECT %s FROM %s.exchanged WHERE name = ?"):format(names_of "c%d", keyspace)
        local theirs = check(db:execute(select_theirs, { row_name("python", wire) })):one()
        local again = { row_name("again", wire) }
        for i = 1, #values do
          local value = rawget(theirs, "c" .. i)
          again[i + 1] = value == nil and cqlua.null or value
        end
        write(db, "again", again)
      end)
      local said = run_python("compare", wire)
      assert.matches("^%d+ rows, " .. #values .. " columns\n$", said)
    end)
  end
end)
