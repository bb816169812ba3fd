-- The library and the module, loaded and unloaded again and again: no memory, descriptor or mapping stays behind.
-- ctest: timeout=300
local run = require "spec.lua.support.script"

-- What the process holds; `cycle` is done `warm` times first, so that whatever is made once is there.
local MEASURE = [[
  local function count(command)
    local pipe = io.popen(command)
    local number = tonumber(pipe:read "*a")
    pipe:close()
    return number
  end
  local system = require "spec_system"
  local process = "/proc/" .. system.pid()
  local function held()
    collectgarbage() collectgarbage()
    return { kib = count("awk '/^Private/ { n += $2 } END { print n }' "
        .. process .. "/smaps_rollup"),
      descriptors = system.descriptors(), mappings = count("wc -l < " .. process .. "/maps") }
  end
  local is_sanitized = os.getenv "CQLUA_SANITIZE" == "1"
  local function grows(cycle, times)
    if is_sanitized then times = times / 10 end
    for _ = 1, times / 5 do cycle() end
    local before = held()
    for _ = 1, times do cycle() end
    local after = held()
    assert(after.descriptors == before.descriptors, "descriptors: " .. before.descriptors .. " -> " .. after.descriptors)
    if is_sanitized then return end -- it keeps what was freed
    assert(after.mappings <= before.mappings + 16, "mappings: " .. before.mappings .. " -> " .. after.mappings)
    assert(after.kib <= before.kib + 1024, "KiB: " .. before.kib .. " -> " .. after.kib)
  end
]]

describe("fault 75: the library", function()
  it("fault 75 is loaded and unloaded 1,000 times", function()
    assert.equal("status 0\n", run(MEASURE .. [[
      local path = assert(os.getenv "CQLUA_BUILD") .. "/libcqlua.so"
      grows(function() system.reload(path) end, 1000)
    ]]))
  end)

  -- Each state is closed with a session that still connects, a request that waits, and a task that sleeps.
  it("fault 75 is used by 1,000 Lua states, each closed in the middle of its work", function()
    assert.equal("status 0\n", run(MEASURE .. [[
      local script = [=[
        local cqlua = require "cqlua"
        local numbers = cqlua.varint "123456789012345678901234567890"
        cqlua.run(function()
          cqlua.spawn(function() cqlua.connect { contact_points = { "127.0.0.1:1", "192.0.2.1:1" }, connect_timeout = 9 } end)
          cqlua.spawn(function() cqlua.sleep(1000) end)
          cqlua.sleep(0)
          error("stop")
        end)
        return numbers
      ]=]
      grows(function()
        local said = system.state(script)
        assert(said:find("stop", 1, true), said)
      end, 1000)
    ]]))
  end)
end)
