-- toxiproxy, a proxy whose links are slow, limited, sliced or cut on demand, driven over its HTTP interface.

local interop = require "spec.interop.support.interop"

local M = {}

local program = interop.home .. "/toxiproxy"

-- Why it cannot run here; nil: it can.
function M.missing()
  if not interop.has_http() then return "no lua-socket or no lua-cjson" end
  if not interop.has("test -x " .. program) then return "no toxiproxy, which Go builds" end
end

local Server = {}
Server.__index = Server

function M.start()
  local folder, port = interop.folder(), interop.free_port()
  local server = setmetatable({ folder = folder, call = interop.http(port), count = 0 }, Server)
  server.process = interop.start(("%s -host 127.0.0.1 -port %d"):format(program, port), folder .. "/log")
  server.process:wait_until(function() return (pcall(server.call, "GET", "version")) end)
  return server
end

function Server:stop()
  self.process:stop()
  interop.run("rm -rf " .. self.folder)
end

local Proxy = {}
Proxy.__index = Proxy

-- A proxy in front of an address: its own is `address`.
function Server:proxy(upstream)
  self.count = self.count + 1
  local proxy = setmetatable({ call = self.call, path = "proxies/link" .. self.count }, Proxy)
  proxy.address = self.call("POST", "proxies",
    { name = "link" .. self.count, listen = "127.0.0.1:0", upstream = upstream, enabled = true }).listen
  return proxy
end

-- Makes all links bad, those that there are and those that come: `kind` is "latency", "bandwidth", "slicer", "limit_data",
-- "reset_peer" or "timeout"; `stream` is "upstream" (what the client sends) or "downstream".
function Proxy:add(kind, stream, attributes)
  self.call("POST", self.path .. "/toxics",
    { name = kind .. "_" .. stream, type = kind, stream = stream, attributes = attributes })
end

function Proxy:remove(kind, stream) self.call("DELETE", ("%s/toxics/%s_%s"):format(self.path, kind, stream)) end

function Proxy:close() self.call("DELETE", self.path) end

return M
