local cqlua = require "cqlua"
local fixture = require "spec.lua.support.fixture"
local wire = require "spec.lua.support.wire"

local function hex(bytes)
  if not bytes then return bytes end
  return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

-- What arrives at the server for one value of a type: hex, "unset", or nil for null; or false and the error.
local function sent(kind, value, options)
  local bytes
  fixture.with(function(db, server)
    server:prime("INSERT v", { params = { { "v", kind } } })
    local prepared = cqlua.assert(db:prepare "INSERT v")
    local res, err = db:execute(prepared, { value }, options)
    local request = server.received[1]
    if not res then
      assert.is_nil(request, "nothing may be sent")
      bytes = err
    else
      bytes = request.values[1] == "unset" and "unset" or hex(request.values[1])
    end
  end)
  return bytes
end

local function refuses(kind, value, lua_type, why)
  local err = sent(kind, value)
  assert.equal("table", type(err), kind .. " took " .. tostring(value))
  assert.equal("invalid_value", err.name)
  assert.equal("v", err.column)
  assert.matches("'v' %(" .. kind .. "%)", err.message)
  assert.matches("this " .. lua_type .. ":", err.message)
  if why then assert.matches(why, err.message) end
end

describe("a bind value", function()
  it("V2 V1 goes as the server's type has it", function()
    local cases = {
      { "tinyint", -128, "80" }, { "tinyint", "127", "7f" },
      { "smallint", -32768, "8000" }, { "int", 2147483647, "7fffffff" }, { "int", "-2147483648", "80000000" },
      { "bigint", 2 ^ 53, "0020000000000000" }, { "bigint", -1, "ffffffffffffffff" },
      { "bigint", "9007199254740993", "0020000000000001" }, { "bigint", "-9223372036854775808", "8000000000000000" },
      { "counter", 5, "0000000000000005" },
      { "double", 1.1, "3ff199999999999a" }, { "double", -0.0 * 1, nil }, { "double", math.huge, "7ff0000000000000" },
      { "double", 3, "4008000000000000" }, { "float", 1.5, "3fc00000" }, { "float", 1.1, "3f8ccccd" },
      { "float", -math.huge, "ff800000" },
      { "text", "", "" }, { "text", "gr\195\188n", "6772c3bc6e" }, { "ascii", "az", "617a" }, { "blob", "\0\255", "00ff" },
      { "boolean", true, "01" }, { "boolean", false, "00" },
      { "uuid", "00112233-4455-6677-8899-aabbccddeeff", "00112233445566778899aabbccddeeff" },
      { "inet", "127.0.0.1", "7f000001" }, { "inet", "::1", "00000000000000000000000000000001" },
      { "date", "1970-01-02", "80000001" }, { "time", "00:00:01", "000000003b9aca00" },
      { "timestamp", 1, "0000000000000001" }, { "timestamp", -1, "ffffffffffffffff" },
      { "timestamp", "1970-01-01T00:00:01Z", "00000000000003e8" },
    }
    for _, case in ipairs(cases) do
      local bytes = sent(case[1], case[2])
      if case[3] then assert.equal(case[3], bytes, case[1]) end
    end
    assert.equal("8000000000000000", sent("double", -1 / math.huge))
    assert.matches("^[7f]ff8000000000000$", sent("double", 0 / 0))
  end)

  it("V1 74 of 64 bits is taken from cqlua.int64 and cdata, exactly", function()
    local has_ffi, ffi = pcall(require, "ffi")
    assert.equal("0020000000000001", sent("bigint", cqlua.int64 "9007199254740993"))
    assert.equal("0000000000000007", sent("timestamp", cqlua.int64 "7"))
    assert.equal("00000007", sent("int", cqlua.int64 "7"))
    refuses("int", cqlua.int64 "2147483648", type(cqlua.int64 "1"), "range")
    if not has_ffi then return end
    assert.equal("7fffffffffffffff", sent("bigint", ffi.new("uint64_t", 2 ^ 53) * 1023 + ffi.new("uint64_t", 2 ^ 53) - 1))
    refuses("bigint", ffi.new("uint64_t", -1), "cdata", "2%^63")
    refuses("bigint", ffi.new "int[1]", "cdata", "only int64_t and uint64_t")
  end)

  it("V2 that does not fit is an error naming the column, its type and the value's", function()
    refuses("int", "12x", "string")
    refuses("int", 1.5, "number", "whole")
    refuses("int", 2147483648, "number", "range")
    refuses("tinyint", 128, "number", "range")
    refuses("smallint", -32769, "number", "range")
    refuses("int", true, "boolean")
    refuses("int", {}, "table")
    refuses("int", 0 / 0, "number")
    refuses("bigint", 2 ^ 53 + 2, "number", "2%^53")
    refuses("bigint", "9223372036854775808", "string")
    refuses("bigint", "", "string")
    refuses("bigint", "-", "string")
    refuses("text", 5, "number")
    refuses("text", true, "boolean")
    refuses("ascii", "\195\188", "string", "ASCII")
    refuses("boolean", 1, "number")
    refuses("double", "1.5", "string")
    refuses("float", 1e300, "number", "range")
    refuses("uuid", "0011", "string")
    refuses("inet", "1.2.3", "string")
    refuses("date", "2026-02-30", "string")
    refuses("time", "25:00:00", "string")
    refuses("timestamp", 1.5, "number", "whole")
    refuses("timestamp", "yesterday", "string")
    refuses("blob", print, "function")
  end)

  it("V2 that only the core refuses is said in the same way", function()
    refuses("timeuuid", "00112233-4455-4677-8899-aabbccddeeff", "string", "version 4 does not fit in timeuuid")
    for why, elements in pairs { ["element 2: null cannot be an element"] = { 1, cqlua.null },
      ["element 1: unset is only for a marker"] = { cqlua.unset } } do
      local err = sent({ "list", "int" }, elements)
      assert.same({ "invalid_value", "v" }, { err.name, err.column })
      assert.matches("column 'v' (list<int>) cannot be bound from this table: " .. why, err.message, 1, true)
    end
  end)

  it("V1 tells null, unset and empty apart", function()
    assert.is_nil(sent("text", cqlua.null))
    assert.equal("unset", sent("text", cqlua.unset))
    assert.equal("", sent("text", ""))
  end)

  it("Q9 that is nil is an error, unless nil_as says what it means", function()
    local err = sent("int", nil)
    assert.equal("invalid_value", err.name)
    assert.equal("v", err.column)
    assert.matches("cqlua.null", err.message)
    assert.is_nil(sent("int", nil, { nil_as = "null" }))
    assert.equal("unset", sent("int", nil, { nil_as = "unset" }))
    assert.equal("invalid_value", sent("int", nil, { nil_as = "error" }).name)
  end)
end)

