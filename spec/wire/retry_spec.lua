-- Retries that the user decides, and speculative executions, on several scriptable nodes.
local cqlua = require "cqlua"
local wire = require "spec.wire.support.wire"

local RETRIES = { max_retries = 3, attempt_timeout = 1.9 }

local function on_three(fn, more)
  return wire.test(fn, { nodes = 3 }, more or RETRIES)
end

-- A query whose first answer is this fault, and whose others are its token.
local function faulty(server, token, fault, times)
  local query = wire.prime_token(server, token)
  fault.times = times or 1
  wire.prime_token(server, token, fault)
  return query
end

describe("retry", function()
  it("Y6 a function decides: next, same or fail, and hears of the error and the number of attempts", on_three(function(db, server)
    local seen = {}
    local function decide(choice)
      return function(err, attempt)
        seen[#seen + 1] = err.name .. " " .. attempt
        return choice
      end
    end
    local res = assert(db:execute(faulty(server, 1, { error = "overloaded" }), nil, { retry = decide "next" }))
    assert.equal(1, res[1].token)
    assert.equal(2, #res.attempts)
    assert.are_not.equal(res.attempts[1].node, res.attempts[2].node)
    res = assert(db:execute(faulty(server, 2, { error = "read_timeout" }), nil, { retry = decide "same" }))
    assert.equal(res.attempts[1].node, res.attempts[2].node)
    local none, err = db:execute(faulty(server, 3, { error = "unavailable" }), nil, { retry = decide "fail" })
    assert.is_nil(none)
    assert.equal("unavailable", err.name)
    assert.equal(1, #err.attempts)
    assert.same({ "overloaded 1", "read_timeout 1", "unavailable 1" }, seen)
  end))

  it("Y6 it may retry what the table would not, and may wait itself", on_three(function(db, server)
    local query = faulty(server, 4, { error = "server_error" })
    local res = assert(db:execute(query, nil, { idempotent = true, retry = function()
      cqlua.sleep(0.01)
      return "next"
    end }))
    assert.equal(4, res[1].token)
  end))

  it("Y5 never more than max_retries", on_three(function(db, server)
    local asked = 0
    local none, err = db:execute(faulty(server, 5, { error = "overloaded" }, 100), nil, { retry = function()
      asked = asked + 1
      return "next"
    end })
    assert.is_nil(none)
    assert.equal("overloaded", err.name)
    assert.equal(3, asked)
    assert.equal(4, #err.attempts)
  end))

  it("Y6 never asked about a request that may have been executed and is not idempotent", on_three(function(db, server)
    local query = faulty(server, 6, { error = "write_timeout" }, 100)
    local asked = false
    local none, err = db:execute(query, nil, { idempotent = false, retry = function()
      asked = true
      return "next"
    end })
    assert.is_nil(none)
    assert.equal("write_timeout", err.name)
    assert.is_true(err.may_have_executed)
    assert.is_false(asked)
  end))

  it("Y6 an error in the function, or another answer, means the usual, and is reported", on_three(function(db, server)
    local reported = 0
    cqlua.on_error(function() reported = reported + 1 end)
    assert(db:execute(faulty(server, 7, { error = "overloaded" }), nil, { retry = function() error "oh" end }))
    assert(db:execute(faulty(server, 8, { error = "overloaded" }), nil, { retry = function() return "maybe" end }))
    cqlua.on_error(nil)
    assert.equal(2, reported)
  end))

  it("Y6 a session's own function holds for calls that have none; none means none", wire.test(function(db, server)
    assert(db:execute(faulty(server, 9, { error = "server_error" })))
    local none, err = db:execute(faulty(server, 10, { error = "overloaded" }), nil, { retry = "none" })
    assert.is_nil(none)
    assert.equal("overloaded", err.name)
    none, err = db:execute(faulty(server, 11, { error = "server_error" }), nil, { retry = "default" })
    assert.is_nil(none)
    assert.equal("server_error", err.name)
  end, { nodes = 3 }, { max_retries = 3, retry = function() return "next" end }))
end)

describe("speculation", function()
  local SPECULATION = { speculation = { delay = 0.03 } }

  it("Y7 fault 13 a second node answers when the first is slow; the slow answer reaches nobody", on_three(function(db, server)
    for token = 20, 30 do
      local res = assert(db:execute(faulty(server, token, { delay = 0.4 }), nil, SPECULATION))
      assert.equal(token, res[1].token)
      assert.equal(2, #res.attempts)
      assert.are_not.equal(res.attempts[1].node, res.attempts[2].node)
    end
    cqlua.sleep(0.5) -- the late answers come
    assert.is_true(wire.is_well(db, server))
  end))

  it("Y7 fault 13 all executions have one write time", on_three(function(db, server)
    local query = faulty(server, 31, { delay = 0.4 })
    assert(db:execute(query, nil, { idempotent = true, speculation = { delay = 0.02, max = 2 } }))
    local received = {}
    for _, request in ipairs(server:received()) do
      if request.query == query then received[#received + 1] = cqlua.text(request.timestamp) end
    end
    assert.is_true(#received >= 2)
    for index = 2, #received do assert.equal(received[1], received[index]) end
  end))

  it("Y7 only what is idempotent", on_three(function(db, server)
    local query = faulty(server, 32, { delay = 0.15 })
    local res = assert(db:execute(query, nil, { idempotent = false, speculation = { delay = 0.02 } }))
    assert.equal(1, #res.attempts)
  end))

  it("Y7 a failure of one counts only when no other answers", on_three(function(db, server)
    -- the first execution fails after the second has begun; the second answers
    local query = wire.prime_token(server, 33, { delay = 0.2 })
    wire.prime_token(server, 33, { error = "invalid", delay = 0.1, times = 1 })
    local res = assert(db:execute(query, nil, { speculation = { delay = 0.03 } }))
    assert.equal(33, res[1].token)
    query = wire.prime_token(server, 34, { error = "invalid", delay = 0.05 })
    local none, err = db:execute(query, nil, { speculation = { delay = 0.02 } })
    assert.is_nil(none)
    assert.equal("invalid", err.name)
    assert.equal(2, #err.attempts)
  end))

  it("Y7 off for one call of a session that has it", wire.test(function(db, server)
    local res = assert(db:execute(faulty(server, 35, { delay = 0.2 }), nil, { speculation = false }))
    assert.equal(1, #res.attempts)
    res = assert(db:execute(faulty(server, 36, { delay = 0.3 })))
    assert.equal(2, #res.attempts)
  end, { nodes = 3 }, { speculation = { delay = 0.03 }, attempt_timeout = 1.9 }))
end)
