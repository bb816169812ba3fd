-- Tasks: coroutines that wait without blocking the thread.
--
-- A task waits and wakes only through a host table:
--   name           for messages
--   wait(waiter)   suspends the running coroutine until wake(waiter); may return early, callers look again
--   wake(waiter)   sees that waiter.co is resumed soon, with the waiter as its argument, never from within wake;
--                  twice is once. Without a `co` the waiter has ended, or is the one that run_until waits for
--   now()          seconds of a monotonic clock
--   defer()        sees that M.turn() runs before the host's loop next sleeps, and again by M.due() at the latest
-- and where cqlua owns the loop
--   run_until(waiter)  turns the loop until wake(waiter), from outside any task
-- and where it can be driven a step at a time
--   drive(seconds)     what cqlua.step does; or nil and why not
--   adopt(handle)      goes on with the loop of an adopted session; false: it cannot
-- A host whose threads are its own also has
--   start(body, task, group)  runs body(task) in a new coroutine of its own, soon or at once; group false: one that
--                             outlives who starts it
-- and, if coroutines that are no tasks may wait, one of
--   may_wait()         whether a coroutine that is no task, and runs now, is resumed by the host and may wait; else it is
--                      code that the host did not start (a generator), whose yield would go astray
--   admit()            raises where the code that runs now cannot wait; everywhere else any coroutine can. Such a host holds its
--                      coroutines itself, and may kill or reuse them
-- A host that may kill a coroutine that waits, none of whose code runs then, also has
--   is_killed(waiter)  whether the waiter's coroutine is gone
-- One for which the tasks that a waiter starts and waits for may be cheaper than others has
--   group(waiter)      which is what it starts them with, and
--   tend(group)        which the waiter calls before it waits, and which may run them
--
-- This file knows nothing of sessions: what brings answers registers a source, which each turn drains.

local errors = require "cqlua.error"
local timer = require "cqlua.timer"

local create, running, resume, yield = coroutine.create, coroutine.running, coroutine.resume, coroutine.yield
local status = coroutine.status
local unpack = table.unpack or unpack -- luacheck: ignore 143
local traceback = debug and debug.traceback or function() return "" end

local DRAIN_SECONDS = 10 -- how long leftover tasks may take to end when main has ended
local GRACE_SECONDS = 1 -- how long a failed task may stay without a join before its error is reported

local M = {}

local host
local timers = timer.new()
local tasks = {} -- by coroutine; also what holds every waiting coroutine, unless the host does
local active -- the task whose code runs now, nil while the scheduler runs
local sources = {}
local unjoined = {} -- failed tasks that nobody joined, with the timer of their report
local last_trace
local is_stepping = false -- within M.step
local bound = false -- when the present step is to end; false: whenever
local WAIT = {} -- what a generator of cqlua.wrap yields while it waits
local NOTHING = { n = 0 }
local MOST_SPARE = 1024
local spare, spare_count = {}, 0 -- tables of tasks that have ended

local Task = { __name = "cqlua.task" }
local methods = {}
Task.__index = methods

-- Code outside any task waits as `root`: by running the loop.
local root = setmetatable({ co = false, awake = false, alarm = false }, Task)

function Task:__tostring()
  return "cqlua.task (" .. (self.state or "running") .. ")"
end

-- Hosts -------------------------------------------------------------------------------------------

local function check_host(candidate)
  if type(candidate) ~= "table" then errors.misuse("attach: a host table expected, got %s", type(candidate)) end
  for _, name in ipairs { "wait", "wake", "now", "defer" } do
    if type(candidate[name]) ~= "function" then errors.misuse("attach: the host has no function '%s'", name) end
  end
end

-- Makes `candidate` the host of all tasks. Before the first task only.
function M.attach(candidate)
  check_host(candidate)
  if next(tasks) or root.waiting then errors.misuse("attach: tasks are running on host '%s' already", host.name) end
  host = candidate
  setmetatable(tasks, host.admit and { __mode = "kv" } or nil) -- the host holds them; what it kills leaves no trace
end

-- The host; `ev` unless another was attached.
function M.host()
  if not host then M.attach(require "cqlua.host.ev") end
  return host
end

