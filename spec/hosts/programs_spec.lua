-- The examples on loops of others, as programs of their own against a server in this process.
-- ctest: luajit
local cqlua = require "cqlua"
local run = require "spec.hosts.support.program"
local testing = require "cqlua.testing"

local build = os.getenv "CQLUA_BUILD"

local RELEASE = { columns = { { "release_version", "text" } }, rows = { { "5.0.5" } } }

local function exists(path)
  local file = io.open(path)
  return file and file:close()
end

-- What the program says when it asks for this.
local function said_by(program, arguments, text, prime)
  local path = ("%s/example_%s"):format(build, program)
  if not exists(path) then return nil end
  local server = testing.server()
  server:prime(text, prime)
  local output, status = run(("'%s' %s %s"):format(path, arguments, server.contact_points[1]))
  assert.equal(0, status, output)
  for _ = 1, 1000 do -- the server hears of it in a turn to come
    if server:node(1):connections() == 0 then return output end
    cqlua.sleep(0.005)
  end
  error "it left a connection open"
end

describe("the examples", function()
  it("libuv, in C, submits from a timer of its own, and its loop ends when the session has closed", testing.async(function()
    local text = "SELECT toTimestamp(now()) FROM system.local"
    local output = said_by("libuv", "", text, { columns = { { "t", "timestamp" } }, rows = { { 1700000000123 } } })
    if not output then return pending "there is no libuv: example_libuv was not built" end
    assert.equal(("the cluster's time: 1700000000123 ms\n"):rep(3):sub(1, -2), output)
  end, 60))

  for _, loop in ipairs { "libev", "libuv" } do
    it("hello, in C++, runs on " .. loop, testing.async(function()
      local output = said_by("hello_cc", loop, "SELECT release_version FROM system.local", RELEASE)
      if not output then return pending "there is no C++ compiler or no libuv: example_hello_cc was not built" end
      assert.equal("Cassandra 5.0.5", output)
    end, 60))
  end

  for _, host in ipairs { "luv", "cqueues", "copas" } do
    it(host .. ", in Lua, waits in tasks while the program goes on, and the loop ends by itself", testing.async(function()
      if not pcall(require, "cqlua.host." .. host) then return pending(host .. " is not installed, or is too old") end
      local server = testing.server()
      server:prime("SELECT release_version FROM system.local", RELEASE)
      local output, status = run(("luajit examples/hosts/%s.lua %s"):format(host, server.contact_points[1]))
      assert.equal(0, status, output)
      assert.matches("^3 tasks were told 5.0.5; the program's [a-z]+ went on: true\nthe loop has ended by itself$", output)
    end, 60))
  end
end)
