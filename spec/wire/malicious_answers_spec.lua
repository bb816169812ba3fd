-- Answers that are late, lost, doubled, shuffled, or somebody else's: each request ends once, with its own answer
-- or an error.
-- Each answer bears a token that only its request asked for.
-- ctest: timeout=120
local cqlua = require "cqlua"
local bytes = require "spec.wire.support.bytes"
local malice = require "spec.wire.support.malice"
local wire = require "spec.wire.support.wire"

local SERIAL = { idempotent = false }

-- Asks these queries at once, each with its token: how many got their own answer. Another's is an error.
local function ask_all(session, queries, call)
  local own = 0
  local done = assert(cqlua.map(queries, #queries, function(query)
    local result = session:execute(query.text, nil, call)
    if result and result[1].token ~= query.token then
      error(("%d was answered with %d"):format(query.token, result[1].token), 0)
    end
    if result then own = own + 1 end
    return true
  end))
  assert.equal(#queries, done.n)
  return own
end

local function prime(server, count, fault)
  local queries = {}
  for index = 1, count do
    local token = malice.token()
    queries[index] = { token = token, text = wire.prime_token(server, token, fault and fault(index)) }
  end
  return queries
end

describe("a server that answers late, twice, or to others", function()
  it("fault 1 drops late answers, counts them, and lets their ids rest until then", function()
    malice.each(function(session, server)
      for round = 1, 3 do
        local queries = prime(server, 50, function(index) return { delay = 0.06 + index / 1000, times = 1 } end)
        assert.equal(0, ask_all(session, queries, { timeout = 0.02, idempotent = false }))
        assert.is_true(malice.count(session, "orphans") <= 50 * round)
        assert.equal(20, ask_all(session, prime(server, 20)))
        assert.is_true(malice.soon(function() return malice.count(session, "late_replies") == 50 * round end))
      end
      assert.equal(1, server:node(1):connections())
    end)
  end)

  it("fault 2 answers tasks that were cancelled: nobody hears of it", function()
    malice.each(function(session, server)
      for _ = 1, 3 do
        local tasks, heard = {}, 0
        for index, query in ipairs(prime(server, 50, function(index) return { delay = 0.01 + index / 2000 } end)) do
          tasks[index] = cqlua.spawn(function()
            local result = session:execute(query.text)
            heard = heard + 1
            assert.equal(query.token, result[1].token)
          end)
        end
        cqlua.sleep(0.02)
        for _, task in ipairs(tasks) do task:cancel() end
        for _, task in ipairs(tasks) do task:join() end
        local before = heard
        collectgarbage()
        assert.equal(20, ask_all(session, prime(server, 20)))
        assert.is_true(malice.soon(function() return malice.count(session, "in_flight") == 0 end))
        cqlua.sleep(0.03)
        assert.equal(before, heard)
      end
    end)
  end)

  it("fault 2 answers while the collector runs at each step", function()
    malice.each(function(session, server)
      local queries = prime(server, 60, function(index) return { delay = 0.002 * (index % 7 + 1) } end)
      for _, query in ipairs(queries) do
        cqlua.spawn(function() session:execute(query.text, nil, { timeout = 0.008 }) end) -- nobody joins it
      end
      collectgarbage "setpause"
      for _ = 1, 30 do
        collectgarbage()
        cqlua.sleep(0.001)
      end
      assert.equal(60, ask_all(session, queries))
    end)
  end)

  it("fault 3 holds answers back until others have left", function()
    malice.each(function(session, server)
      local queries = prime(server, 200, function(index) return { reorder = index * 7 % 23 + 1 } end)
      local flush = prime(server, 60)
      local results = assert(cqlua.gather {
        held = function() return ask_all(session, queries, SERIAL) end,
        flush = function() cqlua.sleep(0.02) return ask_all(session, flush, SERIAL) end,
      })
      assert.same({ held = 200, flush = 60 }, results)
    end)
  end)

  it("fault 4 answers on ids that nobody uses: those in flight may have been executed", function()
    malice.each(function(session, server)
      for _, stream in ipairs { 20000, 32767, -32768, -2, -1 } do
        local queries = prime(server, 10, function() return { delay = 5, times = 1 } end)
        local waiting = {}
        for index, query in ipairs(queries) do
          waiting[index] = cqlua.spawn(session.execute, session, query.text, nil, SERIAL)
        end
        cqlua.sleep(0.005)
        malice.fails(session, server, { wrong_stream = stream }, "protocol")
        for _, task in ipairs(waiting) do
          local result, err = task:join()
          assert.is_nil(result)
          malice.check_error(err, "protocol", server)
          assert.is_true(err.may_have_executed)
        end
      end
    end)
  end)

  it("fault 5 answers twice: the first answer counts, the second closes the connection", function()
    malice.each(function(session, server)
      for _ = 1, 5 do
        local token = malice.token()
        local text = wire.prime_token(server, token, { duplicate = true, times = 1 })
        assert.equal(token, assert(session:execute(text))[1].token)
        assert.is_true(malice.is_well(session, server))
      end
      assert.is_true(malice.soon(function() return #server:received "STARTUP" >= 5 end))
    end)
  end)

  it("fault 5 answers an orphan twice", function()
    malice.each(function(session, server)
      local result, err = malice.ask(session, server, { duplicate = true, delay = 0.04 }, { timeout = 0.01 })
      assert.is_nil(result)
      malice.check_error(err, "timeout", server)
      cqlua.sleep(0.06)
      assert.is_true(malice.is_well(session, server))
      assert.equal(1, malice.count(session, "late_replies"))
    end)
  end)

  it("fault 6 sends events on a request's stream, and results on the server's", function()
    malice.each(function(session, server)
      local event = bytes.string "STATUS_CHANGE" .. bytes.string "UP" .. "\4\127\0\0\1" .. bytes.int(9042)
      malice.fails(session, server, { frame = { opcode = "EVENT" }, body = event }, "protocol")
      malice.fails(session, server, { frame = { opcode = "RESULT", stream = -1 } }, "protocol")
    end)
  end)

  it("fault 7 leaves more and more without an answer: the connection is replaced, nobody waits for an id", function()
    malice.each(function(session, server)
      local started = #server:received "STARTUP"
      local queries = prime(server, 300, function() return { no_answer = true, times = 1 } end)
      assert.equal(0, ask_all(session, queries, { timeout = 0.05, idempotent = false }))
      assert.equal(50, ask_all(session, prime(server, 50), { timeout = 1 }))
      assert.is_true(malice.soon(function() return #server:received "STARTUP" > started end) or
        malice.soon(function() return #server:received "STARTUP" > started end) or
        malice.soon(function() return #server:received "STARTUP" > started end))
      assert.is_true(malice.is_well(session, server))
    end, { connect = { max_in_flight = 1000, connections = { 1, 1 } }, seconds = 20 })
  end)

  it("fault 8 changes a statement's columns: each answer is read with its own metadata", function()
    malice.each(function(session, server)
      local text = "SELECT * FROM changing"
      local shapes = {
        { columns = { { "a", "int" }, { "b", "text" } }, rows = { { 1, "one" } } },
        { columns = { { "b", "text" }, { "a", "int" } }, rows = { { "two", 2 } } },
        { columns = { { "a", "int" }, { "n", "bigint" }, { "b", "text" } }, rows = { { 3, 33, "three" } } },
        { columns = { { "b", "text" } }, rows = { { "four" } } },
      }
      local words = { "one", "two", "three", "four" }
      server:prime(text, shapes[1])
      local statement = assert(session:prepare(text))
      for round = 1, 12 do
        local shape = round % 4 + 1
        local before = server:prime(text, { columns = shapes[shape].columns, rows = shapes[shape].rows, delay = 0.003 })
        local texts = assert(cqlua.map({ 1, 2, 3, 4, 5, 6, 7, 8 }, 8, function(index)
          if index > 4 then cqlua.sleep(0.001) end
          local row = cqlua.assert(session:execute(statement))[1]
          assert.is_true(rawget(row, "a") == nil or ({ one = 1, two = 2, three = 3 })[row.b] == row.a)
          return row.b
        end))
        for index = 1, 8 do assert.equal(words[shape], texts[index]) end
        assert.is_number(before)
      end
    end)
  end)

  it("fault 8 says NO_METADATA behind a change, or another number of columns: nothing is shifted", function()
    malice.each(function(session, server, way)
      local text = "SELECT * FROM skipping"
      server:prime(text, { columns = { { "a", "int" }, { "b", "int" } }, rows = { { 1, 2 } } })
      local statement = assert(session:prepare(text))
      assert.equal(1, assert(session:execute(statement))[1].a)
      local function lie(given)
        given.columns, given.specs = {}, ""
        server:prime({ query = text, opcode = "EXECUTE" }, { body = bytes.rows(given), times = 1 })
        local result, err = session:execute(statement)
        assert.is_nil(result)
        malice.check_error(err, "protocol", server)
        assert.is_true(malice.is_well(session, server))
      end
      lie { flags = 4, count = 3, cells = bytes.bytes(bytes.int(7)):rep(3) }
      lie { flags = 4, count = 1, cells = bytes.bytes(bytes.int(7)) }
      lie { flags = 4 + 8, count = 2, new_id = ("i"):rep(16), cells = bytes.bytes(bytes.int(7)):rep(2) }
      if way.version == 4 then lie { flags = 4, count = 2, cells = bytes.bytes(bytes.int(7)):rep(2) } end
      assert.equal(1, assert(session:execute(statement))[1].a)
    end)
  end)

  it("fault 12 is lost behind a write: it is not repeated, and may have been executed", function()
    malice.each(function(session, server)
      for _, way_to_lose in ipairs { { close = true }, { truncate = 5 }, { wrong_stream = 99 },
        { raw = "garbage that is no frame" } } do
        local text = "UPDATE counters SET n = n + 1 -- " .. malice.token()
        way_to_lose.times = 1
        server:prime(text, {})
        server:prime(text, way_to_lose)
        local result, err = session:execute(text)
        assert.is_nil(result)
        assert.is_true(err.may_have_executed)
        assert.is_false(err.retryable)
        assert.equal(1, #err.attempts)
        assert.is_true(malice.is_well(session, server))
        assert.equal(1, server:count(text))
      end
    end, { connect = { max_retries = 3 } })
  end)

  it("fault 16 repeats a paging state: the user's limit ends it", function()
    malice.each(function(session, server)
      local page = bytes.rows { flags = 3, state = bytes.big(1, 8) .. bytes.big(0, 8) }
      server:prime("SELECT for ever", { body = page })
      local all, err = session:all("SELECT for ever", nil, { max_rows = 50 })
      assert.is_nil(all)
      assert.equal("too_many_rows", err.name)
      local seen = 0
      for _ in session:stream("SELECT for ever", nil, { max_pages = 7 }):pages() do seen = seen + 1 end
      assert.equal(7, seen)
    end)
  end)

  it("fault 16 sends empty pages: only the last one is the end", function()
    malice.each(function(session, server)
      local pages = {}
      for n = 1, 60 do pages[n] = n % 3 == 0 and { { n } } or {} end
      pages[61] = {}
      server:prime("SELECT sparse", { columns = { { "n", "int" } }, pages = pages })
      local seen = {}
      for row in session:stream "SELECT sparse" do seen[#seen + 1] = row.n end
      assert.equal(20, #seen)
      for index, n in ipairs(seen) do assert.equal(index * 3, n) end
    end)
  end)

  it("fault 16 fails in the middle of a scan: the error says where to go on, and no row is lost or read twice",
    function()
    malice.each(function(session, server)
      local rows = {}
      for n = 1, 100 do rows[n] = { n } end
      server:prime("SELECT n", { columns = { { "n", "int" } }, rows = rows })
      for page = 2, 9, 3 do
        for _, fault in ipairs { { close = true }, { body = "abc" }, { error = "read_timeout" },
          { wrong_stream = -7 } } do
          fault.times = 1
          local id = server:prime({ query = "SELECT n", page = page }, fault)
          local seen, state = {}, nil
          repeat
            local stream = session:stream("SELECT n", nil, { page_size = 10, paging_state = state, idempotent = false })
            local row, err
            repeat
              row, err = stream:next()
              if row then seen[#seen + 1] = row.n end
            until not row
            state = err and assert(err.paging_state)
            if err then assert.is_true(malice.is_well(session, server)) end
          until not err
          for n = 1, 100 do assert.equal(n, seen[n]) end
          assert.equal(100, #seen)
          server:unprime(id)
        end
      end
    end, { seconds = 20 })
  end)

  it("fault 17 rejects a batch, or times out in one: its write type is told, and it is not repeated", function()
    malice.each(function(session, server)
      local batch = { { "INSERT INTO t (n) VALUES (1)" }, { "INSERT INTO t (n) VALUES (2)" } }
      for _, write_type in ipairs { "BATCH", "BATCH_LOG", "UNLOGGED_BATCH", "COUNTER", "CAS", "VIEW", "CDC",
        "SIMPLE" } do
        server:clear()
        server:prime({ opcode = "BATCH" }, { error = { code = "write_timeout", write_type = write_type }, times = 1 })
        local done, err = session:batch(batch)
        assert.is_nil(done)
        malice.check_error({ name = err.name, node = err.node, message = err.message .. " of a batch that was sent" },
          "write_timeout", server)
        assert.equal(write_type, err.write_type)
        assert.is_true(err.may_have_executed)
        assert.equal(1, #server:received "BATCH")
      end
      for _, fault in ipairs { { body = "abc" }, { close = true }, { frame = { opcode = "READY" } } } do
        fault.times = 1
        server:prime({ opcode = "BATCH" }, fault)
        local done, err = session:batch(batch)
        assert.is_nil(done)
        assert.is_true(err.may_have_executed)
        assert.is_true(malice.is_well(session, server))
      end
    end)
  end)
end)
