-- Where a node that the cluster tells of is for this client: the option translate_address.

local errors = require "cqlua.error"

local M = {}

local WRONG = "cqlua: the function given as `translate_address` must return an address and, if it is another, a port; or nothing"

-- "10.0.0.1", "10.0.0.1:9042", "fd00::1", "[fd00::1]:9042"
local function is_address(value)
  return type(value) == "string" and value:find "^[%x.:%[%]]+$" ~= nil and value:find "[.:]" ~= nil
end

local function by_table(map)
  return function(address, port)
    local format = address:find(":", 1, true) and "[%s]:%d" or "%s:%d"
    return map[format:format(address, port)] or map[address]
  end
end

-- The function that a value of the option stands for; or nil and what is expected.
function M.check(value)
  if type(value) == "function" then return value end
  local expected = 'a function(address, port, node), or a table such as { ["10.0.0.1"] = "203.0.113.1:9042" }'
  if type(value) ~= "table" then return nil, expected end
  local map = {}
  for told, address in pairs(value) do
    if not is_address(told) or not is_address(address) then return nil, expected end
    map[told] = address
  end
  return by_table(map)
end

-- What the function says of a question, as core.answer_address takes it: an address ("": not known) and a port, or nil for
-- what the cluster tells; then what is to be reported.
function M.ask(translate, question)
  local ok, address, port = pcall(translate, question.address, question.port, question.about)
  if not ok then return "", nil, address end
  if address == nil and port == nil then return nil end
  if address == nil then return "", nil, port end
  local is_port = port == nil or type(port) == "number" and port % 1 == 0 and port > 0 and port < 65536
  if type(address) ~= "string" or not is_port then return "", nil, errors.new("invalid_value", WRONG) end
  return address, port
end

return M
