-- The scriptable server itself, as a session sees it.
local cqlua = require "cqlua"
local testing = require "cqlua.testing"
local wire = require "spec.wire.support.wire"

local function connect(server, more)
  local given = { contact_points = server.contact_points, connect_timeout = 1 }
  for name, value in pairs(more or {}) do given[name] = value end
  return cqlua.connect(given)
end

describe("a session on the server", function()
  for version = 3, 5 do
    it("C3 agrees on v" .. version .. ", the highest that both speak", testing.async(function()
      local server = testing.server { version = version }
      wire.with(server, function(session)
        assert.equal(1, assert(session:execute(wire.prime_token(server, 1)))[1].token)
      end)
      local startups = server:received "STARTUP"
      assert.equal(version, startups[#startups].version)
    end))

    it("speaks lz4 in v" .. version, testing.async(function()
      local server = testing.server { version = version, lz4 = true }
      local long = ("cassandra "):rep(40000)
      server:prime("SELECT long FROM t", { columns = { { "long", "text" } }, rows = { { long } } })
      wire.with(server, function(session)
        assert.equal(long, assert(session:execute "SELECT long FROM t")[1].long)
      end)
    end))
  end

  it("needs the right password, where one is asked for", testing.async(function()
    local server = testing.server { auth = { ada = "secret" } }
    local auth = cqlua.auth.plain("ada", "secret")
    wire.with(server, function(session) assert(session:execute(wire.prime_token(server, 1))) end, { auth = auth })
    local session, err = connect(server, { auth = cqlua.auth.plain("ada", "wrong") })
    assert.is_nil(session)
    assert.equal("bad_credentials", err.name)
    session, err = connect(server)
    assert.is_nil(session)
    assert.equal("auth_failed", err.name)
  end))

  it("meets every node", testing.async(function()
    local server = testing.server { nodes = 3 }
    assert.equal(3, #server.contact_points)
    wire.with(server, function(session)
      local query = wire.prime_token(server, 1)
      local coordinators = {}
      for _ = 1, 200 do coordinators[assert(session:execute(query)).coordinator] = true end
      for index = 1, 3 do assert.is_true(coordinators[server:node(index).address]) end
    end)
  end))

  it("goes on when a node stops, and finds it again", testing.async(function()
    local server = testing.server { nodes = 2 }
    wire.with(server, function(session)
      local query = wire.prime_token(server, 1)
      server:node(1):stop()
      cqlua.sleep(0.02)
      assert.equal(server:node(2).address, assert(session:execute(query)).coordinator)
      server:node(1):start()
      server:node(2):stop()
      assert.is_true(wire.is_well(session, server))
    end, { max_retries = 2 })
  end))

  it("waits for a node that does not read", wire.test(function(session, server)
    local query = wire.prime_token(server, 1)
    server:node(1):pause_reads()
    local _, err = session:execute(query, nil, { timeout = 0.05 })
    assert.equal("timeout", err.name)
    server:node(1):resume_reads()
    assert.is_true(wire.is_well(session, server))
  end))

  it("uses a keyspace", wire.test(function(session, server)
    assert(session:use "shop")
    server:clear()
    assert(session:execute(wire.prime_token(server, 1)))
    assert.equal("shop", server:received()[1].keyspace)
  end))
end)

describe("primes", function()
  it("answers 409 as the documentation says", testing.async(function()
    local server = testing.server { version = 5 }
    server:prime("INSERT INTO names (name) VALUES (?) IF NOT EXISTS", { params = { "text" }, applied = false,
      columns = { { "name", "text" } }, rows = { { "ada" } } })
    cqlua.assert(cqlua.with(cqlua.connect, { contact_points = server.contact_points }, function(session)
      local won = session:execute("INSERT INTO names (name) VALUES (?) IF NOT EXISTS", { "ada" })
      assert.is_false(won.applied)
      assert.equal("ada", won:one().name)
      assert.same({ "ada" }, server:received()[1].params)
    end))
    server:stop()
  end))

  it("say that a statement was applied", wire.test(function(session, server)
    server:prime("INSERT x IF NOT EXISTS", { applied = true })
    local won = assert(session:execute "INSERT x IF NOT EXISTS")
    assert.is_true(won.applied)
    assert.equal(0, #won)
  end))

  it("carry values of every kind", wire.test(function(session, server)
    local columns = { { "t", "text" }, { "i", "int" }, { "b", "blob" }, { "f", "double" }, { "y", "boolean" },
      { "l", "list<int>" }, { "m", "map<text, frozen<set<int>>>" }, { "u", "uuid" }, { "n", "text" },
      { "p", "tuple<int, text>" }, { "v", "vector<float, 2>" }, { "a", "address (street text, zip int)" } }
    local uuid = "00112233-4455-6677-8899-aabbccddeeff"
    local row = { "x", -7, "\0\255", 0.5, true, { 1, 2 }, { k = { 3 } }, uuid, nil, { 1, "one" }, { 1, 2 },
      { street = "Main", zip = 12 } }
    server:prime("SELECT all", { columns = columns, rows = { row } })
    local got = assert(session:execute "SELECT all")[1]
    assert.same({ "x", -7, "\0\255", 0.5, true }, { got.t, got.i, got.b, got.f, got.y })
    assert.same({ { 1, 2 }, { k = { 3 } }, uuid }, { got.l, got.m, got.u })
    assert.is_nil(got.n)
    assert.equal("one", got.p[2])
    assert.same({ 1, 2 }, got.v)
    assert.equal("Main", got.a.street)
  end))

  it("count the newest first, and only so many times", wire.test(function(session, server)
    local query = wire.prime_token(server, 1)
    server:prime(query, { error = "overloaded", times = 1 })
    server:prime(query, { error = "syntax_error", times = 1 })
    local names = {}
    for index = 1, 3 do
      local result, err = session:execute(query)
      names[index] = result and result[1].token or err.name
    end
    assert.same({ "syntax_error", "overloaded", 1 }, names)
    assert.equal(3, server:count(query))
  end))

  it("match texts by pattern", wire.test(function(session, server)
    server:prime({ pattern = "SELECT % FROM users WHERE %" }, { columns = { { "n", "int" } }, rows = { { 1 } } })
    assert.equal(1, assert(session:execute "SELECT a, b FROM users WHERE id = 1")[1].n)
    local _, err = session:execute "SELECT a FROM orders"
    assert.equal("invalid", err.name)
  end))

  it("are asked for where there are none", wire.test(function(session)
    local _, err = session:execute "SELECT nothing FROM t"
    assert.equal("invalid", err.name)
    assert.matches("server:prime", err.message, 1, true)
    assert.matches("SELECT nothing FROM t", err.message, 1, true)
  end))

  it("carry each of the server's errors with its fields", wire.test(function(session, server)
    for name in pairs(require("cqlua.core").server_errors()) do
      if name ~= "unprepared" and name ~= "bad_credentials" then
        server:prime("fail", { error = name, times = 1 })
        local _, err = session:execute("fail", nil, { idempotent = false })
        assert.equal(name, err.name)
      end
    end
    server:prime("fail", { error = { code = "write_timeout", write_type = "BATCH", received = 1, block_for = 2,
      consistency = "quorum", message = "too slow" } })
    local _, err = session:execute "fail"
    assert.same({ "BATCH", 1, 2, "quorum" }, { err.write_type, err.received, err.block_for, err.consistency })
    assert.matches("too slow", err.message, 1, true)
  end))

  it("wait", wire.test(function(session, server)
    local query = wire.prime_token(server, 1, { delay = 0.1 })
    local before = cqlua.now()
    assert(session:execute(query))
    assert.is_true(cqlua.now() - before >= 90)
  end))

  it("bring warnings, a custom payload and a tracing id", wire.test(function(session, server)
    local query = wire.prime_token(server, 1, { warnings = { "careful", "again" }, payload = { who = "me" } })
    local result = assert(session:execute(query, nil, { tracing = true }))
    assert.same({ "careful", "again" }, { result.warnings[1], result.warnings[2] })
    assert.equal("string", type(result.tracing_id))
    assert.is_true(server:received()[1].tracing)
  end))

  it("hold raw bytes in the place of a value", wire.test(function(session, server)
    server:prime("SELECT n", { columns = { { "n", "int" } }, rows = { { testing.raw "abc" } } })
    local result, err = session:execute "SELECT n"
    assert.is_nil(result)
    assert.equal("protocol", err.name)
    assert.equal("n", err.column)
  end))

  it("delay, or refuse, the handshake", testing.async(function()
    local server = testing.server()
    server:prime({ opcode = "STARTUP" }, { error = { code = "overloaded", message = "not now" }, times = 100 })
    local session, err = connect(server, { connect_timeout = 0.3 })
    assert.is_nil(session)
    assert.equal("string", type(err.name))
    server:unprime()
    server:prime({ opcode = "STARTUP" }, { delay = 0.1 })
    wire.with(server, function(db) assert(db:execute(wire.prime_token(server, 1))) end)
  end))
end)

describe("prepared statements", function()
  local query = "SELECT name FROM users WHERE id = :id"

  local function prime(server, more)
    local answer = { params = { { "id", "int" } }, columns = { { "name", "text" } }, rows = { { "ada" } } }
    for name, value in pairs(more or {}) do answer[name] = value end
    server:prime(query, answer)
  end

  it("are prepared once, and bound by the prime's types", wire.test(function(session, server)
    prime(server)
    local get = assert(session:prepare(query))
    assert.equal("id", get.params[1].name)
    assert.equal("int", get.params[1].type)
    for id = 1, 3 do assert.equal("ada", assert(session:execute(get, { id = id }))[1].name) end
    assert.equal(1, #server:received "PREPARE")
    assert.same({ 3 }, server:received()[3].params)
  end))

  it("have markers of bytes, where no prime says their types", wire.test(function(session, server)
    server:prime("UPDATE t SET a = ? WHERE b = :b", {})
    local set = assert(session:prepare "UPDATE t SET a = ? WHERE b = :b")
    assert.same({ "arg1", "b", "blob" }, { set.params[1].name, set.params[2].name, set.params[1].type })
  end))

  it("have the names of the text, where the prime says types only", wire.test(function(session, server)
    local text = "UPDATE t SET a = :a, b = ? WHERE c = :c -- and :not this"
    server:prime(text, { params = { "int", "text", { "key", "uuid" } } })
    local set = assert(session:prepare(text))
    assert.same({ "a", "arg2", "key" }, { set.params[1].name, set.params[2].name, set.params[3].name })
  end))

  it("fault 38: are prepared again by a node that forgot them", wire.test(function(session, server)
    prime(server)
    local get = assert(session:prepare(query))
    server:forget(query)
    assert.equal("ada", assert(session:execute(get, { id = 1 }))[1].name)
    assert.equal(2, #server:received "PREPARE")
  end))

  it("fault 38: fail where the id has changed", wire.test(function(session, server)
    prime(server)
    local get = assert(session:prepare(query))
    prime(server, { prepared_id = "another" })
    server:forget(query)
    local result, err = session:execute(get, { id = 1 })
    assert.is_nil(result)
    assert.equal("unprepared", err.name)
  end))

  it("follow columns that change", wire.test(function(session, server)
    prime(server)
    local get = assert(session:prepare(query))
    assert.equal("ada", assert(session:execute(get, { id = 1 }))[1].name)
    prime(server, { columns = { { "age", "int" }, { "name", "text" } }, rows = { { 36, "ada" } } })
    for _ = 1, 2 do
      local row = assert(session:execute(get, { id = 1 }))[1]
      assert.same({ 36, "ada" }, { row.age, row.name })
    end
  end))

  it("tell null from unset", wire.test(function(session, server)
    server:prime("INSERT", { params = { "int", "int" } })
    assert(session:execute("INSERT", { cqlua.null, cqlua.unset }))
    assert.same({ cqlua.null, cqlua.unset }, server:received()[1].params)
  end))
end)

describe("pages", function()
  local function rows_up_to(count)
    local rows = {}
    for n = 1, count do rows[n] = { n } end
    return rows
  end

  for version = 3, 5 do
    it("are of the size that was asked for in v" .. version, wire.test(function(session, server)
      server:prime("SELECT n", { columns = { { "n", "int" } }, rows = rows_up_to(25) })
      local seen, sizes = {}, {}
      for page in session:stream("SELECT n", nil, { page_size = 10 }):pages() do
        sizes[#sizes + 1] = #page
        for _, row in ipairs(page) do seen[#seen + 1] = row.n end
      end
      assert.same({ 10, 10, 5 }, sizes)
      for n = 1, 25 do assert.equal(n, seen[n]) end
      local requests = server:received()
      assert.is_nil(requests[1].paging_state)
      assert.equal(16, #requests[2].paging_state)
    end, { version = version }))
  end

  it("are as the prime says, also empty ones", wire.test(function(session, server)
    server:prime("SELECT n", { columns = { { "n", "int" } }, pages = { { { 1 } }, {}, { { 2 }, { 3 } } } })
    local all = assert(session:all "SELECT n")
    assert.same({ 1, 2, 3 }, { all[1].n, all[2].n, all[3].n })
    assert.equal(3, #server:received())
  end))

  it("fail in the middle, and say where to go on", wire.test(function(session, server)
    server:prime("SELECT n", { columns = { { "n", "int" } }, rows = rows_up_to(20) })
    server:prime({ query = "SELECT n", page = 2 }, { error = "read_timeout", times = 1 })
    local first = assert(session:execute("SELECT n", nil, { page_size = 10 }))
    local second, err = first:next_page()
    assert.is_nil(second)
    assert.equal("read_timeout", err.name)
    local rest = assert(session:execute("SELECT n", nil, { page_size = 10, paging_state = err.paging_state }))
    assert.equal(11, rest[1].n)
  end))

  it("refuse a state that is none of the server's", wire.test(function(session, server)
    server:prime("SELECT n", { columns = { { "n", "int" } }, rows = rows_up_to(20) })
    local _, err = session:execute("SELECT n", nil, { paging_state = "nonsense" })
    assert.equal("protocol_error", err.name)
  end))
end)

describe("what was received", function()
  it("is what the client sent", wire.test(function(session, server)
    local query = wire.prime_token(server, 1)
    assert(session:execute(query, nil, { consistency = "quorum", serial_consistency = "serial", page_size = 7 }))
    local request = server:received()[1]
    assert.same({ "QUERY", query, "quorum", "serial", 7, 5, 1 }, { request.opcode, request.query, request.consistency,
      request.serial_consistency, request.page_size, request.version, request.node })
    assert.equal("STARTUP", server:received("STARTUP")[1].opcode)
    assert.is_true(#server:received "all" > 2)
    server:clear()
    assert.equal(0, #server:received "all")
  end))
end)

describe("system tables", function()
  it("tell of every node", testing.async(function()
    local server = testing.server { nodes = { { dc = "east", rack = "r1" }, { dc = "west" } } }
    wire.with(server, function(session)
      local here = assert(session:execute "SELECT * FROM system.local WHERE key = 'local'")[1]
      assert.is_true(here.data_center == "east" and here.rack == "r1" or here.data_center == "west")
      assert.equal(4, #here.tokens)
      local seen = { east = 0, west = 0 }
      for _ = 1, 40 do
        local others = assert(session:execute "SELECT native_address, native_port, data_center FROM system.peers_v2")
        assert.equal(1, #others)
        assert.equal(server.contact_points[1]:match ":(%d+)", tostring(others[1].native_port))
        seen[others[1].data_center] = seen[others[1].data_center] + 1
      end
      assert.is_true(seen.east > 0 and seen.west > 0)
      assert.equal(0, #assert(session:execute "SELECT * FROM system_schema.keyspaces"))
      assert.equal(0, #assert(session:execute "SELECT a, b FROM system.nothing"))
      local _, err = session:execute "SELECT tokns FROM system.local"
      assert.equal("invalid", err.name)
      assert.equal(0, #server:received())
    end, { discovery = false })
  end))

  it("are those of an older Cassandra below v5", wire.test(function(session)
    local _, err = session:execute "SELECT * FROM system.peers_v2"
    assert.equal("invalid", err.name)
    assert.equal(0, #assert(session:execute "SELECT * FROM system.peers"))
  end, { version = 4 }))
end)

describe("batches", function()
  for version = 3, 5 do
    it("are matched by their statements in v" .. version, wire.test(function(session, server)
      server:prime("INSERT INTO t (id) VALUES (?)", { params = { "int" } })
      local add = assert(session:prepare "INSERT INTO t (id) VALUES (?)")
      assert(session:batch { { add, { 7 } }, { "INSERT INTO t (id) VALUES (8)" } })
      local batch = server:received()[1]
      assert.equal("BATCH", batch.opcode)
      assert.same({ 7 }, batch.statements[1].params)
      assert.equal("INSERT INTO t (id) VALUES (8)", batch.statements[2].query)
      assert.equal(1, server:count "INSERT INTO t (id) VALUES (8)")
      server:prime({ opcode = "BATCH" }, { error = "write_timeout" })
      local _, err = session:batch { { add, { 9 } } }
      assert.equal("BATCH", err.write_type)
    end, { version = version }))
  end
end)

describe("misuse", function()
  local server
  before_each(function() server = testing.server() end)
  after_each(function() server:stop() end)

  local function check_raised(pattern, fn)
    local err = wire.raised(fn)
    assert.matches(pattern, err, 1, true)
    assert.matches("testing_spec.lua", err, 1, true)
  end

  it("names the option that was meant", function()
    check_raised("did you mean 'columns'?", function() server:prime("x", { colums = {} }) end)
    check_raised("did you mean 'slowdrip'?", function() testing.server { slowdrop = 1 } end)
    check_raised("did you mean 'write_timeout'?", function() server:prime("x", { error = "write_timout" }) end)
    check_raised("did you mean 'STARTUP'?", function() server:prime({ opcode = "STARTUPS" }, {}) end)
    check_raised("did you mean 'prime'?", function() server:primes("x", {}) end)
  end)

  it("names the type, the column and the row that are wrong", function()
    check_raised("columns[2]: 'txt' is no CQL type; did you mean 'text'?", function()
      server:prime("x", { columns = { { "a", "int" }, { "b", "list<txt>" } } })
    end)
    check_raised("rows[2]", function()
      server:prime("x", { columns = { { "a", "int" } }, rows = { { 1 }, { "one" } } })
    end)
    check_raised("did you mean 'name'?", function()
      server:prime("x", { columns = { { "name", "text" } }, rows = { { nam = "ada" } } })
    end)
    check_raised("say `columns`", function() server:prime("x", { rows = { { 1 } } }) end)
  end)

  it("refuses what no server does", function()
    check_raised("from 3 to 5", function() testing.server { version = 6 } end)
    check_raised("from 1 to 1", function() server:node(2) end)
    check_raised("no event 'STATUS'", function() server:event { type = "STATUS", change = "UP" } end)
  end)
end)

describe("testing.async", function()
  it("ends a test that takes too long", function()
    local err = wire.raised(testing.async(function() cqlua.sleep(5) end, 0.05))
    assert.matches("longer than 0.05 seconds", err, 1, true)
  end)

  it("lets failures through as they are", function()
    local failure = { "a failure of luassert's" }
    local ok, err = pcall(testing.async(function() error(failure) end))
    assert.is_false(ok)
    assert.equal(failure, err)
  end)

  it("stops the servers that a test leaves", function()
    local server
    testing.async(function() server = testing.server() end)()
    assert.equal(0, server:node(1):connections())
    local session = connect(server, { connect_timeout = 0.1 })
    assert.is_nil(session)
  end)
end)
