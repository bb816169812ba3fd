-- ctest: live timeout=120
local cqlua = require "cqlua"
local live = require "spec.live.support.live"

local assert_ok, failed, raised = cqlua.assert, live.failed, live.raised

live.describe("batch", {
  "CREATE TABLE people (id int PRIMARY KEY, name text, age int)",
  "CREATE TABLE visits (day int, n int, note text, PRIMARY KEY (day, n))",
  "CREATE TABLE counts (id int PRIMARY KEY, n counter)",
}, function(suite, version)
  local db, add
  setup(function()
    db = suite.db
    add = assert_ok(db:prepare "INSERT INTO people (id, name, age) VALUES (?, ?, ?)")
  end)
  before_each(function()
    for _, name in ipairs { "people", "visits" } do assert_ok(db:execute("TRUNCATE " .. name)) end
  end)

  it("Q1 mixes texts, texts with values and prepared statements, by position and by name", function()
    local named = assert_ok(db:prepare "INSERT INTO people (id, name) VALUES (:id, :name)")
    local res = assert_ok(db:batch({
      { add, { 1, "Ada", 36 } },
      { named, { name = "Bo", id = 2 } },
      { "INSERT INTO visits (day, n, note) VALUES (?, ?, ?)", { 1, 2, "three" } },
      "INSERT INTO visits (day, n) VALUES (9, 9)",
      { "DELETE FROM people WHERE id = 7" },
    }))
    assert.equal(0, #res)
    assert.is_nil(res.applied)
    local people = assert_ok(db:execute "SELECT id, name, age FROM people"):map "id"
    assert.equal("Ada", people[1].name)
    assert.equal("Bo", people[2].name)
    assert.equal(2, #assert_ok(db:execute "SELECT * FROM visits"))
  end)

  it("Q1 unlogged and counter batches", function()
    assert_ok(db:batch({ { add, { 1, "x", 1 } }, { add, { 2, "y", 2 } } }, { kind = "unlogged", consistency = "one" }))
    assert.equal(2, #assert_ok(db:execute "SELECT id FROM people"))
    local count = "UPDATE counts SET n = n + ? WHERE id = ?"
    assert_ok(db:batch({ { count, { 5, version } }, { count, { 6, version } } }, { kind = "counter" }))
    local row = assert_ok(db:execute("SELECT n FROM counts WHERE id = ?", { version }, { bigint = "number" })):one()
    assert.equal(11, row.n)
    local err = failed("invalid", db:batch({ { count, { 1, 1 } } }, { kind = "logged" }))
    assert.matches("ounter", err.message)
  end)

  it("Q1 one write time for all, chosen by the caller", function()
    assert_ok(db:batch({ { add, { 1, "x", 1 } }, { add, { 2, "y", 2 } } }, { timestamp = 4242 }))
    for _, row in ipairs(assert_ok(db:execute("SELECT writetime(name) AS t FROM people", nil, { bigint = "number" }))) do
      assert.equal(4242, row.t)
    end
  end)

  it("Q1 conditional: applied and the present row", function()
    local won = assert_ok(db:batch { "INSERT INTO visits (day, n, note) VALUES (5, 1, 'first') IF NOT EXISTS" })
    assert.is_true(won.applied)
    local lost = assert_ok(db:batch {
      "INSERT INTO visits (day, n, note) VALUES (5, 1, 'second') IF NOT EXISTS",
      "INSERT INTO visits (day, n, note) VALUES (5, 2, 'third')" })
    assert.is_false(lost.applied)
    assert.equal("first", lost:one().note)
  end)

  it("Q1 {} sends nothing", function()
    local res = assert_ok(db:batch {})
    assert.equal(0, #res)
    assert.equal(0, res.cost.attempts)
  end)

  it("Q9 a value that does not fit is an error that names statement and column; nothing is sent", function()
    local err = failed("invalid_value", db:batch { { add, { 1, "Ada", 36 } }, { add, { 2, "Bo", "old" } } })
    assert.equal(2, err.index)
    assert.equal("age", err.column)
    assert.equal(0, #assert_ok(db:execute "SELECT id FROM people"))
    err = failed("syntax_error", db:batch { { add, { 1, "x", 1 } }, "INSERT INTU people" })
    assert.matches("INTU", err.message)
    err = failed("unsupported", db:batch { "USE elsewhere" })
    assert.equal(1, err.index)
  end)

  it("Q9 misuse raises at the caller's line", function()
    assert.matches("batch_spec.lua:%d+: batch: a list of", raised(function() db:batch "x" end))
    assert.matches("batch_spec.lua:%d+: batch: entry 2: a text or a prepared",
      raised(function() db:batch { { add, { 1, "x", 1 } }, { 5 } } end))
    assert.matches("batch_spec.lua:%d+: batch: statement 1 of the batch: 'nmae'", raised(function()
      db:batch { { "INSERT INTO people (id, name) VALUES (:id, :name)", { id = 1, nmae = "x" } } }
    end))
    assert.matches("batch_spec.lua:%d+: batch: .*SELECT cannot", raised(function() db:batch { "SELECT * FROM people" } end))
    assert.matches("there is no option 'page_size'", raised(function() db:batch({}, { page_size = 3 }) end))
  end)

  it("fault 38 a server that has forgotten the statements is told each of them again", function()
    local second = assert_ok(db:prepare "INSERT INTO visits (day, n) VALUES (?, ?)")
    cqlua.with(suite.connect, {}, function(other) -- a change of the schema clears the server's prepared statements
      assert_ok(other:execute "ALTER TABLE people WITH comment = 'x'")
      assert_ok(other:execute "ALTER TABLE visits WITH comment = 'x'")
    end)
    assert_ok(db:batch { { add, { 1, "Ada", 36 } }, { second, { 1, 1 } }, { add, { 2, "Bo", 1 } } })
    assert.equal(2, #assert_ok(db:execute "SELECT id FROM people"))
  end)

  it("fault 17 a batch that is too large says so", function()
    local list = {}
    for n = 1, 200 do list[n] = { add, { n, ("x"):rep(1000), n } } end
    local err = failed("invalid", db:batch(list))
    assert.matches("[Bb]atch", err.message)
  end)
end)
