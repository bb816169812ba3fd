local has_luv, uv = pcall(require, "luv")
if not has_luv then
  describe("the host luv", function() pending "luv is not installed (lua-luv)" end)
  return
end

local LIMIT_MS = 60000

local function run(start)
  start()
  local limit, is_late = uv.new_timer(), false
  limit:start(LIMIT_MS, 0, function()
    is_late = true
    uv.stop()
  end)
  limit:unref()
  uv.run()
  limit:close()
  uv.run "nowait" -- luv crashes at exit where a handle is still being closed
  assert(not is_late, "uv.run did not end by itself")
end

local function every(seconds, fn)
  local timer = uv.new_timer()
  timer:start(seconds * 1000, seconds * 1000, fn)
  return function() timer:close() end
end

local function go(fn)
  local timer = uv.new_timer()
  timer:start(0, 0, function()
    timer:close()
    coroutine.wrap(fn)()
  end)
end

local function pause(seconds)
  local co, timer = coroutine.running(), uv.new_timer()
  timer:start(seconds * 1000, 0, function()
    timer:close()
    assert(coroutine.resume(co))
  end)
  coroutine.yield()
end

require "spec.hosts.support.suite" {
  name = "luv", run = run, every = every, has_callbacks = true, go = go, pause = pause,
}
