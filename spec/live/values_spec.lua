-- ctest: live timeout=120
local cqlua = require "cqlua"
local live = require "spec.live.support.live"

local failed, raised = live.failed, live.raised
local assert_ok = cqlua.assert
local int64, null = cqlua.int64, cqlua.null
local varint, decimal, duration = cqlua.varint, cqlua.decimal, cqlua.duration
local INF, NAN = math.huge, 0 / 0
local MIB = 2 ^ 20

-- For each type: values that come back as they went, and pairs { bound, read } of those that come back otherwise.
local function repeated(text, times) return text:rep(times) end
local TYPES = {
  ascii = { same = { "", "a", repeated("z", MIB), "~ !" } },
  text = { same = { "", "ünï ☃ 𝄞", "a\0b", repeated("é", 40000), "'\"\\\n" } },
  varchar = { same = { "", "v" } },
  blob = { same = { "", "\0", "\255\254\0\1", repeated("\200", MIB) } },
  boolean = { same = { true, false } },
  tinyint = { same = { -128, -1, 0, 127 }, as = { { "-128", -128 } } },
  smallint = { same = { -32768, -1, 0, 32767 }, as = { { "32767", 32767 } } },
  int = { same = { -2147483648, -1, 0, 1, 2147483647 }, as = { { "2147483647", 2147483647 }, { int64 "-5", -5 } } },
  bigint = { same = { int64 "-9223372036854775808", int64 "9223372036854775807", int64 "9007199254740993", int64 "0",
      int64 "-1" },
    as = { { 5, int64 "5" }, { "9007199254740993", int64 "9007199254740993" }, { 2 ^ 53, int64 "9007199254740992" },
      { -2 ^ 53, int64 "-9007199254740992" } } },
  float = { same = { 0, -0.0, 1.5, -1.5, INF, -INF, NAN, 2 ^ -149, 2 ^ 127 * (2 - 2 ^ -23) },
    as = { { 0.1, 0.10000000149011612 } } },
  double = { same = { 0, -0.0, 1.1, -1.1, INF, -INF, NAN, 5e-324, 1.7976931348623157e308, 2 ^ 53 } },
  uuid = { same = { "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "123e4567-e89b-12d3-a456-426614174000" },
    as = { { "123E4567-E89B-12D3-A456-426614174000", "123e4567-e89b-12d3-a456-426614174000" } } },
  timeuuid = { same = { "00000000-0000-1000-8080-808080808080", "8ba61bd2-7b2e-11ee-b962-0242ac120002" } },
  timestamp = { same = { 0, 1, -1, 1769860800123, -62167219200000, 2 ^ 53, -2 ^ 53 },
    as = { { "2026-01-31T12:00:00Z", 1769860800000 }, { "2026-01-31T12:00:00.123Z", 1769860800123 }, { int64 "5", 5 } } },
  inet = { same = { "0.0.0.0", "255.255.255.255", "127.0.0.1", "::", "::1", "2001:db8::1", "fe80::1:2:3:4" },
    as = { { "2001:0DB8:0:0:0:0:0:1", "2001:db8::1" } } },
  date = { same = { "1970-01-01", "2026-01-31", "0001-01-01", "9999-12-31", "1969-12-31", "2024-02-29",
    "-5877641-06-23", "+5881580-07-11" } },
  time = { same = { "00:00:00", "12:30:00.000000001", "23:59:59.999999999", "12:30:00" },
    as = { { "12:30:00.500", "12:30:00.500000000" } } },
  varint = { same = { varint "0", varint "-1", varint "127", varint "128", varint "-128", varint "-129",
      varint "9223372036854775808", varint(repeated("9", 1000)), varint("-" .. repeated("9", 1000)) },
    as = { { 5, varint "5" }, { "-12", varint "-12" }, { int64 "-9223372036854775808", varint "-9223372036854775808" },
      { 2 ^ 53, varint "9007199254740992" } } },
  decimal = { same = { decimal "0", decimal "0.00", decimal "1.10", decimal "-1.1", decimal "1E+1000", decimal "-1E-1000",
      decimal(repeated("9", 1000) .. ".5"), decimal "18446744073709551616" },
    as = { { 5, decimal "5" }, { "1.10", decimal "1.10" }, { int64 "7", decimal "7" }, { varint "7", decimal "7" } } },
  duration = { same = { duration "1h30m", duration "1y2mo3d4h5m6s7ms8us9ns", duration "-1mo2d3ns", duration {},
      duration { months = 2147483647, days = 2147483647, nanoseconds = "9223372036854775807" },
      duration { months = -2147483648, days = -2147483648, nanoseconds = "-9223372036854775808" } },
    as = { { "90m", duration "1h30m" }, { "P1Y2M3DT4H5M6S", duration "1y2mo3d4h5m6s" } } },
}
-- Types that only the C builder reads: a shape with one of them has no generated constructor.
local BUILT = { varint = true, decimal = true, duration = true }
-- What does not fit: by type, values that are refused.
local BAD = {
  ascii = { "é", 5, {} }, text = { 5, true, {} }, blob = { 5 }, boolean = { 0, 1, "true" },
  tinyint = { 128, -129, 1.5, "x", true, NAN }, smallint = { 32768, -32769, 0.5 },
  int = { 2147483648, -2147483649, 1.5, INF, "1e3", {} },
  bigint = { "9223372036854775808", "-9223372036854775809", 2 ^ 53 + 2, 1.5, NAN, "", "12x", true },
  float = { "1.5", true, 1e300 }, double = { "x", true, {} },
  uuid = { "123e4567", "", 5, "123e4567-e89b-12d3-a456-42661417400g" }, timestamp = { "yesterday", 1.5, INF, true },
  inet = { "256.0.0.1", "localhost", "", 5, ":::" }, date = { "2026-13-01", "2025-02-29", 5, "" },
  time = { "24:00:00", "12", 5, "12:60:00" },
  varint = { 1.5, "1.5", "", true, NAN, {} }, decimal = { 1.5, "1,5", "", true, INF, {} },
  duration = { "soon", 5, "", {}, "1h1h", true },
}

local function same(wanted, got)
  if wanted ~= wanted then return got ~= got end
  if wanted == 0 and type(wanted) == "number" then return got == 0 and 1 / wanted == 1 / got end
  return type(wanted) == type(got) and wanted == got and tostring(wanted) == tostring(got)
end

local function short(value) return tostring(value):sub(1, 60) end

local names, columns = {}, {}
for name in pairs(TYPES) do names[#names + 1] = name end
table.sort(names)
for index, name in ipairs(names) do columns[index] = "c_" .. name .. " " .. name end

live.describe("values", {
  "CREATE TABLE scalars (id int PRIMARY KEY, " .. table.concat(columns, ", ") .. ")",
  "CREATE TABLE tallies (id int PRIMARY KEY, n counter)",
  "CREATE TABLE groups (id int PRIMARY KEY, tags set<text>, marks list<int>, big list<bigint>, sizes map<text, int>, "
    .. "names map<bigint, text>, ids set<uuid>, reals list<double>, stamps map<timestamp, boolean>)",
}, function(suite, version)
  local db
  setup(function() db = suite.db end)

  local function check(name, value, wanted)
    local add = assert_ok(db:prepare(("INSERT INTO scalars (id, c_%s) VALUES (?, ?)"):format(name)))
    local get = assert_ok(db:prepare(("SELECT c_%s FROM scalars WHERE id = ?"):format(name)))
    assert_ok(db:execute(add, { 1, value }))
    local row = assert_ok(db:execute(get, { 1 })):one()
    local got = rawget(row, "c_" .. name)
    if not same(wanted, got) then
      error(("%s: bound %s, read %s, expected %s"):format(name, short(value), short(got), short(wanted)))
    end
    assert.is_true(same(row[1], got))
  end

  for _, name in ipairs(names) do
    it("V1 V2 " .. name .. ": boundary values come back exactly", function()
      for _, value in ipairs(TYPES[name].same) do check(name, value, value) end
      for _, pair in ipairs(TYPES[name].as or {}) do check(name, pair[1], pair[2]) end
    end)

    it("V1 " .. name .. ": null and unset are told apart from each other and from empty", function()
      local some = TYPES[name].same[#TYPES[name].same]
      local insert = ("INSERT INTO scalars (id, c_%s) VALUES (?, ?)"):format(name)
      local select = ("SELECT id, c_%s FROM scalars WHERE id = 2"):format(name)
      local function get() return rawget(assert_ok(db:execute(select)):one(), "c_" .. name) end
      assert_ok(db:execute(insert, { 2, some }))
      assert_ok(db:execute(insert, { 2, cqlua.unset }))
      assert.is_true(same(some, get()))
      assert_ok(db:execute(insert, { 2, null }))
      assert.is_nil(get())
    end)
  end

  for name, values in pairs(BAD) do
    it("V2 " .. name .. ": what does not fit is an error that names column, type and the value's Lua type", function()
      local add = assert_ok(db:prepare(("INSERT INTO scalars (id, c_%s) VALUES (?, ?)"):format(name)))
      for _, value in ipairs(values) do
        local res, err = db:execute(add, { 3, value })
        assert.is_nil(res, name .. " took " .. tostring(value))
        assert.equal("invalid_value", err.name)
        assert.equal("c_" .. name, err.column)
        assert.matches("c_" .. name, err.message)
        assert.matches(type(value), err.message)
        assert.same({}, err.attempts)
        assert.is_false(err.may_have_executed)
      end
      assert.equal(0, #assert_ok(db:execute "SELECT id FROM scalars WHERE id = 3"))
    end)
  end

  it("V1 many rows of all types at once: the generated constructor and the C builder agree", function()
    local flat, list = {}, {}
    for _, name in ipairs(names) do flat[#flat + 1] = not BUILT[name] and name or nil end
    for index, name in ipairs(flat) do list[index] = "c_" .. name end
    local markers = ("?, "):rep(#flat) .. "?"
    local add = assert_ok(db:prepare(("INSERT INTO scalars (id, %s) VALUES (%s)"):format(table.concat(list, ", "), markers)))
    local wanted = {}
    for id = 100, 139 do
      local values = { id }
      for index, name in ipairs(flat) do
        local choices = TYPES[name].same
        local value = choices[id % (#choices + 1) + 1]
        if value == nil then value = null end
        values[index + 1] = value
      end
      wanted[id] = values
      assert_ok(db:execute(add, values))
    end
    local function check_all(rows)
      for _, row in ipairs(rows) do
        for index, name in ipairs(flat) do
          local value = wanted[row.id][index + 1]
          if value == null then value = nil end
          local got = rawget(row, "c_" .. name)
          if not same(value, got) then
            error(("row %d, %s: %s, expected %s"):format(row.id, name, short(got), short(value)))
          end
        end
      end
    end
    local text = "SELECT id, " .. table.concat(list, ", ") .. " FROM scalars WHERE id >= 100 AND id < 140 ALLOW FILTERING"
    local page = assert_ok(db:execute(text, nil, { page_size = 5 }))
    for _ = 1, 8 do -- small pages: the C builder
      check_all(page)
      page = page.has_more and assert_ok(page:next_page()) or page
    end
    local all = assert_ok(db:execute(text))
    assert.equal(40, #all) -- a large one: the generated constructor
    check_all(all)
  end)

  it("fault 74 bigint is read as int64, number or string, as the call says; inexact is an error", function()
    local insert = "INSERT INTO scalars (id, c_bigint) VALUES (?, ?)"
    local get = assert_ok(db:prepare "SELECT c_bigint AS n FROM scalars WHERE id = 4")
    assert_ok(db:execute(insert, { 4, "9007199254740993" }))
    assert.equal(int64 "9007199254740993", assert_ok(db:execute(get)):one().n)
    assert.equal("9007199254740993", assert_ok(db:execute(get, nil, { bigint = "string" })):one().n)
    local err = failed("invalid_value", db:execute(get, nil, { bigint = "number" }))
    assert.equal("n", err.column)
    assert_ok(db:execute(insert, { 4, 2 ^ 53 }))
    assert.equal(2 ^ 53, assert_ok(db:execute(get, nil, { bigint = "number" })):one().n)
    local strings = suite.connect { protocol_version = version, bigint = "string" }
    assert.equal("9007199254740992", assert_ok(strings:execute "SELECT c_bigint AS n FROM scalars WHERE id = 4"):one().n)
    strings:close()
  end)

  it("V1 counter counts past 2^53 exactly", function()
    assert_ok(db:execute("TRUNCATE tallies"))
    local add = assert_ok(db:prepare "UPDATE tallies SET n = n + ? WHERE id = ?")
    local function get() return assert_ok(db:execute "SELECT n FROM tallies WHERE id = 1"):one().n end
    assert_ok(db:execute(add, { "9007199254740993", 1 }))
    assert.equal(int64 "9007199254740993", get())
    assert_ok(db:execute(add, { -1, 1 }))
    assert.equal(int64 "9007199254740992", get())
    assert_ok(db:execute(add, { "-9007199254741000", 1 }))
    assert.equal(int64 "-8", get())
  end)

  it("V1 list, set and map of scalars are read", function()
    assert_ok(db:execute("TRUNCATE groups"))
    assert_ok(db:execute [[INSERT INTO groups (id, tags, marks, big, sizes, names, ids, reals, stamps) VALUES (1, {'b', 'a', ''},
      [3, 1, 2, 1], [9007199254740993, -1], {'s': 1, 'm': 2}, {9007199254740993: 'big', -1: 'minus'},
      {123e4567-e89b-12d3-a456-426614174000}, [1.5, -0.0], {'2026-01-31T12:00:00Z': true})]])
    for _ = 1, 20 do
      local row = assert_ok(db:execute "SELECT * FROM groups WHERE id = 1"):one()
      assert.same({ "", "a", "b" }, row.tags)
      assert.same({ 3, 1, 2, 1 }, row.marks)
      assert.equal(int64 "9007199254740993", row.big[1])
      assert.equal(int64 "-1", row.big[2])
      assert.same({ s = 1, m = 2 }, row.sizes)
      assert.same({ ["9007199254740993"] = "big", ["-1"] = "minus" }, row.names)
      assert.same({ "123e4567-e89b-12d3-a456-426614174000" }, row.ids)
      assert.equal(1.5, row.reals[1])
      assert.equal(-INF, 1 / row.reals[2])
      assert.is_true(row.stamps[1769860800000])
    end
  end)

  it("V1 a collection that is null is nil; an empty one is null to the server", function()
    assert_ok(db:execute "INSERT INTO groups (id, tags) VALUES (2, {})")
    assert_ok(db:execute "INSERT INTO groups (id) VALUES (3)")
    for id = 2, 3 do
      local row = assert_ok(db:execute("SELECT * FROM groups WHERE id = " .. id)):one()
      assert.is_nil(row.tags)
      assert.is_nil(row.sizes)
    end
  end)

  it("V3 rows are plain: null is nil, by name and by position, a misspelt name names the nearest", function()
    assert_ok(db:execute("INSERT INTO scalars (id, c_text, c_int) VALUES (5, 'x', null)"))
    local row = assert_ok(db:execute "SELECT id, c_text, c_int FROM scalars WHERE id = 5"):one()
    assert.equal(5, row.id)
    assert.equal(5, row[1])
    assert.equal("x", row[2])
    assert.is_nil(row.c_int)
    assert.is_nil(row[3])
    assert.is_nil(row[4])
    assert.is_nil(rawget(row, "c_txet"))
    assert.matches("values_spec.lua:%d+: the row has no column 'c_txet'; did you mean 'c_text'%?",
      raised(function() return row.c_txet end))
    local keys = {}
    for key in pairs(row) do keys[#keys + 1] = key end
    table.sort(keys)
    assert.same({ "c_text", "id" }, keys)
  end)

  it("V3 a repeated column name gets #2, #3", function()
    local row = assert_ok(db:execute "SELECT id, id, c_text AS id FROM scalars WHERE id = 5"):one()
    assert.equal(5, row.id)
    assert.equal(5, row["id#2"])
    assert.equal("x", row["id#3"])
    assert.same({ 5, 5, "x" }, { row[1], row[2], row[3] })
  end)
end)

-- What has elements ---------------------------------------------------------------------------------

-- The same structure, with objects and cdata compared by their text.
local function plain(value)
  if type(value) == "cdata" or type(value) == "userdata" then return type(value) .. ":" .. tostring(value) end
  if value == 0 and 1 / value < 0 then return "-0" end
  if type(value) ~= "table" then return value end
  local copy = {}
  for key, item in pairs(value) do copy[key] = plain(item) end
  return copy
end

local VECTOR = {}
for index = 1, 1536 do VECTOR[index] = index / 1024 - 0.5 end

local big = int64 "9007199254740993"

-- By column: its type, and values that come back as they went; or pairs { bound, read } in `as`.
local NESTED = {
  tags = { "set<text>", same = { { "", "a", "b" }, { ("x"):rep(MIB) } } },
  marks = { "list<int>", same = { { 3, 1, 2, 1 }, { -2147483648, 2147483647 } } },
  longs = { "list<bigint>", same = { { big, int64 "-9223372036854775808", int64 "9223372036854775807" } },
    as = { { { 1, "2", big }, { int64 "1", int64 "2", big } } } },
  doubles = { "list<double>", same = { { 1.1, -0.0, INF, -INF } } },
  numbers = { "list<varint>", same = { { varint(("9"):rep(1000)), varint(-1) } },
    as = { { { 1, "-2" }, { varint(1), varint(-2) } } } },
  spans = { "list<duration>", same = { { duration "-1mo2d3ns", duration "1h" } } },
  days = { "set<date>", same = { { "0001-01-01", "2026-01-31", "9999-12-31" } } },
  stamps = { "map<timestamp, boolean>", same = { { [0] = true, [-1] = false } } },
  sizes = { "map<text, int>", same = { { s = 1, m = 2, [""] = 3 } } },
  names = { "map<bigint, text>", same = { { ["9007199254740993"] = "big", ["-1"] = "minus" } },
    as = { { { [5] = "a" }, { ["5"] = "a" } }, { { [big] = "a" }, { ["9007199254740993"] = "a" } } } },
  prices = { "map<varint, decimal>", same = { { [("9"):rep(100)] = decimal "1.10" } },
    as = { { { [varint(5)] = 1 }, { ["5"] = decimal "1" } } } },
  rates = { "map<decimal, text>", same = { { ["1.10"] = "a" } } },
  hosts = { "map<inet, uuid>", same = { { ["::1"] = "123e4567-e89b-12d3-a456-426614174000" } } },
  pairs_of = { "map<frozen<list<int>>, text>", same = { { { { 1, 2 }, "a" }, { { 3 }, "b" } } } },
  by_tuple = { "map<frozen<tuple<bigint, text>>, int>", same = { { { { big, "k", n = 2 }, 1 } } } },
  pair = { "tuple<int, text>", same = { { 1, "a", n = 2 }, { nil, "a", n = 2 }, { 1, nil, n = 2 } },
    as = { { { 1 }, { 1, nil, n = 2 } }, { { null, "" }, { nil, "", n = 2 } } } },
  spot = { "frozen<point>", same = { { x = 1, y = big, label = "p" }, { x = 1 }, { label = "" } },
    as = { { { 1, big, "p" }, { x = 1, y = big, label = "p" } }, { { x = null }, {} } } },
  loose = { "point", same = { { x = 1, y = big, label = "p" }, { y = big } } },
  deep = { "list<frozen<map<text, frozen<point>>>>", same = { { { a = { x = 1, label = "p" }, b = {} }, {} } } },
  deeper = { "map<text, frozen<list<frozen<tuple<frozen<set<int>>, frozen<point>>>>>>",
    same = { { k = { { { 1, 2 }, { y = big }, n = 2 }, { nil, { x = 1 }, n = 2 } } } } },
  composite = { "'org.apache.cassandra.db.marshal.CompositeType(org.apache.cassandra.db.marshal.UTF8Type)'",
    same = { "\0\1a\0" } },
}
local VECTORS = {
  floats = { "vector<float, 1536>", same = { VECTOR } },
  words = { "vector<text, 3>", same = { { "", "b", ("x"):rep(300) } } },
  small = { "vector<smallint, 2>", same = { { -32768, 32767 } } },
  doubles = { "vector<double, 2>", same = { { -0.0, 1.1 } } },
  inner = { "vector<vector<float, 2>, 2>", same = { { { 1, 2 }, { 3, 4 } } } },
  lists = { "vector<list<int>, 2>", same = { { { 1, 2 }, {} } } },
  numbers = { "vector<varint, 2>", same = { { varint(("9"):rep(100)), varint(0) } } },
}

local function columns_of(types)
  local list = {}
  for name, column in pairs(types) do list[#list + 1] = name .. " " .. column[1] end
  return table.concat(list, ", ")
end

-- Specs of each column of a table, whose session db() gives.
local function describe_columns(table_name, types, db)
  local function check(name, value, wanted)
    assert_ok(db():execute(("INSERT INTO %s (id, %s) VALUES (1, ?)"):format(table_name, name), { value }))
    local row = assert_ok(db():execute(("SELECT %s FROM %s WHERE id = 1"):format(name, table_name))):one()
    assert.same(plain(wanted), plain(rawget(row, name)))
  end
  for name, column in pairs(types) do
    it("V1 V2 " .. column[1]:sub(1, 70) .. ": values come back exactly", function()
      for _, value in ipairs(column.same) do
        check(name, value, value)
        local again = rawget(assert_ok(db():execute(("SELECT %s FROM %s WHERE id = 1"):format(name, table_name))):one(), name)
        check(name, again, value) -- what was read can be bound
      end
      for _, case in ipairs(column.as or {}) do check(name, case[1], case[2]) end
      check(name, null, nil)
    end)
  end
end

live.describe("nested values", {
  "CREATE TYPE point (x int, y bigint, label text)",
  "CREATE TYPE grown (a int)",
  "CREATE TABLE nested (id int PRIMARY KEY, " .. columns_of(NESTED) .. ")",
  "CREATE TABLE growing (id int PRIMARY KEY, v frozen<grown>)",
  "CREATE TABLE made (id int PRIMARY KEY, at timeuuid)",
}, function(suite, version)
  local function db() return suite.db end
  describe_columns("nested", NESTED, db)

  it("V2 that do not fit name the column, its type and the place, and nothing is sent", function()
    local function refuses(column, value, ...)
      local err = failed("invalid_value", suite.db:execute("INSERT INTO nested (id, " .. column .. ") VALUES (2, ?)", { value }))
      assert.equal(column, err.column)
      for _, part in ipairs { ... } do assert.truthy(err.message:find(part, 1, true), err.message) end
    end
    refuses("tags", { "a", 5 }, "set<text>", "element 2")
    refuses("names", { x = "a" }, "map<bigint, text>", "key 'x'")
    refuses("deep", { {}, { a = { lable = "p" } } }, "element 2: value of key 'a'", "did you mean 'label'")
    refuses("pair", { 1, "a", 3 }, "3 is no place in its 2 fields")
    refuses("tags", { "a", null })
    refuses("marks", { 1, nil, 3 }, "element 2 is nil")
    assert.equal(0, #assert_ok(suite.db:execute "SELECT id FROM nested WHERE id = 2"))
  end)

  it("V1 an empty non-frozen collection is null to the server", function()
    assert_ok(suite.db:execute("INSERT INTO nested (id, tags, sizes) VALUES (3, ?, ?)", { {}, {} }))
    local row = assert_ok(suite.db:execute "SELECT tags, sizes FROM nested WHERE id = 3"):one()
    assert.is_nil(row.tags)
    assert.is_nil(row.sizes)
  end)

  it("V1 many rows of them at once come back exactly", function()
    local add = assert_ok(suite.db:prepare "INSERT INTO nested (id, deep, pair, prices) VALUES (?, ?, ?, ?)")
    local function of(id)
      return { { k = { x = id, y = int64(id), label = ("l"):rep(id % 7) } } }, { id, nil, n = 2 },
        { [tostring(id)] = decimal(id) }
    end
    assert_ok(cqlua.map({ 100, 101, 102, 103, 104, 105, 106, 107, 108, 109 }, 4, function(base)
      for id = base * 10, base * 10 + 9 do assert_ok(suite.db:execute(add, { id, of(id) })) end
      return true
    end))
    local count = 0
    for row in suite.db:stream("SELECT id, deep, pair, prices FROM nested", nil, { page_size = 17 }) do
      if row.id >= 1000 then
        assert.same(plain { of(row.id) }, plain { row.deep, row.pair, row.prices })
        count = count + 1
      end
    end
    assert.equal(100, count)
  end)

  it("fault 9 a UDT that gained a field reads the old rows with nil for it", function()
    assert_ok(suite.db:execute "INSERT INTO growing (id, v) VALUES (1, {a: 1})")
    if version == live.versions[1] then assert_ok(suite.db:execute "ALTER TYPE grown ADD b text") end
    assert.same({ a = 1 }, assert_ok(suite.db:execute "SELECT v FROM growing WHERE id = 1"):one().v)
    assert_ok(suite.db:execute("INSERT INTO growing (id, v) VALUES (?, ?)", { 2, { a = 2, b = "new" } }))
    assert.same({ a = 2, b = "new" }, assert_ok(suite.db:execute "SELECT v FROM growing WHERE id = 2"):one().v)
  end)

  it("V1 a timeuuid that was made here is one to the server, with its time", function()
    assert_ok(suite.db:execute("INSERT INTO made (id, at) VALUES (1, ?)", { cqlua.timeuuid(1769860800123) }))
    local row = assert_ok(suite.db:execute "SELECT at, toUnixTimestamp(at) AS t FROM made WHERE id = 1"):one()
    assert.equal(int64 "1769860800123", row.t)
    assert.equal(1769860800123, cqlua.timeuuid_ms(row.at))
  end)
end)

-- Cassandra 5.0 and later have vectors.
local function has_vectors()
  return cqlua.run(function()
    return cqlua.with(live.connect, function(db)
      local release = assert_ok(db:execute "SELECT release_version FROM system.local"):one().release_version
      return tonumber(release:match "^%d+") >= 5
    end)
  end)
end

if has_vectors() then
  live.describe("vectors", { "CREATE TABLE vectors (id int PRIMARY KEY, " .. columns_of(VECTORS) .. ")" }, function(suite)
    describe_columns("vectors", VECTORS, function() return suite.db end)

    it("V2 of another length are refused", function()
      for _, value in ipairs { { unpack(VECTOR, 1, 1535) }, {}, { unpack(VECTOR, 1, 10) } } do
        failed("invalid_value", suite.db:execute("INSERT INTO vectors (id, floats) VALUES (1, ?)", { value }))
      end
    end)
  end)
end
