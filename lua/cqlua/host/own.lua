-- What the hosts have in common whose loop is cqlua's, or was adopted: one list of who is ready. A coroutine waits by yielding
-- to the loop.

local core = require "cqlua.core"
local task = require "cqlua.task"

local is_spent = task.is_spent
local resume, yield = coroutine.resume, coroutine.yield
local ceil, floor, max, min = math.ceil, math.floor, math.max, math.min

local ROUNDS = 4 -- of a step, while tasks wake others: then the program comes first again

-- A host on the loop that make_loop() gives, at first use. It may have carry(waiter, ...): the task has yielded this, and not to
-- wait here.
return function(name, make_loop)
  local M = { name = name }
  local loop
  local ready, count = {}, 0 -- woken, to be resumed in the next round
  local round, at, last = {}, 1, 0 -- the present round: who is left of it

  function M.loop()
    loop = loop or make_loop()
    return loop
  end

  -- The descriptor that is readable while anything is ready, the same for good; nil where the loop has none (no epoll, or no
  -- poll set).
  function M.fd()
    return core.loop_fd(M.loop())
  end

  -- waiter.parked: true while it waits here; "missed" if it was woken while it waited for something of the program's own.
  function M.wait(waiter)
    if waiter.parked then
      waiter.parked = false
      return
    end
    waiter.parked = true
    return yield(waiter)
  end

  function M.wake(waiter)
    if waiter.awake then return end
    waiter.awake = true
    if not waiter.co then return end
    count = count + 1
    ready[count] = waiter
  end

  function M.now()
    return core.loop_now(loop or M.loop())
  end

  -- Nothing to do: the loop is turned before it sleeps.
  function M.defer() end

  -- True if somebody is to be resumed.
  function M.has_ready()
    return count > 0 or at <= last
  end

  -- A coroutine that we resumed has yielded or ended. Tasks catch what they raise, coroutines of the program's may not.
  local function resumed(waiter, co, ok, ...)
    if not ok then return task.report(..., debug.traceback(co)) end
    if M.carry and waiter.co and waiter.parked ~= true then return M.carry(waiter, ...) end
  end

  local function resume_parked(waiter)
    local co = waiter.co
    waiter.awake = false
    if not co then return end
    if waiter.parked ~= true then
      waiter.parked = "missed"
      return
    end
    waiter.parked = false
    return resumed(waiter, co, resume(co, waiter))
  end

  -- Resumes, in order, who is left of a round or begins one, until the time of the step is up.
  function M.resume_ready()
    if at > last then
      ready, count, round, at, last = round, 0, ready, 1, count
    end
    while at <= last do
      local waiter = round[at]
      round[at] = nil
      at = at + 1
      resume_parked(waiter)
      if is_spent() then return end
    end
  end

  -- What task.step does: how many completions and whether more is left; or nil and why not.
  function M.drive(seconds)
    local handled, err = core.loop_step(M.loop(), 0, seconds and max(1, floor(seconds * 1e6)) or 0)
    if not handled then return nil, err.message end
    task.turn()
    for _ = 1, ROUNDS do
      M.resume_ready()
      if is_spent() or not M.has_ready() then break end
    end
    core.loop_flush(loop)
    return handled, M.timeout_ms() == 0
  end

  -- How long the program may sleep, in milliseconds: 0 not at all, -1 for ever.
  function M.timeout_ms()
    if M.has_ready() or task.has_more() then return 0 end
    local of_loop, due = core.loop_timeout_ms(M.loop()), task.due()
    if not due then return of_loop end
    local of_tasks = ceil(min(due, 1e6) * 1000)
    return of_loop < 0 and of_tasks or min(of_loop, of_tasks)
  end

  M.step = task.step

  -- Goes on with the loop of an adopted session; false: sessions run on another one.
  function M.adopt(handle)
    if loop and core.loop_lends(loop, handle) then return true end
    if loop and core.loop_is_used(loop) then return false end
    loop = core.loop_lent(handle)
    M.run_until, M.name = nil, "the C program" -- it alone turns its loop
    return true
  end

  return M
end
