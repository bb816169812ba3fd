-- The host poll as a loop of the user's drives it: poll(2) on one descriptor.
-- ctest: luajit

local cqlua = require "cqlua"
local ffi = require "ffi"
local poll = require "cqlua.host.poll"
local testing = require "cqlua.testing"

ffi.cdef [[
struct cqlua_spec_pollfd { int fd; short events, revents; };
int poll(struct cqlua_spec_pollfd *fds, unsigned long count, int timeout);
]]

cqlua.attach(poll)

local fds = ffi.new "struct cqlua_spec_pollfd[1]"

-- The user's loop, until `condition`: how often it woke up.
local function loop(condition)
  local wakes = 0
  while not condition() do
    local ms = poll.timeout_ms()
    assert(ms ~= -1, "nothing would ever wake it")
    fds[0].fd, fds[0].events = poll.fd(), 1
    ffi.C.poll(fds, 1, ms)
    poll.step()
    wakes = wakes + 1
  end
  return wakes
end

local function run(fn)
  local task = cqlua.spawn(fn)
  task.joined = true
  local wakes = loop(function() return task.state end)
  if task.state == "failed" then error(task.error, 0) end
  return wakes
end

describe("the host poll", function()
  local server, db

  setup(function()
    server = testing.server {}
    server:prime("SELECT n", { columns = { { "n", "int" } }, rows = { { 42 } } })
    server:prime("SELECT slow", { columns = { { "n", "int" } }, rows = { { 1 } }, delay = 0.2 })
    run(function() db = assert(cqlua.connect { contact_points = server.contact_points }) end)
  end)

  teardown(function()
    run(function() db:close() end)
    server:stop()
  end)

  it("runs tasks that wait for answers, for each other and for time", function()
    local answered = 0
    run(function()
      cqlua.map({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, 4, function()
        local n = assert(db:execute "SELECT n"):one().n
        answered = answered + n
        cqlua.sleep(0.001)
        return true
      end)
    end)
    assert.equal(420, answered)
  end)

  it("sleeps while it waits", function()
    assert.is_true(run(function() assert(db:execute "SELECT slow") end) < 60)
    assert.is_true(run(function() cqlua.sleep(0.2) end) < 60)
  end)

  it("does not sleep when a task was spawned or woken outside a step", function()
    loop(function() return poll.timeout_ms() ~= 0 end)
    local task = cqlua.spawn(function() return 1 end)
    assert.equal(0, poll.timeout_ms())
    poll.step()
    assert.equal("done", task.state)
    assert.is_true(poll.timeout_ms() ~= 0)
  end)

  it("covers the deadline of a request by its timeout", function()
    server:prime("SELECT never", { no_answer = true })
    local err
    run(function()
      local _, failed = db:execute("SELECT never", nil, { timeout = 0.05 })
      err = failed
    end)
    assert.equal("timeout", err.name)
  end)

  it("leaves the loop to the user", function()
    local ok, err = pcall(cqlua.run, function() end)
    assert.is_false(ok)
    assert.matches("host 'poll' owns the loop: use cqlua.spawn", err)
    ok, err = pcall(db.execute, db, "SELECT n")
    assert.is_false(ok)
    assert.matches("start one with cqlua.spawn", err)
  end)
end)
