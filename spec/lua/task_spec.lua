local errors = require "cqlua.error"
local group = require "cqlua.group"
local task = require "cqlua.task"

local host = require "spec.lua.support.virtual_host"(task)
task.attach(host)

local function run(main, ...) return task.run(main, ...) end

-- What the function raised, or nil.
local function raised(fn, ...)
  local ok, err = pcall(fn, ...)
  return not ok and err or nil
end

describe("cqlua.run", function()
  it("gives what main returned, nil and err included", function()
    assert.same({ 1, nil, 3, n = 3 }, table.pack and table.pack(run(function() return 1, nil, 3 end))
      or { n = select("#", run(function() return 1, nil, 3 end)), run(function() return 1, nil, 3 end) })
    assert.same({ n = 2, nil, "why" }, { n = select("#", run(function() return nil, "why" end)),
      run(function() return nil, "why" end) })
  end)

  it("gives true if main returned nothing", function()
    assert.is_true(run(function() end))
  end)

  it("passes its arguments to main", function()
    assert.equal("ab", run(function(a, b) return a .. b end, "a", "b"))
  end)

  it("raises what main raised, unchanged", function()
    local thrown = {}
    assert.equal(thrown, raised(run, function() error(thrown) end))
    assert.equal("plain", raised(run, function() error("plain", 0) end))
  end)

  it("cancels the tasks that are left when main ends", function()
    local seen
    run(function()
      task.spawn(function() seen = raised(task.sleep, 1000) end)
      task.sleep(0.1)
    end)
    assert.equal("cancelled", seen.name)
    assert.is_true(host.clock < 1000)
  end)

  it("refuses to run inside a task, at the caller's line", function()
    local message = raised(run, function() task.run(function() end) end)
    assert.matches("task_spec.lua:%d+: run: the loop is running already", message)
  end)

  it("tells instead of hanging when every task waits for another", function()
    local message = raised(run, function()
      local first
      local second = task.spawn(function() return first:join() end)
      first = task.spawn(function() return second:join() end)
      first:join()
    end)
    assert.matches("stuck", message)
    assert.equal(1, run(function() return 1 end))
  end)
end)

