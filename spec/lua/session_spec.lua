-- ctest: timeout=180
local cqlua = require "cqlua"
local fixture = require "spec.lua.support.fixture"
local wire = require "spec.lua.support.wire"

local raised = fixture.raised

describe("connect", function()
  it("raises for an unknown option, with the nearest name", function()
    assert.matches("session_spec.lua:%d+: connect: there is no option 'keyspcae'; did you mean 'keyspace'%?",
      raised(function() cqlua.connect { keyspcae = "x" } end))
    assert.matches("option 'slow_query' is unsupported: it is not in this version",
      raised(function() cqlua.connect { slow_query = {} } end))
  end)

  it("raises for values that cannot be meant: milliseconds, wrong types, unknown words", function()
    for option, value in pairs { request_timeout = 2000, connect_timeout = 301, attempt_timeout = 0, port = 70000,
      contact_points = {}, consistency = "lokal_one", on_full = true, heartbeat = 5, protocol_version = 9, page_size = 0,
      auth = "secret", connections = { 1 } } do
      local message = raised(function() cqlua.connect { [option] = value } end)
      assert.matches("session_spec.lua:%d+: connect: option '" .. option, message)
    end
    assert.matches("milliseconds", raised(function() cqlua.connect { request_timeout = 2000 } end))
    for _, given in ipairs { { reconnect = { 5, 1 } }, { connections = { 4, 1 } }, { contact_points = { "x:99999" } } } do
      assert.matches("session_spec.lua:%d+: connect: ", raised(function() cqlua.connect(given) end))
    end
    assert.matches("did you mean 'local_one'", raised(function() cqlua.connect { consistency = "lokal_one" } end))
  end)

  it("SEC7 never shows a password: in tostring, pairs, or an error", function()
    local secret = "pa55-w0rd"
    local plain = cqlua.auth.plain("app", secret)
    assert.equal("cqlua.auth.plain (app)", tostring(plain))
    for key, value in pairs(plain) do error(key .. value) end
    assert.equal("locked", getmetatable(plain))
    fixture.server = require "spec.lua.support.server"("app", "another")
    local db, err = cqlua.connect { auth = plain, discovery = false, protocol_version = 4, connect_timeout = 2 }
    assert.is_nil(db)
    assert.is_true(err.name == "auth_failed" or err.name == "bad_credentials")
    local text = tostring(err)
    for key, value in pairs(err) do text = text .. tostring(key) .. tostring(value) end
    assert.is_nil(text:find(secret, 1, true))
    assert.equal("\0app\0" .. secret, fixture.server.token)
  end)

  it("asks a function for credentials, which may itself wait", function()
    fixture.server = require "spec.lua.support.server"("app", "rotated")
    local asked = 0
    local db = cqlua.assert(cqlua.connect { discovery = false, protocol_version = 4, auth = function()
      cqlua.sleep(0.1)
      asked = asked + 1
      return "app", "rotated"
    end })
    assert.equal(1, asked)
    assert.is_not_nil(db:execute "SELECT x")
    local text = tostring(db)
    for key, value in pairs(db) do text = text .. tostring(key) .. tostring(value) end
    assert.is_nil(text:find("rotated", 1, true))
    db:close()
  end)

  it("ends within connect_timeout when the credentials function fails, and reports its error", function()
    fixture.server = require "spec.lua.support.server"("app", "x")
    local heard = {}
    cqlua.on_error(function(err) heard[#heard + 1] = tostring(err) end)
    local db, err = cqlua.connect { discovery = false, protocol_version = 4, connect_timeout = 1,
      auth = function() error "vault is down" end }
    cqlua.on_error(nil)
    assert.is_nil(db)
    assert.is_not_nil(err.name)
    assert.matches("vault is down", heard[1])
  end)

  it("X1 is cancelled with its task, and leaves nothing behind", function()
    fixture.server = require "spec.lua.support.server"()
    fixture.server.refuses = "Connection refused"
    cqlua.run(function()
      local started = cqlua.spawn(cqlua.connect, { discovery = false, protocol_version = 4 })
      cqlua.sleep(0.5)
      started:cancel()
      assert.equal("cancelled", select(2, started:join()).name)
    end)
  end)
end)

describe("a session", function()
  it("C4 close still waits in a cancelled task, and closes", function()
    fixture.with(function(db)
      local task = cqlua.spawn(function()
        pcall(cqlua.sleep, 10)
        return db:close(1)
      end)
      cqlua.sleep(0.01)
      task:cancel()
      task:join()
      assert.is_true(db.closed)
      assert.equal("closed", select(2, db:execute "SELECT x").name)
    end)
  end)

  it("C5 is closed by with, and again is harmless; each call fails then with `closed`", function()
    local kept
    fixture.with(function(db)
      kept = db
      assert.is_false(db.closed)
    end)
    assert.is_true(kept.closed)
    assert.is_true(kept:close())
    assert.matches("closed", tostring(kept))
    assert.equal("closed", select(2, kept:execute "SELECT x").name)
    assert.equal("closed", select(2, kept:prepare "SELECT x").name)
    assert.equal("closed", select(2, kept:stream("SELECT x"):next()).name)
    assert.equal("closed", select(2, kept:use "ks").name)
  end)

  it("drains what is in flight when it closes, and closes at once when idle", function()
    fixture.with(function(db, server, host)
      server:prime("SELECT slow", { delay = 3, columns = { { "n", "int" } }, rows = { { wire.int(1) } } })
      local started = cqlua.spawn(function() return db:execute "SELECT slow" end)
      cqlua.sleep(1)
      local began = host.now()
      db:close()
      assert.equal(1, cqlua.assert(started:join()):one().n)
      assert.is_true(host.now() - began >= 1.9 and host.now() - began < 3)
    end)
    fixture.with(function(db, _, host)
      local began = host.now()
      db:close()
      assert.is_true(host.now() - began < 0.1)
    end)
  end)

  it("fails what is in flight with `closed` when the time to drain is over", function()
    fixture.with(function(db, server)
      server:prime("SELECT never", { silent = true })
      local started = cqlua.spawn(function() return db:execute "SELECT never" end)
      cqlua.sleep(1)
      db:close(0.5)
      local res, err = started:join()
      assert.is_nil(res)
      assert.equal("closed", err.name)
    end)
  end)

  it("is told apart: a misspelt method raises with the nearest; a later one says so", function()
    fixture.with(function(db)
      assert.matches("session_spec.lua:%d+: a session has no method 'exeucte'; did you mean 'execute'%?",
        raised(function() db:exeucte "x" end))
      assert.matches("db:scan is not in this version", raised(function() db:scan {} end))
      assert.matches("session_spec.lua:%d+: execute: a text or a prepared statement expected, got nil",
        raised(function() db:execute(nil) end))
      assert.matches("execute: a session expected", raised(function() db.execute("SELECT", "x") end))
      assert.equal("locked", getmetatable(db))
    end)
  end)

  it("Q7 a keyspace of its own needs v5: below it the call is refused, and no connection switches", function()
    fixture.with(function(db, server)
      local ok, err = db:execute("SELECT x", nil, { keyspace = "other" })
      assert.is_nil(ok)
      assert.equal("unsupported", err.name)
      assert.matches("v5", err.message)
      assert.is_not_nil(db:execute "SELECT x")
      for _, request in ipairs(server.received) do assert.is_nil((request.text or ""):match "^USE") end
      assert.equal("invalid_value", select(2, db:use(("k"):rep(70000))).name)
    end)
  end)

  it("refuses USE as text and names db:use", function()
    fixture.with(function(db, server)
      for _, text in ipairs { "USE ks", " use ks", "-- hi\nUSE ks", "/* x */ Use ks", "// y\n USE ks" } do
        local res, err = db:execute(text)
        assert.is_nil(res)
        assert.equal("unsupported", err.name)
        assert.matches("db:use", err.message)
        assert.is_nil((db:prepare(text)))
      end
      assert.equal(0, #server.received)
      assert.is_not_nil(db:execute "USERS of x")
    end)
  end)

  it("X1 a cancelled request is dropped, its late answer reaches nobody", function()
    fixture.with(function(db, server)
      server:prime("SELECT late", { delay = 2, columns = { { "n", "int" } }, rows = { { wire.int(13) } } })
      server:prime("SELECT next", function() return { columns = { { "n", "int" } }, rows = { { wire.int(14) } } } end)
      local started = cqlua.spawn(function() return db:execute "SELECT late" end)
      cqlua.sleep(1)
      started:cancel()
      assert.equal("cancelled", select(2, started:join()).name)
      for _ = 1, 50 do
        assert.equal(14, cqlua.assert(db:execute "SELECT next"):one().n)
        cqlua.sleep(0.1)
      end
    end)
  end)

  it("fault 1 gives `timeout` at the deadline; the late reply reaches nobody", function()
    fixture.with(function(db, server, host)
      server:prime("SELECT late", { delay = 2, columns = { { "n", "int" } }, rows = { { wire.int(13) } } })
      server:prime("SELECT next", { columns = { { "n", "int" } }, rows = { { wire.int(14) } } })
      local began = host.now()
      local res, err = db:execute("SELECT late", nil, { timeout = 0.5 })
      assert.is_nil(res)
      assert.equal("timeout", err.name)
      assert.is_true(host.now() - began < 0.6)
      for _ = 1, 40 do
        assert.equal(14, cqlua.assert(db:execute "SELECT next"):one().n)
        cqlua.sleep(0.1)
      end
    end)
  end)

  it("Q5 options of one call never change a prepared statement, or another call", function()
    fixture.with(function(db, server)
      server:prime("SELECT o", { params = { { "id", "int" } }, columns = { { "n", "int" } } })
      local prepared = cqlua.assert(db:prepare "SELECT o")
      local before = server.received
      cqlua.assert(db:execute(prepared, { 1 }))
      cqlua.assert(db:execute(prepared, { 1 }, { page_size = 7, consistency = "all" }))
      cqlua.assert(db:execute(prepared, { 1 }))
      local fast = cqlua.options { page_size = 9, consistency = "one" }
      cqlua.assert(db:execute(prepared, { 1 }, fast))
      cqlua.assert(db:execute(prepared, { 1 }))
      local sizes, levels = {}, {}
      for index, request in ipairs(before) do sizes[index], levels[index] = request.page_size, request.consistency end
      assert.same({ 5000, 7, 5000, 9, 5000 }, sizes)
      assert.same({ 6, 5, 6, 1, 6 }, levels)
    end)
  end)

  it("Q5 an options object cannot be changed, and its table is checked when it is made", function()
    local fast = cqlua.options { timeout = 0.05 }
    assert.equal(0.05, fast.timeout)
    assert.matches("never changed", raised(function() fast.timeout = 5 end))
    assert.matches("session_spec.lua:%d+: options: there is no option 'timout'; did you mean 'timeout'%?",
      raised(function() cqlua.options { timout = 1 } end))
    assert.matches("milliseconds", raised(function() cqlua.options { timeout = 500 } end))
  end)

  it("gives errors of the server with their fields, and stays usable", function()
    fixture.with(function(db, server)
      local more = wire.short(6) .. wire.int(3) .. wire.int(1)
      server:prime("INSERT x", { error = { 0x1000, "Cannot achieve consistency", more } })
      local res, err = db:execute("INSERT x")
      assert.is_nil(res)
      assert.equal("unavailable", err.name)
      assert.same({ 0x1000, "local_quorum", 3, 1 }, { err.code, err.consistency, err.required, err.alive })
      assert.equal("127.0.0.1:9042", err.node)
      assert.is_boolean(err.may_have_executed)
      assert.is_true(#err.attempts >= 1)
      assert.equal("unavailable", err.attempts[#err.attempts].outcome)
      assert.is_number(err.attempts[1].started)
      assert.matches("^unavailable: ", tostring(err))
      assert.matches("^x unavailable: .* y$", "x " .. err .. " y")
      assert.is_not_nil(db:execute "SELECT y")
    end)
  end)

  it("Y8 waits for room when its queue is full, or fails with queue_full", function()
    local function flood(options)
      local failed
      fixture.with(function(db, server)
        server:prime("SELECT q", function() return { delay = 0.1, columns = { { "n", "int" } }, rows = { { wire.int(1) } } } end)
        local got
        got, failed = cqlua.map({ n = 40 }, 40, function() return db:execute "SELECT q" end)
        if got then assert.equal(40, #got) end
      end, options)
      return failed
    end
    assert.is_nil(flood { max_in_flight = 4, max_queued = 4, connections = { 1, 1 } })
    assert.equal("queue_full", flood({ max_in_flight = 4, max_queued = 4, connections = { 1, 1 }, on_full = "fail" }).name)
  end)

  it("Y8 prepare and the next page wait for room too", function()
    fixture.with(function(db, server)
      server:prime("SELECT slow", { delay = 0.2 })
      server:prime("SELECT n FROM t", fixture.pages { { 1 }, { 2 } })
      local first = cqlua.assert(db:execute "SELECT n FROM t")
      local tasks = {}
      for n = 1, 8 do tasks[n] = cqlua.spawn(function() return cqlua.assert(db:execute "SELECT slow") end) end
      cqlua.sleep(0.01)
      assert.equal(2, cqlua.assert(first:next_page())[1].n)
      assert.is_not_nil(cqlua.assert(db:prepare "SELECT another"))
      for n = 1, 8 do tasks[n]:join() end
    end, { max_queued = 2, max_in_flight = 2, connections = { 1, 1 } })
  end)

  it("Y8 a request that waits for room keeps its deadline", function()
    fixture.with(function(db, server, host)
      server:prime("SELECT never", { silent = true })
      for _ = 1, 20 do cqlua.spawn(function() db:execute("SELECT never", nil, { timeout = 100 }) end) end
      cqlua.sleep(1)
      local began = host.now()
      local res, err = db:execute("SELECT never", nil, { timeout = 2 })
      assert.is_nil(res)
      assert.equal("timeout", err.name)
      assert.is_true(host.now() - began < 2.1)
      db:close(0)
    end, { max_in_flight = 4, max_queued = 4, connections = { 1, 1 } })
  end)

  it("execute_nowait sends and waits for nothing", function()
    fixture.with(function(db, server, host)
      server:prime("UPDATE x", { delay = 5 })
      local began = host.now()
      assert.is_true(db:execute_nowait "UPDATE x")
      assert.equal(began, host.now())
      cqlua.sleep(0.1)
      assert.equal("UPDATE x", server.received[1].text)
    end)
  end)

  it("R3 a reply that came while its task was busy elsewhere is delivered exactly once", function()
    fixture.with(function(db, server)
      server:prime("SELECT n", function() return { columns = { { "n", "int" } }, rows = { { wire.int(#server.received) } } } end)
      local seen = {}
      cqlua.map({ n = 300 }, 300, function()
        local n = cqlua.assert(db:execute "SELECT n"):one().n
        seen[#seen + 1] = n
      end)
      table.sort(seen)
      for index = 1, 300 do assert.equal(index, seen[index]) end
    end)
  end)

  it("fault 71 an error raised right after an answer reaches the user's pcall, and the session stays usable", function()
    fixture.with(function(db)
      for _ = 1, 100 do
        local thrown = {}
        assert.equal(thrown, raised(function()
          cqlua.assert(db:execute "SELECT x")
          error(thrown)
        end))
      end
      local started = cqlua.spawn(function()
        db:execute "SELECT x"
        error("in a task", 0)
      end)
      assert.equal("in a task", raised(started.join, started))
      assert.is_not_nil(db:execute "SELECT x")
    end)
  end)

  it("raises at the caller's line for a dot in place of the colon, and for values that are no table", function()
    fixture.with(function(db)
      for _, name in ipairs { "execute", "all", "stream", "prepare", "execute_nowait" } do
        assert.matches("session_spec.lua:%d+: " .. name .. ": a session expected; write db:" .. name,
          raised(function() local res = db[name] "SELECT x" return res end))
        if name ~= "prepare" then
          assert.matches("session_spec.lua:%d+: [%a_]+: a table of bind values expected, got string",
            raised(function() local res = db[name](db, "SELECT x", "y") return res end))
        end
      end
    end)
  end)

  it("sends the values as they were when execute was called: while it prepares, and while it waits for room", function()
    fixture.with(function(db, server)
      local function echo(request)
        if request.kind == "prepare" then return { params = { { "n", "int" } }, columns = { { "n", "int" } } } end
        return { columns = { { "n", "int" } }, rows = { { request.values[1] } }, delay = 1 }
      end
      local values, tasks = { 0 }, {}
      local function ask(what, number)
        values[1] = number
        return cqlua.assert(db:execute(what, values))[1].n
      end
      server:prime("SELECT text", echo)
      server:prime("SELECT prepared", echo)
      local prepared = cqlua.assert(db:prepare "SELECT prepared")
      for number = 1, 4 do tasks[number] = cqlua.spawn(ask, "SELECT text", number) end
      for number = 1, 4 do assert.equal(number, tasks[number]:join()) end
      for number = 1, 12 do tasks[number] = cqlua.spawn(ask, prepared, number) end
      for number = 1, 12 do assert.equal(number, tasks[number]:join()) end
    end, { max_queued = 2, max_in_flight = 2, connections = { 1, 1 } })
  end)

  it("raises for a keyspace that is no name", function()
    for _, bad in ipairs { "", "a\0b" } do
      assert.matches("option 'keyspace': the name of a keyspace expected",
        raised(function() local db = cqlua.connect { keyspace = bad } return db end))
      assert.matches("option 'keyspace'", raised(function() local built = cqlua.options { keyspace = bad } return built end))
    end
  end)

  it("fault 75 may be collected with requests in flight", function()
    fixture.server = require "spec.lua.support.server"()
    fixture.server:prime("SELECT never", { silent = true })
    for _ = 1, 20 do
      local db = cqlua.assert(cqlua.connect { discovery = false, protocol_version = 4 })
      db:execute_nowait "SELECT never"
      db:stream "SELECT never"
    end
    collectgarbage()
    collectgarbage()
    cqlua.sleep(20)
  end)

  it("fault 77 10,000 requests leave nothing in the registry and no memory", function()
    fixture.with(function(db, server)
      server:prime("SELECT k", { params = { { "id", "int" } }, columns = { { "n", "int" }, { "t", "text" } },
        rows = { { wire.int(1), "x" } } })
      local prepared = cqlua.assert(db:prepare "SELECT k")
      local function registry()
        local count = 0
        for _ in pairs(debug.getregistry()) do count = count + 1 end
        return count
      end
      local function batch(count)
        for index = 1, count do cqlua.assert(db:execute(prepared, { index })) end
        server.received = {}
        collectgarbage()
        return collectgarbage "count"
      end
      batch(10000)
      local refs, before = registry(), batch(10000)
      local after = batch(10000)
      assert.equal(refs, registry())
      assert.is_true(after - before < 64, ("%.0f KB more"):format(after - before))
    end)
  end)
end)
