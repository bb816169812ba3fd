local cqlua = require "cqlua"
local fixture = require "spec.lua.support.fixture"

local QUERY = "SELECT n FROM numbers"

local function with_pages(pages, fn, options)
  return fixture.with(function(db, server, host)
    server:prime(QUERY, fixture.pages(pages))
    return fn(db, server, host)
  end, options)
end

local function numbers(stream)
  local seen = {}
  for row in stream do seen[#seen + 1] = row.n end
  return seen
end

local function is_usable(db)
  assert.is_not_nil(cqlua.assert(db:execute "SELECT other"))
end

describe("a stream", function()
  it("T1 returns at once and asks for the first page eagerly", function()
    with_pages({ { 1, 2, delay = 5 } }, function(db, server, host)
      local began = host.now()
      local stream = db:stream(QUERY)
      assert.equal(began, host.now())
      cqlua.sleep(1)
      assert.equal(1, #server.received)
      assert.same({ 1, 2 }, numbers(stream))
    end)
  end)

  it("T1 prefetches one page while the present one is consumed, not more", function()
    with_pages({ { 1, 2 }, { 3 }, { 4 }, { 5 } }, function(db, server)
      local stream = db:stream(QUERY)
      cqlua.sleep(1)
      assert.equal(1, #server.received)
      assert.equal(1, stream:next().n)
      cqlua.sleep(1)
      assert.equal(2, #server.received)
      stream:next()
      cqlua.sleep(1)
      assert.equal(2, #server.received)
      assert.equal(3, stream:next().n)
      cqlua.sleep(1)
      assert.equal(3, #server.received)
      stream:close()
    end)
  end)

  it("T1 asks for a page only when it is needed with prefetch = 0, and for more with 3", function()
    for prefetch, expected in pairs { [0] = 1, [3] = 4 } do
      with_pages({ { 1, 2 }, { 3 }, { 4 }, { 5 }, { 6 } }, function(db, server)
        local stream = db:stream(QUERY, nil, { prefetch = prefetch })
        stream:next()
        cqlua.sleep(1)
        assert.equal(expected, #server.received)
        stream:next()
        assert.same({ 3, 4, 5, 6 }, numbers(stream))
      end)
    end
  end)

  it("T1 asks for pages of the size that was given, and stops after max_pages", function()
    with_pages({ { 1 }, { 2 }, { 3 } }, function(db, server)
      assert.same({ 1, 2 }, numbers(db:stream(QUERY, nil, { page_size = 77, max_pages = 2 })))
      assert.equal(2, #server.received)
      assert.equal(77, server.received[1].page_size)
    end)
  end)

  it("T2 gives the same rows in the same order by rows and by pages", function()
    local pages, expected = {}, {}
    for page = 1, 7 do
      pages[page] = {}
      for index = 1, page * 40 do
        pages[page][index] = page * 1000 + index
        expected[#expected + 1] = page * 1000 + index
      end
    end
    with_pages(pages, function(db)
      assert.same(expected, numbers(db:stream(QUERY)))
      local by_pages, count = {}, 0
      for page in db:stream(QUERY):pages() do
        count = count + 1
        assert.equal(count, page.number)
        for row in page:rows() do by_pages[#by_pages + 1] = row.n end
      end
      assert.same(expected, by_pages)
    end)
  end)

  it("T3 an empty page that is not the last never ends it: first, middle, last, several in a row", function()
    local cases = { { {}, { 1 }, { 2 } }, { { 1 }, {}, {}, {}, { 2 } }, { { 1 }, { 2 }, {} }, { {}, {}, { 1, 2 }, {}, {} },
      { { 1, 2 } } }
    for _, pages in ipairs(cases) do
      with_pages(pages, function(db)
        assert.same({ 1, 2 }, numbers(db:stream(QUERY)))
        local seen, count = {}, 0
        for page in db:stream(QUERY):pages() do
          count = count + 1
          for _, row in ipairs(page) do seen[#seen + 1] = row.n end
        end
        assert.same({ 1, 2 }, seen)
        assert.equal(#pages, count)
        seen = {}
        for row in cqlua.assert(db:execute(QUERY)):rows() do seen[#seen + 1] = row.n end
        assert.same({ 1, 2 }, seen)
      end)
    end
  end)

  it("T4 gives an error of the first page to the first next, as nil and the error", function()
    with_pages({ { error = { 0x2200, "no such table" } } }, function(db)
      local stream = db:stream(QUERY)
      cqlua.sleep(1)
      local row, err = stream:next()
      assert.is_nil(row)
      assert.equal("invalid", err.name)
      row, err = stream:next()
      assert.is_nil(row)
      assert.equal("invalid", err.name)
      is_usable(db)
    end)
  end)

  it("T4 raises it in a for, noting where", function()
    with_pages({ { error = { 0x2200, "no such table" } } }, function(db)
      local err = fixture.raised(function() numbers(db:stream(QUERY)) end)
      assert.equal("invalid", err.name)
      assert.matches("stream_spec.lua:%d+", err.at)
    end)
  end)

  it("T5 raises it in pages too", function()
    with_pages({ { 1 }, { error = { 0x1200, "read timed out", ("\0"):rep(11) } } }, function(db)
      local seen = 0
      local err = fixture.raised(function()
        for page in db:stream(QUERY, nil, { idempotent = false }):pages() do seen = seen + #page end
      end)
      assert.equal("read_timeout", err.name)
      assert.equal(1, seen)
    end)
  end)

  it("T7 can be left early, by break or by an error, and drops the page in flight", function()
    with_pages({ { 1, 2, 3 }, { 4, delay = 1 }, { 5 } }, function(db)
      local core = require "cqlua.core"
      for _ = 1, 100 do
        local stream = db:stream(QUERY)
        for row in stream do if row.n == 2 then break end end
        stream:close()
        fixture.raised(function()
          cqlua.with(db:stream(QUERY), function(held) held:next() error "body" end)
        end)
      end
      assert.equal(0, core.pinned())
      is_usable(db)
    end)
  end)

  it("T7 close is idempotent, and next after it ends the iteration", function()
    with_pages({ { 1, 2 } }, function(db)
      local stream = db:stream(QUERY)
      assert.equal(1, stream:next().n)
      assert.is_true(stream:close())
      assert.is_true(stream:close())
      assert.same({}, { stream:next() })
      assert.same({}, numbers(stream))
      for _ in stream:pages() do error "no page" end
    end)
  end)

  it("T7 of a cancelled task leaves the session usable", function()
    with_pages({ { 1 }, { 2, delay = 5 } }, function(db)
      local started = cqlua.spawn(function()
        cqlua.with(db:stream(QUERY), function(stream) return numbers(stream) end)
      end)
      cqlua.sleep(1)
      started:cancel()
      assert.equal("cancelled", select(2, started:join()).name)
      is_usable(db)
    end)
  end)

  it("T8 that is forgotten leaks nothing", function()
    with_pages({ { 1, 2, 3 }, { 4 }, { 5 } }, function(db)
      local core = require "cqlua.core"
      for _ = 1, 200 do db:stream(QUERY):next() end
      cqlua.sleep(10)
      collectgarbage()
      collectgarbage()
      assert.equal(0, core.pinned())
    end)
  end)

  it("T10 page.paging_state resumes the scan; a failed page's error has the state to resume from", function()
    with_pages({ { 1 }, { 2 }, { 3 } }, function(db)
      local state
      state = db:stream(QUERY):pages()().paging_state
      assert.same({ 2, 3 }, numbers(db:stream(QUERY, nil, { paging_state = state })))
    end)
    local broken = true
    with_pages({ { 1 }, { 2 }, { 3 } }, function(db, server)
      local good = fixture.pages { { 1 }, { 2 }, { 3 } }
      server:prime(QUERY, function(request)
        if broken and request.paging_state == "3" then return { error = { 0x0000, "boom" } } end
        return good(request)
      end)
      local stream, seen = db:stream(QUERY, nil, { idempotent = false }), {}
      local row, err = stream:next()
      while row do
        seen[#seen + 1] = row.n
        row, err = stream:next()
      end
      assert.same({ 1, 2 }, seen)
      assert.equal("server_error", err.name)
      broken = false
      assert.same({ 3 }, numbers(db:stream(QUERY, nil, { paging_state = err.paging_state })))
    end)
  end)

  it("P1 tells on_page of each page in order, the last one included, with exact counts", function()
    with_pages({ { 1, 2 }, {}, { 3 } }, function(db)
      local seen = {}
      local stream = db:stream(QUERY, nil, { on_page = function(page)
        seen[#seen + 1] = { page.number, page.rows, page.rows_so_far, page.has_more }
        assert.is_true(page.bytes_so_far > 0 or page.rows_so_far == 0)
        assert.is_number(page.rows_per_second)
      end })
      assert.same({ 1, 2, 3 }, numbers(stream))
      assert.same({ { 1, 2, 2, true }, { 2, 0, 2, true }, { 3, 1, 3, false } }, seen)
    end)
  end)

  it("P1 goes on when on_page raises, and reports it", function()
    with_pages({ { 1 }, { 2 } }, function(db)
      local heard = {}
      cqlua.on_error(function(err) heard[#heard + 1] = err end)
      assert.same({ 1, 2 }, numbers(db:stream(QUERY, nil, { on_page = function() error "progress" end })))
      cqlua.on_error(nil)
      assert.equal(2, #heard)
      assert.matches("progress", heard[1])
    end)
  end)

  it("P1 lets on_page query, and close the stream", function()
    with_pages({ { 1 }, { 2 }, { 3 } }, function(db)
      local stream
      stream = db:stream(QUERY, nil, { on_page = function(page)
        is_usable(db)
        if page.number == 2 then stream:close() end
      end })
      assert.same({ 1 }, numbers(stream))
    end)
  end)

  it("P1 on_page that reads its own stream is misuse, not a wait for ever", function()
    with_pages({ { 1 }, { 2 } }, function(db)
      local stream
      local heard = {}
      cqlua.on_error(function(err) heard[#heard + 1] = err end)
      stream = db:stream(QUERY, nil, { on_page = function() stream:next() end })
      assert.same({ 1, 2 }, numbers(stream))
      cqlua.on_error(nil)
      assert.equal(2, #heard)
      assert.matches("stream_spec.lua:%d+: stream: on_page cannot read rows of its own stream", heard[1])
    end)
  end)

  it("Q1 a page that is asked for while answers are given out takes nobody else's", function()
    with_pages({ { 1 }, { 2 }, { 3 }, { 4 }, { 5 } }, function(db, server)
      local stream, tasks = db:stream(QUERY, nil, { prefetch = 4 }), {}
      for number = 1, 8 do
        server:prime("SELECT " .. number, fixture.pages { { number } })
        tasks[number] = cqlua.spawn(function()
          return cqlua.with_timeout(5, function() return db:execute("SELECT " .. number) end)
        end)
      end
      for number = 1, 8 do assert.equal(number, cqlua.assert(tasks[number]:join())[1].n) end
      assert.same({ 1, 2, 3, 4, 5 }, numbers(stream))
    end)
  end)

  it("ends with the same error as execute where USE is its text", function()
    with_pages({}, function(db)
      assert.equal("unsupported", select(2, db:stream("USE x"):next()).name)
      assert.equal("unsupported", select(2, db:execute "USE x").name)
    end)
  end)

  it("X1 close from another task ends its waiter", function()
    with_pages({ { 1 }, { 2, delay = 1000 } }, function(db, _, host)
      local stream = db:stream(QUERY, nil, { timeout = 300 })
      local began = host.now()
      local started = cqlua.spawn(numbers, stream)
      cqlua.sleep(1)
      stream:close()
      assert.same({ 1 }, started:join())
      assert.is_true(host.now() - began < 5)
    end)
  end)

  it("prepares a text with values first, and keeps the values it was given", function()
    with_pages({}, function(db, server)
      server:prime("SELECT n WHERE k = ?", function(request)
        local answer = { params = { { "k", "text" } }, columns = { { "n", "int" } } }
        if request.kind == "execute" then
          answer.rows = { { "\0\0\0\1" } }
          answer.paging_state = #server.received < 3 and "more" or nil
          assert.equal("first", request.values[1])
        end
        return answer
      end)
      local params = { "first" }
      local stream = db:stream("SELECT n WHERE k = ?", params)
      params[1] = "second"
      assert.same({ 1, 1, 1 }, numbers(stream))
      local rows = {}
      params[1] = "first"
      server.received = {}
      local res = cqlua.assert(db:execute("SELECT n WHERE k = ?", params))
      params[1] = "second"
      for row in res:rows() do rows[#rows + 1] = row.n end
      assert.same({ 1, 1, 1 }, rows)
    end)
  end)

  it("raises misuse of its values and options at the caller's line", function()
    with_pages({ { 1 } }, function(db, server)
      server:prime("SELECT k", { params = { { "key", "int" } }, columns = { { "n", "int" } } })
      local prepared = cqlua.assert(db:prepare "SELECT k")
      assert.matches("stream_spec.lua:%d+: stream: 'keyy' is no bind marker of the statement; did you mean 'key'%?",
        fixture.raised(function() db:stream(prepared, { keyy = 1 }) end))
      assert.matches("stream_spec.lua:%d+: stream: there is no option 'prefech'; did you mean 'prefetch'%?",
        fixture.raised(function() db:stream(prepared, { 1 }, { prefech = 1 }) end))
      assert.matches("option 'lazy' is unsupported", fixture.raised(function() db:stream(prepared, { 1 }, { lazy = true }) end))
      local row, err = db:stream(prepared, { "x" }):next()
      assert.is_nil(row)
      assert.equal("invalid_value", err.name)
    end)
  end)

  it("T6 ends by page_timeout, and by total_timeout", function()
    with_pages({ { 1 }, { 2, delay = 5 } }, function(db)
      local stream = db:stream(QUERY, nil, { page_timeout = 1 })
      assert.equal(1, stream:next().n)
      assert.equal("timeout", select(2, stream:next()).name)
      stream = db:stream(QUERY, nil, { total_timeout = 3 })
      assert.equal(1, stream:next().n)
      assert.equal("timeout", select(2, stream:next()).name)
    end)
  end)
end)

describe("stream:each", function()
  it("gives every row to n tasks, closes, and gives the number of rows", function()
    with_pages({ { 1, 2, 3 }, {}, { 4, 5, 6, 7 } }, function(db)
      local seen, present, most = {}, 0, 0
      local stream = db:stream(QUERY)
      assert.equal(7, cqlua.assert(stream:each(3, function(row)
        present = present + 1
        most = math.max(most, present)
        cqlua.sleep(1)
        present = present - 1
        seen[row.n] = (seen[row.n] or 0) + 1
      end)))
      assert.same({ 1, 1, 1, 1, 1, 1, 1 }, seen)
      assert.equal(3, most)
      assert.is_true(stream.closed)
    end)
  end)

  it("returns the first error that a function returned, raises what one raised, and the page's error", function()
    with_pages({ { 1, 2, 3 } }, function(db)
      local n, err = db:stream(QUERY):each(2, function(row) if row.n == 2 then return nil, "no" end return true end)
      assert.is_nil(n)
      assert.equal("no", err)
      local thrown = {}
      assert.equal(thrown, fixture.raised(function() db:stream(QUERY):each(2, function() error(thrown) end) end))
    end)
    with_pages({ { 1 }, { error = { 0x2200, "gone" } } }, function(db)
      local n, err = db:stream(QUERY):each(2, function() end)
      assert.is_nil(n)
      assert.equal("invalid", err.name)
    end)
  end)
end)
