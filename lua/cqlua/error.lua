-- Errors. What data, servers and networks cause is an error object, returned; misuse is a string, raised at the
-- line of the caller's own code. The C module builds the same objects, with the metatable given here.

local getinfo = debug and debug.getinfo

local M = {}

local Error = { __name = "cqlua.error" }
Error.__index = Error
M.metatable = Error

function Error:__tostring()
  local text = self.name .. ": " .. self.message
  if self.node and not text:find(self.node, 1, true) then text = text .. " (node " .. self.node .. ")" end
  if self.at then text = self.at .. ": " .. text end
  return text
end

function Error.__concat(left, right)
  return tostring(left) .. tostring(right)
end

-- An error object; `fields` (may be nil) becomes it.
function M.new(name, message, fields)
  local err = fields or {}
  err.name, err.message = name, message
  if err.retryable == nil then err.retryable = false end
  if err.may_have_executed == nil then err.may_have_executed = false end
  err.attempts = err.attempts or {}
  return setmetatable(err, Error)
end

function M.is(value)
  return getmetatable(value) == Error
end

-- The folder of cqlua's own Lua files: frames in it are never "the caller".
local own = getinfo and getinfo(1, "S").source:match("^(@.*[/\\])[^/\\]*$") or "@"

-- "file:line" of the innermost frame outside cqlua; nil if it is not known (no debug library, only C below).
function M.where()
  local level, frame = 2, getinfo and getinfo(2, "Sl")
  while frame do
    local inside = frame.source:sub(1, #own) == own and frame.source:sub(#own + 1)
    local is_own = inside and (not inside:find "[/\\]" or inside:find "^host[/\\]")
    if not is_own and frame.currentline > 0 then return frame.short_src .. ":" .. frame.currentline end
    level = level + 1
    frame = getinfo(level, "Sl")
  end
  return nil
end

-- Raises a string at the line of the caller's own code.
function M.misuse(message, ...)
  if select("#", ...) > 0 then message = message:format(...) end
  local at = M.where()
  error(at and at .. ": " .. message or message, 0)
end

-- A host that shows raised tables badly (nginx) sets this: cqlua.assert then raises text.
M.raise_text = false

-- Raises an error object (or whatever a function gave as its error), noting where.
function M.raise(err)
  if getmetatable(err) == Error then
    err.at = err.at or M.where()
    if M.raise_text then err = tostring(err) end
  end
  error(err, 0)
end

-- assert for error objects.
function M.assert(value, ...)
  if value then return value, ... end
  local err = (...)
  if err == nil then err = "assertion failed!" end
  M.raise(err)
end

local function distance(a, b)
  local row = {}
  for j = 0, #b do row[j] = j end
  for i = 1, #a do
    local diagonal = row[0]
    row[0] = i
    for j = 1, #b do
      local cost = a:byte(i) == b:byte(j) and 0 or 1
      diagonal, row[j] = row[j], math.min(row[j] + 1, row[j - 1] + 1, diagonal + cost)
    end
  end
  return row[#b]
end

-- The string key of `candidates` (a table by name) that is nearest to `name`; nil if none is near.
function M.nearest(name, candidates)
  local best, least = nil, math.max(2, math.floor(#name / 3)) + 1
  for candidate in pairs(candidates) do
    if type(candidate) == "string" then
      local d = distance(name:lower(), candidate:lower())
      if d < least or d == least and best and candidate < best then best, least = candidate, d end
    end
  end
  return best
end

-- "; did you mean 'x'?", or nothing.
function M.hint(name, candidates)
  local near = type(name) == "string" and M.nearest(name, candidates)
  return near and "; did you mean '" .. near .. "'?" or ""
end

return M
