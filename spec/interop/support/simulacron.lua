-- Simulacron, another's fake cluster, driven over its HTTP interface: clusters, what they answer, and what becomes of their
-- connections. `node` is a node's number from 1 on; nil means all of the cluster.

local busted = require "busted"
local cqlua = require "cqlua"
local interop = require "spec.interop.support.interop"
local rules_of = require "spec.interop.support.rules"
local testing = require "cqlua.testing"

local M = {}

local classes = interop.home .. "/simulacron"

-- Why it cannot run here; nil: it can.
local function missing()
  if not interop.has_http() then return "no lua-socket or no lua-cjson" end
  if not interop.has("test -d " .. classes) then return "no jars of Simulacron" end
  if not interop.has "java --list-modules | grep -q jdk.compiler" then return "no JDK with its compiler" end
end

-- The server ----------------------------------------------------------------------------------------

local Server = interop.class()

-- Nodes get addresses from `address` on; with `port` they share that one, with ports from there on.
local function start(address, port)
  local command = ("java -Xmx128m -XX:TieredStopAtLevel=1 -cp '%s/*' spec/interop/support/Simulacron.java %%d %s %s")
    :format(classes, address, port or "")
  return interop.serve(Server, command, "cluster")
end

-- Clusters ------------------------------------------------------------------------------------------

local Cluster = {}
Cluster.__index = Cluster

-- A cluster at the addresses of the one before, which is gone: so many nodes in one data centre, or { so many in each }.
-- `versions`: by node, the protocols that it speaks, where that is not { 3, 4 }.
function Server:cluster(nodes, versions)
  self.call("DELETE", "cluster")
  local cluster = setmetatable({ call = self.call, points = {}, places = {} }, Cluster)
  local dcs = {}
  for dc, count in ipairs(type(nodes) == "table" and nodes or { nodes }) do
    dcs[dc] = { id = dc - 1, name = "dc" .. dc, nodes = {} }
    for node = 1, count do
      local place, speaks = #cluster.places + 1, versions and versions[#cluster.places + 1]
      dcs[dc].nodes[node] = { id = node - 1, name = "node" .. node, peer_info = { protocol_versions = speaks or { 3, 4 } } }
      cluster.places[place] = ("spec/dc%d/node%d"):format(dc, node)
    end
  end
  local made = self.call("POST", "cluster", { id = 0, name = "spec", data_centers = dcs })
  for _, dc in ipairs(made.data_centers) do
    for _, node in ipairs(dc.nodes) do cluster.points[#cluster.points + 1] = node.address end
  end
  return cluster
end

function Cluster:place(node) return node and self.places[node] or "spec" end

-- What a statement is answered with: { result = "overloaded", message =, delay_in_ms = ... }. The oldest prime of a text counts;
-- a node's comes before its cluster's. `query` may be a batch: { "INSERT ...", ... }.
function Cluster:prime(query, answer, node)
  local when = type(query) == "string" and { query = query } or { request = "batch", queries = {} }
  if when.queries then
    for index, text in ipairs(query) do when.queries[index] = { query = text, params = {}, param_types = {} } end
  end
  self.call("POST", "prime/" .. self:place(node), { when = when, ["then"] = answer })
end

-- The same for rows of one form: columns { { name, type } ... }.
function Cluster:prime_rows(query, columns, rows, node)
  local types = {}
  for _, column in ipairs(columns) do types[column[1]] = column[2] end
  self:prime(query, { result = "success", rows = rows, column_types = types }, node)
end

-- Forgets all primes, and the statements that were prepared.
function Cluster:unprime() self.call("DELETE", "prime/spec") end

-- Every statement that has arrived: { type =, query =, connection =, client_timestamp = ... }, oldest first on each node.
function Cluster:log(node)
  local entries = {}
  for _, dc in ipairs(self.call("GET", "log/" .. self:place(node)).data_centers) do
    for _, its in ipairs(dc.nodes) do
      for _, entry in ipairs(its.queries) do entries[#entries + 1] = entry end
    end
  end
  return entries
end

-- How often a text, or with `type` a message, has arrived.
function Cluster:count(query, node, type)
  local count = 0
  for _, entry in ipairs(self:log(node)) do
    if entry.query == query and (not type or entry.type == type) then count = count + 1 end
  end
  return count
end

-- The write times with which a text has arrived.
function Cluster:times(query)
  local times = {}
  for _, entry in ipairs(self:log()) do
    if entry.query == query then times[#times + 1] = entry.client_timestamp end
  end
  return times
end

function Cluster:clear_log() self.call("DELETE", "log/spec") end

-- The clients' ends of the connections, as a set.
function Cluster:connections(node)
  local ends = {}
  for _, dc in ipairs(self.call("GET", "connections/" .. self:place(node)).data_centers) do
    for _, its in ipairs(dc.nodes) do
      for _, connection in ipairs(its.connections) do ends[connection] = true end
    end
  end
  return ends
end

-- "disconnect", "shutdown_read" or "shutdown_write".
function Cluster:close(kind, node) self.call("DELETE", ("connections/%s?type=%s"):format(self:place(node), kind)) end

-- "unbind": new connections are refused; "stop": and those there are closed; "reject_startup": they are made, and STARTUP gets no
-- answer. Until :listen.
function Cluster:refuse(kind, node) self.call("DELETE", ("listener/%s?type=%s"):format(self:place(node), kind)) end

function Cluster:listen(node) self.call("PUT", "listener/" .. self:place(node)) end

-- Connections that there are now are not read any more.
function Cluster:pause(node) self.call("PUT", "pause-reads/" .. self:place(node)) end

function Cluster:resume(node) self.call("DELETE", "pause-reads/" .. self:place(node)) end
-- Specs ---------------------------------------------------------------------------------------------

-- A query that every node answers with this number.
function M.text_of(token) return ("SELECT %d FROM token"):format(token) end

local function wait_for_nodes(rules, count)
  assert(rules_of.soon(5, function()
    local up = 0
    for _, node in ipairs(rules.db:nodes()) do up = up + (node.up and 1 or 0) end
    return up >= count
  end), "not all of the nodes come up")
end

-- Runs body(rules, cluster, db) on a new cluster, with a session that is connected to all nodes of the first data centre.
local function run(server, nodes, more, body)
  local cluster = server:cluster(nodes, more.versions)
  local options = { contact_points = { cluster.points[1] }, protocol_version = 4, request_timeout = 5,
    reconnect = { 0.05, 0.2 }, heartbeat = { 60, 60 }, log = false }
  for name, value in pairs(more) do options[name] = value end
  options.versions = nil
  if more.versions then options.protocol_version = nil end
  cqlua.assert(cqlua.with(cqlua.connect, options, function(db)
    local rules = rules_of.new(db, M.text_of)
    wait_for_nodes(rules, type(nodes) == "table" and nodes[1] or nodes)
    body(rules, cluster, db)
    rules:finish()
  end))
end

-- Describes what fn(test, its) says, with a server of its own, its(); test(nodes, options, body) makes the body of an `it`.
-- Without Simulacron all of it is skipped.
function M.describe(name, address, port, fn)
  busted.describe(name, function()
    local reason = missing()
    if reason then
      busted.pending("skipped: " .. reason .. " (./dev test --all installs it)")
      return
    end
    local server
    busted.setup(function() server = start(address, port) end)
    busted.teardown(function() server:stop() end)
    fn(function(nodes, options, body)
      return testing.async(function() run(server, nodes, options, body) end, 60)
    end, function() return server end)
  end)
end

return M
