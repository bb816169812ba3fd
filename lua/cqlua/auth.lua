-- Credentials. What holds a password is kept where neither pairs, tostring nor an error message reaches it.

local errors = require "cqlua.error"

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

function M.is(value)
  return secrets[value] ~= nil
end

-- User and password of an object made by `plain`.
function M.reveal(object)
  local secret = secrets[object]
  return secret.user, secret.password
end

return M
