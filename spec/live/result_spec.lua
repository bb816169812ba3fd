-- ctest: live timeout=120
local cqlua = require "cqlua"
local live = require "spec.live.support.live"

local failed, raised = live.failed, live.raised
local assert_ok = cqlua.assert
local BIG = "SELECT part, n, word FROM cqlua_live_rows.numbers"

live.describe("result", {
  "CREATE TABLE days (day int, n int, note text, PRIMARY KEY (day, n))",
  "CREATE TABLE names (name text PRIMARY KEY, owner int)",
}, function(suite, version)
  local db

  setup(function()
    live.need_big_table()
    db = suite.db
    cqlua.run(function()
      local add = assert_ok(db:prepare "INSERT INTO days (day, n, note) VALUES (1, ?, ?)")
      local list = {}
      for n = 1, 25 do list[n] = n end
      assert_ok(cqlua.map(list, 25, function(n) return db:execute(add, { n, "note " .. n }) end))
    end)
  end)

  it("R1 a result is the plain array of the page's rows: #, ipairs, sort see rows only", function()
    local res = assert_ok(db:execute "SELECT n, note FROM days WHERE day = 1")
    assert.equal(25, #res)
    local count = 0
    for index, row in ipairs(res) do
      count = count + 1
      assert.equal(index, row.n)
    end
    for key, row in pairs(res) do
      assert.is_number(key)
      assert.is_table(row)
    end
    assert.equal(25, count)
    table.sort(res, function(a, b) return a.n > b.n end)
    assert.equal(25, res[1].n)
    assert.is_nil(res[26])
    assert.is_nil(res[0])
  end)

  it("R1 one gives the first row, or nil", function()
    assert.equal(1, assert_ok(db:execute "SELECT n FROM days WHERE day = 1"):one().n)
    local none = assert_ok(db:execute "SELECT n FROM days WHERE day = 99")
    assert.is_nil(none:one())
    assert.equal(0, #none)
    assert.is_false(none.has_more)
  end)

  it("R1 rows walks every row of the query, waits for its pages, and starts again at row 1", function()
    for _, size in ipairs { 1, 4, 5, 24, 25, 26 } do
      local res = assert_ok(db:execute("SELECT n FROM days WHERE day = 1", nil, { page_size = size }))
      for _ = 1, 2 do
        local seen = {}
        for row in res:rows() do seen[#seen + 1] = row.n end
        assert.equal(25, #seen)
        for n = 1, 25 do assert.equal(n, seen[n]) end
      end
      assert.equal(math.min(size, 25), #res)
    end
  end)

  it("R1 rows of 100,000 rows: complete and in order", function()
    local checker = live.big.checker()
    for row in assert_ok(db:execute(BIG)):rows() do checker:row(row) end
    checker:finish()
  end)

  it("R1 a page that fails is raised by rows, with the state to resume from", function()
    local other = suite.connect { protocol_version = version }
    local res = assert_ok(other:execute("SELECT n FROM days WHERE day = 1", nil, { page_size = 5 }))
    local seen = 0
    local err = raised(function()
      for _ in res:rows() do
        seen = seen + 1
        if seen == 7 then other:close() end
      end
    end)
    assert.equal(10, seen)
    assert.equal("closed", err.name)
    local rest = assert_ok(db:execute("SELECT n FROM days WHERE day = 1", nil, { paging_state = err.paging_state }))
    assert.same({ 11, 15 }, { rest[1].n, #rest })
  end)

  it("R1 next_page gives the pages one by one, numbered; nil after the last", function()
    local page, numbers, counts = assert_ok(db:execute("SELECT n FROM days WHERE day = 1", nil, { page_size = 10 })), {}, {}
    while page do
      numbers[#numbers + 1], counts[#counts + 1] = page.number, #page
      local following, err = page:next_page()
      assert.is_nil(err)
      if not following then assert.is_false(page.has_more) end
      page = following
    end
    assert.same({ 1, 2, 3 }, numbers)
    assert.same({ 10, 10, 5 }, counts)
  end)

  it("R1 all gathers every page under a cap, and fails typed above it", function()
    local rows = assert_ok(db:all("SELECT n FROM days WHERE day = 1", nil, { page_size = 4 }))
    assert.equal(25, #rows)
    assert.equal(25, rows[25].n)
    local err = failed("too_many_rows", db:all("SELECT n FROM days WHERE day = 1", nil, { page_size = 4, max_rows = 24 }))
    assert.matches("24", err.message)
    assert.equal(25, #assert_ok(db:all("SELECT n FROM days WHERE day = 1", nil, { page_size = 4, max_rows = 25 })))
    failed("too_many_rows", db:all("SELECT note FROM days WHERE day = 1", nil, { page_size = 4, max_bytes = 100 }))
    local res = assert_ok(db:execute("SELECT n FROM days WHERE day = 1", nil, { page_size = 4 }))
    assert.equal(25, #assert_ok(res:all()))
    failed("too_many_rows", res:all { max_rows = 5 })
  end)

  it("R2 tells coordinator, attempts, cost, warnings, columns, paging_state", function()
    local res = assert_ok(db:execute("SELECT n, note FROM days WHERE day = 1", nil, { page_size = 10 }))
    assert.equal(live.points[1], res.coordinator)
    assert.same({}, res.warnings)
    assert.is_true(res.has_more)
    assert.is_string(res.paging_state)
    assert.is_nil(res.tracing_id)
    assert.is_nil(res.custom_payload)
    assert.is_nil(res.applied)
    assert.equal(1, #res.attempts)
    assert.equal(live.points[1], res.attempts[1].node)
    assert.equal("ok", res.attempts[1].outcome)
    assert.equal(1, res.cost.attempts)
    assert.equal(1, res.cost.pages)
    assert.is_true(res.cost.bytes_in > 10 * 8 and res.cost.bytes_out > 30)
    assert.is_true(res.cost.wire_us > 0 and res.cost.queue_us >= 0)
    assert.equal("n", res.columns[1].name)
    assert.equal("int", res.columns[1].type)
    assert.matches("did you mean 'has_more'", raised(function() return res.has_mor end))
    assert.matches("(10 rows, more pages)", tostring(res), 1, true)
  end)

  it("R2 warnings of the server are read", function()
    local parts = { "BEGIN UNLOGGED BATCH" }
    local insert, note = "INSERT INTO days (day, n, note) VALUES (%d, 1, '%s')", ("w"):rep(200)
    for n = 1, 60 do parts[#parts + 1] = insert:format(1000 + n, note) end
    parts[#parts + 1] = "APPLY BATCH"
    local res = assert_ok(db:execute(table.concat(parts, "\n")))
    assert.is_true(#res.warnings >= 1)
    assert.matches("atch", res.warnings[1])
  end)

  it("R2 applied of a conditional statement, and the row that stands", function()
    -- Conditional too: Cassandra gives such writes times of its own, in whole milliseconds, which may lie before that
    -- of a plain DELETE just done.
    assert_ok(db:execute "DELETE FROM names WHERE name = 'ada' IF EXISTS")
    local first = assert_ok(db:execute("INSERT INTO names (name, owner) VALUES (?, ?) IF NOT EXISTS", { "ada", 1 }))
    assert.is_true(first.applied)
    assert.is_nil(first:one())
    local second = assert_ok(db:execute("INSERT INTO names (name, owner) VALUES (?, ?) IF NOT EXISTS", { "ada", 2 }))
    assert.is_false(second.applied)
    assert.same({ name = "ada", owner = 1 }, second:one())
    assert.equal("name", second.columns[1].name)
    local third = assert_ok(db:execute "UPDATE names SET owner = 3 WHERE name = 'ada' IF owner = 1")
    assert.is_true(third.applied)
  end)

  it("R2 statements without rows give an empty result", function()
    local res = assert_ok(db:execute "INSERT INTO names (name, owner) VALUES ('bo', 5)")
    assert.equal(0, #res)
    assert.is_nil(res:one())
    assert.is_nil(res.applied)
    assert.is_false(res.has_more)
    for _ in res:rows() do error "there are no rows" end
    res = assert_ok(db:execute "CREATE TABLE IF NOT EXISTS names (name text PRIMARY KEY, owner int)")
    assert.equal(0, #res)
  end)

  it("R3 an answer that came before anyone waits for it is kept, and delivered once", function()
    cqlua.run(function()
      local tasks = {}
      for n = 1, 25 do
        tasks[n] = cqlua.spawn(function() return db:execute("SELECT note FROM days WHERE day = 1 AND n = ?", { n }) end)
      end
      cqlua.sleep(0.3)
      for n = 25, 1, -1 do assert.equal("note " .. n, assert_ok(tasks[n]:join()):one().note) end
      for n = 1, 25 do assert.equal("note " .. n, tasks[n]:join():one().note) end
    end)
  end)

  it("R3 both outcomes release everything: results and errors that nobody keeps leave no page pinned", function()
    local core = require "cqlua.core"
    collectgarbage()
    local before = core.pinned()
    cqlua.run(function()
      for _ = 1, 20 do
        assert_ok(db:execute("SELECT * FROM cqlua_live_rows.numbers LIMIT 2000"))
        failed("invalid", db:execute "SELECT * FROM nowhere")
      end
    end)
    assert.equal(before, core.pinned()) -- rows are built before the task resumes: no page is held, collected or not
  end)

  it("map and column read a page by name, and name the nearest column", function()
    local res = assert_ok(db:execute "SELECT n, note FROM days WHERE day = 1")
    assert.equal("note 7", res:map "n"[7].note)
    local notes = res:column "note"
    assert.equal(25, notes.n)
    assert.equal("note 3", notes[3])
    assert.matches("did you mean 'note'", raised(function() res:column "nott" end))
  end)

  it("paging_state resumes the query, and a wrong one is the server's typed error", function()
    local text = "SELECT n FROM days WHERE day = 1"
    local first = assert_ok(db:execute(text, nil, { page_size = 10 }))
    local second = assert_ok(db:execute(text, nil, { page_size = 10, paging_state = first.paging_state }))
    assert.equal(11, second[1].n)
    local res, err = db:execute(text, nil, { page_size = 10, paging_state = "nonsense" })
    assert.is_nil(res)
    assert.is_true(err.name == "protocol_error" or err.name == "invalid" or err.name == "server_error", err.name)
    live.assert_usable(db)
  end)
end)
