-- Values that are wrong: the call fails and names column and row, the connection stays open. Built by the C module
-- (few rows)
-- and by generated constructors (many).
local cqlua = require "cqlua"
local testing = require "cqlua.testing"
local bytes = require "spec.wire.support.bytes"
local malice = require "spec.wire.support.malice"

local int, cell = bytes.int, bytes.bytes
local names = 0

-- Asks for `count` rows, of which the last has this cell; columns are named anew, so that each shape is a new one.
local function ask(session, server, kind, value, count)
  local rows, token = {}, malice.token()
  names = names + 1
  local column = "c" .. names
  for n = 1, count do rows[n] = { token, n == count and testing.raw(value) or nil } end
  local text = "SELECT value " .. token
  server:prime(text, { columns = { { "token", "int" }, { column, kind } }, rows = rows, times = 1 })
  local result, err = session:execute(text)
  if result then assert.equal(token, result[count].token) end
  return result, err, column, count
end

local function check_refused(session, server, kind, value, count)
  local connections = server:node(1):connections()
  local result, err, column = ask(session, server, kind, value, count)
  assert.is_nil(result)
  malice.check_error(err, "protocol", server, ("column '%s'"):format(column))
  assert.matches(("row %d of the page"):format(count), err.message, 1, true)
  assert.equal(column, err.column)
  assert.is_true(err.may_have_executed)
  assert.equal(1, #err.attempts)
  assert.equal(connections, server:node(1):connections())
end

-- Each of { type, bytes... } is refused.
local function refuse(list)
  malice.each(function(session, server)
    for _, count in ipairs(malice.sizes) do
      for _, entry in ipairs(list) do
        for index = 2, #entry do check_refused(session, server, entry[1], entry[index], count) end
      end
    end
  end)
end

-- Each of { type, bytes, value or function(value) } is read so.
local function read(list)
  malice.each(function(session, server)
    for _, count in ipairs(malice.sizes) do
      for _, entry in ipairs(list) do
        local result, err, column = ask(session, server, entry[1], entry[2], count)
        if err then error(entry[1] .. ": " .. tostring(err), 0) end
        local value = result[count][column]
        if type(entry[3]) == "function" then entry[3](value) else assert.same(entry[3], value) end
      end
    end
  end)
end

describe("a server with wrong values", function()
  it("fault 55 cannot announce more elements than there are bytes", function()
    local endless, negative = int(2147483647), int(-1)
    refuse {
      { "list<int>", endless, negative, int(2) .. cell(int(1)), int(1) .. int(5) .. int(1), int(1)
        .. int(2147483647), "\0\0" },
      { "set<text>", endless, negative, int(1) .. int(9) .. "abc", int(3) .. cell "a" .. cell "b" },
      { "map<int, int>", endless, negative, int(1) .. cell(int(1)), int(1) .. cell(int(1)) .. int(4) .. "ab" },
      { "list<frozen<list<int>>>", int(1) .. cell(endless), int(1) .. cell(int(1) .. int(1000)) },
      { "map<text, frozen<map<int, int>>>", int(1) .. cell "k" .. cell(endless) },
    }
  end)

  it("fault 57 cannot send a value of another length than its type has", function()
    refuse {
      { "int", "abc", "abcde" }, { "smallint", "a", "abc" }, { "tinyint", "ab" }, { "bigint", "abcdefg", "abcdefghi" },
      { "counter", "abcd" }, { "boolean", "\1\1" }, { "float", "abc" }, { "double", "abcdefghi" }, { "timestamp",
        "abcd" },
      { "date", "abc" }, { "time", "abcdefg" }, { "uuid", ("u"):rep(15), ("u"):rep(17) }, { "timeuuid", ("u"):rep(15) },
      { "inet", "abcdefg", "abc", ("i"):rep(17) }, { "decimal", "\0\0", "\0\0\0" }, { "duration", "\0", "\255\255" },
      { "vector<float, 3>", ("v"):rep(11), ("v"):rep(13) }, { "vector<text, 2>", "\1a", "\200" },
      { "list<int>", int(1) .. cell "abc" }, { "map<int, uuid>", int(1) .. cell(int(1)) .. cell "short" },
    }
  end)

  it("fault 57 cannot send a time of day that there is not", function()
    refuse { { "time", "\0\0\78\148\145\79\0\0", "\255\255\255\255\255\255\255\255" } }
  end)

  it("fault 57 sends null when a value of fixed width is empty", function()
    local list = {}
    for kind in ("int smallint tinyint bigint boolean float double timestamp date time uuid timeuuid inet varint decimal")
      :gmatch "%a+" do list[#list + 1] = { kind, "" } end
    read(list)
  end)

  it("fault 58 cannot make a decimal expand", function()
    local function short(value) assert.is_true(#tostring(value) < 60) end
    malice.does_not_grow(function()
      read { { "decimal", int(2147483647) .. "\1", short }, { "decimal", int(-2147483648) .. "\1", short },
        { "list<decimal>", int(1) .. cell(int(-2147483648) .. "\127"), function(value) short(value[1]) end } }
    end)
  end)

  it("fault 59 may leave fields out at the end, and a type may have got new ones", function()
    local udt = "pair (a int, b text)"
    read {
      { "tuple<int, text>", cell(int(7)), function(value) assert.same({ 7, nil, 2 }, { value[1], value[2],
        value.n }) end },
      { udt, cell(int(7)), { a = 7 } }, { udt, cell(int(7)) .. cell "x" .. cell "new", { a = 7, b = "x" } }, { udt,
        cell(nil) .. cell "x", { b = "x" } },
    }
    refuse {
      { "tuple<int, text>", cell(int(7)) .. cell "x" .. cell "more", int(9) .. "abc", "\0\0" },
      { udt, cell(int(7)) .. int(100) .. "x", cell "abc" },
    }
  end)

  it("fault 60 sends texts that are no UTF-8, or hold NUL, as they are", function()
    local odd = "a\0\255\254b\27[31m"
    read { { "text", odd, odd }, { "ascii", odd, odd }, { "blob", odd, odd }, { "text", "", "" },
      { "list<text>", int(1) .. cell(odd), { odd } }, { "map<text, int>", int(1) .. cell(odd) .. cell(int(1)),
        { [odd] = 1 } } }
  end)

  it("fault 60 sends columns without a name, or with any bytes as one", function()
    malice.each(function(session, server)
      for _, count in ipairs(malice.sizes) do
        for _, name in ipairs { "", "\255\254", "a\0b", "]] os.exit() --", "\"\\\n" } do
          local text, token = "SELECT name " .. malice.token(), malice.token()
          server:prime(text, { body = bytes.rows { columns = { { name, "int" } }, rows = count,
            cells = cell(int(token)):rep(count) } })
          local result = assert(session:execute(text))
          assert.equal(token, result[count][1])
          assert.equal(token, result[count][name])
          assert.equal(name, result.columns[1].name)
        end
      end
    end)
  end)

  it("fault 15 may name two columns alike: both are read by position", function()
    malice.each(function(session, server)
      for _, count in ipairs(malice.sizes) do
        local text = "SELECT twice " .. malice.token()
        server:prime(text, { body = bytes.rows { columns = { { "n", "int" }, { "n", "int" } }, rows = count,
          cells = (cell(int(1)) .. cell(int(2))):rep(count) } })
        local row = assert(session:execute(text))[count]
        assert.same({ 1, 2 }, { row[1], row[2] })
        assert.is_true(row.n == 1 or row.n == 2)
      end
    end)
  end)

  it("fault 18 tells null, an empty string and an empty collection apart", function()
    malice.each(function(session, server)
      for _, count in ipairs(malice.sizes) do
        local text = "SELECT nothing " .. malice.token()
        local columns = { { "a", "text" }, { "b", "text" }, { "c", "list<int>" }, { "d", "int" } }
        local rows = {}
        for n = 1, count do rows[n] = { nil, "", {}, nil } end
        server:prime(text, { columns = columns, rows = rows })
        local row = assert(session:execute(text))[count]
        assert.is_nil(row.a)
        assert.equal("", row.b)
        assert.same({}, row.c)
        assert.is_nil(row.d)
      end
      server:prime("INSERT n", { params = { "int", "text", "int", "list<int>" } })
      assert(session:execute("INSERT n", { cqlua.null, "", cqlua.unset, {} }))
      local params = server:received()[#server:received()].params
      assert.same({ cqlua.null, "", cqlua.unset }, { params[1], params[2], params[3] })
    end)
  end)
end)