describe("bind values", function()
  local function with_two(fn, options)
    fixture.with(function(db, server)
      server:prime("INSERT two", { params = { { "id", "int" }, { "name", "text" } } })
      return fn(db, cqlua.assert(db:prepare "INSERT two"), server)
    end, options)
  end
  local function values(server)
    local sent_values = server.received[#server.received].values
    return { hex(sent_values[1]), sent_values[2] }
  end

  it("Q6 Q9 are given by position or by name", function()
    with_two(function(db, two, server)
      cqlua.assert(db:execute(two, { 1, "a" }))
      assert.same({ "00000001", "a" }, values(server))
      cqlua.assert(db:execute(two, { name = "b", id = 2 }))
      assert.same({ "00000002", "b" }, values(server))
    end)
  end)

  it("Q9 by name raise for a key that is no marker, with the nearest; a marker without a key is nil", function()
    with_two(function(db, two, server)
      assert.matches("bind_spec.lua:%d+: execute: 'nmae' is no bind marker of the statement; did you mean 'name'%?",
        fixture.raised(function() db:execute(two, { id = 1, nmae = "x" }) end))
      assert.matches("'zzzzzz' is no bind marker of the statement$",
        fixture.raised(function() db:execute(two, { id = 1, name = "x", zzzzzz = 1 }) end))
      local res, err = db:execute(two, { id = 1 })
      assert.is_nil(res)
      assert.equal("name", err.column)
      assert.equal(0, #server.received)
    end)
  end)

  it("Q9 by position raise for a value past the end; # is never used", function()
    with_two(function(db, two, server)
      assert.matches("bind_spec.lua:%d+: execute: a value at 3 is past the end: the statement has 2 bind markers",
        fixture.raised(function() db:execute(two, { 1, "a", 3 }) end))
      assert.matches("a value at 9 is past the end", fixture.raised(function() db:execute(two, { 1, "a", [9] = 3 }) end))
      assert.matches("a value at 1.5 is past", fixture.raised(function() db:execute(two, { 1, "a", [1.5] = 3 }) end))
      assert.matches("'name' among values by position", fixture.raised(function() db:execute(two, { 1, name = "a" }) end))
      local res, err = db:execute(two, { nil, "a" })
      assert.is_nil(res)
      assert.equal("id", err.column)
      assert.equal(0, #server.received)
    end)
  end)

  it("Q9 missing altogether are nils", function()
    with_two(function(db, two)
      assert.equal("invalid_value", select(2, db:execute(two)).name)
      assert.equal("invalid_value", select(2, db:execute(two, {})).name)
      assert.is_not_nil(db:execute(two, nil, { nil_as = "null" }))
    end)
    with_two(function(db, two) assert.is_not_nil(db:execute(two)) end, { nil_as = "unset" })
  end)

  it("Q9 must be a table", function()
    with_two(function(db, two)
      assert.matches("bind_spec.lua:%d+: execute: a table of bind values expected, got string",
        fixture.raised(function() db:execute(two, "x") end))
      assert.matches("a table of bind values expected", fixture.raised(function() db:execute("SELECT", 5) end))
    end)
  end)

  it("Q6 of a text prepare it on first use, once", function()
    with_two(function(db, _, server)
      server.prepares = 0
      server:prime("SELECT by text", { params = { { "id", "int" } }, columns = { { "n", "int" } }, rows = { { wire.int(4) } } })
      for _ = 1, 5 do assert.equal(4, cqlua.assert(db:execute("SELECT by text", { 1 })):one().n) end
      assert.equal(1, server.prepares)
      local query = cqlua.assert(db:execute("SELECT by text"))
      assert.equal(4, query:one().n)
      assert.equal("query", server.received[#server.received].kind)
    end)
  end)

  it("Q6 of a text that does not prepare give the server's error", function()
    with_two(function(db, _, server)
      server:prime("SELEC", { prepare_error = { 0x2000, "line 1:0 no viable alternative" } })
      local res, err = db:execute("SELEC", { 1 })
      assert.is_nil(res)
      assert.equal("syntax_error", err.name)
      assert.equal(0x2000, err.code)
    end)
  end)

  it("Q10 are described by prepared.params and prepared.columns", function()
    fixture.with(function(db, server)
      server:prime("SELECT d", { params = { { "id", "int" } }, columns = { { "name", "text" }, { "l", { "list", "int" } } } })
      local prepared = cqlua.assert(db:prepare "SELECT d")
      assert.equal("SELECT d", prepared.text)
      assert.same({ { name = "id", type = "int", keyspace = "ks", table = "tbl" } }, prepared.params)
      assert.same({ "text", "list<int>" }, { prepared.columns[1].type, prepared.columns[2].type })
      assert.matches("SELECT d", tostring(prepared))
      assert.matches("no field 'parms'", fixture.raised(function() return prepared.parms end))
    end)
  end)
end)
