-- What holds for every request, whatever its server or the link to it does: it ends once, by its deadline, with its own answer or
-- a typed error; and the next good query works.

local assert = require "luassert"
local core = require "cqlua.core"
local cqlua = require "cqlua"
local lag = require "spec.support.lag"

local Rules = {}
Rules.__index = Rules

local seconds = lag.seconds
local tokens = 0

-- A number that no other request has.
function Rules.token()
  tokens = tokens + 1
  return tokens
end

-- `text_of(token)` is a query that the server answers with this one number.
function Rules.new(db, text_of)
  local rules = setmetatable({ db = db, text_of = text_of, lag = lag.new(), requests = {}, ended = 0 }, Rules)
  cqlua.spawn(function() rules.lag:measure(function() return rules.is_over end) end)
  return rules
end

-- An error says what, where, how often, and whether it may have had an effect.
function Rules.check_error(err)
  local said = tostring(err)
  assert.is_string(err.name, said)
  assert.is_true(#err.message > 0, said)
  assert.is_boolean(err.may_have_executed, said)
  assert.is_boolean(err.retryable, said)
  assert.is_table(err.attempts, said)
  for _, attempt in ipairs(err.attempts) do
    assert.matches("^%d+%.%d+%.%d+%.%d+:%d+$", attempt.node, said)
    assert.is_string(attempt.outcome, said)
    assert.is_true(attempt.duration >= 0 and attempt.started > 0, said)
  end
  if #err.attempts > 0 then assert.equal(err.attempts[#err.attempts].node, err.node, said) end
end

-- Waits for a call of the session's and notes how it went: what it gives, result or nil, err.
function Rules:note(what, timeout, call, ...)
  local request = { what = what, timeout = timeout, from = seconds() }
  self.requests[#self.requests + 1] = request
  local result, err = call(...)
  request.to = seconds()
  self.ended = self.ended + 1
  if not result then Rules.check_error(err) end
  return result, err
end

-- Executes a text. Its answer must be `token`, if there is one.
function Rules:execute(text, options, token, params)
  local result, err = self:note(text, options.timeout, self.db.execute, self.db, text, params, options)
  if result and token and result[1].token ~= token then
    error(("%s was answered with %s"):format(text, tostring(result[1].token)), 0)
  end
  return result, err
end

-- Asks for a number of its own.
function Rules:ask(options)
  local token = Rules.token()
  return self:execute(self.text_of(token), options, token)
end

-- So many at once: how many were answered, and how many failed with which error.
function Rules:ask_many(count, options)
  local outcomes, numbers = { answered = 0 }, {}
  for index = 1, count do numbers[index] = index end
  cqlua.assert(cqlua.map(numbers, count, function()
    local result, err = self:ask(options)
    local outcome = result and "answered" or err.name
    outcomes[outcome] = (outcomes[outcome] or 0) + 1
    return true
  end))
  return outcomes
end

-- What the session counts.
function Rules:count(what) return core.session_count(rawget(self.db, "_core"))[what] end

-- Whether the condition holds within so many seconds.
function Rules.soon(within, holds)
  local till = seconds() + within
  repeat
    if holds() then return true end
    cqlua.sleep(0.01)
  until seconds() > till
  return holds()
end

-- The next good query works: by itself, and within the time that a node may take to come back.
function Rules:recovers(within)
  return Rules.soon(within or 5, function() return self:ask { timeout = 1, idempotent = true } ~= nil end)
end

function Rules:finish()
  assert.is_true(self:recovers())
  cqlua.sleep(0.05) -- the lag of the last of them is measured
  self.is_over = true
  assert.equal(#self.requests, self.ended)
  assert.is_true(Rules.soon(5, function() return self:count "in_flight" == 0 end)) -- its own questions are among them
  for _, request in ipairs(self.requests) do
    if self.lag:lateness(request.from, request.to, request.timeout) > 0 then
      error(("%s took %.3f s of its %.3f s; the loop was late by %.3f s"):format(tostring(request.what):sub(1, 100),
        request.to - request.from, request.timeout, self.lag:between(request.from, request.to)), 0)
    end
  end
end

return Rules
