-- ctest: live timeout=120
local cqlua = require "cqlua"
local live = require "spec.live.support.live"

local failed, raised = live.failed, live.raised
local assert_ok = cqlua.assert
local int64, null = cqlua.int64, cqlua.null
local INF, NAN = math.huge, 0 / 0

-- For each type: values that come back as they went, and pairs { bound, read } of those that come back otherwise.
local function repeated(text, times) return text:rep(times) end
local TYPES = {
  ascii = { same = { "", "a", repeated("z", 70000), "~ !" } },
  text = { same = { "", "ünï ☃ 𝄞", "a\0b", repeated("é", 40000), "'\"\\\n" } },
  varchar = { same = { "", "v" } },
  blob = { same = { "", "\0", "\255\254\0\1", repeated("\200", 70000) } },
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
  date = { same = { "1970-01-01", "2026-01-31", "0001-01-01", "9999-12-31", "1969-12-31", "2024-02-29" } },
  time = { same = { "00:00:00", "12:30:00.000000001", "23:59:59.999999999", "12:30:00" },
    as = { { "12:30:00.500", "12:30:00.500000000" } } },
}
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
}

local function same(wanted, got)
  if wanted ~= wanted then return got ~= got end
  if wanted == 0 and type(wanted) == "number" then return got == 0 and 1 / wanted == 1 / got end
  return type(wanted) == type(got) and wanted == got
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
    local list = {}
    for index, name in ipairs(names) do list[index] = "c_" .. name end
    local markers = ("?, "):rep(#names) .. "?"
    local add = assert_ok(db:prepare(("INSERT INTO scalars (id, %s) VALUES (%s)"):format(table.concat(list, ", "), markers)))
    local wanted = {}
    for id = 100, 139 do
      local values = { id }
      for index, name in ipairs(names) do
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
        for index, name in ipairs(names) do
          local value = wanted[row.id][index + 1]
          if value == null then value = nil end
          local got = rawget(row, "c_" .. name)
          if not same(value, got) then
            error(("row %d, %s: %s, expected %s"):format(row.id, name, short(got), short(value)))
          end
        end
      end
    end
    local text = "SELECT * FROM scalars WHERE id >= 100 AND id < 140 ALLOW FILTERING"
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

  it("V1 binding what this version cannot bind is an error that says so", function()
    local res, err = db:execute("INSERT INTO groups (id, tags) VALUES (?, ?)", { 4, { "a" } })
    if not res then
      assert.equal("unsupported", err.name)
      assert.equal("tags", err.column)
    end
    live.assert_usable(db)
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
