-- Waiting in nginx: a light thread sleeps on a semaphore. A semaphore is used again only after a wait that was woken: one whose
-- thread was killed, or whose time has passed, may still be posted, and would wake a stranger.
--
-- The tasks of a group (gather, map, each) are coroutines that nginx does not know, which costs it less than light threads. Who
-- waits for the group runs them, those that are woken together one after the other, in its own thread (if it can be cancelled,
-- a thread of their own does). A task that waits for something of nginx's own (ngx.sleep, a cosocket) takes the thread with it
-- until it ends, since nginx resumes that; the others get another.

local exdata = require "thread.exdata"
local new_table = require "cqlua.new_table"
local semaphore = require "ngx.semaphore"

local ngx, error, tostring = ngx, error, tostring
-- luacheck: push ignore 143
-- Lua's own, as lua-resty-core uses them; what nginx puts in their place would make each a coroutine of nginx's.
local create, resume, yield = coroutine._create, coroutine._resume, coroutine._yield
-- luacheck: pop
local running, status = coroutine.running, coroutine.status -- nginx's

local M = {}

local LONGEST = 60 -- seconds of one sleep: then the caller looks again
local MOST = 1024 -- coroutines kept
local ROOM = 16 -- of a group, for who is ready: more makes it grow
local WAIT, DONE = {}, {} -- what a group's task yields to its thread

local semaphores, count = {}, 0 -- free ones
local workers, idle = {}, 0 -- free coroutines

-- Threads -----------------------------------------------------------------------------------------

local function sleep(waiter)
  if waiter.awake then
    waiter.awake = false
    return
  end
  local sem
  if count > 0 then
    sem = semaphores[count]
    count = count - 1
  else
    sem = semaphore.new()
  end
  waiter.host = sem
  local ok, reason = sem:wait(LONGEST)
  waiter.host, waiter.awake = false, false
  if ok then
    count = count + 1
    semaphores[count] = sem
  elseif reason ~= "timeout" then
    error("cqlua cannot wait here: " .. reason, 0)
  end
end

local function wake_thread(waiter)
  if waiter.awake then return end
  waiter.awake = true
  local sem = waiter.host
  if sem then sem:post(1) end
end

-- Coroutines of groups ----------------------------------------------------------------------------

-- Runs body(task), then waits to be used again. What belongs to a request is a coroutine's own with nginx: it is set each time.
local function work(body, started, request)
  while true do
    exdata(request)
    body(started)
    body, started, request = nil, nil, nil -- luacheck: ignore 311 (nothing of it is held while it waits)
    body, started, request = yield(DONE)
  end
end

local function take_worker()
  if idle == 0 then return create(work) end
  idle = idle - 1
  return workers[idle + 1]
end

-- A task's body raises nothing, unless memory is short.
local function report(err)
  ngx.log(ngx.ERR, "cqlua: a task has died: ", tostring(err))
end

local function put_back(co)
  if idle == MOST then return end
  idle = idle + 1
  workers[idle] = co
end

-- Groups ------------------------------------------------------------------------------------------

-- `parent` waits for the group's end, and calls M.tend before it does and whenever it was woken. Without one (false) the
-- group has a thread of its own.
function M.group(parent)
  return { parent = parent, ready = new_table(ROOM, 0), first = 1, last = 0, left = 0, is_served = false, awake = false,
    host = false }
end

local function push(group, waiter)
  group.last = group.last + 1
  group.ready[group.last] = waiter
end

local function take(group)
  local first = group.first
  local waiter = group.ready[first]
  if not waiter then return nil end
  group.ready[first] = nil
  if first == group.last then
    group.first, group.last = 1, 0
  else
    group.first = first + 1
  end
  return waiter
end

-- The task `waiter` has this thread for itself, until it ends.
local function keep(co, ok, what, ...)
  if what == DONE then return put_back(co) end
  if not ok then return report(what) end
  return keep(co, resume(co, yield(what, ...)))
end

local serve

-- Another thread serves the group from now on.
local function hand_over(group)
  if group.left > 0 then ngx.thread.spawn(serve, group) else group.is_served = false end
end

-- True if the call of nginx's that yields has chosen who runs next (it starts a thread, or resumes a coroutine): nothing of
-- nginx's may come between that and the yield.
local function has_switched(what)
  return type(what) == "thread" or status(running()) ~= "running"
end

local function hand_over_late(group, co, ...)
  hand_over(group)
  return keep(co, resume(co, ...))
end

-- After a task has run: gives true if it took the thread, and has ended since.
local function after(group, waiter, co, ok, what, ...)
  if what == WAIT then return false end
  group.left = group.left - 1
  waiter.group = false
  if what == DONE then
    put_back(co)
    return false
  elseif not ok then
    report(what)
    return false
  end
  if has_switched(what) then
    hand_over_late(group, co, yield(what, ...))
  else
    hand_over(group)
    keep(co, resume(co, yield(what, ...)))
  end
  return true
end

local function run(group, waiter)
  local co, body = waiter.co, waiter.host
  waiter.awake, waiter.host = false, false
  if body then return after(group, waiter, co, resume(co, body, waiter, exdata())) end
  return after(group, waiter, co, resume(co))
end

-- Runs who is ready; gives true if one of them took the thread.
local function run_ready(group)
  local waiter = take(group)
  while waiter do
    if waiter.co and waiter.group == group and run(group, waiter) then return true end -- else it has left meanwhile
    waiter = take(group)
  end
  return false
end

-- What a thread does that is the group's own.
function serve(group)
  group.is_served = true
  while group.left > 0 do
    if run_ready(group) then return end
    if group.left > 0 then sleep(group) end
  end
  group.is_served = false
end

-- Runs who is ready. Called by the group's parent before it waits. Only a thread that nothing can interrupt lends itself: one of
-- the tasks may keep it for long.
function M.tend(group)
  if group.is_served or group.left == 0 then return end
  if group.parent.is_thread then
    run_ready(group)
  else
    ngx.thread.spawn(serve, group)
  end
end

-- Runs body(started) as a task of the group.
function M.start(group, body, started)
  started.co, started.group, started.awake, started.host = take_worker(), group, true, body
  group.left = group.left + 1
  push(group, started)
  if not group.parent then ngx.thread.spawn(serve, group) end
end

-- Both --------------------------------------------------------------------------------------------

function M.wait(waiter)
  if waiter.group then yield(WAIT) else sleep(waiter) end
end

function M.wake(waiter)
  local group = waiter.group
  if not group then return wake_thread(waiter) end
  if waiter.awake then return end
  waiter.awake = true
  push(group, waiter)
  if group.is_served then wake_thread(group) else M.wake(group.parent) end
end

-- Whose semaphore wakes the waiter.
local function sleeper(waiter)
  local group = waiter.group
  if not group then return waiter end
  if group.is_served or not group.parent then return group end
  return sleeper(group.parent)
end

-- True if the waiter's thread was killed.
function M.is_killed(waiter)
  local thread = sleeper(waiter)
  local sem = thread.host
  return sem and sem:count() >= 0 and not thread.awake
end

return M
