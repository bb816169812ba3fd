-- Requests in flight: who waits on which tag, and what came back.
--
-- A tag belongs to one request from its submit until its completion was taken, and is used again only then. Who
-- waits is a cell: the task itself (its `value` and `err` are set, then it is woken), or a table with
-- on_answer(cell, value, err). A wait that ends early cancels its request and leaves the tag marked: the
-- completion that still comes is dropped.

local core = require "cqlua.core"
local errors = require "cqlua.error"
local result = require "cqlua.result"
local shape = require "cqlua.shape"
local task = require "cqlua.task"
local types = require "cqlua.types"

local take = core.take
local of_rows = result.of_rows
local interrupted, is_spent, wait, wake = task.interrupted, task.is_spent, task.wait, task.wake

local M = {
  ended = { ok = 0 }, -- requests that have ended, by outcome: "ok", or the error's name
}

local PLACES = 5

local queue = core.queue_new()
local out = {} -- what take fills, PLACES for each completion: tag, value, error; of rows info, shape, and error is a statement
local pending = {} -- cell by tag; false where nobody waits any more
local retries = {} -- by tag: the function that decides about its retries
local sessions = setmetatable({}, { __mode = "v" }) -- by serial, for their events
local room = {} -- tasks that wait for room in a full queue, the first from room_first on
local room_first, room_last = 1, 0
local events_awaited = 0 -- tasks that wait for a session to open or close

M.queue = queue

core.setup {
  error = errors.metatable,
  new_shape = shape.new,
  empty_shape = shape.new({}, false, ""),
  int64_kind = types.int64_kind,
  int64_make = types.int64_make,
}

-- Completions -------------------------------------------------------------------------------------

local function drop(value, err)
  if value ~= nil and type(err) == "table" then core.page_release(value) end -- a page with its shape
end

local later, later_count = {}, 0 -- of each answer that is acted on at once: who (a cell or a serial), value, err

local function postpone(who, value, err)
  later[later_count + 1], later[later_count + 2], later[later_count + 3] = who, value, err
  later_count = later_count + 3
end

local ended = M.ended

local function count_end(err, has_failed)
  local outcome = has_failed and err.name or "ok"
  ended[outcome] = (ended[outcome] or 0) + 1
end

-- What acts on its answer may submit anew, with a tag that was just taken: only when all of the batch know theirs.
local function deliver(tag, value, err)
  local cell = pending[tag]
  pending[tag] = false
  retries[tag] = nil
  count_end(err, value == nil)
  if not cell then return drop(value, err) end
  if cell.on_answer then return postpone(cell, value, err) end
  cell.value, cell.err = value, err
  return wake(cell)
end

local function act(who, value, err)
  if type(who) == "table" then return who:on_answer(value, err) end
  local session = sessions[who]
  if session then session:_on_event(value, err) end
end

local function act_on_all()
  for index = 1, later_count, 3 do
    local who, value, err = later[index], later[index + 1], later[index + 2]
    later[index], later[index + 1], later[index + 2] = false, false, false
    local ok, failed = pcall(act, who, value, err)
    if not ok then task.report(failed) end
  end
  later_count = 0
end

local function give_room(count)
  while count > 0 and room_first <= room_last do
    local waiter = room[room_first]
    room[room_first] = nil
    room_first = room_first + 1
    if not waiter.is_gone and not task.is_killed(waiter.task) then
      count = count - 1
      waiter.has_room = true
      wake(waiter.task)
    end
  end
end

local function drain()
  repeat
    local count = take(queue, out, task.bounded_until())
    for index = 1, PLACES * count, PLACES do
      local tag, value, err, packed = out[index], out[index + 1], out[index + 2], out[index + 3]
      out[index + 1], out[index + 2] = false, false
      if packed then
        value, err = of_rows(value, packed, out[index + 4], err), err and true -- true: there are more pages
        out[index + 3], out[index + 4] = false, false
      end
      if tag > 0 then deliver(tag, value, err) else postpone(-tag, value, err) end
    end
    if later_count > 0 then act_on_all() end
    if room_first <= room_last then give_room(count) end
  until count == 0 or is_spent()
end

task.add_source {
  drain = drain,
  is_busy = function() return events_awaited > 0 or core.outstanding(queue) > 0 end,
  has_more = function() return core.queue_length(queue) > 0 end,
}

-- Seconds as the core takes them: whole milliseconds, at least one.
function M.milliseconds(seconds)
  return math.max(1, math.floor(seconds * 1000))
end

-- Waiting -----------------------------------------------------------------------------------------

-- Marks the tag as nobody's and cancels its request.
function M.abandon(session, tag, cell)
  if pending[tag] == cell then
    pending[tag] = false
    core.cancel(session, tag)
    task.submitted()
  end
end
local abandon = M.abandon

-- `decide(err, attempt)` is asked when an attempt of the tag's request fails.
function M.decide(tag, decide)
  retries[tag] = decide
end

function M.decider(tag)
  return retries[tag]
end

-- The cell hears of the tag's answer.
function M.watch(tag, cell)
  pending[tag] = cell
  task.submitted()
end

-- Nobody hears of it.
function M.ignore(tag)
  pending[tag] = false
  task.submitted()
end

local function give_up(session, me, tag)
  local err = interrupted(me)
  if not err then return end
  abandon(session, tag, me)
  me.value, me.err = false, false
  error(err, 0)
end

-- Waits for the answer of a tag just submitted: value and err as the core gave them.
function M.answer(session, me, tag)
  pending[tag] = me
  task.submitted()
  repeat
    wait(me)
    if me.alarm then give_up(session, me, tag) end
  until pending[tag] ~= me
  local value, err = me.value, me.err
  me.value, me.err = false, false
  return value, err
end

-- Waits until the full queue may have room, `seconds` at most; false if the time has passed.
function M.wait_for_room(me, seconds)
  local waiter = { task = me, has_room = false }
  room_last = room_last + 1
  room[room_last] = waiter
  local timer = task.add_timer(seconds, wake, me)
  local err
  repeat
    wait(me)
    err = me.alarm and interrupted(me)
  until waiter.has_room or not timer.fire or err
  task.cancel_timer(timer)
  waiter.is_gone = true
  if waiter.has_room and err then give_room(1) end -- not used: the next one's
  if err then error(err, 0) end
  return waiter.has_room
end

-- Sessions ----------------------------------------------------------------------------------------

-- `session:_on_event(value, err)` hears of the events of this serial, as long as something else holds the session.
function M.add_session(serial, session)
  sessions[serial] = session
end

-- Waits until session[field] is set by an event, or `seconds` have passed (nil: no limit). Raises if interrupted.
function M.wait_event(me, session, field, seconds)
  local timer = seconds and task.add_timer(seconds, wake, me)
  local waiters = session._waiters
  waiters[#waiters + 1] = me
  events_awaited = events_awaited + 1
  task.submitted()
  local err
  while not (session[field] or err or timer and not timer.fire) do
    wait(me)
    err = me.alarm and interrupted(me)
  end
  events_awaited = events_awaited - 1
  if timer then task.cancel_timer(timer) end
  if err then error(err, 0) end
end

return M
