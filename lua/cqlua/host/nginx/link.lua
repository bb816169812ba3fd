-- One connection of a session, over a cosocket. A cosocket belongs to the request that made it, so a timer of its own
-- owns it:
--
--   main   starts the other two, waits for the end, kills what is left of them and closes the socket
--   read   connects, then tells the pump what arrives
--   write  sends what the session's turn has put into `out`, all of it at once, and sleeps when there is nothing
--
-- A read has no time limit of its own: the session's heartbeat notices a silent server, and `close` ends a read at once.

local core = require "cqlua.core"
local semaphore = require "ngx.semaphore"

local ngx, pcall, setmetatable, tostring = ngx, pcall, setmetatable, tostring
local clock, received, sent = core.clock, core.pump_received, core.pump_sent

local M = {}

local RECEIVE_BYTES = 65536
local LONGEST = 86400 -- seconds: never, for nginx's timers
local SEND_SECONDS = 60

local Link = {}
Link.__index = Link

-- What goes wrong before the session knows of it is told as the end of the connection.
local function finish(link, reason)
  if link.is_over then return end
  link.is_over = true
  link.over:post(1)
  core.pump_lost(link.pump, link.number, clock(), tostring(reason))
  link.told(link.owner)
end

local function connect(link, socket)
  local ok, reason = socket:connect(link.address, link.port)
  if ok then link.is_connected = true end
  core.pump_connected(link.pump, link.number, clock(), not ok and tostring(reason) or nil)
  link.told(link.owner)
  return ok
end

local function read_all(link)
  local socket, pump, number, told, owner = link.socket, link.pump, link.number, link.told, link.owner
  if not connect(link, socket) then return "not connected" end
  while true do
    local bytes, reason = socket:receiveany(RECEIVE_BYTES)
    if bytes then
      received(pump, number, clock(), bytes)
      told(owner)
    elseif reason ~= "timeout" then
      return reason == "closed" and "the server closed the connection" or reason
    end
  end
end

local function write_all(link)
  local spare = {}
  while true do
    while link.count == 0 do
      link.is_idle = true
      link.work:wait(LONGEST)
      link.is_idle = false
    end
    local out, count = link.out, link.count
    link.out, link.count = spare, 0
    local length, reason = link.socket:send(count == 1 and out[1] or out)
    if not length then return reason end
    sent(link.pump, link.number, clock(), length)
    link.told(link.owner)
    for index = 1, count do out[index] = nil end
    spare = out
  end
end

-- Tells of the end, whatever it was.
local function run(link, fn)
  local _, reason = pcall(fn, link)
  finish(link, reason)
end

local function main(_, link)
  if link.is_over then return end
  link.socket = ngx.socket.tcp()
  link.socket:settimeouts(link.connect_ms, SEND_SECONDS * 1000, LONGEST * 1000)
  local reader = ngx.thread.spawn(run, link, read_all)
  local writer = ngx.thread.spawn(run, link, write_all)
  repeat link.over:wait(LONGEST) until link.is_over
  ngx.thread.kill(reader)
  ngx.thread.kill(writer)
  link.socket:close()
end

-- Connects to an address in the background: the link, or nil and why no timer could be started. `told(owner)` is called
-- whenever the pump was told something.
function M.open(pump, number, address, port, told, owner)
  local link = setmetatable({
    pump = pump,
    number = number,
    address = address:find(":", 1, true) and "[" .. address .. "]" or address,
    port = port,
    connect_ms = LONGEST * 1000, -- the session's own limit closes it
    told = told,
    owner = owner,
    socket = false,
    over = semaphore.new(),
    is_over = false,
    work = semaphore.new(),
    is_idle = false, -- the writer sleeps
    out = {}, -- what is to be sent,
    count = 0, -- so many strings
  }, Link)
  local ok, reason = ngx.timer.at(0, main, link)
  return ok and link, reason
end

function Link:write(bytes)
  self.count = self.count + 1
  self.out[self.count] = bytes
  if self.is_idle then
    self.is_idle = false
    self.work:post(1)
  end
end

-- What was written before is still sent, unless the socket is full.
function Link:close()
  self.is_over = true
  self.over:post(1)
end

return M
