-- A host for specs: a ready list, and a clock that jumps to the next timer instead of sleeping. No loop, no C.

return function(task)
  local host = { name = "virtual", clock = 0, deferred = 0 }
  local ready = {}

  function host.wait(waiter) return coroutine.yield(waiter) end

  function host.wake(waiter)
    if waiter.awake then return end
    waiter.awake = true
    if waiter.co then ready[#ready + 1] = waiter end
  end

  function host.now() return host.clock end

  function host.defer() host.deferred = host.deferred + 1 end

  function host.resume_ready()
    local list = ready
    ready = {}
    for _, waiter in ipairs(list) do
      waiter.awake = false
      if waiter.co then assert(coroutine.resume(waiter.co, waiter)) end
    end
  end

  function host.run_until(waiter)
    host.resume_ready()
    while not waiter.awake do
      if #ready == 0 then
        if task.is_stuck() then error("stuck", 0) end
        host.clock = host.clock + (task.due() or 0)
      end
      task.turn()
      host.resume_ready()
    end
  end

  return host
end
