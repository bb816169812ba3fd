local assert = require "luassert"

local has_copas, copas = pcall(require, "copas")
local major = has_copas and tonumber(tostring(copas._VERSION):match "(%d+)%.") or 0

-- The host refuses what is too old, as Debian's copas 1.2.0 is, wherever this runs.
describe("the host copas", function()
  local function load_with(other)
    local kept, host = package.loaded.copas, package.loaded["cqlua.host.copas"]
    package.loaded.copas, package.loaded["cqlua.host.copas"] = other, nil
    local ok, err = pcall(require, "cqlua.host.copas")
    package.loaded.copas, package.loaded["cqlua.host.copas"] = kept, host
    return ok, tostring(err)
  end

  it("refuses a copas before 4, and names what is there and what to do", function()
    for _, version in ipairs { "Copas 1.2.0", "Copas 3.0.0", "Copas 2.0.2" } do
      local ok, err = load_with { _VERSION = version }
      assert.is_false(ok)
      assert.matches("needs copas 4 or later, and this is " .. version .. ": luarocks install copas", err, 1, true)
    end
    assert.is_false((load_with {}))
  end)

  if major < 4 then
    it("runs the suite", function() pending "copas 4 or later is not installed (luarocks install copas)" end)
  end
end)
if major < 4 then return end

local LIMIT = 60

local function run(start)
  local limit = os.time() + LIMIT
  start()
  repeat
    copas.step(1)
  until copas.finished() or os.time() > limit
  assert.is_true(copas.finished(), "copas has not finished by itself")
end

local function every(seconds, fn)
  local is_stopped = false
  copas.addthread(function()
    while not is_stopped do
      copas.pause(seconds)
      if not is_stopped then fn() end
    end
  end)
  return function() is_stopped = true end
end

require "spec.hosts.support.suite" {
  name = "copas", run = run, every = every, go = copas.addthread, pause = copas.pause, kill = copas.removethread,
}
