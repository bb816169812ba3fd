-- Several tasks as one call: gather and map, whose first error cancels the rest; and `with`, which closes what it
-- got.

local errors = require "cqlua.error"
local new_table = require "cqlua.new_table"
local task = require "cqlua.task"

local M = {}

-- A group's members run; the caller waits until the last has ended, whatever happens. A member does run(what, key).
local function new_group(run, what, results, count)
  local waiter = task.enter()
  return { run = run, what = what, results = results, left = 0, ended = false, err = false, waiter = waiter,
    tasks = task.group(waiter), members = new_table(count, 0) }
end

-- The group ends early: how is "raised" or "returned".
local function stop(group, how, err)
  if group.ended then return end
  group.ended, group.err = how, err
  for _, started in pairs(group.members) do started:cancel() end
end

local function settle(group, key, ok, value, err)
  group.members[key] = nil -- what was its task may be another group's from now on
  if not ok then
    stop(group, "raised", value)
  elseif value == nil and err ~= nil then
    stop(group, "returned", err)
  elseif value ~= nil and group.results ~= true then
    group.results[key] = value
  end
  group.left = group.left - 1
  if group.left == 0 then task.wake(group.waiter) end
end

local function member(group, key)
  if group.ended then return settle(group, key, true) end
  return settle(group, key, pcall(group.run, group.what, key))
end

local function begin(group, key)
  local started = task.new_member(member, group, key)
  group.left = group.left + 1
  group.members[key] = started
  task.start(started, group.tasks) -- which may end it at once
end

-- Gives the results (true: there are none), or nil and the first error, or raises it.
local function wait_all(group)
  local me = group.waiter
  while group.left > 0 do
    task.tend(group.tasks)
    if group.left > 0 then task.wait(me) end
    local err = me.alarm and task.interrupted(me)
    if err then stop(group, "raised", err) end
  end
  if group.ended == "raised" then error(group.err, 0) end
  if group.ended then return nil, group.err end
  return group.results
end

-- Runs the group's members 1 to count.
local function run_numbered(group, count)
  for index = 1, count do begin(group, index) end
  return wait_all(group)
end

-- Runs worker(state) in `count` tasks at once; gives true, or nil and the first error, or raises it.
function M.run_workers(count, worker, state)
  local group = new_group(worker, state, true, count)
  state.group = group
  return run_numbered(group, count)
end

local function call_one(functions, key)
  return functions[key]()
end

-- Runs all functions at once: a table of what they gave, by the same keys; the first error (raised or returned)
-- cancels the rest.
function M.gather(functions)
  if type(functions) ~= "table" then errors.misuse("gather: a table of functions expected, got %s", type(functions)) end
  local own = {} -- as they are now
  for key, fn in pairs(functions) do
    if type(fn) ~= "function" then
      errors.misuse("gather: a function expected at '%s', got %s", tostring(key), type(fn))
    end
    own[key] = fn
  end
  local group = new_group(call_one, own, {}, 0)
  for key in pairs(own) do begin(group, key) end
  return wait_all(group)
end

local function map_one(state, index)
  return state.fn(state.list[index], index)
end

-- Where there are more items than tasks.
local function map_worker(state)
  while state.next <= state.count and not state.group.ended do
    local index = state.next
    state.next = index + 1
    local value, err = state.fn(state.list[index], index)
    if value == nil and err ~= nil then return nil, err end
    state.results[index] = value
  end
end

local function check_workers(n, who)
  if type(n) ~= "number" or n < 1 or n % 1 ~= 0 then
    errors.misuse("%s: a whole number of workers above 0 expected, got %s", who, tostring(n))
  end
end
M.check_workers = check_workers

-- fn(item, index) for each item, at most n at once: the values in the order of the list, and their number as `n`.
function M.map(list, n, fn)
  if type(list) ~= "table" then errors.misuse("map: a list expected, got %s", type(list)) end
  check_workers(n, "map")
  if type(fn) ~= "function" then errors.misuse("map: a function expected, got %s", type(fn)) end
  local count = list.n or #list
  local results = new_table(count, 1)
  results.n = count
  if n >= count then return run_numbered(new_group(map_one, { list = list, fn = fn }, results, count), count) end
  local ok, err = M.run_workers(n, map_worker, { list = list, fn = fn, next = 1, count = count, results = results })
  if not ok then return nil, err end
  return results
end

-- with --------------------------------------------------------------------------------------------

local function close_it(resource)
  resource:close()
end

-- Closes it though the task is cancelled; an error in that is reported, for it would hide another. It is also what
-- `local x <close> = ...` calls on Lua 5.4.
local function close_now(resource)
  local closed, err = pcall(task.shield, close_it, resource)
  if not closed then task.report(err) end
end
M.close_now = close_now

local function left(resource, ok, ...)
  close_now(resource)
  if not ok then error((...), 0) end
  if select("#", ...) == 0 then return true end
  return ...
end

local function can_close(resource)
  local kind = type(resource)
  return (kind == "table" or kind == "userdata") and type(resource.close) == "function"
end

local function hold(resource, fn)
  if not can_close(resource) then
    errors.misuse("with: a resource with a method 'close' expected, got %s", type(resource))
  end
  return left(resource, pcall(fn, resource))
end

local function opened(fn, resource, err, ...)
  if not resource then return resource, err, ... end
  return hold(resource, fn)
end

-- with(resource, fn), or with(open, args..., fn): gives what fn(resource) returned (true if nothing) and closes
-- the resource, whatever happens.
function M.with(first, ...)
  local count = select("#", ...)
  local fn = count > 0 and select(count, ...) or nil
  if type(fn) ~= "function" then errors.misuse("with: a function expected as the last argument, got %s", type(fn)) end
  if type(first) ~= "function" then
    if count > 1 then errors.misuse("with: a function that opens expected first, got %s", type(first)) end
    return hold(first, fn)
  end
  local args = { ... }
  return opened(fn, first((table.unpack or unpack)(args, 1, count - 1))) -- luacheck: ignore 143
end

return M
