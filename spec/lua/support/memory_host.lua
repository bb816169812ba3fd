-- A host whose sockets are made of memory: no descriptor, no loop, no clock but its own, which jumps to what is due next.
-- Names are resolved by `host.names`, if it is set (core.names_new()).
-- `connect(address, port)` gives a peer { receive(bytes) -> replies, due = time of its next reply or nil, output(now) }.

local core = require "cqlua.core"
local task = require "cqlua.task"

return function(connect)
  local host, ready, pumps, peers = { name = "memory", clock = 1000 }, {}, {}, {}

  function host.wait(waiter) return coroutine.yield(waiter) end
  function host.now() return host.clock end
  function host.defer() end
  function host.wake(waiter)
    if not waiter.awake and waiter.co then ready[#ready + 1] = waiter end
    waiter.awake = true
  end
  function host.pump()
    pumps[#pumps + 1] = core.pump_new()
    return pumps[#pumps]
  end

  local function carry(pump, what, number, bytes, port)
    if not what then return false end
    local key = tostring(pump) .. number
    if what == "connect" then
      local peer, reason = connect(bytes, port)
      peers[key] = peer and { peer = peer, pump = pump, number = number }
      core.pump_connected(pump, number, host.clock, not peer and reason or nil)
    elseif what == "write" then
      peers[key].peer:receive(bytes, host.clock)
      core.pump_sent(pump, number, host.clock, #bytes)
    elseif what == "resolve" then
      core.pump_look_up(pump, number, bytes, host.names)
    elseif what == "close" then
      peers[key] = nil
    end
    return true
  end

  local function resume_ready()
    local list = ready
    ready = {}
    for _, waiter in ipairs(list) do
      waiter.awake = false
      if waiter.co then assert(coroutine.resume(waiter.co, waiter)) end
    end
  end

  local function next_due()
    local due = task.due() and host.clock + task.due() or math.huge
    for _, pump in ipairs(pumps) do due = math.min(due, core.pump_due(pump) or math.huge) end
    for _, link in pairs(peers) do due = math.min(due, link.peer:due() or math.huge) end
    return due
  end

  function host.turn()
    if host.names then core.names_step(host.names) end
    for _, pump in ipairs(pumps) do
      core.pump_turn(pump, host.clock, 1.7e9 + host.clock)
      while carry(pump, core.pump_next(pump)) do end -- luacheck: ignore 542
    end
    for _, link in pairs(peers) do
      local bytes, is_end = link.peer:output(host.clock)
      if bytes ~= "" then core.pump_received(link.pump, link.number, host.clock, bytes) end
      if is_end then core.pump_lost(link.pump, link.number, host.clock, "closed by the peer") end
    end
    task.turn()
    resume_ready()
  end

  function host.run_until(waiter)
    while not waiter.awake do
      host.turn()
      if #ready == 0 and not waiter.awake then
        local due = next_due()
        if due == math.huge then error("nothing is due: every task waits for ever", 0) end
        host.clock = math.max(host.clock, due)
      end
    end
  end

  return host
end
