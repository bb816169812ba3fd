-- Drives this worker's sessions: their turns and the timers of tasks, in one light thread of a timer that nothing but this
-- owns; and carries what their pumps ask for to their connections.
--
--            defer                    a turn is made
--   STOPPED -------> BUSY <--------------------------------> ASLEEP
--      ^              |     defer, or something is due
--      +--------------+ park: the worker exits, and nothing has happened for a while
--
-- Whatever requests submit during one turn of nginx's loop wakes it once: posted events, of which its semaphore is one, run when
-- all that was ready has been read. So all of it goes out together.

local core = require "cqlua.core"
local link = require "cqlua.host.nginx.link"
local request = require "cqlua.request"
local semaphore = require "ngx.semaphore"
local task = require "cqlua.task"

local ngx, ipairs, pcall, setmetatable = ngx, ipairs, pcall, setmetatable
local clock, pump_due, pump_next, pump_turn = core.clock, core.pump_due, core.pump_next, core.pump_turn
local huge, max, min = math.huge, math.max, math.min

local M = {
  is_turning = false, -- sessions are told something: nothing that runs now may wait
  is_parked = false, -- its sessions were closed, as the worker exits
  on_second = false, -- function(now), called about once a second
}

local LONGEST = 0.5 -- seconds of one sleep: then it looks whether the worker exits
local QUIET = 0.5 -- seconds without a request after which a worker that exits lets its connections go
local RESOLVING = 0.005 -- seconds of one sleep while a name is being resolved
local LEAST = 0.001 -- seconds: nginx counts milliseconds

local owners = {} -- of pumps
local names = false -- the resolver, once there is a name
local work = false -- what it sleeps on: made in the worker
local state = "STOPPED"
local wakes_at = 0 -- when it is ASLEEP
local is_wanted = false -- once more, before it sleeps
local last_used, last_second = 0, 0

local Owner = {}
Owner.__index = Owner

-- Pumps -------------------------------------------------------------------------------------------

local carriers = {}

function carriers.connect(owner, number, address, port)
  local opened, reason = link.open(owner.pump, number, address, port, M.told, owner)
  owner.links[number] = opened
  if not opened then core.pump_connected(owner.pump, number, clock(), "nginx starts no timer: " .. reason) end
end

function carriers.write(owner, number, bytes)
  local found = owner.links[number]
  if found then found:write(bytes) end
end

function carriers.close(owner, number)
  local found = owner.links[number]
  owner.links[number] = nil
  if found then found:close() end
end

-- nginx gives Lua no address of a name: the library asks the system's name servers.
function carriers.resolve(owner, number, name)
  names = names or core.names_new()
  if not core.pump_look_up(owner.pump, number, name, names) then
    core.pump_resolved(owner.pump, number, clock(), nil, "the system's resolver could not be asked")
  end
end

local function carry(owner)
  local pump = owner.pump
  local what, number, text, port = pump_next(pump)
  while what do
    carriers[what](owner, number, text, port)
    what, number, text, port = pump_next(pump)
  end
end

-- A pump for one session, which is not held by it.
function M.new_pump(session)
  local held = setmetatable({ session = session }, { __mode = "v" })
  local owner = setmetatable({ pump = core.pump_new(), links = {}, held = held }, Owner)
  owners[#owners + 1] = owner
  return owner.pump
end

function Owner:session()
  return self.held.session
end

-- The sessions that are there.
function M.each()
  local index = 0
  return function()
    repeat index = index + 1 until not owners[index] or owners[index]:session()
    return owners[index] and owners[index]:session()
  end
end

-- Turns -------------------------------------------------------------------------------------------

local function report(err)
  ngx.log(ngx.ERR, "cqlua: ", err)
end

-- Runs fn(arg), during which nothing may wait, and then what has become due in it.
local function guarded(fn, arg)
  local was = M.is_turning
  M.is_turning = true
  local ok, err = pcall(fn, arg)
  M.is_turning = was
  if not ok then report(err) end
end

local function turn_of(owner, now, wall)
  local due = pump_due(owner.pump)
  if due and due <= now then pump_turn(owner.pump, now, wall) end
  carry(owner)
  return due ~= false
end

local function turn_all(now, wall)
  for index = #owners, 1, -1 do -- backwards: some may go, and new ones come behind
    if not turn_of(owners[index], now, wall) then table.remove(owners, index) end
  end
end

local function turn()
  if names then core.names_step(names) end
  turn_all(clock())
  task.turn()
end

-- Seconds until the next turn: 0 if there is something to do at once.
local function sleep_seconds(now)
  if is_wanted then return 0 end
  local is_resolving = names and core.names_step(names)
  local at = now + min(task.due() or huge, is_resolving and RESOLVING or LONGEST)
  for _, owner in ipairs(owners) do at = min(at, pump_due(owner.pump) or huge) end
  return max(at - now, 0)
end

-- The pump was told something: what that brought is carried on at once. Calls from within that are made good by the outer one.
local function follow(owner)
  carry(owner)
  task.turn()
end

function M.told(owner)
  guarded(follow, owner)
  local due = pump_due(owner.pump) or huge
  if state ~= "ASLEEP" or due < wakes_at then M.defer() end
end

-- The light thread --------------------------------------------------------------------------------

local function is_idle(now)
  return core.outstanding(request.queue) == 0 and not task.due() and now - last_used > QUIET
end

-- Lets all connections go; who then still wants one finds M.is_parked, and opens the sessions anew.
local function park()
  for session in M.each() do core.session_close(session._core, 0) end
  M.is_parked = true
  guarded(turn)
end

local function each_second(now)
  if not M.on_second or now - last_second < 1 then return end
  last_second = now
  guarded(M.on_second, now)
end

local function sleep(now, seconds)
  state, wakes_at = "ASLEEP", now + seconds
  if work:wait(max(seconds, LEAST)) then last_used = now end
  state = "BUSY"
end

local function main()
  last_used = clock()
  while true do
    is_wanted = false
    guarded(turn)
    local now = clock()
    each_second(now)
    if ngx.worker.exiting() and is_idle(now) then break end
    local seconds = sleep_seconds(now)
    if seconds > 0 then sleep(now, seconds) else ngx.sleep(0) end
  end
  park()
  state = "STOPPED"
end

-- Sees that a turn is made soon.
function M.defer()
  if state == "ASLEEP" then
    state = "BUSY"
    work:post(1)
  elseif state == "BUSY" then
    is_wanted = true
  else
    work = work or semaphore.new()
    local ok, reason = ngx.timer.at(0, main)
    if ok then state = "BUSY" else report("no timer could be started: " .. reason) end
  end
end

return M
