-- The two row builders, C and generated, read the same bytes the same way.
local fixture = require "spec.lua.support.fixture"
local wire = require "spec.lua.support.wire"

local constructor = require "cqlua.constructor"
local cqlua = require "cqlua"

local COUNT = 40 -- rows of a page: enough for a generated constructor
local int64 = cqlua.int64

-- Without the JIT there is none: the C builder reads everything.
local has_constructors = rawget(_G, "jit") ~= nil and jit.status() == true
local function if_generated(count) return has_constructors and count or 0 end

local function repeated(row)
  local rows = {}
  for index = 1, COUNT do rows[index] = row end
  return rows
end

local of = constructor.of
local used -- rows that a generated constructor was asked for

local function choose(generated)
  used = 0
  constructor.of = function(shape, bigint, count)
    local found = generated and of(shape, bigint, count) or nil
    if found then used = used + count end
    return found
  end
end

-- The rows of one page, by one builder; or nil, err.
local function read(db, server, columns, rows, generated, options)
  choose(generated)
  server:prime("SELECT rows", { columns = columns, rows = rows })
  local res, err = db:execute("SELECT rows", nil, options)
  constructor.of = of
  return res, err
end

local function plain(value)
  if type(value) == "cdata" then return "cdata:" .. tostring(value) end
  if type(value) == "number" and value ~= value then return "nan" end
  if value == 0 and 1 / value < 0 then return "-0" end
  if type(value) ~= "table" then return value end
  local copy = {}
  for key, item in pairs(value) do copy[plain(key)] = plain(item) end
  return copy
end

-- Reads one cell by both builders, compares, and gives it.
local function cell(kind, bytes, options)
  local value
  fixture.with(function(db, server)
    local columns = { { "v", kind } }
    local by_c = cqlua.assert(read(db, server, columns, repeated { bytes }, false, options))
    local by_ffi = cqlua.assert(read(db, server, columns, repeated { bytes }, true, options))
    assert.equal(COUNT, #by_c)
    assert.same(plain(by_c), plain(by_ffi))
    value = plain(by_ffi[COUNT].v)
  end)
  return value
end

local function hex(text) return (text:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end)) end

