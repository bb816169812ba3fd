-- The host on luv (libuv for Lua): the program runs the loop, with uv.run().
--
-- A poll handle waits for cqlua's descriptor, a timer for what is due, and an idle handle, active only while a step is
-- owed, keeps libuv from waiting wherever in its iteration it is. None is active when nothing is open: then uv.run ends.
-- A coroutine waits by yielding, as is the custom on luv; who is parked here is resumed by a step.

local uv = require "luv"

local drive = require "cqlua.drive"
local task = require "cqlua.task"

local create, resume, status, yield = coroutine.create, coroutine.resume, coroutine.status, coroutine.yield
local ceil = math.ceil

local M = { name = "luv", loop = drive.loop, now = drive.now }

local ROUNDS_MAX = 4 -- of one turn, while tasks submit: then the program's own handles come first

local poll, timer, idle -- made at first use
local is_polling, is_owed, in_turn = false, false, false
local timer_at = math.huge -- when the timer comes, if not before
local ready, spare, count = {}, {}, 0

-- Any coroutine: whoever resumes it must bear that it yields.
function M.may_wait()
  return true
end

function M.wait(waiter)
  if not waiter.awake then
    waiter.is_parked = true
    yield()
  end
  waiter.awake = false
end

function M.wake(waiter)
  if waiter.awake then return end
  waiter.awake = true
  count = count + 1
  ready[count] = waiter
  return M.defer()
end

local function resume_parked(waiter)
  local co = waiter.co
  waiter.is_parked = false
  if status(co) ~= "suspended" then return end -- it was closed
  local ok, err = resume(co, waiter)
  if not ok then task.report(err, debug.traceback(co)) end -- of a coroutine of the program's: tasks catch theirs
end

-- Who is not parked runs, or waits for something of the program's own: it finds out when it waits here.
local function resume_ready()
  local list, last = ready, count
  ready, spare, count = spare, list, 0
  for index = 1, last do
    local waiter = list[index]
    list[index] = nil
    if waiter.is_parked then resume_parked(waiter) end
  end
end

local function on_timer()
  timer_at = math.huge
  return M.turn()
end

local function set_timer(delay)
  local at = drive.now() + delay
  if at >= timer_at then return end -- a stale earlier one costs one step
  timer_at = at
  timer:start(ceil(delay * 1000), 0, on_timer)
end

local function rest()
  poll:stop()
  timer:stop()
  is_polling, timer_at = false, math.huge
end

local function watch()
  if is_polling then return end
  is_polling = true
  poll:start("r", M.turn)
end

-- Steps and resumes until nothing is owed: the seconds until something is due, nil if nothing is.
local function make_rounds()
  for _ = 1, ROUNDS_MAX do
    drive.step()
    resume_ready()
    local delay = drive.delay()
    if count == 0 and delay ~= 0 then return delay end
  end
  return 0
end

-- What all handles call.
function M.turn()
  if is_owed then
    is_owed = false
    idle:stop()
  end
  in_turn = true
  local delay = make_rounds()
  in_turn = false
  if not delay and drive.is_idle() then return rest() end
  watch()
  if delay == 0 then return M.defer() end
  if delay then set_timer(delay) end
end

local function open()
  poll, timer, idle = assert(uv.new_poll(drive.fd())), assert(uv.new_timer()), assert(uv.new_idle())
end

function M.defer()
  if is_owed or in_turn then return end
  if not idle then open() end
  is_owed = true
  idle:start(M.turn)
end

function M.start(body, waiter)
  waiter.co = create(body)
  waiter.is_parked = true
  return M.wake(waiter)
end

return M
