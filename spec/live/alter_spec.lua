-- ctest: live timeout=180
-- The schema changes while another session reads with prepared statements, requests in flight on both sides of the change.
local cqlua = require "cqlua"
local live = require "spec.live.support.live"

local assert_ok = cqlua.assert

local ROWS, READERS = 40, 24

live.describe("alter", {
  "CREATE TYPE person (name text, born int)",
  "CREATE TABLE wide (id int PRIMARY KEY, a int, m text, z text)",
  "CREATE TABLE people (id int PRIMARY KEY, who frozen<person>, tail text)",
}, function(suite, version)
  local db
  setup(function()
    db = suite.db
    for id = 1, ROWS do
      assert_ok(db:execute("INSERT INTO wide (id, a, m, z) VALUES (?, ?, ?, ?)", { id, id * 10, "m" .. id, "z" .. id }))
      assert_ok(db:execute("INSERT INTO people (id, who, tail) VALUES (?, ?, ?)",
        { id, { name = "n" .. id, born = 1900 + id }, "t" .. id }))
    end
  end)

  -- Runs readers of `text` until `change`, made by another session, is done and seen. check(id, row) looks at each row.
  local function read_during(text, change, check)
    local get = assert_ok(db:prepare(text))
    cqlua.run(function()
      local is_done, reads, after = false, 0, 0
      local tasks = {}
      for reader = 1, READERS do
        tasks[reader] = cqlua.spawn(function()
          local id = reader
          while not is_done or after < 500 do
            id = id % ROWS + 1
            local row = assert_ok(db:execute(get, { id })):one()
            check(id, row)
            reads = reads + 1
            if is_done then after = after + 1 end
          end
          return true
        end)
      end
      cqlua.with(suite.connect, { protocol_version = version, request_timeout = 60 }, function(other)
        change(other)
      end)
      is_done = true
      for _, task in ipairs(tasks) do assert_ok(task:join()) end
      assert.is_true(reads > 500)
    end)
  end

  it("fault 8 columns are added and dropped, and never one shifted", function()
    local function check(id, row)
      assert.equal(id, row.id)
      assert.equal(id * 10, row.a)
      assert.equal("z" .. id, row.z)
      local b, m = rawget(row, "b"), rawget(row, "m")
      assert.is_true(b == nil or b == "b" .. id)
      assert.is_true(m == nil or m == "m" .. id)
    end
    read_during("SELECT * FROM wide WHERE id = ?", function(other)
      for round = 1, 3 do
        assert_ok(other:execute "ALTER TABLE wide ADD b text")
        for id = 1, ROWS, round do assert_ok(other:execute("UPDATE wide SET b = ? WHERE id = ?", { "b" .. id, id })) end
        assert_ok(other:execute "ALTER TABLE wide DROP b")
      end
      assert_ok(other:execute "ALTER TABLE wide DROP m")
      assert_ok(other:execute "ALTER TABLE wide ADD k int")
    end, check)
    local row = assert_ok(db:execute("SELECT * FROM wide WHERE id = ?", { 1 })):one()
    assert.is_nil(row.k) -- the new column is one of the row's
    assert_ok(db:execute "ALTER TABLE wide DROP k")
    assert_ok(db:execute "ALTER TABLE wide ADD m text")
    for id = 1, ROWS do assert_ok(db:execute("UPDATE wide SET m = ? WHERE id = ?", { "m" .. id, id })) end
  end)

  it("fault 9 a field is added to a type, and the old fields stay right", function()
    local field = "extra" .. version
    read_during("SELECT * FROM people WHERE id = ?", function(other)
      assert_ok(other:execute("ALTER TYPE person ADD " .. field .. " text"))
      for id = 1, ROWS, 2 do
        assert_ok(other:execute("INSERT INTO people (id, who, tail) VALUES (?, ?, ?)",
          { id, { name = "n" .. id, born = 1900 + id, [field] = "x" .. id }, "t" .. id }))
      end
    end, function(id, row)
      assert.equal(id, row.id)
      assert.equal("t" .. id, row.tail)
      assert.equal("n" .. id, row.who.name)
      assert.equal(1900 + id, row.who.born)
      local extra = row.who[field]
      assert.is_true(extra == nil or extra == "x" .. id)
    end)
    local seen = assert_ok(db:execute("SELECT who FROM people WHERE id = ?", { 1 })):one()
    assert.equal("x1", seen.who[field])
  end)
end)
