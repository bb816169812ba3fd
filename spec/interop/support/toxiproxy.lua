-- toxiproxy, a proxy whose links are slow, limited, sliced or cut on demand, driven over its HTTP interface.

local interop = require "spec.interop.support.interop"

local M = {}

local program = interop.home .. "/toxiproxy"

-- Why it cannot run here; nil: it can.
function M.missing()
  if not interop.has_http() then return "no lua-socket or no lua-cjson" end
  if not interop.has("test -x " .. program) then return "no toxiproxy, which Go builds" end
end

local Server = interop.class()

function M.start()
  local server = interop.serve(Server, program .. " -host 127.0.0.1 -port %d", "version")
  server.count = 0
  return server
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
