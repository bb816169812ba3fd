-- What can go wrong on a connection (faults), as the scriptable server makes it happen: a typed error, and the next
-- good query works.
local cqlua = require "cqlua"
local testing = require "cqlua.testing"
local wire = require "spec.wire.support.wire"

-- The error that a query ends with, when its answer has this fault.
local function failure_of(session, server, fault)
  local query = wire.prime_token(server, 1, fault)
  local result, err = session:execute(query)
  assert.is_nil(result)
  return err
end

local function check_fault(fault, name, more)
  for _, version in ipairs { 4, 5 } do
    wire.test(function(session, server)
      fault.times = 1
      local err = failure_of(session, server, fault)
      assert.equal(name, err.name)
      if more then more(err) end
      assert.is_true(wire.is_well(session, server))
    end, { version = version })()
  end
end

describe("answers that come to the wrong request, or not at all", function()
  it("fault 3: out of order, each reaches its own request", wire.test(function(session, server)
    local queries = {}
    for token = 1, 40 do queries[token] = wire.prime_token(server, token, { reorder = token % 7 + 1 }) end
    local flush = wire.prime_token(server, 100)
    local results = assert(cqlua.gather {
      all = function()
        return cqlua.map(queries, 40, function(query)
          return cqlua.assert(session:execute(query, nil, { idempotent = false }))[1].token
        end)
      end,
      flush = function()
        for _ = 1, 10 do cqlua.assert(session:execute(flush)) end
        return true
      end,
    })
    for token = 1, 40 do assert.equal(token, results.all[token]) end
  end))

  it("fault 4: on a stream id that nobody uses, it closes the connection", function()
    check_fault({ wrong_stream = 77 }, "protocol")
  end)

  it("fault 5: a second answer closes the connection, and the first has counted", wire.test(function(session, server)
    local result = assert(session:execute(wire.prime_token(server, 5, { duplicate = true, times = 1 })))
    assert.equal(5, result[1].token)
    assert.is_true(wire.is_well(session, server))
  end))

  it("fault 6: a RESULT on stream -1 closes the connection", function()
    check_fault({ wrong_stream = -1 }, "protocol")
  end)

  it("fault 6: an EVENT on a request's stream closes the connection", function()
    check_fault({ frame = { opcode = "EVENT" } }, "protocol")
  end)

  it("fault 10: rows without metadata, of which none is known, are refused", function()
    check_fault({ no_metadata = true }, "protocol")
  end)
end)

describe("connections that break", function()
  it("fault 27: closed in the answer's place, the request fails at once", function()
    check_fault({ close = true }, "connection_lost", function(err)
      assert.is_true(err.attempts[1].duration < 1)
    end)
  end)

  it("fault 27: half an answer and then the end fails at once", function()
    for _, bytes in ipairs { 0, 1, 8, 9, 15, 30 } do check_fault({ truncate = bytes }, "connection_lost") end
  end)

  it("fault 28: one byte at a time, answers are right", function()
    for _, version in ipairs { 3, 4, 5 } do
      testing.async(function()
        local server = testing.server { version = version, slowdrip = 1 }
        wire.with(server, function(session)
          local result = assert(session:execute(wire.prime_token(server, 28)))
          assert.equal(28, result[1].token)
        end, { connect_timeout = 8, request_timeout = 8 }) -- a thousand bytes are a second
      end)()
    end
  end)

  it("fault 20: no answer at all ends at the deadline", wire.test(function(session, server)
    local query = wire.prime_token(server, 1, { no_answer = true, times = 1 })
    local result, err = session:execute(query, nil, { timeout = 0.05 })
    assert.is_nil(result)
    assert.equal("timeout", err.name)
    assert.is_true(wire.is_well(session, server))
  end))
end)

describe("bytes that are no answer", function()
  it("fault 62: a version that was not agreed is refused", function()
    check_fault({ frame = { version = 0x83 } }, "protocol")
  end)

  it("fault 62: a request's direction bit is refused", function()
    check_fault({ frame = { version = 0x05 } }, "protocol")
  end)

  it("fault 64: messages of the handshake are no answer to a query", function()
    for _, opcode in ipairs { "READY", "AUTH_CHALLENGE", "SUPPORTED", "AUTHENTICATE", "AUTH_SUCCESS" } do
      check_fault({ frame = { opcode = opcode }, body = "" }, "protocol")
    end
  end)

  it("fault 65: a bit that turned over in a v5 segment is seen", function()
    for byte = 1, 20, 3 do
      wire.test(function(session, server)
        local err = failure_of(session, server, { corrupt = byte, times = 1 })
        assert.equal("protocol", err.name)
        assert.is_true(wire.is_well(session, server))
      end, { version = 5 })()
    end
  end)

  it("fault 68: another server is named as such, before the connect timeout", function()
    for _, raw in ipairs { "HTTP/1.1 400 Bad Request\r\n\r\n", "\21\3\3\0\2\2\40" } do
      testing.async(function()
        local server = testing.server()
        server:prime({ opcode = "OPTIONS" }, { raw = raw })
        server:prime({ opcode = "STARTUP" }, { raw = raw })
        local session, err = cqlua.connect { contact_points = server.contact_points, connect_timeout = 0.5 }
        assert.is_nil(session)
        assert.matches("this is not a CQL server", err.message, 1, true)
      end)()
    end
  end)
end)