local CELLS = {
  { "ascii", "abc", "abc" },
  { "text", "gr\195\188n\0x", "gr\195\188n\0x" },
  { "blob", "\0\255\1", "\0\255\1" },
  { "boolean", "\1", true },
  { "boolean", "\0", false },
  { "boolean", "\7", true },
  { "tinyint", "\127", 127 },
  { "tinyint", "\128", -128 },
  { "smallint", "\127\255", 32767 },
  { "smallint", "\128\0", -32768 },
  { "int", "\127\255\255\255", 2147483647 },
  { "int", "\128\0\0\0", -2147483648 },
  { "int", "\255\255\255\255", -1 },
  { "bigint", hex "0020000000000001", int64 "9007199254740993" },
  { "bigint", hex "8000000000000000", int64 "-9223372036854775808" },
  { "bigint", hex "7fffffffffffffff", int64 "9223372036854775807" },
  { "counter", hex "ffffffffffffffff", int64 "-1" },
  { "float", hex "3fc00000", 1.5 },
  { "float", hex "80000000", "-0" },
  { "float", hex "7f800000", math.huge },
  { "float", hex "7fc00000", "nan" },
  { "float", hex "ffffffff", "nan" },
  { "double", hex "3ff199999999999a", 1.1 },
  { "double", hex "8000000000000000", "-0" },
  { "double", hex "fff0000000000000", -math.huge },
  { "double", hex "7ff8000000000000", "nan" },
  { "double", hex "fffb123456789abc", "nan" }, -- would be a tagged value of LuaJIT
  { "double", hex "ffffffffffffffff", "nan" },
  { "double", hex "7fefffffffffffff", 1.7976931348623157e308 },
  { "double", hex "0000000000000001", 4.9406564584124654e-324 },
  { "uuid", hex "00112233445566778899aabbccddeeff", "00112233-4455-6677-8899-aabbccddeeff" },
  { "timeuuid", hex "f00112333445116788999aabbccddeef", "f0011233-3445-1167-8899-9aabbccddeef" },
  { "timestamp", hex "0000019400000000", 1735166787584 },
  { "timestamp", hex "ffffffffffffffff", -1 },
  { "timestamp", hex "0020000000000000", 9007199254740992 },
  { "timestamp", hex "ffe0000000000000", -9007199254740992 },
  { "inet", "\127\0\0\1", "127.0.0.1" },
  { "inet", hex "00000000000000000000000000000001", "::1" },
  { "inet", hex "00000000000000000000000000000000", "::" },
  { "inet", hex "20010db8000000000000000000000001", "2001:db8::1" },
  { "inet", hex "20010db8000000010001000100010000", "2001:db8:0:1:1:1:1:0" },
  { "inet", hex "fe800000000000000000000000000000", "fe80::" },
  { "inet", hex "00010002000000000005000000000008", "1:2::5:0:0:8" },
  { "inet", hex "00010002000300040005000600070008", "1:2:3:4:5:6:7:8" },
  { "inet", hex "00000000000000000000ffff7f000001", "::ffff:127.0.0.1" },
  { "inet", hex "0000000000000000000000007f000001", "::127.0.0.1" },
  { "inet", hex "00000000000000000000fffe7f000001", "::fffe:7f00:1" },
  { "date", hex "00000000", "-5877641-06-23" },
  { "date", hex "ffffffff", "+5881580-07-11" },
  { "date", hex "80000000", "1970-01-01" },
  { "date", hex "7fffffff", "1969-12-31" },
  { "date", hex "80005004", "2026-01-31" },
  { "date", hex "80002b08", "2000-02-29" },
  { "time", hex "0000000000000000", "00:00:00" },
  { "time", hex "000028ed7c67d401", "12:30:00.459539457" },
  { "time", hex "00004e94914effff", "23:59:59.999999999" },
}