-- A source brings answers: `drain()` runs once a turn and wakes who has one; `is_busy()` tells whether answers are still to
-- come, `has_more()` whether some have come and drain() had no time for them.
function M.add_source(source)
  sources[#sources + 1] = source
end

-- The host's loop calls it once a turn: fires timers and wakes who has an answer.
function M.turn()
  timers:run(host.now())
  for index = 1, #sources do sources[index].drain() end
end

-- Seconds until turn() is needed for a timer; nil if there is none.
function M.due()
  local at = timers:due()
  return at and math.max(0, at - host.now())
end

-- True if nothing that anybody waits for can happen any more.
function M.is_stuck()
  if timers:due() then return false end
  for index = 1, #sources do
    if sources[index].is_busy() then return false end
  end
  return true
end

-- True if another turn() has work at once.
function M.has_more()
  for index = 1, #sources do
    if sources[index].has_more() then return true end
  end
  return M.due() == 0
end

-- Steps -------------------------------------------------------------------------------------------

-- When the present step is to end; nil: whenever.
function M.bounded_until()
  return bound or nil
end

-- True once the time of the present step is up.
local function is_spent()
  return bound and host.now() >= bound
end
M.is_spent = is_spent

-- Waiting -----------------------------------------------------------------------------------------

local FOREIGN = "cqlua cannot wait in a coroutine that is no task: make a generator with cqlua.wrap, not coroutine.wrap"
local NO_TASK = "cqlua can wait in a task only, and this code runs in none: start one with cqlua.spawn"

-- Every field that a waiting task uses is named here, so that the table never grows.
local function new(run, fn, args)
  local task = { co = false, run = run, fn = fn, args = args, key = false, awake = false, parked = false, alarm = false,
    value = false, err = false, host = false, group = false, is_thread = false }
  return setmetatable(task, Task)
end

-- A task that only we know, of the table of an earlier one. What still wakes that one wakes this one early, which it may.
local function obtain()
  if spare_count == 0 then return new(false, false) end
  local task = spare[spare_count]
  spare[spare_count] = nil
  spare_count = spare_count - 1
  task.awake = false -- by what came late
  return task
end

local function give_back(task)
  if task.awake or spare_count == MOST_SPARE then return end -- awake: a host has it in a list
  task.co, task.fn, task.args, task.key, task.alarm, task.cancelled = false, false, false, false, false, nil
  task.value, task.err, task.host, task.group, task.is_thread = false, false, false, false, false
  spare_count = spare_count + 1
  spare[spare_count] = task
end

-- A coroutine of the host's own that waits: a task without a body, for one call or one scope.
local function guest()
  local co, is_main = running()
  if not co or is_main or not host.may_wait or not host.may_wait() then return nil end
  local visitor = new(false, false)
  visitor.co, visitor.is_guest = co, true
  return visitor
end

-- A thread of a host that may use coroutines again: a task for each call.
local function thread()
  host.admit()
  local task = obtain()
  task.is_thread = true
  return task
end

local function outside()
  M.host()
  if host.admit then return thread() end
  if active and status(active.co) == "normal" then errors.misuse(FOREIGN) end
  local visitor = guest()
  if visitor then return visitor end
  if root.waiting or not host.run_until then errors.misuse(NO_TASK) end
  return root
end

local function wait_outside()
  root.waiting, root.awake = true, false
  local ok, err = pcall(host.run_until, root)
  root.waiting = false
  if not ok then error(err, 0) end
end

-- Suspends the task until it is woken. It may have been woken for another reason: look again at what was waited
-- for, and first at task.alarm, see M.interrupted.
local function wait(task)
  active = nil
  if task.inner then
    yield(WAIT)
  elseif task == root then
    return wait_outside()
  else
    host.wait(task)
  end
  if task ~= root then active = task end
end
M.wait = wait

local function wake(task)
  return host.wake(task)
end
M.wake = wake

-- True if the task waited in a coroutine that its host has killed.
function M.is_killed(task)
  return host.is_killed ~= nil and host.is_killed(task)
end

-- The error that the task's waits must raise; nil if none. Only where task.alarm is set.
local function interrupted(task)
  local scope = task.scope
  while scope do
    if scope.shield then return nil end
    if scope.expired then return scope.expired end
    scope = scope.outer
  end
  return task.cancelled
end
M.interrupted = interrupted

-- The task that calls, as each waiting call begins: raises where one cannot wait, and in a cancelled task.
local function enter()
  local task = tasks[running()] or outside()
  if task.alarm then
    local err = interrupted(task)
    if err then error(err, 0) end
  end
  return task
end
M.enter = enter

-- The call of M.enter is over, and nothing holds what it gave: then it may serve again. Gives the rest of its arguments.
function M.leave(task, ...)
  if task.is_thread and not task.inner then give_back(task) end -- inner: the generator in which the call is goes on with it
  return ...
end

-- What takes long in a task lets the others and the host go on, in a step whose time is up: gives the error that a wait
-- would raise. A timer wakes it in the next step: who wakes itself need not wait.
function M.give_way()
  local task = tasks[running()]
  if not task then return nil end -- a coroutine of the user's own
  local entry = M.add_timer(0, wake, task)
  local err
  repeat
    wait(task)
    err = task.alarm and interrupted(task) or nil
  until err or not entry.fire
  timers:cancel(entry)
  return err
end

function M.now()
  return M.host().now()
end

-- Asks the host for a turn: something was submitted, or is due earlier.
function M.defer()
  return M.host().defer()
end

-- Something was submitted. Where cqlua owns the loop, it turns anyway.
function M.submitted()
  if not host.run_until then host.defer() end
end

function M.add_timer(seconds, fire, arg)
  local entry = timers:add(M.now() + seconds, fire, arg)
  host.defer()
  return entry
end

function M.cancel_timer(entry)
  timers:cancel(entry)
end

local function check_seconds(seconds, who)
  if type(seconds) ~= "number" or not (seconds >= 0 and seconds < math.huge) then
    errors.misuse("%s: a number of seconds expected, got %s", who, tostring(seconds))
  end
end

-- Waits so many seconds.
function M.sleep(seconds)
  check_seconds(seconds, "sleep")
  local task = enter()
  local entry = M.add_timer(seconds, wake, task)
  repeat
    wait(task)
    local err = task.alarm and interrupted(task)
    if err then
      timers:cancel(entry)
      error(err, 0)
    end
  until not entry.fire
end

-- The end of a task -------------------------------------------------------------------------------

local function print_error(err, trace)
  io.stderr:write("cqlua: error in a task that nobody joined: ", tostring(err), "\n", trace, "\n")
end
local handler = print_error

-- fn(err, traceback) hears of errors that nobody joined; nil: back to the default, standard error.
function M.on_error(fn)
  if fn ~= nil and type(fn) ~= "function" then errors.misuse("on_error: a function expected, got %s", type(fn)) end
  handler = fn or print_error
end

-- Tells on_error of an error that has no other way out.
function M.report(err, trace)
  local ok, failed = pcall(handler, err, trace or "")
  if not ok then
    print_error(err, trace or "")
    print_error(failed, "(raised by the on_error function itself)")
  end
end

local function report_unjoined(task)
  unjoined[task] = nil
  M.report(task.error, task.trace)
end

local function report_all_unjoined()
  for task, entry in pairs(unjoined) do
    timers:cancel(entry)
    report_unjoined(task)
  end
end

local function wake_joiners(task)
  local joiners = task.joiners
  if not joiners then return end
  task.joiners = nil
  for index = 1, #joiners do
    if joiners[index] then wake(joiners[index]) end
  end
end

local function enter_body(task)
  task.co = task.co or running()
  tasks[task.co] = task
  active = task
end

local function leave_body(task)
  active = nil
  tasks[task.co] = nil
  task.co = false
  if root.draining and not next(tasks) then wake(root) end
end

local function finish(task, ok, ...)
  leave_body(task)
  task.scope, task.args = nil, nil
  if ok then
    task.state = "done"
    task.results = select("#", ...) > 0 and { n = select("#", ...), ... } or NOTHING
  elseif task.cancelled and (...) == task.cancelled then
    task.state = "cancelled"
  else
    task.state, task.error, task.trace = "failed", (...), last_trace
    if not task.joined then unjoined[task] = M.add_timer(GRACE_SECONDS, report_unjoined, task) end
  end
  last_trace = nil
  wake_joiners(task)
end

local function note_trace(err)
  last_trace = traceback("", 2):gsub("^\n", "")
  return err
end

local function body(task)
  enter_body(task)
  if task.cancelled then return finish(task, false, task.cancelled) end
  local args = task.args
  if not args then return finish(task, xpcall(task.fn, note_trace)) end
  return finish(task, xpcall(task.fn, note_trace, unpack(args, 1, args.n)))
end

-- The task has left its group: nobody can cancel or join it any more, and what still wakes it wakes it early.
local function member_body(task)
  enter_body(task)
  local ok, err = pcall(task.fn, task.args, task.key)
  if not ok then M.report(err) end
  leave_body(task)
  give_back(task)
end

local function outcome(task)
  if task.state == "done" then return unpack(task.results, 1, task.results.n) end
  if task.state == "cancelled" then return nil, task.cancelled end
  error(task.error, 0)
end

-- Tasks -------------------------------------------------------------------------------------------

-- The tasks that `waiter` is going to start with M.start and wait for: what the host wants to know of them, or nil.
function M.group(waiter)
  return host.group and host.group(waiter)
end

-- To be called by the waiter whenever it is about to wait for them; it looks again before it waits.
function M.tend(group)
  if group then host.tend(group) end
end

-- Starts a task that was made: of the group, of none (nil), or of none and for others too (false).
local function start(task, group)
  local owner = M.host()
  if owner.start then return owner.start(task.run, task, group) end
  local co = create(task.run)
  task.co, task.parked = co, true
  tasks[co] = task
  owner.wake(task)
end
M.start = start

-- A task that runs fn(group, key), which raises nothing while there is memory. Only the group knows it, and forgets it in fn,
-- for its table serves again.
function M.new_member(fn, group, key)
  local task = obtain()
  task.run, task.fn, task.args, task.key = member_body, fn, group, key
  return task
end

local function spawn(group, fn, ...)
  local count = select("#", ...)
  local task = new(body, fn, count > 0 and { n = count, ... } or nil)
  start(task, group)
  return task
end

-- Starts fn(...) as a task of its own, in the loop's next turn.
function M.spawn(fn, ...)
  if type(fn) ~= "function" then errors.misuse("spawn: a function expected, got %s", type(fn)) end
  return spawn(nil, fn, ...)
end

-- The same for what others wait for too: it goes on though whatever started it is killed.
function M.spawn_apart(fn, ...)
  return spawn(false, fn, ...)
end

local function forget(joiners, task)
  for index = 1, #joiners do
    if joiners[index] == task then joiners[index] = false end
  end
end

-- Waits for the task's end: gives what its function returned, raises what it raised; nil, err of a cancelled one.
function methods:join()
  if getmetatable(self) ~= Task then errors.misuse("join: a task expected; write task:join()") end
  local task = enter()
  if task == self then errors.misuse("join: a task cannot wait for itself") end
  self.joined = true
  if unjoined[self] then
    timers:cancel(unjoined[self])
    unjoined[self] = nil
  end
  if not self.state then
    local joiners = self.joiners or {}
    self.joiners = joiners
    joiners[#joiners + 1] = task
    repeat
      wait(task)
      local err = task.alarm and interrupted(task)
      if err then
        forget(joiners, task)
        error(err, 0)
      end
    until self.state
  end
  return outcome(self)
end

-- Makes the task's present wait and each later one raise `cancelled`. True, or false if it has ended or was
-- cancelled.
function methods:cancel()
  if self.state or self.cancelled or self == root then return false end
  self.cancelled = errors.new("cancelled", "the task was cancelled")
  self.alarm = true
  wake(self)
  return true
end

-- The task that runs; nil outside.
function M.current()
  return tasks[running()]
end

-- Scopes: stretches of a task's code in which waits end early (with_timeout) or do not (shield) ---

local function open_scope(task, scope)
  scope.outer = task.scope
  task.scope = scope
  if task.is_guest then tasks[task.co] = task end -- the calls in it belong to the same task
end

local function close_scope(task, scope, ok, ...)
  task.scope = scope.outer
  if task.is_guest and not scope.outer then tasks[task.co] = nil end
  if scope.timer then timers:cancel(scope.timer) end
  task.alarm = task.cancelled ~= nil
  local outer = scope.outer
  while outer do
    if outer.expired then task.alarm = true end
    outer = outer.outer
  end
  if ok then return ... end
  if scope.expired and (...) == scope.expired then return nil, scope.expired end
  error((...), 0)
end

local function expire(scope)
  scope.expired = errors.new("timeout", scope.message)
  scope.task.alarm = true
  wake(scope.task)
end

-- Runs fn(...); a wait in it that is not over after so many seconds ends it: nil, err `timeout`.
function M.with_timeout(seconds, fn, ...)
  check_seconds(seconds, "with_timeout")
  if type(fn) ~= "function" then errors.misuse("with_timeout: a function expected, got %s", type(fn)) end
  local task = enter()
  if task.is_thread then return M.spawn(M.with_timeout, seconds, fn, ...):join() end
  local message = ("with_timeout: %g seconds have passed"):format(seconds)
  local scope = { task = task, message = message }
  scope.timer = M.add_timer(seconds, expire, scope)
  open_scope(task, scope)
  return close_scope(task, scope, pcall(fn, ...))
end

-- Runs fn(...), in which waits are safe from cancel and from the time limits around.
function M.shield(fn, ...)
  if type(fn) ~= "function" then errors.misuse("shield: a function expected, got %s", type(fn)) end
  local task = tasks[running()] or outside()
  if task.is_thread then return fn(...) end -- nothing ends its waits early
  local scope = { shield = true }
  open_scope(task, scope)
  return close_scope(task, scope, pcall(fn, ...))
end

-- Generators --------------------------------------------------------------------------------------

local advance

local function after(task, outer, generator, ok, first, ...)
  task.inner = outer
  tasks[generator] = nil
  if ok and first == WAIT then
    wait(task)
    return advance(task, generator)
  end
  if not ok then error(first, 0) end
  return first, ...
end

function advance(task, generator, ...)
  local outer = task.inner
  task.inner = true
  tasks[generator] = task
  return after(task, outer, generator, resume(generator, ...))
end

-- coroutine.wrap for generators whose code may wait.
function M.wrap(fn)
  if type(fn) ~= "function" then errors.misuse("wrap: a function expected, got %s", type(fn)) end
  local generator = create(fn)
  return function(...)
    return advance(tasks[running()] or outside(), generator, ...)
  end
end

-- The program -------------------------------------------------------------------------------------

local function end_drain()
  root.late = true
  wake(root)
end

local function cancel_leftovers()
  if not next(tasks) then return end
  for _, task in pairs(tasks) do
    task.joined = task.joined or task.cancelled ~= nil
    methods.cancel(task)
  end
  root.draining, root.late = true, false
  local entry = M.add_timer(DRAIN_SECONDS, end_drain)
  while next(tasks) and not root.late do wait_outside() end
  timers:cancel(entry)
  root.draining = false
end

local function main_outcome(task)
  if task.state == "done" and task.results.n == 0 then return true end
  return outcome(task)
end

-- One step of the loop, for a program that ticks: reads what has arrived, resumes who has an answer, sends what they
-- submitted, and never sleeps. When so many seconds have passed (nil: no bound) the rest is left for the next step. Gives the
-- number of completions, and whether more is left.
function M.step(seconds)
  if seconds ~= nil then check_seconds(seconds, "step") end
  if active or tasks[running()] or root.waiting then errors.misuse "step: the loop is running already, and resumes tasks" end
  if is_stepping then errors.misuse "step: the loop is in a step already" end
  if not M.host().drive then errors.misuse("step: host '%s' makes its own turns", host.name) end
  is_stepping, bound = true, seconds and host.now() + seconds or false
  local ok, handled, more = pcall(host.drive, seconds)
  is_stepping, bound = false, false
  if not ok then error(handled, 0) end
  if not handled then errors.misuse("step: %s", more) end
  return handled, more
end

-- Runs main(...) as the first task, and the loop until it has ended: gives what it returned (true if nothing),
-- raises what it raised. Tasks that are left then are cancelled.
function M.run(main, ...)
  if type(main) ~= "function" then errors.misuse("run: a function expected, got %s", type(main)) end
  if not M.host().run_until then errors.misuse("run: host '%s' owns the loop: use cqlua.spawn", host.name) end
  if active or root.waiting then errors.misuse("run: the loop is running already: use cqlua.spawn") end
  local task = M.spawn(main, ...)
  task.joined = true
  task.joiners = { root }
  local ok, err = true, nil
  while ok and not task.state do ok, err = pcall(wait_outside) end
  cancel_leftovers()
  if not ok then error(err, 0) end
  report_all_unjoined()
  return main_outcome(task)
end

return M
