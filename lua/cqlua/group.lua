-- Several tasks as one call: gather and map, whose first error cancels the rest; and `with`, which closes what it
-- got.

local errors = require "cqlua.error"
local task = require "cqlua.task"

local M = {}

-- A group's members run; the caller waits until the last has ended, whatever happens.
local Group = {}
Group.__index = Group

local function new_group()
  local waiter = task.enter()
  return setmetatable({ left = 0, ended = nil, err = nil, waiter = waiter, tasks = task.group(waiter), members = {} }, Group)
end

-- The group ends early: how is "raised" or "returned".
local function stop(group, how, err)
  if group.ended then return end
  group.ended, group.err = how, err
  for index = 1, #group.members do group.members[index]:cancel() end
end

local function settle(group, results, key, ok, value, err)
  if not ok then
    stop(group, "raised", value)
  elseif value == nil and err ~= nil then
    stop(group, "returned", err)
  elseif results then
    results[key] = value
  end
  group.left = group.left - 1
  if group.left == 0 then task.wake(group.waiter) end
end

local function member(group, results, key, fn, ...)
  if group.ended then return settle(group, nil, key, true) end
  return settle(group, results, key, pcall(fn, ...))
end

local function begin(group, results, key, fn, ...)
  local started = task.spawn_in(group.tasks, member, group, results, key, fn, ...)
  started.must_begin = true -- cancelled or not: `member` counts it out
  group.left = group.left + 1
  group.members[#group.members + 1] = started
end

local function wait_all(group)
  local me = group.waiter
  while group.left > 0 do
    task.wait(me)
    task.tend(group.tasks)
    local err = me.alarm and task.interrupted(me)
    if err then stop(group, "raised", err) end
  end
  if group.ended == "raised" then error(group.err, 0) end
  return group.ended == nil, group.err
end

-- Runs worker(state) in `count` tasks at once; gives true, or nil and the first error, or raises it.
function M.run_workers(count, worker, state)
  local group = new_group()
  state.group = group
  for index = 1, count do begin(group, nil, index, worker, state) end
  local ok, err = wait_all(group)
  if not ok then return nil, err end
  return true
end

-- Runs all functions at once: a table of what they gave, by the same keys; the first error (raised or returned)
-- cancels the rest.
function M.gather(functions)
  if type(functions) ~= "table" then errors.misuse("gather: a table of functions expected, got %s", type(functions)) end
  for key, fn in pairs(functions) do
    if type(fn) ~= "function" then
      errors.misuse("gather: a function expected at '%s', got %s", tostring(key), type(fn))
    end
  end
  local group, results = new_group(), {}
  for key, fn in pairs(functions) do begin(group, results, key, fn) end
  local ok, err = wait_all(group)
  if not ok then return nil, err end
  return results
end

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
  local state = { list = list, fn = fn, next = 1, count = count, results = { n = count } }
  local ok, err = M.run_workers(math.min(n, count), map_worker, state)
  if not ok then return nil, err end
  return state.results
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
