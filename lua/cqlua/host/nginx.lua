-- The host in nginx with its Lua module (OpenResty): requests and timers are light threads, each of which may wait.
--
--   nginx.session(name, options)   in init_worker_by_lua: opens a session of this worker
--   nginx.session(name)            in any phase: that session
--   nginx.prometheus()             the counters of all workers as text

local core = require "cqlua.core"
local driver = require "cqlua.host.nginx.driver"
local errors = require "cqlua.error"
local log = require "cqlua.log"
local metrics = require "cqlua.host.nginx.metrics"
local options = require "cqlua.options"
local session = require "cqlua.session"
local task = require "cqlua.task"
local thread = require "cqlua.host.nginx.thread"

local ngx, get_phase = ngx, ngx.get_phase
local clock, min = core.clock, math.min

local M = { name = "nginx", prometheus = metrics.prometheus }

local RECONNECT = { 1, 60 } -- seconds between attempts to open a session, as the option `reconnect`

local CAN_WAIT = { rewrite = true, server_rewrite = true, access = true, content = true, timer = true, ssl_cert = true,
  ssl_session_fetch = true, ssl_client_hello = true }

local named = {} -- sessions: { session, checked, delay } or { err }

-- The host ----------------------------------------------------------------------------------------

M.defer, M.pump = driver.defer, driver.new_pump
M.wait, M.wake, M.is_killed = thread.wait, thread.wake, thread.is_killed
M.group, M.tend = thread.group, thread.tend

function M.now()
  return (clock())
end

local function start_in_timer(_, body, started)
  return thread.start(thread.group(false), body, started)
end

-- A task of a group, or one of its own thread, which ends with the request; of a timer, where there can be none, or where it is
-- to outlive the request (group: false). Never a coroutine of nginx's: when nginx kills a request, it forgets that those wait,
-- and would resume them.
function M.start(body, started, group)
  if group or group == nil and not driver.is_turning and CAN_WAIT[get_phase()] then
    return thread.start(group or thread.group(false), body, started)
  end
  local ok, reason = ngx.timer.at(0, start_in_timer, body, started)
  if not ok then errors.misuse("spawn: nginx starts no timer: %s", reason) end
end

-- Sessions ----------------------------------------------------------------------------------------

local function reopen(entry)
  local ok, err = session.reopen(entry.session, entry.checked)
  if not ok then ngx.log(ngx.ERR, "cqlua: ", err) end
end

local function reopen_later(is_premature, entry)
  if not is_premature and not entry.session.closed then reopen(entry) end
end

-- A session that could not connect is opened anew after a while, as long as the worker lives.
local function on_opened(entry, err)
  local least, most = unpack(entry.checked.reconnect or RECONNECT)
  if not err then
    entry.delay = least
    return
  end
  ngx.log(ngx.ERR, "cqlua: session '", entry.name, "': ", err)
  ngx.timer.at(entry.delay, reopen_later, entry)
  entry.delay = min(entry.delay * 2, most)
end

-- The worker exits, its sessions were closed, and a request wants one all the same.
local function unpark()
  driver.is_parked = false
  for _, entry in pairs(named) do
    if entry.session and not entry.session.closed then reopen(entry) end
  end
end

local PLACE = {
  init = "init_by_lua runs before there is a worker, and a connection cannot be shared: open sessions in init_worker_by_lua",
}
local ELSEWHERE = "nginx.session: sessions are opened in init_worker_by_lua; in %s_by_lua, nginx.session(%q) gives one"

local function check_place(name)
  local phase = get_phase()
  if PLACE[phase] then errors.misuse("nginx.session: %s", PLACE[phase]) end
  if phase ~= "init_worker" and phase ~= "timer" then errors.misuse(ELSEWHERE, phase, name) end
end

local function open(name, given)
  local checked = options.check(options.CONNECT, given, "nginx.session")
  check_place(name)
  if named[name] and named[name].session then
    errors.misuse("nginx.session: session '%s' is open: its options are given once, in init_worker_by_lua", name)
  end
  local entry = { name = name, checked = checked, delay = checked.reconnect and checked.reconnect[1] or RECONNECT[1] }
  local opened, err = session.open(checked, function(_, failed) return on_opened(entry, failed) end)
  entry.session, entry.err = opened, err
  named[name] = entry
  return opened, err
end

local ABSENT = "nginx.session: this worker has no session '%s'%s: init_worker_by_lua opens it with nginx.session(%q, { ... });"
  .. " with lua_code_cache off no request sees it"

-- With options, in init_worker_by_lua: opens a session of this worker and gives it; nil, err. Without: that session.
-- Neither waits; requests wait for the first connection, within their own time.
function M.session(name, given)
  if type(name) ~= "string" then errors.misuse("nginx.session: a name expected, got %s", type(name)) end
  if given ~= nil then return open(name, given) end
  local entry = named[name]
  if not entry then
    if get_phase() == "init" then errors.misuse("nginx.session: %s", PLACE.init) end
    errors.misuse(ABSENT, name, errors.hint(name, named), name)
  end
  if driver.is_parked then unpark() end
  if not entry.session then errors.misuse("nginx.session: session '%s' was not opened: %s", name, tostring(entry.err)) end
  return entry.session
end

-- Waiting -----------------------------------------------------------------------------------------

local NOWHERE = "cqlua cannot wait in %s_by_lua: use session:execute_nowait there, or wait in ngx.timer.at(0, ...)"
local TURNING = "cqlua cannot wait in a function that hears of events: use cqlua.spawn"

function M.admit()
  if driver.is_parked then unpark() end
  if driver.is_turning then errors.misuse(TURNING) end
  local phase = get_phase()
  if not CAN_WAIT[phase] then errors.misuse(NOWHERE, phase) end
end

-- nginx's log -------------------------------------------------------------------------------------

local LEVELS = { error = ngx.ERR, warn = ngx.WARN, info = ngx.INFO, debug = ngx.DEBUG }

function log.write(level, record)
  local about = record.node and record.node .. ": " or ""
  local left_out = record.suppressed > 0 and " (" .. record.suppressed .. " like it left out)" or ""
  ngx.log(LEVELS[level], "cqlua: ", about, record.message, left_out)
end

task.on_error(function(err, trace)
  ngx.log(ngx.ERR, "cqlua: error in a task that nobody joined: ", tostring(err), "\n", trace)
end)

errors.raise_text = true -- nginx logs a raised table as "unknown reason"
task.attach(M)

return M
