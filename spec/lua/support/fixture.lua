-- A session on a fake server, for specs: with(function(db, server, host) ... end) runs as a task.

local cqlua = require "cqlua"
local fake_server = require "spec.lua.support.server"
local memory_host = require "spec.lua.support.memory_host"

local M = { server = nil }

local host = memory_host(function() return M.server:connect() end)
cqlua.attach(host)
M.host = host

local function options_with(more)
  local options = { protocol_version = 4, discovery = false }
  for name, value in pairs(more or {}) do options[name] = value end
  return options
end

-- Runs fn(db, server, host) in a task on a new session and server.
function M.with(fn, options)
  M.server = fake_server()
  return cqlua.run(function()
    return cqlua.with(cqlua.assert(cqlua.connect(options_with(options))), function(db) return fn(db, M.server, host) end)
  end)
end

-- What the function raised, or nil.
function M.raised(fn, ...)
  local ok, err = pcall(fn, ...)
  return not ok and err or nil
end

-- Pages of one int column n: answers page k (from 0) with the numbers of pages[k + 1]; an entry may be an answer itself.
function M.pages(pages)
  local wire = require "spec.lua.support.wire"
  return function(request)
    local answer = { columns = { { "n", "int" } }, params = {} }
    if request.kind == "prepare" then return answer end
    local index = request.paging_state and tonumber(request.paging_state) or 1
    local page = pages[index]
    if page.error or page.close or page.silent then return page end
    answer.rows, answer.delay = {}, page.delay
    for place, number in ipairs(page) do answer.rows[place] = { wire.int(number) } end
    if index < #pages then answer.paging_state = tostring(index + 1) end
    return answer
  end
end

return M
