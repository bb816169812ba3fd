-- What a host may do to the binding: hide ffi, exit in the middle, close the state.
local has_ffi, ffi = pcall(require, "ffi")
local seen = { casts = 0, functions = 0 }
for _, name in ipairs(has_ffi and { "cast", "new" } or {}) do
  local original = ffi[name]
  ffi[name] = function(what, ...)
    seen.casts = seen.casts + 1
    for index = 1, select("#", ...) do
      if type((select(index, ...))) == "function" then seen.functions = seen.functions + 1 end
    end
    return original(what, ...)
  end
end

local fixture = require "spec.lua.support.fixture"
local run = require "spec.lua.support.script"

describe("the binding", function()
  it("fault 73 never makes a C callback of a Lua function", function()
    fixture.with(function(db, server)
      local numbers = {}
      for n = 1, 100 do numbers[n] = n end
      server:prime("SELECT n FROM many", fixture.pages { numbers, numbers })
      for _ = 1, 3 do
        local count = 0
        for _ in db:stream("SELECT n FROM many") do count = count + 1 end
        assert.equal(200, count)
      end
    end)
    assert.equal(has_ffi, seen.casts > 0)
    assert.equal(0, seen.functions)
  end)

  it("fault 73 calls from C only functions of its own, and never yields or resumes there", function()
    -- ffi's module, new_shape, the int64 helpers, nearest
    local own = { ["core.c"] = 1, ["info.c"] = 1, ["whole.c"] = 2, ["collection.c"] = 1 }
    local found = {}
    for path in io.popen("grep -oE '\\blua_(p?call|resume|yield)k? *\\(' lua/bind/*.c /dev/null"):lines() do
      local file, call = path:match "([^/]+):lua_(%w+)"
      assert.equal("call", call, path)
      found[file] = (found[file] or 0) + 1
    end
    assert.same(own, found)
  end)

  local SCRIPT = [[
    local cqlua = require "cqlua"
    local fixture = require "spec.lua.support.fixture"
    fixture.with(function(db, server)
      server:prime("SELECT never", { silent = true })
      for _ = 1, 10 do cqlua.spawn(function() db:execute "SELECT never" end) end
      local stream = db:stream "SELECT never"
      cqlua.sleep(0.01)
      %s
      return stream
    end)
  ]]

  local function status_of(ending) return run((SCRIPT:format(ending))) end

  it("fault 75 survives os.exit with requests in flight", function()
    assert.equal("status 3\n", status_of "os.exit(3)")
  end)

  it("fault 75 survives lua_close with requests in flight", function()
    assert.equal("status 4\n", status_of "os.exit(4, true)")
  end)

  it("fault 75 survives a script that ends without closing anything", function()
    assert.equal("status 0\n", status_of "collectgarbage() db = nil")
  end)
end)
