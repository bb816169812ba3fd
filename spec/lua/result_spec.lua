local cqlua = require "cqlua"
local fixture = require "spec.lua.support.fixture"
local wire = require "spec.lua.support.wire"

local USERS = { columns = { { "id", "int" }, { "name", "text" } },
  rows = { { wire.int(1), "Ada" }, { wire.int(2), "Bo" }, { wire.int(3), false } } }

local function with_result(answer, fn)
  fixture.with(function(db, server)
    server:prime("SELECT r", answer)
    return fn(cqlua.assert(db:execute "SELECT r"), db, server)
  end)
end

describe("a result", function()
  it("R1 is the plain array of its rows: #, ipairs, pairs and sort see rows only", function()
    with_result(USERS, function(res)
      assert.equal(3, #res)
      local names, keys = {}, {}
      for index, row in ipairs(res) do names[index] = row.name end
      for key in pairs(res) do keys[#keys + 1] = key end
      assert.same({ "Ada", "Bo" }, names)
      assert.same({ 1, 2, 3 }, keys)
      table.sort(res, function(a, b) return a.id > b.id end)
      assert.equal(3, res[1].id)
      assert.is_nil(res[4])
      assert.is_nil(res[0])
    end)
  end)

  it("R1 one() is the first row or nil", function()
    with_result(USERS, function(res) assert.equal("Ada", res:one().name) end)
    with_result({ columns = USERS.columns, rows = {} }, function(res)
      assert.is_nil(res:one())
      assert.equal(0, #res)
    end)
    with_result({}, function(res)
      assert.is_nil(res:one())
      assert.same({}, res.columns)
    end)
  end)

  it("R1 rows() walks every page, and again from row 1", function()
    with_result(fixture.pages { { 1, 2 }, {}, { 3 } }, function(res)
      for _ = 1, 2 do
        local seen = {}
        for row in res:rows() do seen[#seen + 1] = row.n end
        assert.same({ 1, 2, 3 }, seen)
      end
    end)
  end)

  it("R1 rows() raises when a page fails, noting where", function()
    with_result(fixture.pages { { 1 }, { error = { 0x2200, "dropped" } } }, function(res)
      local seen = 0
      local err = fixture.raised(function() for _ in res:rows() do seen = seen + 1 end end)
      assert.equal(1, seen)
      assert.equal("invalid", err.name)
      assert.matches("result_spec.lua:%d+", err.at)
    end)
  end)

  it("R1 all() gathers every page under a cap", function()
    with_result(fixture.pages { { 1, 2 }, { 3 }, { 4 } }, function(res, db)
      assert.equal(4, #cqlua.assert(res:all()))
      local all, err = res:all { max_rows = 3 }
      assert.is_nil(all)
      assert.equal("too_many_rows", err.name)
      assert.equal("too_many_rows", select(2, res:all { max_bytes = 1 }).name)
      assert.equal(4, #cqlua.assert(db:all("SELECT r", nil, { max_rows = 4 })))
      assert.equal("too_many_rows", select(2, db:all("SELECT r", nil, { max_rows = 3 })).name)
      assert.matches("there is no option 'max_row'", fixture.raised(function() res:all { max_row = 1 } end))
    end)
  end)

  it("R1 next_page() gives the next, numbered; nil at the end; nil, err", function()
    with_result(fixture.pages { { 1 }, { 2 } }, function(res)
      assert.equal(1, res.number)
      local second = cqlua.assert(res:next_page())
      assert.equal(2, second.number)
      assert.equal(2, second[1].n)
      assert.is_nil(second:next_page())
      assert.is_true(res.has_more)
      assert.is_false(second.has_more)
      assert.equal("2", res.paging_state)
      assert.is_nil(second.paging_state)
    end)
  end)

  it("R2 has what the server and the way to it tell", function()
    with_result(USERS, function(res)
      assert.equal("127.0.0.1:9042", res.coordinator)
      assert.same({}, res.warnings)
      assert.is_nil(res.applied)
      assert.is_nil(res.tracing_id)
      assert.is_nil(res.custom_payload)
      assert.equal(1, #res.attempts)
      assert.equal("127.0.0.1:9042", res.attempts[1].node)
      assert.equal(1, res.cost.attempts)
      assert.is_true(res.cost.bytes_in > 9 and res.cost.bytes_out > 9)
      assert.equal(1, res.cost.pages)
      assert.is_number(res.cost.queue_us)
      assert.is_number(res.cost.wire_us)
      assert.equal(res.cost, res.cost)
    end)
  end)

  it("keeps to max_rows in all, also where one page is everything", function()
    fixture.with(function(db, server)
      server:prime("SELECT 3", fixture.pages { { 1, 2, 3 } })
      assert.equal("too_many_rows", select(2, cqlua.assert(db:execute("SELECT 3", nil, { max_rows = 2 })):all()).name)
      assert.equal(3, #cqlua.assert(db:execute("SELECT 3", nil, { max_rows = 3 })):all())
    end)
  end)

  it("maps by a column with a NaN in it", function()
    fixture.with(function(db, server)
      local rows = { { "\127\248\0\0\0\0\0\0" }, { "\63\240\0\0\0\0\0\0" } }
      server:prime("SELECT d", { columns = { { "d", "double" } }, rows = rows })
      local by = cqlua.assert(db:execute "SELECT d"):map "d"
      assert.equal(1, by[1].d)
      assert.equal(1, next(by))
      assert.is_nil(next(by, 1))
    end)
  end)

  it("Q10 describes its columns", function()
    with_result(USERS, function(res)
      assert.same({ { name = "id", type = "int", keyspace = "ks", table = "tbl" },
        { name = "name", type = "text", keyspace = "ks", table = "tbl" } }, res.columns)
    end)
  end)

  it("raises for a field that it has not, with the nearest", function()
    with_result(USERS, function(res)
      assert.matches("result_spec.lua:%d+: a result has no field 'warning'; did you mean 'warnings'%?",
        fixture.raised(function() return res.warning end))
      assert.matches("one: a result expected", fixture.raised(function() res.one({}) end))
    end)
  end)

  it("of a conditional statement has `applied`; its row is without [applied]", function()
    with_result({ columns = { { "[applied]", "boolean" }, { "name", "text" } }, rows = { { "\0", "Ada" } } }, function(res)
      assert.is_false(res.applied)
      assert.same({ name = "Ada" }, res:one())
      assert.equal("Ada", res:one()[1])
      assert.equal(1, #res.columns)
    end)
    with_result({ columns = { { "[applied]", "boolean" } }, rows = { { "\1" } } }, function(res)
      assert.is_true(res.applied)
      assert.is_nil(res:one())
    end)
    with_result({ columns = { { "[applied]", "boolean" } }, rows = { { "\0" } } }, function(res)
      assert.is_false(res.applied)
      assert.is_nil(res:one())
    end)
  end)

  it("map(column) and column(name) read one column", function()
    with_result(USERS, function(res)
      assert.equal("Bo", res:map "id"[2].name)
      assert.same({ "Ada", "Bo", n = 3 }, res:column "name")
      assert.matches("column: the result has no column 'nam'; did you mean 'name'",
        fixture.raised(function() res:column "nam" end))
    end)
    with_result({ columns = { { "id", "bigint" } }, rows = { { wire.big(5, 8) } } }, function(res)
      assert.is_not_nil(res:map "id"[cqlua.key(cqlua.int64 "5")])
    end)
  end)

  it("draws a table with tostring", function()
    with_result(USERS, function(res)
      assert.equal(table.concat({ " id | name ", "----+------", "  1 | Ada  ", "  2 | Bo   ", "  3 | null ", "(3 rows)" }, "\n"),
        (tostring(res):gsub("%s+\n", function(s) return s end)))
    end)
    with_result({}, function(res) assert.equal("(0 rows)", tostring(res)) end)
  end)
end)
