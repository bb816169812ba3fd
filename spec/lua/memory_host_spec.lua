-- Both seams at once: tasks wait through a second host, and a session's bytes go through the pump, from memory.
local core = require "cqlua.core"
local cqlua = require "cqlua"
local fake_server = require "spec.lua.support.server"
local memory_host = require "spec.lua.support.memory_host"
local wire = require "spec.lua.support.wire"

local server = fake_server()
local host = memory_host(function() return server:connect() end)
cqlua.attach(host)

describe("a host that owns its sockets", function()
  it("carries handshake, query and rows without a descriptor", function()
    server:prime("SELECT a, b FROM t", { columns = { { "a", "int" }, { "b", "text" } },
      rows = { { wire.int(7), "seven" }, { wire.int(8), false } } })
    local rows = cqlua.run(function()
      local db = cqlua.assert(cqlua.connect { discovery = false, protocol_version = 4 })
      local res = cqlua.assert(db:execute "SELECT a, b FROM t")
      assert.equal("127.0.0.1:9042", res.coordinator)
      db:close()
      return res
    end)
    assert.same({ { a = 7, b = "seven" }, { a = 8 } }, rows)
    assert.equal(1, server.connections)
  end)

  it("Q1 overlaps the requests of its tasks: the time is that of the slowest", function()
    server:prime("SELECT slow", function(request)
      return { params = { { "n", "int" } }, columns = { { "n", "int" } }, rows = { { request.values and request.values[1] } },
        delay = request.kind == "execute" and request.values[1]:byte(4) / 100 or 0 }
    end)
    cqlua.run(function()
      local db = cqlua.assert(cqlua.connect { discovery = false, protocol_version = 4 })
      local slow = cqlua.assert(db:prepare "SELECT slow")
      local began = host.now()
      local got = cqlua.assert(cqlua.map({ 30, 10, 50, 20, 40 }, 5, function(n)
        return cqlua.assert(db:execute(slow, { n }))[1].n
      end))
      assert.same({ 30, 10, 50, 20, 40, n = 5 }, got)
      assert.is_true(math.abs(host.now() - began - 0.5) < 0.02)
      db:close()
    end)
  end)

  it("has names resolved by the system's resolver", function()
    host.names = core.names_new()
    local nodes = cqlua.run(function()
      local db = cqlua.assert(cqlua.connect { contact_points = { "localhost" }, discovery = false, protocol_version = 4 })
      local nodes = db:nodes()
      db:close()
      return nodes
    end)
    host.names = nil
    assert.is_true(#nodes >= 1)
    assert.matches("9042$", nodes[1].address)
  end)

  it("forgets lookups of a session that is closed", function()
    host.names = core.names_new()
    cqlua.run(function()
      local task = cqlua.spawn(cqlua.connect, { contact_points = { "no.such.name.invalid" }, discovery = false })
      cqlua.sleep(0)
      task:cancel()
      return task:join()
    end)
    while core.names_step(host.names) do end -- luacheck: ignore 542
    host.names = nil
  end)

  it("Q2 tells that a node refuses, names it, and what was tried", function()
    server.refuses = "Connection refused"
    local db, err = cqlua.connect { discovery = false, protocol_version = 4, connect_timeout = 0.5 }
    server.refuses = nil
    assert.is_nil(db)
    assert.matches("127.0.0.1:9042", tostring(err))
    assert.matches("Connection refused", tostring(err))
    assert.equal("127.0.0.1:9042", err.node)
    assert.equal(1, #err.attempts)
    assert.equal("connect_failed", err.attempts[1].outcome)
  end)
end)
