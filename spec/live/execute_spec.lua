-- ctest: live timeout=180
local cqlua = require "cqlua"
local live = require "spec.live.support.live"

local failed, raised = live.failed, live.raised

live.describe("execute", {
  "CREATE TABLE people (id int PRIMARY KEY, name text, age int, seen bigint)",
  "CREATE TABLE visits (day int, n int, note text, PRIMARY KEY (day, n))",
  "CREATE TABLE counts (id int PRIMARY KEY, n counter)",
}, function(suite, version)
  local db, assert_ok = nil, cqlua.assert
  setup(function() db = suite.db end)

  it("Q1 only the calling task waits: what is asked later overtakes a slow query", function()
    live.need_big_table()
    local slow_done, overtaken = false, 0
    cqlua.run(function()
      local slow = cqlua.spawn(function()
        local res = assert_ok(db:execute("SELECT count(*) AS n FROM cqlua_live_rows.numbers", nil, { timeout = 60 }))
        slow_done = true
        return res
      end)
      for _ = 1, 20 do
        live.assert_usable(db)
        if not slow_done then overtaken = overtaken + 1 end
      end
      assert.equal(live.big.rows, cqlua.number(slow:join():one().n))
    end)
    assert.is_true(overtaken > 0)
  end)

  it("Q1 the options of a call reach the server: consistency, serial_consistency, page_size, timestamp", function()
    assert_ok(db:execute("INSERT INTO people (id, name) VALUES (1, 'Ada')", nil, { timestamp = 1234567, consistency = "one" }))
    local row = assert_ok(db:execute "SELECT writetime(name) AS written FROM people WHERE id = 1"):one()
    assert.equal("1234567", cqlua.text(row.written))
    for n = 1, 5 do assert_ok(db:execute("INSERT INTO visits (day, n) VALUES (1, ?)", { n })) end
    local page = assert_ok(db:execute("SELECT n FROM visits WHERE day = 1", nil, { page_size = 2 }))
    assert.equal(2, #page)
    assert.is_true(page.has_more)
    local rest = assert_ok(db:execute("SELECT n FROM visits WHERE day = 1", nil,
      { page_size = 2, paging_state = page.paging_state }))
    assert.equal(3, rest[1].n)
    local won = assert_ok(db:execute("INSERT INTO people (id) VALUES (1) IF NOT EXISTS", nil,
      { serial_consistency = "local_serial" }))
    assert.is_false(won.applied)
  end)

  it("Q1 tracing gives the id of a trace", function()
    local res = assert_ok(db:execute("SELECT key FROM system.local", nil, { tracing = true }))
    assert.matches("^%x+%-%x+%-%x+%-%x+%-%x+$", res.tracing_id)
    assert.is_nil(assert_ok(db:execute "SELECT key FROM system.local").tracing_id)
  end)

  it("Q1 now_in_seconds and keyspace are of protocol v5, and say so below", function()
    local ahead = math.floor(cqlua.now() / 1000) + 1000
    assert_ok(db:execute("INSERT INTO people (id, name) VALUES (7, 'short') USING TTL 500"))
    local res, err = db:execute("SELECT name FROM people WHERE id = 7", nil, { now_in_seconds = ahead })
    if version >= 5 then
      assert.equal(0, #assert_ok(res, err)) -- as of then the row has expired
    else
      failed("unsupported", res, err)
      assert.matches("v5", err.message)
    end
    live.assert_usable(db)
  end)

  it("Q5 options of one call change no shared statement", function()
    local get = assert_ok(db:prepare "SELECT n FROM visits WHERE day = :day")
    for n = 1, 6 do assert_ok(db:execute("INSERT INTO visits (day, n) VALUES (2, ?)", { n })) end
    local small = assert_ok(db:execute(get, { day = 2 }, { page_size = 2 }))
    local usual = assert_ok(db:execute(get, { day = 2 }))
    local options = cqlua.options { page_size = 3 }
    local three = assert_ok(db:execute(get, { day = 2 }, options))
    assert.same({ 2, 6, 3, 6 }, { #small, #usual, #three, #assert_ok(db:execute(get, { day = 2 })) })
    cqlua.run(function()
      local sizes = assert_ok(cqlua.map({ 1, 2, 3, 4, 5, 6 }, 6, function(size)
        return #assert_ok(db:execute(get, { day = 2 }, { page_size = size }))
      end))
      assert.same({ 1, 2, 3, 4, 5, 6, n = 6 }, sizes)
    end)
    failed("timeout", db:execute("SELECT count(*) FROM cqlua_live_rows.numbers", nil, { timeout = 0.001 }))
    live.assert_usable(db)
  end)

  it("misuse of options raises at the caller's line and names the nearest", function()
    assert.matches("execute_spec.lua:%d+: execute: there is no option 'consistancy'; did you mean 'consistency'%?",
      raised(function() db:execute("SELECT", nil, { consistancy = "one" }) end))
    assert.matches("did you mean 'quorum'", raised(function() db:execute("SELECT", nil, { consistency = "quorun" }) end))
    assert.matches("milliseconds", raised(function() db:execute("SELECT", nil, { timeout = 5000 }) end))
    assert.matches("lazy.*not in this version", raised(function() db:execute("SELECT", nil, { lazy = true }) end))
  end)

  describe("errors", function()
    local function check_attempts(err, outcome)
      assert.is_true(#err.attempts >= 1)
      for _, attempt in ipairs(err.attempts) do
        assert.equal(live.points[1], attempt.node)
        assert.is_number(attempt.started)
        assert.is_true(attempt.duration >= 0)
        assert.equal(outcome, attempt.outcome)
      end
      assert.equal(live.points[1], err.node)
      assert.matches(live.points[1], tostring(err), 1, true)
    end

    it("Q2 a syntax error has the server's words, code and node", function()
      local err = failed("syntax_error", db:execute "SELEKT 1")
      assert.matches("SELEKT", err.message)
      assert.equal(0x2000, err.code)
      assert.is_false(err.retryable)
      assert.is_false(err.may_have_executed)
      check_attempts(err, "syntax_error")
      failed("syntax_error", db:prepare "SELEKT 1")
      failed("syntax_error", db:execute("SELEKT ?", { 1 }))
      live.assert_usable(db)
    end)

    it("Q2 an unknown table, column and function are invalid", function()
      for text, named in pairs { ["SELECT * FROM nowhere"] = "nowhere", ["SELECT shoe FROM people"] = "shoe",
        ["SELECT frob(id) FROM people"] = "frob" } do
        local err = failed("invalid", db:execute(text))
        assert.matches(named, err.message)
        assert.equal(0x2200, err.code)
        check_attempts(err, "invalid")
      end
      failed("invalid", db:prepare "SELECT * FROM nowhere")
      live.assert_usable(db)
    end)

    it("Q2 unavailable says what was required, what is alive, and what to do", function()
      local err = failed("unavailable", db:execute("SELECT * FROM people", nil, { consistency = "three" }))
      assert.equal(0x1000, err.code)
      assert.equal("three", err.consistency)
      assert.equal(3, err.required)
      assert.equal(1, err.alive)
      assert.is_false(err.may_have_executed)
      assert.is_true(err.retryable)
      assert.matches("THREE", err.message)
      check_attempts(err, "unavailable")
      live.assert_usable(db)
    end)

    it("Q2 what exists already names keyspace and table", function()
      local err = failed("already_exists", db:execute "CREATE TABLE people (id int PRIMARY KEY)")
      assert.equal(0x2400, err.code)
      assert.equal(suite.keyspace, err.keyspace)
      assert.equal("people", err.table)
      err = failed("already_exists", db:execute("CREATE KEYSPACE " .. suite.keyspace
        .. " WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}"))
      assert.equal(suite.keyspace, err.keyspace)
      live.assert_usable(db)
    end)

    it("Q2 what the server's configuration does not allow is config_error or invalid", function()
      local res, err = db:execute "CREATE KEYSPACE cqlua_bad WITH replication = {'class': 'NoSuchStrategy'}"
      assert.is_nil(res)
      assert.is_true(err.name == "config_error" or err.name == "invalid", err.name)
      live.assert_usable(db)
    end)

    it("Q2 a thousand failures leave the session as it was", function()
      local _, before = live.ports()
      cqlua.run(function()
        local list = {}
        for i = 1, 1000 do list[i] = i end
        local names = assert_ok(cqlua.map(list, 100, function(i)
          local _, err = db:execute(i % 2 == 0 and "SELEKT" or "SELECT * FROM nowhere")
          return err.name
        end))
        for i = 1, 1000 do assert.equal(i % 2 == 0 and "syntax_error" or "invalid", names[i]) end
      end)
      local _, after = live.ports()
      assert.is_true(after <= math.max(before, 4))
      live.assert_usable(db)
    end)

    it("Q2 cqlua.assert raises the error itself and notes where", function()
      local err = raised(function() cqlua.assert(db:execute "SELEKT") end)
      assert.equal("syntax_error", err.name)
      assert.matches("execute_spec.lua:%d+", err.at)
    end)
  end)

  describe("values", function()
    it("Q6 ? and :name work in a text and in a prepared statement", function()
      assert_ok(db:execute("INSERT INTO people (id, name, age) VALUES (?, ?, ?)", { 20, "Bo", 7 }))
      assert_ok(db:execute("INSERT INTO people (id, name, age) VALUES (:id, :name, :age)", { id = 21, name = "Cy", age = 8 }))
      local get = assert_ok(db:prepare "SELECT name, age FROM people WHERE id = :id")
      assert.same({ name = "Bo", age = 7 }, assert_ok(db:execute(get, { 20 })):one())
      assert.same({ name = "Cy", age = 8 }, assert_ok(db:execute(get, { id = 21 })):one())
      local twice = assert_ok(db:execute("SELECT id FROM people WHERE id = :a AND age > :b ALLOW FILTERING", { a = 20, b = 5 }))
      assert.equal(1, #twice)
      local same = assert_ok(db:execute("SELECT n FROM visits WHERE day = :x AND n = :x", { x = 2 }))
      assert.equal(2, same[1].n)
    end)

    it("Q6 a value is data, whatever it looks like", function()
      local nasty = { "'; DROP TABLE people; --", "' OR '1' = '1", "?", ":name", "$$", "\"", "\\", "a\0b", "\r\n", "%s", "",
        "ünïcödé ☃", ("x"):rep(70000) }
      for index, text in ipairs(nasty) do
        assert_ok(db:execute("INSERT INTO people (id, name) VALUES (?, ?)", { 100 + index, text }))
      end
      for index, text in ipairs(nasty) do
        assert.equal(text, assert_ok(db:execute("SELECT name FROM people WHERE id = ?", { 100 + index })):one().name)
      end
    end)

    it("Q6 a text with values is prepared once, however often it is used", function()
      local text = "SELECT name FROM people WHERE id = ? AND age = 4711 ALLOW FILTERING"
      local other, requests = live.connect_counted { keyspace = suite.keyspace, protocol_version = version,
        connections = { 1, 1 } }
      local before = requests()
      for id = 1, 10 do assert_ok(other:execute(text, { id })) end
      assert.equal(1 + 10 + 1, requests() - before) -- one prepare, ten executes, and the question itself
      other:close()
    end)

    it("Q9 by name: a key that is no marker raises and names the nearest", function()
      local add = assert_ok(db:prepare "INSERT INTO people (id, name, age) VALUES (:id, :name, :age)")
      assert.matches("execute_spec.lua:%d+: execute: 'nmae' is no bind marker of the statement; did you mean 'name'%?",
        raised(function() db:execute(add, { id = 1, nmae = "x", age = 3 }) end))
      assert.matches("'shoe'", raised(function() db:execute(add, { id = 1, name = "x", age = 3, shoe = 44 }) end))
      assert.matches("did you mean 'name'", raised(function()
        db:execute("INSERT INTO people (id, name) VALUES (:id, :name)", { id = 1, nane = "x" })
      end))
      live.assert_usable(db)
    end)

    it("Q9 by position: a value past the end raises; mixing raises", function()
      local add = assert_ok(db:prepare "INSERT INTO people (id, name) VALUES (?, ?)")
      assert.matches("a value at 3 is past the end: the statement has 2 bind markers",
        raised(function() db:execute(add, { 1, "x", 3 }) end))
      assert.matches("past the end", raised(function() db:execute(add, { [0] = 1, [1] = 1, [2] = "x" }) end))
      assert.is_string(raised(function() db:execute(add, { 1, "x", name = "y" }) end))
      assert.matches("table of bind values", raised(function() db:execute(add, 5) end))
      live.assert_usable(db)
    end)

    it("Q9 a nil is an error that names the column, unless nil_as says what it means", function()
      local add = assert_ok(db:prepare "INSERT INTO people (id, name, age) VALUES (?, ?, ?)")
      assert_ok(db:execute "DELETE FROM people WHERE id = 30")
      local err = failed("invalid_value", db:execute(add, { 30, nil, 5 }))
      assert.equal("name", err.column)
      assert.matches("'name'", err.message)
      assert.equal("age", failed("invalid_value", db:execute(add, { 30, "x" })).column)
      assert.equal("id", failed("invalid_value", db:execute(add)).column)
      local named = assert_ok(db:prepare "INSERT INTO people (id, name, age) VALUES (:id, :name, :age)")
      assert.equal("age", failed("invalid_value", db:execute(named, { id = 30, name = "x" })).column)
      assert.equal(0, #assert_ok(db:execute("SELECT id FROM people WHERE id = 30")))

      assert_ok(db:execute(add, { 30, "kept", 5 }))
      assert_ok(db:execute(add, { 30, nil, 6 }, { nil_as = "unset" }))
      assert.same({ name = "kept", age = 6 }, assert_ok(db:execute("SELECT name, age FROM people WHERE id = 30")):one())
      assert_ok(db:execute(add, { 30, nil, 7 }, { nil_as = "null" }))
      assert.same({ age = 7 }, assert_ok(db:execute("SELECT name, age FROM people WHERE id = 30")):one())
      assert_ok(db:execute(add, { 30, "x", cqlua.unset }))
      assert_ok(db:execute(add, { 30, cqlua.null, cqlua.unset }))
      assert.same({ age = 7 }, assert_ok(db:execute("SELECT name, age FROM people WHERE id = 30")):one())
    end)

    it("Q9 `#` is not used: trailing nils are nils", function()
      local add = assert_ok(db:prepare "INSERT INTO people (id, name, age, seen) VALUES (?, ?, ?, ?)")
      assert_ok(db:execute(add, { 31, nil, nil, 4 }, { nil_as = "null" }))
      assert_ok(db:execute(add, { 32 }, { nil_as = "null" }))
      assert.equal(1, #assert_ok(db:execute("SELECT id FROM people WHERE id = 32")))
    end)

    it("Q10 tells what the parameters and the columns are", function()
      local get = assert_ok(db:prepare "SELECT id, name, seen FROM people WHERE id = :key")
      assert.equal("SELECT id, name, seen FROM people WHERE id = :key", get.text)
      assert.equal(1, #get.params)
      assert.equal("key", get.params[1].name)
      assert.equal("int", get.params[1].type)
      local function check(columns)
        local names, types = {}, {}
        for index, column in ipairs(columns) do
          names[index], types[index] = column.name, column.type
          assert.equal("people", column.table)
          assert.equal(suite.keyspace, column.keyspace)
        end
        assert.same({ "id", "name", "seen" }, names)
        assert.is_true(types[2] == "text" or types[2] == "varchar")
        assert.same({ "int", "bigint" }, { types[1], types[3] })
      end
      check(get.columns)
      check(assert_ok(db:execute(get, { key = 1 })).columns)
      local add = assert_ok(db:prepare "INSERT INTO people (id, name) VALUES (?, ?)")
      assert.same({ "id", "name" }, { add.params[1].name, add.params[2].name })
      assert.equal(0, #add.columns)
    end)
  end)

  describe("cancel", function()
    it("X1 makes the waiter raise cancelled, now and on each later wait, through pcall; the session is usable", function()
      local raised_of = {}
      cqlua.run(function()
        local task = cqlua.spawn(function()
          for index = 1, 3 do
            local ok, err = pcall(function()
              return db:execute("SELECT count(*) FROM cqlua_live_rows.numbers", nil, { timeout = 60 })
            end)
            raised_of[index] = not ok and err.name
          end
          return db:execute "SELECT key FROM system.local"
        end)
        cqlua.sleep(0)
        assert.is_true(task:cancel())
        failed("cancelled", task:join())
        assert.is_false(task:cancel())
        live.assert_usable(db)
      end)
      assert.same({ "cancelled", "cancelled", "cancelled" }, raised_of)
    end)

    it("X1 a thousand cancelled requests: each answer goes to its own task or to nobody", function()
      cqlua.run(function()
        local get = assert_ok(db:prepare "SELECT n FROM visits WHERE day = 9 AND n = ?")
        for n = 1, 50 do assert_ok(db:execute("INSERT INTO visits (day, n) VALUES (9, ?)", { n })) end
        local tasks, answered, cancelled = {}, 0, 0
        for index = 1, 1000 do
          local n = index % 50 + 1
          tasks[index] = cqlua.spawn(function()
            assert.equal(n, assert_ok(db:execute(get, { n }))[1].n)
            return true
          end)
        end
        cqlua.sleep(0)
        for index = 1, 1000, 2 do tasks[index]:cancel() end
        for index = 1, 1000 do
          local ok, err = tasks[index]:join()
          if ok then answered = answered + 1 else cancelled = cancelled + (err.name == "cancelled" and 1 or 0) end
        end
        assert.equal(1000, answered + cancelled)
        assert.is_true(answered >= 500 and cancelled > 0)
        for n = 1, 50 do assert.equal(n, assert_ok(db:execute(get, { n }))[1].n) end
      end)
    end)
  end)
end)