describe("a task", function()
  it("gives its results to join, more than once", function()
    run(function()
      local started = task.spawn(function(seconds) task.sleep(seconds) return 42, nil end, 0.1)
      assert.equal(42, started:join())
      assert.equal(2, select("#", started:join()))
    end)
  end)

  it("gives its error to join, unchanged, and on_error does not hear of it", function()
    local heard = 0
    task.on_error(function() heard = heard + 1 end)
    run(function()
      local thrown = errors.new("invalid", "no")
      local started = task.spawn(function() error(thrown) end)
      assert.equal(thrown, raised(started.join, started))
      task.sleep(10)
    end)
    task.on_error(nil)
    assert.equal(0, heard)
  end)

  it("tells on_error of an error that nobody joined, with a traceback", function()
    local heard, trace
    task.on_error(function(err, where) heard, trace = err, where end)
    run(function() task.spawn(function() error("lost", 0) end) task.sleep(0.1) end)
    task.on_error(nil)
    assert.equal("lost", heard)
    assert.matches("task_spec.lua", trace)
  end)

  it("survives an on_error function that raises", function()
    task.on_error(function() error "worse" end)
    local write, text = io.stderr, {}
    io.stderr = { write = function(_, ...) text[#text + 1] = table.concat { ... } end } -- luacheck: ignore 122
    run(function() task.spawn(function() error("lost", 0) end) task.sleep(0.1) end)
    io.stderr = write -- luacheck: ignore 122
    task.on_error(nil)
    assert.matches("lost", text[1])
    assert.matches("worse", text[2])
  end)

  it("sleeps as long as it is told, and the earliest wakes first", function()
    run(function()
      local order, began = {}, task.now()
      group.map({ 0.3, 0.1, 0.2, 0.1 }, 4, function(seconds, index)
        task.sleep(seconds)
        order[#order + 1] = index
      end)
      assert.same({ 2, 4, 3, 1 }, order)
      assert.is_true(math.abs(task.now() - began - 0.3) < 1e-9)
    end)
  end)

  it("refuses a bad number of seconds at the caller's line", function()
    for _, bad in ipairs { -1, 0 / 0, math.huge, "x" } do
      assert.matches("task_spec.lua:%d+: sleep: a number of seconds", raised(run, function() task.sleep(bad) end))
    end
  end)

  it("X1 that is cancelled raises in its present wait and in each later one, through pcall", function()
    run(function()
      local seen = {}
      local started = task.spawn(function()
        for index = 1, 3 do seen[index] = raised(task.sleep, 1000) end
        return "not reached by a wait"
      end)
      task.sleep(0.1)
      assert.is_true(started:cancel())
      assert.is_false(started:cancel())
      task.sleep(0.1)
      assert.equal(3, #seen)
      for index = 1, 3 do assert.equal("cancelled", seen[index].name) end
    end)
  end)

  it("X1 gives nil and `cancelled` to join", function()
    run(function()
      local started = task.spawn(function() task.sleep(1000) end)
      task.sleep(0.1)
      started:cancel()
      local value, err = started:join()
      assert.is_nil(value)
      assert.equal("cancelled", err.name)
    end)
  end)

  it("that is cancelled before it began never runs", function()
    run(function()
      local ran = false
      local started = task.spawn(function() ran = true end)
      started:cancel()
      assert.equal("cancelled", select(2, started:join()).name)
      assert.is_false(ran)
    end)
  end)

  it("may still wait under shield when it is cancelled", function()
    run(function()
      local done = false
      local started = task.spawn(function()
        local err = raised(task.sleep, 1000)
        task.shield(function() task.sleep(0.1) done = true end)
        error(err, 0)
      end)
      task.sleep(0.1)
      started:cancel()
      assert.equal("cancelled", select(2, started:join()).name)
      assert.is_true(done)
    end)
  end)

  it("that waits in shield when it is cancelled goes on to the end of the shield", function()
    run(function()
      local steps = {}
      local started = task.spawn(function()
        task.shield(function() task.sleep(1) steps[1] = "shielded" end)
        task.sleep(1)
        steps[2] = "never"
      end)
      task.sleep(0.5)
      started:cancel()
      started:join()
      assert.same({ "shielded" }, steps)
    end)
  end)

  it("cannot join itself", function()
    local message = raised(run, function()
      local me
      me = task.spawn(function() me:join() end)
      me:join()
    end)
    assert.matches("cannot wait for itself", message)
  end)

  it("is not kept alive by a join that was cancelled", function()
    run(function()
      local slow = task.spawn(function() task.sleep(5) return 1 end)
      local waiter = task.spawn(function() return slow:join() end)
      task.sleep(0.1)
      waiter:cancel()
      waiter:join()
      assert.equal(1, slow:join())
    end)
  end)
end)

describe("with_timeout", function()
  it("gives what the function returned in time", function()
    run(function()
      assert.same({ 1, 2 }, { task.with_timeout(1, function(a) task.sleep(0.5) return a, 2 end, 1) })
    end)
  end)

  it("ends the waits in it and gives nil and `timeout`", function()
    run(function()
      local began = task.now()
      local value, err = task.with_timeout(0.25, function() task.sleep(1000) return 1 end)
      assert.is_nil(value)
      assert.equal("timeout", err.name)
      assert.is_true(math.abs(task.now() - began - 0.25) < 1e-9)
      task.sleep(0.1)
    end)
  end)

  it("is sticky inside and over outside", function()
    run(function()
      local inner
      local _, err = task.with_timeout(0.1, function()
        pcall(task.sleep, 10)
        inner = raised(task.sleep, 0.01)
        error(inner, 0)
      end)
      assert.equal("timeout", inner.name)
      assert.equal(inner, err)
      task.sleep(0.1)
    end)
  end)

  it("lets an outer limit end an inner one", function()
    run(function()
      local inner_returned = false
      local _, err = task.with_timeout(0.1, function()
        task.with_timeout(10, task.sleep, 100)
        inner_returned = true
      end)
      assert.matches("0.1 seconds", err.message)
      assert.is_false(inner_returned)
    end)
  end)

  it("raises what the function raised, unchanged", function()
    local thrown = {}
    assert.equal(thrown, raised(run, function() task.with_timeout(1, error, thrown) end))
  end)

  it("keeps no timer of calls that ended in time", function()
    run(function()
      local before = collectgarbage("count")
      for _ = 1, 20000 do task.with_timeout(300, function() end) end
      collectgarbage()
      assert.is_true(collectgarbage("count") - before < 200)
    end)
  end)
end)

describe("gather", function()
  it("gives the values by the same keys, run at once", function()
    run(function()
      local began = task.now()
      local got = group.gather {
        a = function() task.sleep(0.2) return 1 end,
        b = function() task.sleep(0.3) return 2 end,
        function() task.sleep(0.1) return 3 end,
      }
      assert.same({ a = 1, b = 2, 3 }, got)
      assert.is_true(math.abs(task.now() - began - 0.3) < 1e-9)
    end)
  end)

  it("returns the first returned error and cancels the rest before it returns", function()
    run(function()
      local other
      local got, err = group.gather {
        function() other = raised(task.sleep, 1000) end,
        function() task.sleep(0.1) return nil, "why" end,
      }
      assert.is_nil(got)
      assert.equal("why", err)
      assert.equal("cancelled", other.name)
    end)
  end)

  it("raises the first raised error, unchanged", function()
    local thrown = {}
    assert.equal(thrown, raised(run, function()
      group.gather { function() task.sleep(1000) end, function() error(thrown) end }
    end))
  end)

  it("cancels its members when its own task is cancelled, and waits for them", function()
    run(function()
      local closed = 0
      local started = task.spawn(function()
        group.gather {
          function() pcall(task.sleep, 1000) task.shield(task.sleep, 0.1) closed = closed + 1 end,
          function() pcall(task.sleep, 1000) closed = closed + 1 end,
        }
      end)
      task.sleep(0.1)
      started:cancel()
      assert.equal("cancelled", select(2, started:join()).name)
      assert.equal(2, closed)
    end)
  end)

  it("refuses what is no function, naming its key", function()
    assert.matches("task_spec.lua:%d+: gather: a function expected at 'a', got table",
      raised(run, function() group.gather { a = {} } end))
  end)

  it("of nothing is empty", function()
    run(function() assert.same({}, group.gather {}) end)
  end)

  it("has any keys, as they are when it is called", function()
    run(function()
      local functions = { [false] = function() return "no" end, [2.5] = function() return "half" end }
      functions.adds = function() functions.late = error return "added" end
      assert.same({ [false] = "no", [2.5] = "half", adds = "added" }, group.gather(functions))
    end)
  end)

  it("leaves nothing of a group that was stopped to the tasks of the next", function()
    run(function()
      for _ = 1, 3 do
        local got, err = group.gather { function() task.sleep(1000) end, function() task.sleep(1000) end,
          function() return nil, "failed" end }
        assert.is_nil(got)
        assert.equal("failed", err)
        local values = group.map({ 1, 2, 3, 4 }, 4, function(n)
          task.sleep(n / 100)
          return 10 * n
        end)
        assert.same({ 10, 20, 30, 40, n = 4 }, values)
      end
    end)
  end)
end)

describe("map", function()
  it("keeps the order, runs at most n at once, and counts nils in n", function()
    run(function()
      local present, most = 0, 0
      local got = group.map({ 1, 2, 3, 4, 5, 6, 7 }, 3, function(item)
        present = present + 1
        most = math.max(most, present)
        task.sleep(0.1 * (8 - item))
        present = present - 1
        if item ~= 3 then return item * 2 end
      end)
      assert.equal(3, most)
      assert.equal(7, got.n)
      assert.same({ 2, 4, nil, 8, 10, 12, 14, n = 7 }, got)
    end)
  end)

  it("returns the first error, cancels the rest and starts no more", function()
    run(function()
      local begun = 0
      local got, err = group.map({ 1, 2, 3, 4, 5, 6 }, 2, function(item)
        begun = begun + 1
        task.sleep(item)
        return nil, "item " .. item
      end)
      assert.is_nil(got)
      assert.equal("item 1", err)
      assert.equal(2, begun)
    end)
  end)

  it("of nothing has n 0", function()
    run(function() assert.same({ n = 0 }, group.map({}, 8, function() end)) end)
  end)
end)

describe("with", function()
  local function resource(log, name)
    return { close = function() log[#log + 1] = "close " .. name end }
  end

  it("C5 closes on return and gives what the function returned; true if nothing", function()
    run(function()
      local log = {}
      assert.same({ 1, nil, 2 }, { group.with(resource(log, "a"), function() return 1, nil, 2 end) })
      assert.is_true(group.with(resource(log, "b"), function() end))
      assert.same({ nil, "why" }, { group.with(resource(log, "c"), function() return nil, "why" end) })
      assert.same({ "close a", "close b", "close c" }, log)
    end)
  end)

  it("C5 closes on error, the innermost first, and the body's error comes through unchanged", function()
    local log, thrown = {}, {}
    assert.equal(thrown, raised(run, function()
      group.with(resource(log, "outer"), function()
        group.with(resource(log, "inner"), function() error(thrown) end)
      end)
    end))
    assert.same({ "close inner", "close outer" }, log)
  end)

  it("C5 closes on cancel, and the closer may wait", function()
    run(function()
      local log = {}
      local held = { close = function() task.sleep(0.1) log[1] = "closed" end }
      local started = task.spawn(function() group.with(held, function() task.sleep(1000) end) end)
      task.sleep(0.1)
      started:cancel()
      assert.equal("cancelled", select(2, started:join()).name)
      assert.same({ "closed" }, log)
    end)
  end)

  it("C5 opens with the arguments given, and returns what a failed open returned", function()
    run(function()
      local log = {}
      local function open(name) if name then return resource(log, name) end return nil, "cannot" end
      assert.equal("in", group.with(open, "a", function() return "in" end))
      assert.same({ nil, "cannot" }, { group.with(open, function() error "never" end) })
      assert.same({ "close a" }, log)
    end)
  end)

  it("C5 refuses what cannot be closed", function()
    assert.matches("task_spec.lua:%d+: with: a resource", raised(run, function() group.with({}, function() end) end))
    assert.matches("with: a function expected", raised(run, function() group.with({}) end))
  end)
end)

describe("waiting outside a task", function()
  it("runs the loop until the answer", function()
    local began = host.clock
    task.sleep(3)
    assert.is_true(math.abs(host.clock - began - 3) < 1e-9)
    assert.equal(7, task.spawn(function() task.sleep(1) return 7 end):join())
    assert.equal("timeout", select(2, task.with_timeout(0.1, task.sleep, 5)).name)
  end)

  it("also works in a coroutine while the loop does not run", function()
    assert.equal(8, coroutine.wrap(function() task.sleep(1) return 8 end)())
  end)

  it("raises in a coroutine.wrap generator inside a task, naming cqlua.wrap", function()
    local message = raised(run, function()
      for _ in coroutine.wrap(function() task.sleep(1) end) do end -- luacheck: ignore 512
    end)
    assert.matches("task_spec.lua:%d+: .*cqlua.wrap", message)
  end)

  it("fault 72 works in a generator made by cqlua.wrap, in pcall, iterators and metamethods", function()
    run(function()
      local seen = {}
      local generator = task.wrap(function(first)
        for index = first, 3 do
          task.sleep(0.1)
          coroutine.yield(index)
        end
      end)
      local index = generator(1)
      while index do
        seen[#seen + 1] = index
        index = generator()
      end
      assert.same({ 1, 2, 3 }, seen)
      local slow = setmetatable({}, { __index = function(_, key) task.sleep(0.1) return key .. "!" end })
      assert.equal("a!", slow.a)
      assert.is_true(pcall(task.sleep, 0.1))
      assert.equal("in", task.wrap(function() return task.wrap(function() task.sleep(1) return "in" end)() end)())
    end)
  end)

  it("fault 72 works in a generator of cqlua.wrap outside a task too, whose error comes through", function()
    local generator = task.wrap(function() task.sleep(1) coroutine.yield(5) error("end", 0) end)
    assert.equal(5, generator())
    assert.equal("end", raised(generator))
  end)

  it("is cancelled inside a generator too", function()
    run(function()
      local seen
      local started = task.spawn(function()
        task.wrap(function() seen = raised(task.sleep, 1000) error(seen, 0) end)()
      end)
      task.sleep(0.1)
      started:cancel()
      assert.equal("cancelled", select(2, started:join()).name)
      assert.equal("cancelled", seen.name)
    end)
  end)
end)

describe("attach", function()
  it("names the function that a host lacks", function()
    assert.matches("task_spec.lua:%d+: attach: the host has no function 'wake'",
      raised(task.attach, { wait = print, now = print, defer = print }))
  end)

  it("refuses another host while tasks run", function()
    assert.matches("tasks are running on host 'virtual'", raised(run, function() task.attach(host) end))
  end)
end)

describe("10,000 waiting tasks", function()
  it("take at most 2 KB each (3 KB in Lua 5.3 and 5.4), and none of them stays", function()
    local each
    run(function()
      collectgarbage()
      local before = collectgarbage("count")
      local started = {}
      for index = 1, 10000 do started[index] = task.spawn(function() task.sleep(5) end) end
      task.sleep(1)
      collectgarbage()
      each = (collectgarbage("count") - before) * 1024 / 10000
      for index = 1, 10000 do started[index]:join() end
    end)
    collectgarbage()
    assert.is_true(each <= (math.type and 3072 or 2048), ("%.0f bytes each"):format(each))
  end)
end)
