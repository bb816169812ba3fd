-- What a session makes of statements: texts with values, keyspaces of a call, what is refused before anything is sent.
local cqlua = require "cqlua"
local testing = require "cqlua.testing"
local wire = require "spec.wire.support.wire"

local HIT = "UPDATE hits SET n = n + 1 WHERE path = ?"

local function failed(result, err)
  assert.is_nil(result)
  return err
end

-- The statements that were executed: waits until there are so many.
local function executed(server, count)
  for _ = 1, 100 do
    if #server:received() >= count then break end
    cqlua.sleep(0.01)
  end
  return server:received()
end

describe("execute_nowait", function()
  it("Q6 prepares a text with values on first use, with the values as they were", wire.test(function(session, server)
    server:prime(HIT, { params = { "text" } })
    local values = { "/a" }
    assert.is_true(session:execute_nowait(HIT, values))
    values[1] = "/changed"
    assert.is_true(session:execute_nowait(HIT, values))
    local sent = executed(server, 2)
    assert.same({ { "/a" }, { "/changed" } }, { sent[1].params, sent[2].params })
    assert.equal(1, #server:received "PREPARE")
    assert.is_true(session:execute_nowait(HIT, { "/c" }))
    assert.equal("/c", executed(server, 3)[3].params[1])
  end))

  it("Q9 reports values that do not fit, once it is known what they are for", testing.async(function()
    local server, reported = testing.server(), nil
    server:prime(HIT, { params = { "text" } })
    wire.with(server, function(session)
      cqlua.on_error(function(err) reported = err end)
      assert.is_true(session:execute_nowait(HIT, { 5 }))
      for _ = 1, 100 do if not reported then cqlua.sleep(0.01) end end
      cqlua.on_error(nil)
    end)
    assert.equal("invalid_value", reported.name)
    assert.equal(0, #server:received())
  end))
end)

describe("a text with values", function()
  it("Q6 is sent with its values as they were when it was called, collections included", wire.test(function(session, server)
    server:prime("INSERT tags", { params = { "list<text>" }, delay = 0.01 })
    local tags = { "red" }
    local task = cqlua.spawn(function() return session:execute("INSERT tags", { tags }) end)
    cqlua.spawn(function() tags[1] = "blue" end)
    assert(task:join())
    assert.same({ { "red" } }, server:received()[1].params)
  end))
end)

describe("a keyspace of the call", function()
  local GET = "SELECT name FROM users WHERE id = ?"
  local ANSWER = { params = { "int" }, columns = { { "name", "text" } }, rows = { { "ada" } } }

  it("Q1 is that of a text with values, of batches and streams", wire.test(function(session, server)
    server:prime(GET, ANSWER)
    for _ = 1, 2 do assert.equal("ada", assert(session:execute(GET, { 1 }, { keyspace = "other" })):one().name) end
    assert(session:execute(GET, { 1 }))
    for row in session:stream(GET, { 1 }, { keyspace = "third" }) do assert.equal("ada", row.name) end
    local keyspaces = {}
    for index, prepare in ipairs(server:received "PREPARE") do keyspaces[index] = prepare.keyspace or "none" end
    assert.same({ "other", "none", "third" }, keyspaces)
    server:prime("DELETE", { params = { "int" } })
    assert(session:batch({ { "DELETE", { 1 } } }, { keyspace = "fourth" }))
    assert.equal("fourth", server:received("PREPARE")[4].keyspace)
  end))

  for version = 3, 4 do
    it("Q7 is refused below v5: v" .. version, wire.test(function(session, server)
      server:prime(GET, ANSWER)
      local err = failed(session:execute(GET, { 1 }, { keyspace = "other" }))
      assert.equal("unsupported", err.name)
      assert.matches("v5", err.message, 1, true)
      assert.equal(0, #server:received())
    end, { version = version }))
  end
end)

describe("a request", function()
  for version = 4, 5 do
    it("Q1 has its custom payload, and the answer its own: v" .. version, wire.test(function(session, server)
      local payload = { proxy = "ada", empty = "", nothing = cqlua.null }
      server:prime("SELECT 1", { payload = { cost = "\0\1" } })
      server:prime("UPDATE 1", {})
      local result = assert(session:execute("SELECT 1", nil, { custom_payload = payload }))
      assert.same({ cost = "\0\1" }, result.custom_payload)
      assert.same(payload, server:received()[1].payload)
      assert(session:batch({ "UPDATE 1" }, { custom_payload = payload }))
      assert.same(payload, server:received()[2].payload)
    end, { version = version }))
  end

  it("Q1 has the time that it is to be of: v5", wire.test(function(session, server)
    server:prime("UPDATE t", {})
    assert(session:execute("UPDATE t", nil, { now_in_seconds = 1234, timestamp = 5678 }))
    local request = server:received()[1]
    assert.equal(1234, request.now_in_seconds)
    assert.equal("5678", cqlua.text(request.timestamp))
  end))
end)

describe("unset", function()
  local SET = "UPDATE t SET a = ? WHERE b = ?"

  it("fault 18: is refused on v3, and nothing is sent", wire.test(function(session, server)
    server:prime(SET, { params = { { "a", "text" }, { "b", "int" } } })
    local err = failed(session:execute(SET, { cqlua.unset, 1 }))
    assert.same({ "invalid_value", "a" }, { err.name, err.column })
    assert.matches("'a' (text)", err.message, 1, true)
    err = failed(session:batch { { SET, { "x", 1 } }, { SET, { cqlua.unset, 1 } } })
    assert.same({ "invalid_value", "a" }, { err.name, err.column })
    assert.matches("statement 2 of the batch", err.message, 1, true)
    assert.equal(0, #server:received())
  end, { version = 3 }))
end)

describe("idempotent", function()
  it("Q8 is refused for a statement with IF", wire.test(function(session, server)
    local text = "INSERT INTO t (a) VALUES (?) IF NOT EXISTS"
    server:prime(text, { params = { "int" }, applied = true })
    for _, run in ipairs {
      function() return session:execute(text, { 1 }, { idempotent = true }) end,
      function() return session:execute("DELETE FROM t WHERE a = 1 IF EXISTS", nil, { idempotent = true }) end,
      function() return session:batch({ { text, { 1 } } }, { idempotent = true }) end,
    } do
      assert.matches("not idempotent", wire.raised(run), 1, true)
    end
    assert.equal(0, #server:received())
    assert.is_true(assert(session:execute(text, { 1 })).applied)
  end))
end)
