-- Values that are more than a flat scalar, both ways: the bytes of a bind, and what reads from these bytes.
local cqlua = require "cqlua"
local fixture = require "spec.lua.support.fixture"

local null, unset, int64 = cqlua.null, cqlua.unset, cqlua.int64

local function hex(bytes)
  return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

local function bytes_of(text)
  return (text:gsub("%s", ""):gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
end

-- What arrives at the server for a value: hex, "null" or "unset"; or nil, err.
local function sent(kind, value)
  local bytes, failure
  fixture.with(function(db, server)
    server:prime("INSERT v", { params = { { "v", kind } } })
    local prepared = cqlua.assert(db:prepare "INSERT v")
    local res, err = db:execute(prepared, { value })
    local request = server.received[1]
    if not res then
      assert.is_nil(request, "nothing may be sent")
      failure = err
    else
      bytes = request.values[1]
      bytes = bytes == nil and "null" or bytes == "unset" and bytes or hex(bytes)
    end
    cqlua.assert(db:execute(prepared, { null })) -- the session and the statement stay usable
  end)
  return bytes, failure
end

-- What a cell of these bytes reads as; or nil, err.
local function read(kind, bytes, options)
  local value, failure
  fixture.with(function(db, server)
    server:prime("SELECT v", { columns = { { "v", kind } }, rows = { { bytes } } })
    local res, err = db:execute("SELECT v", nil, options)
    if res then value = res:one().v else failure = err end
  end)
  return value, failure
end

-- Objects and cdata as text, so that luassert compares them.
local function plain(value)
  if type(value) == "cdata" then return "cdata:" .. tostring(value) end
  if type(value) == "userdata" then return value == null and "null" or "object:" .. tostring(value) end
  if type(value) ~= "table" then return value end
  local copy = {}
  for key, item in pairs(value) do copy[key] = plain(item) end
  return copy
end

local function object(text) return "object:" .. text end

local POINT = { "udt", "point", { "x", "int" }, { "y", "int" }, { "label", "text" } }
local FLOATS = { "custom",
  "org.apache.cassandra.db.marshal.VectorType(org.apache.cassandra.db.marshal.FloatType , 3)" }
local TEXTS = { "custom",
  "org.apache.cassandra.db.marshal.VectorType(org.apache.cassandra.db.marshal.UTF8Type , 2)" }
local ROUTE = { "list", { "map", "text", POINT } }

-- A type, a bound value, its bytes, and what these read as.
local CASES = {
  { "varint", "0", "00", object "0" },
  { "varint", 127, "7f", object "127" },
  { "varint", 128, "0080", object "128" },
  { "varint", -128, "80", object "-128" },
  { "varint", "-129", "ff7f", object "-129" },
  { "varint", cqlua.varint "18446744073709551616", "010000000000000000", object "18446744073709551616" },
  { "varint", int64 "-9223372036854775808", "8000000000000000", object "-9223372036854775808" },
  { "varint", 2 ^ 53, "20000000000000", object "9007199254740992" },
  { "decimal", "1.10", "00000002 6e", object "1.10" },
  { "decimal", cqlua.decimal "-1.1E+3", "fffffffe f5", object "-1.1E+3" },
  { "decimal", 5, "00000000 05", object "5" },
  { "decimal", int64 "-1", "00000000 ff", object "-1" },
  { "decimal", cqlua.varint(7), "00000000 07", object "7" },
  { "decimal", ".5", "00000001 05", object "0.5" },
  { "duration", "1h30m", "00 00 fc09d29229e000", object "1h30m" },
  { "duration", cqlua.duration { months = -1, days = -1 }, "01 01 00", object "-1mo1d" },
  { { "custom", "com.example.Secret" }, "\0\255", "00ff", "\0\255" },

  { { "list", "int" }, { 1, 2 }, "00000002 00000004 00000001 00000004 00000002", { 1, 2 } },
  { { "list", "int" }, {}, "00000000", {} },
  { { "list", "bigint" }, { int64 "9007199254740993", "-1", 1 },
    "00000003 00000008 0020000000000001 00000008 ffffffffffffffff 00000008 0000000000000001",
    { int64 "9007199254740993", int64 "-1", int64 "1" } },
  { { "set", "text" }, { "b", "" }, "00000002 00000001 62 00000000", { "b", "" } },
  { { "list", "duration" }, { "1ns" }, "00000001 00000003 00 00 02", { object "1ns" } },
  { { "map", "text", "int" }, { a = 1 }, "00000001 00000001 61 00000004 00000001", { a = 1 } },
  { { "map", "text", "int" }, {}, "00000000", {} },
  { { "map", "bigint", "text" }, { ["9007199254740993"] = "a" }, "00000001 00000008 0020000000000001 00000001 61",
    { ["9007199254740993"] = "a" } },
  { { "map", "bigint", "text" }, { [5] = "a" }, "00000001 00000008 0000000000000005 00000001 61", { ["5"] = "a" } },
  { { "map", "bigint", "text" }, { [int64 "5"] = "a" }, "00000001 00000008 0000000000000005 00000001 61",
    { ["5"] = "a" } },
  { { "map", "varint", "text" }, { [cqlua.varint "128"] = "a" }, "00000001 00000002 0080 00000001 61", { ["128"] = "a" } },
  { { "map", "decimal", "boolean" }, { ["1.10"] = true }, "00000001 00000005 000000026e 00000001 01", { ["1.10"] = true } },
  { { "map", "uuid", "int" }, { ["00112233-4455-6677-8899-aabbccddeeff"] = 1 },
    "00000001 00000010 00112233445566778899aabbccddeeff 00000004 00000001",
    { ["00112233-4455-6677-8899-aabbccddeeff"] = 1 } },
  { { "map", "boolean", "int" }, { [false] = 1 }, "00000001 00000001 00 00000004 00000001", { [false] = 1 } },
  { { "map", { "list", "int" }, "text" }, { { { 7 }, "a" }, { {}, "b" } },
    "00000002 0000000c 00000001 00000004 00000007 00000001 61 00000004 00000000 00000001 62",
    { { { 7 }, "a" }, { {}, "b" } } },
  { { "map", { "tuple", "bigint" }, "int" }, { { { 7 }, 1 } },
    "00000001 0000000c 00000008 0000000000000007 00000004 00000001", { { { int64 "7", n = 1 }, 1 } } },
  { { "tuple", "int", "text" }, { 1, "a" }, "00000004 00000001 00000001 61", { 1, "a", n = 2 } },
  { { "tuple", "int", "text" }, { nil, "a", n = 2 }, "ffffffff 00000001 61", { nil, "a", n = 2 } },
  { { "tuple", "int", "text" }, { null, "a" }, "ffffffff 00000001 61", { nil, "a", n = 2 } },
  { { "tuple", "int", "text" }, { 1 }, "00000004 00000001 ffffffff", { 1, n = 2 } },
  { { "tuple", "int", "text" }, { n = 0 }, "ffffffff ffffffff", { n = 2 } },
  { POINT, { x = 1, y = 2, label = "p" }, "00000004 00000001 00000004 00000002 00000001 70", { x = 1, y = 2, label = "p" } },
  { POINT, { y = 2 }, "ffffffff 00000004 00000002 ffffffff", { y = 2 } },
  { POINT, { 1, nil, "p" }, "00000004 00000001 ffffffff 00000001 70", { x = 1, label = "p" } },
  { POINT, { x = null }, "ffffffff ffffffff ffffffff", {} },
  { POINT, {}, "ffffffff ffffffff ffffffff", {} },
  { FLOATS, { 1.5, -0.5, 0 }, "3fc00000 bf000000 00000000", { 1.5, -0.5, 0 } },
  { TEXTS, { "a", "" }, "01 61 00", { "a", "" } },
  { ROUTE, { { a = { x = 1 } }, {} },
    "00000002 0000001d 00000001 00000001 61 0000001000000004000000 01 ffffffff ffffffff 00000004 00000000",
    { { a = { x = 1 } }, {} } },
}

describe("values of every type", function()
  for index, case in ipairs(CASES) do
    local kind, value, wanted, reads_as = case[1], case[2], case[3], case[4]
    local name = type(kind) == "table" and kind[1] or kind
    it(("V1 go both ways: %s, case %d"):format(name, index), function()
      local bytes = cqlua.assert(sent(kind, value))
      if not wanted then return end
      assert.equal((wanted:gsub("%s", "")), bytes)
      assert.same(plain(reads_as), plain(read(kind, bytes_of(wanted))))
    end)
  end

  it("V1 tell null, unset and empty apart", function()
    for _, kind in ipairs { "varint", "decimal", "duration", { "list", "int" }, POINT, FLOATS } do
      assert.equal("null", sent(kind, null))
      assert.equal("unset", sent(kind, unset))
      assert.is_nil(read(kind, false))
    end
    assert.equal("00000000", sent({ "list", "int" }, {}))
    for _, kind in ipairs { "varint", "decimal", "duration" } do assert.is_nil(read(kind, "")) end
  end)

  it("V1 are read in a list with a null element as cqlua.null, so that # counts it", function()
    local list = read({ "list", "int" }, bytes_of "00000003 00000004 00000001 ffffffff 00000004 00000003")
    assert.same({ 1, null, 3 }, list)
    assert.equal(3, #list)
    assert.same({ a = null }, read({ "map", "text", "int" }, bytes_of "00000001 00000001 61 ffffffff"))
  end)

  it("fault 59 of a tuple or UDT with fewer fields read as null fields", function()
    assert.same({ 1, n = 2 }, read({ "tuple", "int", "text" }, bytes_of "00000004 00000001"))
    assert.same({ x = 1 }, read(POINT, bytes_of "00000004 00000001"))
    assert.same({ x = 1 }, read(POINT, bytes_of "00000004 00000001 ffffffff ffffffff 00000001 70"))
  end)

  it("fault 55 fault 57 fault 59 that do not decode fail the call, naming the column", function()
    local wrong = {
      { "decimal", "0000" }, { "duration", "00" }, { "duration", "ff00" },
      { { "list", "int" }, "7fffffff" }, { { "list", "int" }, "ffffffff" }, { { "list", "int" }, "00000001 00000003 000000" },
      { { "list", "int" }, "00000001 00000004 00000001 00" }, { { "map", "int", "int" }, "00000001 00000004 00000001" },
      { { "tuple", "int" }, "00000009 00000001" }, { { "tuple", "int" }, "00000004 00000001 00" },
      { POINT, "00000009 00000001" }, { FLOATS, "3fc00000 bf000000" }, { FLOATS, "3fc00000 bf000000 00000000 00" },
      { TEXTS, "01 61" }, { ROUTE, "00000001 00000001 00" },
    }
    for index, case in ipairs(wrong) do
      local value, err = read(case[1], bytes_of(case[2]))
      assert.is_nil(value, "case " .. index)
      assert.equal("protocol", err.name)
      assert.equal("v", err.column)
      assert.matches("'v'.*row 1 ", err.message)
    end
  end)

  it("V1 of a map whose keys Lua cannot hold apart fail the call", function()
    local zeros = "00000002 00000008 0000000000000000 00000001 61 00000008 8000000000000000 00000001 62"
    assert.equal("protocol", select(2, read({ "map", "double", "text" }, bytes_of(zeros))).name)
    local nan = "00000001 00000008 7ff8000000000000 00000001 61"
    assert.equal("protocol", select(2, read({ "map", "double", "text" }, bytes_of(nan))).name)
  end)

  it("fault 74 in a collection read bigint as `bigint =` says", function()
    local bytes = bytes_of "00000001 00000008 0020000000000001"
    assert.same({ "9007199254740993" }, read({ "list", "bigint" }, bytes, { bigint = "string" }))
    assert.equal("invalid_value", select(2, read({ "list", "bigint" }, bytes, { bigint = "number" })).name)
  end)
end)

describe("a value that does not fit", function()
  local function refuses(kind, value, ...)
    local bytes, err = sent(kind, value)
    assert.is_nil(bytes)
    assert.equal("invalid_value", err.name)
    assert.equal("v", err.column)
    assert.is_false(err.may_have_executed)
    assert.matches("v'? %(", err.message) -- the column and its type, whoever refused
    for _, part in ipairs { ... } do
      if not err.message:find(part, 1, true) then error(("'%s' is not in: %s"):format(part, err.message), 2) end
    end
  end
  local LIST, MAP, TUPLE = { "list", "int" }, { "map", "text", "int" }, { "tuple", "int", "text" }

  it("V2 is an error that names the column, its type and the value's Lua type", function()
    refuses("varint", 1.5, "(varint)", "from this number: it is no whole number")
    refuses("varint", "1.5", "from this string: the text is no whole number")
    refuses("varint", 2 ^ 53 + 2, "beyond 2^53 is not exact")
    refuses("varint", cqlua.decimal "1.5", "from this userdata: a decimal with a scale")
    refuses("varint", true, "from this boolean")
    refuses("varint", cqlua.duration "1h", "from this userdata: it is no number")
    refuses("decimal", 1.5, "(decimal)", "a fraction is not exact as a number")
    refuses("decimal", 0 / 0, "from this number")
    refuses("decimal", math.huge, "from this number")
    refuses("decimal", "1,5", "the text is no decimal number")
    refuses("decimal", "1E+99999999999", "the text is no decimal number")
    refuses("duration", "soon", "(duration)", "the text is no duration")
    refuses("duration", 5, "from this number: a duration, or one as text, is expected")
    refuses("duration", { months = 1 }, "from this table")
    refuses("duration", ("1h"):rep(100), "from this string")
    refuses({ "custom", "com.example.Secret" }, 5, "from this number: its bytes as a string")
    refuses("int", cqlua.varint(5), "from this userdata")
  end)

  it("V2 within a collection says where, and nothing is sent", function()
    refuses(LIST, 5, "(list<int>) cannot be bound from this number: a table is expected")
    refuses(LIST, { 1, 2, "x" }, "(list<int>) cannot be bound from this table: element 3: string does not fit int: ")
    refuses(LIST, { 1, 2147483648 }, "element 2: number does not fit int: it is out of the type's range")
    refuses({ "set", "text" }, { "a", true }, "element 2: boolean does not fit text: a string is expected")
    refuses({ "list", { "list", "int" } }, { {}, { 1, {} } }, "element 2: element 2: table does not fit int: ")
    refuses(MAP, { a = "x" }, "(map<text, int>)", "value of key 'a': string does not fit int: ")
    refuses(MAP, { [5] = 1 }, "key 5: number does not fit text: a string is expected")
    refuses({ "map", "int", "int" }, { [true] = 1 }, "key a boolean: boolean does not fit int: ")
    refuses(MAP, { [("k"):rep(300)] = "x" }, "value of key '" .. ("k"):rep(40) .. "': string does not fit int: ")
    refuses(TUPLE, { 1, 2 }, "(tuple<int, text>)", "element 2: number does not fit text")
    refuses(POINT, { x = "1x" }, "field 'x': string does not fit int: ")
    refuses(ROUTE, { {}, { a = { label = 5 } } }, "element 2: value of key 'a': field 'label': number does not fit text: ")
    refuses(FLOATS, { 1, 2, "3" }, "element 3: string does not fit float: a number is expected")
  end)

  it("V2 null and unset within a list, set, map or vector are errors, unset within a tuple or UDT too", function()
    for _, nothing in ipairs { null, unset } do
      refuses(LIST, { 1, nothing })
      refuses({ "set", "int" }, { nothing })
      refuses(MAP, { a = nothing })
      refuses(FLOATS, { 1, 2, nothing })
    end
    refuses({ "map", "boolean", "int" }, { [null] = 1 })
    refuses(TUPLE, { unset, "a" })
    refuses(POINT, { x = unset })
  end)

  it("V2 an array with a hole or a key of its own is an error, never cut short", function()
    refuses(LIST, { 1, nil, 3 }, "element 2 is nil, though there is one at 3")
    refuses(LIST, { 1, 2, n = 2 }, "n is no place in an array")
    refuses(LIST, { [0] = 1 }, "element 1 is nil, though there is one at 0")
    refuses(LIST, { 1, [2.5] = 2 }, "there is one at 2.5")
    refuses(LIST, { x = 1 }, "x is no place in an array")
    refuses(LIST, { [true] = 1 }, "a boolean is no place in an array")
  end)

  it("V2 a map whose keys are tables is an array of pairs, and only such", function()
    local PAIRS = { "map", { "list", "int" }, "text" }
    refuses(PAIRS, { a = 1 }, "a is no place in an array")
    refuses(PAIRS, { { { 1 } } }, "element 1 is no pair { key, value }")
    refuses(PAIRS, { { { 1 }, "a", "b" } }, "element 1 is no pair")
    refuses(PAIRS, { "x" }, "element 1 is no pair")
    refuses(PAIRS, { { { 1 }, "a" }, { { "x" }, "a" } }, "key a table: element 1: string does not fit int")
    refuses(MAP, { { "a", 1 } }, "key 1: number does not fit text")
  end)

  it("V2 a tuple of too many fields is an error", function()
    refuses(TUPLE, { 1, "a", 3 }, "3 is no place in its 2 fields")
    refuses(TUPLE, { 1, "a", n = 1 }, "2 is no place in its 1 fields")
    refuses(TUPLE, { 1, n = 3 }, "its n is no number of fields up to 2")
    refuses(TUPLE, { 1, x = 3 }, "'x' is no place in a tuple")
  end)

  it("V2 a field that the UDT does not have is an error with the nearest name", function()
    refuses(POINT, { x = 1, lable = "p" }, "'lable' is no field of it; did you mean 'label'?")
    refuses(POINT, { zzzzzzzz = 1 }, "'zzzzzzzz' is no field of it")
    refuses(POINT, { 1, 2, "p", 4 }, "4 is no place in its 3 fields")
    refuses(POINT, { 1, label = "p" }, "'label' among fields by position: give all by position, or all by name")
    refuses(POINT, { [true] = 1 }, "a boolean is no name of a field")
  end)

  it("V2 a vector of another length than its dimension is an error", function()
    refuses(FLOATS, { 1, 2 }, "3")
    refuses(FLOATS, {}, "3")
    refuses(FLOATS, { 1, 2, 3, 4 }, "3")
  end)

  it("ends at the type's depth: a table that holds itself is refused like any other", function()
    local loop = {}
    loop[1] = loop
    refuses({ "list", { "list", "int" } }, loop, "element 1: element 1: table does not fit int")
  end)

  it("runs no metamethod of the tables", function()
    local shy = setmetatable({}, { __index = function() error "ran" end, __pairs = function() error "ran" end,
      __len = function() error "ran" end })
    assert.equal("00000000", sent(LIST, shy))
    assert.equal("ffffffffffffffffffffffff", sent(POINT, shy))
  end)
end)
