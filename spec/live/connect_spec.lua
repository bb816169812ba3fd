-- ctest: live timeout=180
local cqlua = require "cqlua"
local live = require "spec.live.support.live"

local failed, raised = live.failed, live.raised

-- Nobody listens there.
local DEAD = "127.0.0.1:1"

live.each_version("connect", function(version)
  it("C1 C3 gives a session once a connection is ready, on the version that is pinned", function()
    local db = live.connect { protocol_version = version }
    for _, connection in ipairs(live.server_side(db)) do assert.equal(version, connection.protocol_version) end
    live.assert_usable(db)
    assert.equal("cqlua.session (open)", tostring(db))
    assert.is_true(db:ready())
    assert.is_true(db:close())
    assert.equal("cqlua.session (closed)", tostring(db))
  end)

  it("C1 one dead contact point of two is no obstacle", function()
    for _, points in ipairs { { DEAD, live.points[1] }, { live.points[1], DEAD } } do
      local db = live.connect { contact_points = points, protocol_version = version }
      for _ = 1, 5 do live.assert_usable(db) end
      db:close()
    end
  end)

  it("C1 an unknown keyspace is told from the server, and the next connect is right", function()
    local err = failed("invalid", cqlua.connect(live.options { keyspace = "no_such_keyspace", protocol_version = version }))
    assert.matches("no_such_keyspace", err.message)
    live.connect({ protocol_version = version }):close()
  end)

  it("C1 what is asked before the first connection is served once it is there", function()
    local session, options = require "cqlua.session", require "cqlua.options"
    local db = assert(session.open(options.check(options.CONNECT, live.options { protocol_version = version }, "connect")))
    assert.is_false(db._opened)
    live.assert_usable(db)
    assert.is_true(db:ready())
    db:close()
  end)

  it("C1 connecting twice gives two sessions that do not know of each other", function()
    local first, second = live.connect { protocol_version = version }, live.connect { protocol_version = version }
    assert.not_equal(first, second)
    first:close()
    live.assert_usable(second)
    failed("closed", first:execute "SELECT key FROM system.local")
    second:close()
  end)

  it("C1 ten connects at once give ten sessions", function()
    cqlua.run(function()
      local sessions = cqlua.assert(cqlua.map({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, 10, function()
        return cqlua.connect(live.options { protocol_version = version, connections = { 1, 1 } })
      end))
      local _, sockets = live.ports()
      assert.equal(10, sockets)
      for _, db in ipairs(sessions) do live.assert_usable(db) end
      for _, db in ipairs(sessions) do db:close() end
    end)
    local _, sockets = live.ports()
    assert.equal(0, sockets)
  end)

  it("C4 close is harmless when called again, and at once from two tasks", function()
    local db = live.connect { protocol_version = version }
    cqlua.run(function()
      cqlua.assert(cqlua.gather { function() return db:close() end, function() return db:close() end })
    end)
    assert.is_true(db.closed)
    assert.is_true(db:close())
    assert.is_true(db:close(0))
  end)

  it("C4 after close each call fails at once with closed", function()
    local db = live.connect { protocol_version = version }
    local get = cqlua.assert(db:prepare "SELECT key FROM system.local")
    db:close()
    failed("closed", db:execute "SELECT key FROM system.local")
    failed("closed", db:execute(get))
    failed("closed", db:execute("SELECT key FROM system.local WHERE key = ?", { "local" }))
    failed("closed", db:prepare "SELECT key FROM system.local")
    failed("closed", db:use "system")
    failed("closed", db:execute_nowait(get))
    failed("closed", db:all "SELECT key FROM system.local")
    failed("closed", db:stream("SELECT key FROM system.local"):next())
    failed("closed", db:ready())
  end)

  it("C4 close drains what is in flight", function()
    local db = live.connect { protocol_version = version }
    cqlua.run(function()
      local tasks = {}
      for index = 1, 50 do
        tasks[index] = cqlua.spawn(function() return db:execute "SELECT * FROM system_schema.columns" end)
      end
      cqlua.sleep(0)
      db:close(10)
      for index = 1, 50 do
        local res = cqlua.assert(tasks[index]:join())
        assert.is_true(#res > 100)
      end
    end)
  end)

  it("C4 close(0) fails what is in flight with closed, each request once", function()
    local db = live.connect { protocol_version = version }
    cqlua.run(function()
      local outcomes = {}
      for _ = 1, 50 do
        cqlua.spawn(function()
          local res, err = db:execute "SELECT * FROM system_schema.columns"
          outcomes[#outcomes + 1] = res and "answered" or err.name
        end)
      end
      cqlua.sleep(0)
      db:close(0)
      cqlua.sleep(0)
      assert.equal(50, #outcomes)
      local closed = 0
      for _, outcome in ipairs(outcomes) do
        assert.is_true(outcome == "answered" or outcome == "closed", outcome)
        if outcome == "closed" then closed = closed + 1 end
      end
      assert.is_true(closed > 0)
    end)
    local _, sockets = live.ports()
    assert.equal(0, sockets)
  end)

  it("C5 with closes the session on return, error and cancel, and the outcome comes through unchanged", function()
    local held
    local function open() return cqlua.connect(live.options { protocol_version = version }) end
    assert.equal(42, cqlua.with(open, function(db)
      held = db
      live.assert_usable(db)
      return 42
    end))
    assert.is_true(held.closed)

    local mine = {}
    local ok, err = pcall(cqlua.with, open, function(db)
      held = db
      error(mine)
    end)
    assert.is_false(ok)
    assert.equal(mine, err)
    assert.is_true(held.closed)

    cqlua.run(function()
      held = nil
      local task = cqlua.spawn(function()
        return cqlua.with(open, function(db)
          held = db
          cqlua.sleep(100)
        end)
      end)
      repeat cqlua.sleep(0.01) until held
      task:cancel()
      failed("cancelled", task:join())
      assert.is_true(held.closed)
    end)
    local _, sockets = live.ports()
    assert.equal(0, sockets)
  end)

  it("C5 nested scopes close innermost first", function()
    local closed = {}
    local db = live.connect { protocol_version = version }
    local outer = { close = function()
      closed[#closed + 1] = db.closed and "session first" or "session open"
      return db:close()
    end }
    cqlua.with(outer, function()
      cqlua.with({ close = function()
        live.assert_usable(db) -- the outer one is still there
        closed[#closed + 1] = "inner"
      end }, function() end)
    end)
    assert.same({ "inner", "session open" }, closed)
    assert.is_true(db.closed)
  end)
end)

describe("connect", function()
  it("C3 negotiates the highest version that the server speaks", function()
    local db = live.connect()
    local mine = live.server_side(db)
    assert.is_true(#mine >= 1)
    for _, connection in ipairs(mine) do assert.equal(5, connection.protocol_version) end
    db:close()
  end)

  it("C1 constructing options and credentials does no I/O", function()
    local before, sockets = live.ports()
    cqlua.auth.plain("app", "secret")
    cqlua.options { timeout = 1 }
    local after, sockets_after = live.ports()
    assert.same(before, after)
    assert.equal(sockets, sockets_after)
  end)

  it("C1 where nobody listens it says so within connect_timeout: node, cause, and what to do", function()
    local began = cqlua.now()
    local db, err = cqlua.connect { contact_points = { DEAD }, connect_timeout = 0.5 }
    failed("no_nodes", db, err)
    assert.matches("127%.0%.0%.1:1", tostring(err))
    assert.matches("refused", tostring(err):lower())
    assert.matches("check contact_points", err.message)
    assert.is_true(cqlua.now() - began < 10000)
  end)

  it("C1 no_nodes lists each node that was tried", function()
    local db, err = cqlua.connect { contact_points = { "127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3" }, connect_timeout = 0.5 }
    failed("no_nodes", db, err)
    for port = 1, 3 do assert.matches("127%.0%.0%.1:" .. port, tostring(err)) end
  end)

  it("C1 a name that does not resolve is an error that names it", function()
    local db, err = cqlua.connect { contact_points = { "no-such-host.invalid" }, connect_timeout = 1 }
    failed("no_nodes", db, err)
    assert.matches("no%-such%-host%.invalid", tostring(err))
  end)

  it("C1 a contact point may be a name, and a port of its own wins over `port`", function()
    if not live.points[1]:find("^127%.0%.0%.1:") then pending "the server is not on localhost" end
    local db = live.connect { contact_points = { "localhost:" .. live.port }, port = 1 }
    live.assert_usable(db)
    db:close()
  end)

  it("C3 a protocol version that is not spoken here is refused, and says which are", function()
    assert.matches("protocol_version.*from 3 to 5", raised(cqlua.connect, live.options { protocol_version = 2 }))
  end)

  it("misuse is raised at the caller's line with the nearest name", function()
    assert.matches("connect_spec.lua:%d+: connect: there is no option 'contact_pionts'; did you mean 'contact_points'%?",
      raised(function() cqlua.connect { contact_pionts = live.points } end))
    assert.matches("request_timeout.*milliseconds", raised(cqlua.connect, live.options { request_timeout = 2000 }))
    assert.matches("did you mean 'local_one'", raised(cqlua.connect, live.options { consistency = "locl_one" }))
    local _, sockets = live.ports()
    assert.equal(0, sockets)
  end)

  it("a connect that is cancelled or out of time leaves no socket", function()
    cqlua.run(function()
      local task = cqlua.spawn(function() return cqlua.connect(live.options()) end)
      cqlua.sleep(0)
      task:cancel()
      failed("cancelled", task:join())
      failed("timeout", cqlua.with_timeout(0, function() return cqlua.connect(live.options()) end))
    end)
    local _, sockets = live.ports()
    assert.equal(0, sockets)
  end)
end)
