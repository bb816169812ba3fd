-- What this worker's sessions have done, as Prometheus' text; with `lua_shared_dict cqlua 1m;` that of all workers.
--
-- Counters are added to the dictionary as differences, so they go on when workers come and go; what is true now (gauges) is
-- kept for each worker apart, and forgotten when it no longer says so.

local core = require "cqlua.core"
local driver = require "cqlua.host.nginx.driver"
local request = require "cqlua.request"

local ngx, ipairs, pairs, tostring = ngx, ipairs, pairs, tostring

local M = {}

local GAUGE_SECONDS = 5 -- a worker that said nothing for so long has ended

local HEAD = {
  cqlua_requests_total = { "counter", "Requests that have ended, by outcome: ok, or the error's name." },
  cqlua_retries_total = { "counter", "Attempts after the first." },
  cqlua_late_replies_total = { "counter", "Replies that nobody waited for any more." },
  cqlua_in_flight = { "gauge", "Requests sent and not answered." },
  cqlua_queued = { "gauge", "Requests not sent yet." },
  cqlua_connections = { "gauge", "Open connections." },
  cqlua_node_up = { "gauge", "Workers for which the node is up." },
  cqlua_node_in_flight = { "gauge", "Requests in flight at the node." },
}
local ORDER = { "cqlua_requests_total", "cqlua_retries_total", "cqlua_late_replies_total", "cqlua_in_flight", "cqlua_queued",
  "cqlua_connections", "cqlua_node_up", "cqlua_node_in_flight" }

local ALONE = "# This worker's only: with `lua_shared_dict cqlua 1m;` in nginx.conf, those of all workers.\n"

local told = {} -- what the dictionary has of each of this worker's counters

local function add(into, series, value)
  into[series] = (into[series] or 0) + value
end

-- This worker's counters and gauges, by series. Counters of sessions that have gone are no longer in them.
local function collect()
  local counters, gauges = {}, {}
  for outcome, ended in pairs(request.ended) do
    counters[('cqlua_requests_total{outcome="%s"}'):format(outcome)] = ended
  end
  for session in driver.each() do
    local count = core.session_count(session._core)
    add(counters, "cqlua_retries_total", count.retries)
    add(counters, "cqlua_late_replies_total", count.late_replies)
    add(gauges, "cqlua_in_flight", count.in_flight)
    add(gauges, "cqlua_queued", count.queued)
    add(gauges, "cqlua_connections", count.connections)
    for _, node in ipairs(core.nodes(session._core)) do
      add(gauges, ('cqlua_node_up{node="%s"}'):format(node.address), node.up and 1 or 0)
      add(gauges, ('cqlua_node_in_flight{node="%s"}'):format(node.address), node.in_flight)
    end
  end
  return counters, gauges
end

local function publish(shared)
  local counters, gauges = collect()
  local worker = ngx.worker.pid()
  for series, value in pairs(counters) do
    local more = value - (told[series] or 0)
    told[series] = value
    if more > 0 then shared:incr("+" .. series, more, 0) end
  end
  for series, value in pairs(gauges) do shared:set("=" .. worker .. " " .. series, value, GAUGE_SECONDS) end
end

-- The series of all workers: "+series" is a counter, "=pid series" a worker's gauge.
local function sum(shared)
  local all = {}
  for _, key in ipairs(shared:get_keys(0)) do
    local series = key:match "^%+(.*)$" or key:match "^=%d+ (.*)$"
    local value = series and shared:get(key)
    if value then add(all, series, value) end
  end
  return all
end

local function own()
  local all, gauges = collect()
  for series, value in pairs(gauges) do all[series] = value end
  return all
end

local function text_of(all)
  local by_name, lines = {}, {}
  for series, value in pairs(all) do
    local name = series:match "^[%w_]+"
    by_name[name] = by_name[name] or {}
    table.insert(by_name[name], series .. " " .. tostring(value))
  end
  for _, name in ipairs(ORDER) do
    if by_name[name] then
      table.sort(by_name[name])
      lines[#lines + 1] = ("# HELP %s %s\n# TYPE %s %s"):format(name, HEAD[name][2], name, HEAD[name][1])
      lines[#lines + 1] = table.concat(by_name[name], "\n")
    end
  end
  return table.concat(lines, "\n") .. "\n"
end

-- The counters of all workers as Prometheus' text format; of this worker, with a line that says so, without the dictionary.
function M.prometheus()
  local shared = ngx.shared.cqlua
  if not shared then return ALONE .. text_of(own()) end
  publish(shared)
  return text_of(sum(shared))
end

-- About once a second each worker says what it knows, so that any of them can tell of all.
function driver.on_second()
  if ngx.shared.cqlua then publish(ngx.shared.cqlua) end
end

return M
