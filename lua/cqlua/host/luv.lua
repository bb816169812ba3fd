-- The host on luv (libuv for Lua): the program runs the loop, with uv.run().
--
-- A poll handle waits for cqlua's descriptor, a timer for what is due, and an idle handle, active only while a turn is
-- owed, keeps libuv from waiting wherever in its iteration it is. None is active when nothing is open: then uv.run ends.
-- A coroutine waits by yielding, as is the custom on luv; who is parked here is resumed by a turn.

local uv = require "luv"

local driven = require "cqlua.host.driven"

local ceil = math.ceil

local M = driven "luv"

local poll, timer, idle -- made at first use
local is_polling, is_owed, in_turn = false, false, false
local timer_at = math.huge -- when the timer comes, if not before

-- Any coroutine: whoever resumes it must bear that it yields.
function M.may_wait()
  return true
end

local function on_timer()
  timer_at = math.huge
  return M.turn()
end

local function set_timer(delay)
  local at = M.now() + delay
  if at >= timer_at then return end -- a stale earlier one costs one turn
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

-- What all handles call.
function M.turn()
  if is_owed then
    is_owed = false
    idle:stop()
  end
  in_turn = true
  M.drive()
  in_turn = false
  local delay = M.delay()
  if not delay and M.is_idle() then return rest() end
  watch()
  if delay == 0 then return M.defer() end
  if delay then set_timer(delay) end
end

local function open()
  poll, timer, idle = assert(uv.new_poll(M.fd())), assert(uv.new_timer()), assert(uv.new_idle())
end

function M.defer()
  if is_owed or in_turn then return end
  if not idle then open() end
  is_owed = true
  idle:start(M.turn)
end

local wake = M.wake

function M.wake(waiter)
  wake(waiter)
  return M.defer()
end

return M
