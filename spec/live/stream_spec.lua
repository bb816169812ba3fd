-- ctest: live timeout=180
local cqlua = require "cqlua"
local core = require "cqlua.core"
local eventually = require "spec.lua.support.eventually"
local live = require "spec.live.support.live"

local failed, raised = live.failed, live.raised
local assert_ok = cqlua.assert
local BIG = "SELECT part, n, word FROM cqlua_live_rows.numbers"

live.describe("stream", {
  "CREATE TABLE days (day int, n int, note text, PRIMARY KEY (day, n))",
}, function(suite, version)
  local db

  setup(function()
    live.need_big_table()
    db = suite.db
    cqlua.run(function()
      local add = assert_ok(db:prepare "INSERT INTO days (day, n, note) VALUES (1, ?, ?)")
      local list = {}
      for n = 1, 30 do list[n] = n end
      assert_ok(cqlua.map(list, 30, function(n) return db:execute(add, { n, "note " .. n }) end))
    end)
  end)

  local function numbers(stream)
    local seen = {}
    for row in stream do seen[#seen + 1] = row.n end
    return seen
  end
  local function up_to(count)
    local list = {}
    for n = 1, count do list[n] = n end
    return list
  end

  it("T1 a stream of 100,000 rows is complete and in order", function()
    local checker = live.big.checker()
    for row in db:stream(BIG, nil, { page_size = 5000 }) do checker:row(row) end
    checker:finish()
  end)

  it("T1 returns at once and asks for the first page eagerly; one more page is fetched ahead, not two", function()
    local other, requests = live.connect_counted { protocol_version = version, connections = { 1, 1 }, keyspace = suite.keyspace }
    cqlua.run(function()
      local before = requests()
      local function asked() -- by the stream: this question is one request too
        local now = requests()
        local count = now - before - 1
        before = now
        return count
      end
      local function assert_asked(count) -- so many pages, and no more after that
        local seen = 0
        eventually(function()
          seen = seen + asked()
          return seen >= count
        end, count .. " pages are asked for")
        cqlua.sleep(0.1)
        assert.equal(count, seen + asked())
      end
      local stream = other:stream("SELECT n FROM days WHERE day = 1", nil, { page_size = 5 })
      assert_asked(1) -- nobody has asked for a row
      assert.equal(1, stream:next().n)
      assert_asked(1) -- the page after the one being read
      for _ = 2, 5 do stream:next() end
      assert_asked(0)
      assert.equal(6, stream:next().n)
      assert_asked(1)
      stream:close()

      stream = other:stream("SELECT n FROM days WHERE day = 1", nil, { page_size = 5, prefetch = 0 })
      stream:next()
      assert_asked(1) -- nothing ahead
      stream:close()
    end)
    other:close()
  end)

  it("T1 page numbers and row counts are exact; max_pages stops", function()
    for _, size in ipairs { 1, 7, 10, 29, 30, 31, 5000 } do
      local pages, rows = 0, 0
      for page in db:stream("SELECT n FROM days WHERE day = 1", nil, { page_size = size }):pages() do
        pages = pages + 1
        assert.equal(pages, page.number)
        for index, row in ipairs(page) do assert.equal(rows + index, row.n) end
        rows = rows + #page
      end
      assert.equal(30, rows)
    end
    assert.same(up_to(14), numbers(db:stream("SELECT n FROM days WHERE day = 1", nil, { page_size = 7, max_pages = 2 })))
  end)

  it("T2 rows and pages give the same rows in the same order, of texts, values and prepared statements", function()
    local get = assert_ok(db:prepare "SELECT n, note FROM days WHERE day = :day")
    for _, what in ipairs { { "SELECT n FROM days WHERE day = 1" }, { "SELECT n FROM days WHERE day = ?", { 1 } },
      { get, { day = 1 } } } do
      for _, size in ipairs { 3, 10, 100 } do
        local by_page = {}
        for page in db:stream(what[1], what[2], { page_size = size }):pages() do
          for row in page:rows() do by_page[#by_page + 1] = row.n end
        end
        assert.same(up_to(30), by_page)
        assert.same(up_to(30), numbers(db:stream(what[1], what[2], { page_size = size })))
      end
    end
  end)

  it("T3 an empty page ends nothing: the last one after a full one, and the only one", function()
    local empty = 0
    for page in db:stream("SELECT n FROM days WHERE day = 1", nil, { page_size = 10 }):pages() do
      if #page == 0 then empty = empty + 1 end
    end
    assert.is_true(empty <= 1)
    assert.same(up_to(30), numbers(db:stream("SELECT n FROM days WHERE day = 1", nil, { page_size = 10 })))
    assert.same({}, numbers(db:stream("SELECT n FROM days WHERE day = 98")))
    -- Rows that are few and far between: the server looks at far more than it sends.
    local found = {}
    for row in db:stream("SELECT part, n FROM cqlua_live_rows.numbers WHERE n = 999 ALLOW FILTERING", nil, { page_size = 3 }) do
      assert.equal(999, row.n)
      assert.is_nil(found[row.part])
      found[row.part] = true
    end
    for part = 0, live.big.partitions - 1 do assert.is_true(found[part]) end
  end)

  it("T4 an error before the first row comes with the first next, is raised by for, and T5 by pages", function()
    local stream = db:stream "SELECT * FROM nowhere"
    failed("invalid", stream:next())
    for _, what in ipairs { { "SELECT * FROM nowhere" }, { "SELECT * FROM nowhere WHERE id = ?", { 1 } }, { "SELEKT" } } do
      local err = raised(function() for _ in db:stream(what[1], what[2]) do error "a row" end end)
      assert.is_true(err.name == "invalid" or err.name == "syntax_error")
      assert.matches("stream_spec.lua", err.at)
      err = raised(function() for _ in db:stream(what[1], what[2]):pages() do error "a page" end end)
      assert.is_true(err.name == "invalid" or err.name == "syntax_error")
    end
    assert.matches("past the end", raised(function() db:stream("SELECT n FROM days WHERE day = ?", { 1, 2 }):next() end))
    live.assert_usable(db)
  end)

  it("T7 break, an error in the body and a cancelled task leave the session usable and nothing pinned", function()
    cqlua.run(function()
      local before = core.pinned()
      for row in db:stream(BIG, nil, { page_size = 500 }) do
        if row.n == 3 then break end
      end
      local mine = {}
      assert.equal(mine, raised(function()
        for _ in db:stream(BIG, nil, { page_size = 500 }) do error(mine) end
      end))
      local task = cqlua.spawn(function()
        return cqlua.with(db:stream(BIG, nil, { page_size = 500 }), function(stream)
          for _ in stream do cqlua.sleep(0.001) end
        end)
      end)
      cqlua.sleep(0.1)
      task:cancel()
      failed("cancelled", task:join())
      live.assert_usable(db)
      eventually(function()
        collectgarbage()
        return core.pinned() == before
      end, "what was in flight has come, and was dropped")
    end)
  end)

  it("T7 close is idempotent, frees at once, and next after it ends the iteration", function()
    collectgarbage()
    collectgarbage "stop" -- nothing below is its merit
    local before = core.pinned()
    local stream = db:stream(BIG, nil, { page_size = 1000 })
    stream:next()
    assert.is_true(core.pinned() > before)
    cqlua.sleep(0.2) -- the page after it has come, most likely
    assert.is_true(stream:close())
    assert.equal(before, core.pinned())
    assert.is_true(stream:close())
    db:stream(BIG, nil, { page_size = 1000 }):close() -- its first page comes, and is dropped
    cqlua.sleep(0.2)
    eventually(function() return core.pinned() == before end, "nothing is held")
    collectgarbage "restart"
    assert.is_nil(stream:next())
    for _ in stream do error "a row" end
    for _ in stream:pages() do error "a page" end
  end)

  it("T7 a thousand aborted streams bring memory back to its baseline", function()
    cqlua.run(function()
      local function abort(index)
        local stream = db:stream(BIG, nil, { page_size = 200 + index % 300 })
        if index % 4 > 0 then
          for _ = 1, index % 700 do stream:next() end
        end
        stream:close()
      end
      for index = 1, 200 do abort(index) end -- buffers have their size
      live.assert_usable(db)
      local heap, pinned, registry = live.c_heap(), core.pinned(), live.registry()
      for index = 1, 1000 do abort(index) end
      live.assert_usable(db)
      assert.equal(pinned, core.pinned())
      assert.is_true(live.c_heap() - heap <= 2 ^ 20, ("C heap grew by %d bytes"):format(live.c_heap() - heap))
      assert.is_true(live.registry() <= registry + 5)
    end)
  end)

  it("T8 a forgotten stream leaks nothing", function()
    cqlua.run(function()
      collectgarbage()
      collectgarbage()
      local heap, pinned = live.c_heap(), core.pinned()
      for _ = 1, 100 do
        local stream = db:stream(BIG, nil, { page_size = 500 })
        stream:next()
      end
      db:stream(BIG, nil, { page_size = 500 }) -- not even read from
      live.assert_usable(db)
      eventually(function()
        collectgarbage()
        return core.pinned() == pinned
      end, "nothing is held")
      for _ = 1, 3 do collectgarbage() end
      assert.is_true(live.c_heap() - heap <= 2 ^ 20, ("C heap grew by %d bytes"):format(live.c_heap() - heap))
    end)
  end)

  it("T10 a page's state resumes the scan, here and in another process", function()
    local state, count, last
    local stream = db:stream(BIG, nil, { page_size = 5000 })
    count = 0
    for page in stream:pages() do
      count, state, last = count + #page, page.paging_state, page[#page]
      if page.number == 7 then break end
    end
    stream:close()
    assert.equal(35000, count)
    local next_n = (last.n + 1) % live.big.rows_of_one
    local rest, first = 0, nil
    for row in db:stream(BIG, nil, { page_size = 5000, paging_state = state }) do rest, first = rest + 1, first or row end
    assert.equal(live.big.rows - count, rest)
    assert.equal(next_n, first.n)

    local hex = state:gsub(".", function(c) return ("%02x"):format(c:byte()) end)
    local output, status = live.script("spec/live/support/resume.lua", tostring(version), (hex))
    assert.equal(0, status, output)
    assert.equal(("%d\t%d\t%d"):format(rest, first.part, first.n), output)
  end)

  it("T10 a page that fails carries the state to resume from: no row is lost, none comes twice", function()
    local other = suite.connect { protocol_version = version }
    local stream = other:stream("SELECT n FROM days WHERE day = 1", nil, { page_size = 5, prefetch = 0 })
    local seen = {}
    local row, err
    repeat
      row, err = stream:next()
      if row then seen[#seen + 1] = row.n end
      if #seen == 12 then other:close() end
    until not row
    assert.equal("closed", err.name)
    assert.equal(15, #seen)
    for following in db:stream("SELECT n FROM days WHERE day = 1", nil, { page_size = 5, paging_state = err.paging_state }) do
      seen[#seen + 1] = following.n
    end
    assert.same(up_to(30), seen)
  end)

  it("P1 on_page hears of each page once, in order, the last included, and may itself query", function()
    local infos, keys = {}, {}
    local function on_page(info)
      infos[#infos + 1] = info
      keys[#keys + 1] = assert_ok(db:execute "SELECT key FROM system.local"):one().key
    end
    assert.same(up_to(30), numbers(db:stream("SELECT n FROM days WHERE day = 1", nil, { page_size = 8, on_page = on_page })))
    local so_far, bytes = 0, 0
    for index, info in ipairs(infos) do
      so_far, bytes = so_far + info.rows, bytes + info.bytes
      assert.equal(index, info.number)
      assert.equal(so_far, info.rows_so_far)
      assert.equal(bytes, info.bytes_so_far)
      assert.is_true(info.bytes > 0 and info.rows_per_second >= 0)
      assert.equal(index < #infos, info.has_more)
    end
    assert.equal(4, #infos)
    assert.equal(30, so_far)
    assert.same({ "local", "local", "local", "local" }, keys)
  end)

  it("P1 an error in on_page is reported, and the stream goes on; on_page may close the stream", function()
    local heard = {}
    cqlua.on_error(function(err) heard[#heard + 1] = tostring(err) end)
    assert.same(up_to(30), numbers(db:stream("SELECT n FROM days WHERE day = 1", nil, { page_size = 10, on_page = function(info)
      error("page " .. info.number)
    end })))
    cqlua.on_error(nil)
    assert.matches("page 1", heard[1])
    assert.matches("page 3", heard[3])
    local stream, seen
    stream = db:stream("SELECT n FROM days WHERE day = 1", nil, { page_size = 10, on_page = function(info)
      if info.number == 2 then stream:close() end
    end })
    seen = numbers(stream)
    assert.is_true(#seen == 10 or #seen == 20, #seen)
    live.assert_usable(db)
  end)

  it("X1 close from another task ends the one that waits for a row", function()
    cqlua.run(function()
      local slow = db:stream("SELECT count(*) FROM cqlua_live_rows.numbers", nil, { timeout = 60 })
      local waiter = cqlua.spawn(function()
        local row, err = slow:next()
        return { row = row, err = err }
      end)
      cqlua.sleep(0)
      slow:close()
      assert.same({}, waiter:join())
      live.assert_usable(db)
    end)
  end)

  it("T2 each runs rows in 64 tasks: every row once; the first error ends it and comes back", function()
    cqlua.run(function()
      local checker, seen = 0, {}
      local count = assert_ok(db:stream("SELECT part, n FROM cqlua_live_rows.numbers WHERE part IN (1, 2, 3)", nil,
        { page_size = 100 }):each(64, function(row)
          local key = row.part * 1000 + row.n
          assert.is_nil(seen[key])
          seen[key] = true
          checker = checker + 1
          return db:execute("SELECT n FROM days WHERE day = 1 AND n = ?", { row.n % 30 + 1 })
        end))
      assert.equal(3000, count)
      assert.equal(3000, checker)
      local done, err = db:stream(BIG, nil, { page_size = 100 }):each(16, function(row)
        if row.n == 50 then return db:execute "SELECT * FROM nowhere" end
        return true
      end)
      failed("invalid", done, err)
      live.assert_usable(db)
    end)
  end)

  it("T6 page_timeout and total_timeout both end a stream that is too slow", function()
    failed("timeout", db:stream("SELECT count(*) FROM cqlua_live_rows.numbers", nil, { page_timeout = 0.001 }):next())
    local err = raised(function()
      for _ in db:stream(BIG, nil, { page_size = 100, total_timeout = 0.05 }) do end
    end)
    assert.equal("timeout", err.name)
    live.assert_usable(db)
  end)
end)