describe("both row builders", function()
  it("V1 V3 read every scalar type alike, and exactly", function()
    for _, case in ipairs(CELLS) do
      local value = cell(case[1], case[2])
      assert.equal(plain(case[3]), value, case[1])
    end
  end)

  it("V1 read random values of every scalar type alike", function()
    math.randomseed(42)
    local widths = { boolean = 1, tinyint = 1, smallint = 2, int = 4, bigint = 8, float = 4, double = 8, uuid = 16, date = 4,
      inet = 16 }
    for kind, width in pairs(widths) do
      fixture.with(function(db, server)
        local rows = {}
        for index = 1, 200 do
          local bytes = {}
          for place = 1, width do bytes[place] = string.char(math.random(0, 1) * math.random(0, 255)) end
          rows[index] = { table.concat(bytes) }
        end
        local columns = { { "v", kind } }
        local by_c = cqlua.assert(read(db, server, columns, rows, false))
        local by_ffi = cqlua.assert(read(db, server, columns, rows, true))
        assert.equal(if_generated(200), used)
        assert.same(plain(by_c), plain(by_ffi))
      end)
    end
  end)

  it("V3 read null as nil, and zero bytes of a fixed-width type too", function()
    for _, kind in ipairs { "boolean", "tinyint", "smallint", "int", "bigint", "float", "double", "uuid", "timeuuid",
      "timestamp", "inet", "date", "time" } do
      assert.is_nil(cell(kind, false))
      assert.is_nil(cell(kind, ""))
    end
    for _, kind in ipairs { "ascii", "text", "blob" } do
      assert.is_nil(cell(kind, false))
      assert.equal("", cell(kind, ""))
    end
  end)

  it("fail the call on a wrong length, naming column and row, and the session stays usable", function()
    local wrong = { boolean = "ab", tinyint = "ab", smallint = "abc", int = "abc", bigint = "abcd", float = "abc",
      double = "abcd", uuid = "abcd", timestamp = "abc", inet = "abcdefg", date = "abc", time = "abc" }
    for kind, bytes in pairs(wrong) do
      for _, generated in ipairs { false, true } do
        fixture.with(function(db, server)
          local rows = repeated { false }
          rows[23] = { bytes }
          local res, err = read(db, server, { { "v", kind } }, rows, generated)
          assert.is_nil(res)
          assert.equal("protocol", err.name)
          assert.equal("v", err.column)
          assert.matches("'v'.*row 23 ", err.message)
          assert.equal(COUNT, #cqlua.assert(read(db, server, { { "v", kind } }, repeated { false }, generated)))
        end)
      end
    end
  end)

  it("fault 74 read bigint as `bigint =` says: inexact as a number is an error", function()
    assert.equal(-5, cell("bigint", hex "fffffffffffffffb", { bigint = "number" }))
    assert.equal("-5", cell("bigint", hex "fffffffffffffffb", { bigint = "string" }))
    assert.equal("9007199254740993", cell("bigint", hex "0020000000000001", { bigint = "string" }))
    assert.equal("-9223372036854775808", cell("bigint", hex "8000000000000000", { bigint = "string" }))
    assert.equal(9007199254740992, cell("bigint", hex "0020000000000000", { bigint = "number" }))
    for _, kind in ipairs { "bigint", "timestamp" } do
      for _, generated in ipairs { false, true } do
        fixture.with(function(db, server)
          local res, err = read(db, server, { { "v", kind } }, repeated { hex "0020000000000001" }, generated,
            { bigint = "number" })
          assert.is_nil(res)
          assert.equal("invalid_value", err.name)
          assert.equal("v", err.column)
        end)
      end
    end
  end)

  it("V3 name a repeated column with #2 and #3, by both builders", function()
    fixture.with(function(db, server)
      local columns = { { "a", "int" }, { "a", "int" }, { "b", "text" }, { "a", "int" }, { "a#2", "int" } }
      local row = { wire.int(1), wire.int(2), "x", wire.int(3), wire.int(4) }
      for _, generated in ipairs { false, true } do
        local res = cqlua.assert(read(db, server, columns, repeated(row), generated))
        assert.same({ a = 1, ["a#2"] = 2, b = "x", ["a#3"] = 3, ["a#2#2"] = 4 }, res[COUNT])
        assert.same({ 1, 2, "x", 3, 4 }, { res[1][1], res[1][2], res[1][3], res[1][4], res[1][5] })
      end
    end)
  end)

  it("fault 74 read lists, sets and maps; 64-bit keys are decimal strings", function()
    fixture.with(function(db, server)
      local function list(...)
        local out = wire.int(select("#", ...))
        for _, item in ipairs { ... } do out = out .. wire.bytes(item) end
        return out
      end
      local map = wire.int(2) .. wire.bytes(hex "0020000000000001") .. wire.bytes "a" .. wire.bytes(hex "fffffffffffffffe")
        .. wire.bytes "b"
      server:prime("SELECT c", { columns = { { "l", { "list", "int" } }, { "s", { "set", "text" } },
        { "m", { "map", "bigint", "text" } }, { "e", { "list", "int" } }, { "n", { "list", "int" } } },
        rows = { { list(wire.int(1), wire.int(2)), list("x", "y"), map, list(), false } } })
      assert.same({ l = { 1, 2 }, s = { "x", "y" }, m = { ["9007199254740993"] = "a", ["-2"] = "b" }, e = {} },
        cqlua.assert(db:execute "SELECT c"):one())
    end)
  end)

  it("build rows in pieces [from, to)", function()
    local core, rows_of = require "cqlua.core", require "cqlua.rows"
    for _, generated in ipairs { false, true } do
      fixture.with(function(db, server)
        local numbers = {}
        for index = 1, 300 do numbers[index] = index end
        server:prime("SELECT n", fixture.pages { numbers })
        local seen, all = {}, rows_of.all
        rows_of.all = function(page, shape)
          choose(generated)
          local reader, into = rows_of.open(page, shape), {}
          for _, piece in ipairs { 1, 7, 0, 200, 92, 50 } do
            seen[#seen + 1] = rows_of.read(reader, into, #into + 1, piece)
          end
          constructor.of = of
          core.page_release(page)
          return into
        end
        local res = cqlua.assert(db:execute "SELECT n")
        rows_of.all = all
        assert.same({ 1, 7, 0, 200, 92, 0 }, seen)
        assert.equal(300, #res)
        for index = 1, 300 do assert.equal(index, res[index].n) end
        assert.equal(generated and if_generated(300) or 0, used)
      end)
    end
  end)
end)

describe("generated constructors", function()
  it("SEC16 hold names from the server as escaped literals only", function()
    local evil = '"] = os.exit(7), ["\n\r\0\\' .. "]]--"
    fixture.with(function(db, server)
      local res = cqlua.assert(read(db, server, { { evil, "int" } }, repeated { wire.int(5) }, true))
      assert.equal(if_generated(COUNT), used)
      assert.equal(5, res[1][evil])
    end)
    assert.equal('"\\034\\092\\010a\\195"', constructor.literal '"\\\na\195')
  end)

  it("SEC16 work after the host has hidden ffi", function()
    local hidden, loaded = rawget(_G, "ffi"), package.loaded.ffi
    package.loaded.ffi, package.preload.ffi = nil, function() error "hidden" end
    fixture.with(function(db, server)
      local res = cqlua.assert(read(db, server, { { "after_hiding", "bigint" } }, repeated { hex "0000000000000005" }, true))
      assert.equal(plain(int64 "5"), plain(res[1].after_hiding))
      assert.equal(if_generated(COUNT), used)
    end)
    package.loaded.ffi, package.preload.ffi = loaded, nil
    rawset(_G, "ffi", hidden)
  end)

  it("are kept for 64 shapes at most, and not made for less than 16 rows or more than 64 columns", function()
    fixture.with(function(db, server)
      for index = 1, 70 do
        cqlua.assert(read(db, server, { { "column" .. index, "int" } }, repeated { wire.int(1) }, true))
      end
      assert.equal(if_generated(64), constructor.count())
      local columns, row = {}, {}
      for index = 1, 65 do columns[index], row[index] = { "c" .. index, "int" }, wire.int(index) end
      local res = cqlua.assert(read(db, server, columns, repeated(row), true))
      assert.equal(0, used)
      assert.equal(65, res[COUNT].c65)
    end)
  end)
end)

describe("a row", function()
  local function one(columns, row)
    local found
    fixture.with(function(db, server)
      server:prime("SELECT one", { columns = columns, rows = { row } })
      found = cqlua.assert(db:execute "SELECT one"):one()
    end)
    return found
  end
  local row = one({ { "id", "int" }, { "name", "text" }, { "age", "int" } }, { wire.int(1), "Ada", false })

  it("V3 is a plain table without methods: pairs sees columns only, null is nil", function()
    local keys = {}
    for key, value in pairs(row) do keys[key] = value end
    assert.same({ id = 1, name = "Ada" }, keys)
    assert.is_nil(row.age)
  end)

  it("V3 is read by position too; past the end is nil", function()
    assert.same({ 1, "Ada" }, { row[1], row[2] })
    assert.is_nil(row[3])
    assert.is_nil(row[4])
    assert.is_nil(row[0])
  end)

  it("V3 raises for a name that is no column, with the nearest; rawget does not", function()
    assert.matches("rows_spec.lua:%d+: the row has no column 'nmae'; did you mean 'name'%?",
      fixture.raised(function() return row.nmae end))
    assert.is_nil(rawget(row, "nmae"))
  end)
end)
