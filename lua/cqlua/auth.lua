-- Credentials. What holds a password is kept where neither pairs, tostring nor an error message reaches it.

local errors = require "cqlua.error"
local task = require "cqlua.task"

local M = {}

local secrets = setmetatable({}, { __mode = "k" })

local Plain = { __name = "cqlua.auth.plain", __metatable = "locked" }

function Plain:__tostring()
  return "cqlua.auth.plain (" .. secrets[self].user .. ")"
end

-- A user name and a password, for `auth`.
function M.plain(user, password)
  if type(user) ~= "string" then errors.misuse("auth.plain: a user name expected, got %s", type(user)) end
  if type(password) ~= "string" then errors.misuse("auth.plain: a password expected, got %s", type(password)) end
  if (user .. password):find("\0", 1, true) then
    errors.misuse "auth.plain: a name or password cannot contain a zero byte"
  end
  local object = setmetatable({}, Plain)
  secrets[object] = { user = user, password = password }
  return object
end

-- SASL mechanisms ---------------------------------------------------------------------------------

local mechanisms = setmetatable({}, { __mode = "k" })

local MOST_SECONDS = 300 -- that an exchange can take: no connect_timeout is longer

local Sasl = { __name = "cqlua.auth.sasl", __metatable = "locked" }

function Sasl:__tostring()
  return "cqlua.auth.sasl (" .. table.concat(mechanisms[self].classes, ", ") .. ")"
end

local FIELDS = { class = true, start = true, challenge = true, success = true }

local function class_names(class)
  if type(class) == "string" then class = { class } end
  local names = {}
  for index, name in ipairs(type(class) == "table" and class or {}) do
    if type(name) ~= "string" or name == "" or name:find "[,%s%z]" then
      errors.misuse("auth.sasl: class: the name of an authenticator's class expected, got %s", tostring(name))
    end
    names[index] = name
  end
  if #names == 0 then errors.misuse "auth.sasl: class expected: the server's authenticator, or a list of them" end
  return names
end

-- A mechanism of one's own, for `auth`: class = a name or a list, start = function(node, class) -> token, state;
-- challenge = function(state, token) -> token; success = function(state, token) -> false to refuse the server.
function M.sasl(given)
  if type(given) ~= "table" then errors.misuse("auth.sasl: a table expected, got %s", type(given)) end
  for name in pairs(given) do
    if not FIELDS[name] then
      errors.misuse("auth.sasl: there is no field '%s'%s", tostring(name), errors.hint(tostring(name), FIELDS))
    end
  end
  for _, name in ipairs { "start", "challenge", "success" } do
    local kind = type(given[name])
    if kind ~= "function" and (name == "start" or kind ~= "nil") then
      errors.misuse("auth.sasl: %s: a function expected, got %s", name, kind)
    end
  end
  local object = setmetatable({}, Sasl)
  mechanisms[object] = { classes = class_names(given.class), start = given.start, challenge = given.challenge,
    success = given.success }
  return object
end

-- Exchanges whose connection is gone by now.
local function forget_old(exchanges, now)
  for number, exchange in pairs(exchanges) do
    if now - exchange.began > MOST_SECONDS then exchanges[number] = nil end
  end
end

local steps = {}

function steps.start(mechanism, exchange, question)
  local token
  token, exchange.state = mechanism.start(question.node, question.authenticator)
  return token, exchange.state -- without a token, the second is why
end

function steps.challenge(mechanism, exchange, question)
  local answer = mechanism.challenge
  if not answer then return nil, "auth.sasl: the server sent a challenge, and there is no `challenge` function" end
  return answer(exchange.state, question.challenge)
end

function steps.success(mechanism, exchange, question)
  if not mechanism.success then return "" end
  local verdict, err = mechanism.success(exchange.state, question.challenge)
  local is_refused = verdict == false or verdict == nil and err ~= nil
  if is_refused then return nil, err or "auth.sasl: `success` refused the server" end
  return ""
end

-- The answer to a step's question: a token, or nil and what to report. `exchanges` is the session's.
function M.respond(object, exchanges, question)
  local step, number = question.question, question.exchange
  if step == "start" then
    forget_old(exchanges, task.now())
    exchanges[number] = { began = task.now() }
  end
  local exchange = exchanges[number]
  local ok, token, err = pcall(steps[step], mechanisms[object], exchange, question)
  if not ok then token, err = nil, token end
  if step == "success" or type(token) ~= "string" then exchanges[number] = nil end
  if type(token) == "string" then return token end
  return nil, err or ("auth.sasl: `%s` must return a string"):format(step)
end

-- Both ------------------------------------------------------------------------------------------

function M.is(value)
  return secrets[value] ~= nil or mechanisms[value] ~= nil
end

-- Puts what `auth` was given into the core's options.
function M.fill(opt, given)
  local secret, mechanism = secrets[given], mechanisms[given]
  if secret then opt.username, opt.password = secret.user, secret.password
  elseif mechanism then opt.sasl_authenticators = table.concat(mechanism.classes, ",")
  else opt.ask_credentials = true end
end

return M
