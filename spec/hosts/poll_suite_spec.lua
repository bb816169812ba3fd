-- The suite on the host poll, in a loop of the program's: poll(2) on one descriptor, and timers of its own.
-- ctest: luajit

local ffi = require "ffi"
local poll = require "cqlua.host.poll"

ffi.cdef [[
struct cqlua_suite_pollfd { int fd; short events, revents; };
int poll(struct cqlua_suite_pollfd *fds, unsigned long count, int timeout);
]]

local fds = ffi.new "struct cqlua_suite_pollfd[1]"
local timers = {} -- of the program's: { at, seconds, fn }

local function every(seconds, fn)
  local timer = { at = poll.now() + seconds, seconds = seconds, fn = fn }
  timers[timer] = true
  return function() timers[timer] = nil end
end

-- Milliseconds until cqlua or a timer of the program's wants to be called.
local function sleep_ms()
  local ms = poll.timeout_ms()
  for timer in pairs(timers) do
    local left = math.max(0, math.ceil((timer.at - poll.now()) * 1000))
    if ms < 0 or left < ms then ms = left end
  end
  return ms
end

local function fire_timers()
  local due = {}
  for timer in pairs(timers) do
    if timer.at <= poll.now() then due[#due + 1] = timer end
  end
  for _, timer in ipairs(due) do
    timer.at = poll.now() + timer.seconds
    timer.fn()
  end
end

local function run(start)
  local task = start()
  while not task.state do
    local ms = sleep_ms()
    assert(ms >= 0, "nothing would ever wake it")
    fds[0].fd, fds[0].events = poll.fd(), 1
    ffi.C.poll(fds, 1, ms)
    fire_timers()
    poll.step()
  end
end

require "spec.hosts.support.suite" { name = "poll", run = run, every = every, has_callbacks = true }
