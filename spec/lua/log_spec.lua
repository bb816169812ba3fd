local cqlua = require "cqlua"
local fake_server = require "spec.lua.support.server"
local fixture = require "spec.lua.support.fixture"

local raised = fixture.raised

-- Connects, loses the connection, and gives what was written to standard error meanwhile.
local function written(log, env)
  local real_stderr, real_getenv, lines = io.stderr, os.getenv, {}
  rawset(io, "stderr", { write = function(_, ...) lines[#lines + 1] = table.concat { ... } end })
  rawset(os, "getenv", function(name) if name == "CQLUA_LOG" then return env end return real_getenv(name) end)
  local ok, err = pcall(cqlua.run, function()
    fixture.server = fake_server()
    local db = cqlua.assert(cqlua.connect { protocol_version = 4, log = log })
    fixture.server:prime("GO", { close = true })
    db:execute "GO"
    cqlua.sleep(0.5)
    db:close()
  end)
  rawset(io, "stderr", real_stderr)
  rawset(os, "getenv", real_getenv)
  assert(ok, err)
  return lines
end

describe("the log", function()
  it("M3 warns on standard error unless told otherwise, one line a record", function()
    local lines = written()
    assert.equal(1, #lines)
    local time, rest = lines[1]:match "^(%S+) (.*)\n$"
    assert.matches("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ$", time)
    assert.matches("^cqlua warn: 127%.0%.0%.1:9042: connection lost ", rest)
  end)

  it("M3 a level says how much, false is silence", function()
    local lines = table.concat(written "debug")
    assert.matches("cqlua debug: 127.0.0.1:9042: connecting", lines, 1, true)
    assert.matches("cqlua info: 127.0.0.1:9042: connected: protocol v4", lines, 1, true)
    assert.same({}, written "error")
    assert.same({}, written(false))
  end)

  it("M3 CQLUA_LOG has the last word on the level, except over false", function()
    assert.matches("debug: .*connecting", table.concat(written(nil, "debug")))
    assert.matches("debug: .*connecting", table.concat(written("error", "debug")))
    assert.same({}, written(nil, "none"))
    assert.same({}, written(false, "debug"))
    assert.equal(1, #written(nil, "loud"))
  end)

  it("M3 a function hears the records, down to info", function()
    local heard, levels = {}, {}
    fixture.server = fake_server()
    cqlua.run(function()
      local function log(record) heard[#heard + 1] = record end
      local db = cqlua.assert(cqlua.connect { protocol_version = 4, log = log })
      db:execute "SELECT x"
      db:close()
    end)
    for _, record in ipairs(heard) do levels[record.level] = true end
    assert.same({ info = true }, levels)
    local record = heard[1]
    assert.equal("127.0.0.1:9042", record.node)
    assert.matches("connected", record.message)
    assert.equal(0, record.suppressed)
    assert.is_number(record.time)
  end)

  it("M3 a function that raises or waits does no harm, and is reported", function()
    for expected, log in pairs {
      ["my log is full"] = function() error("my log is full", 0) end,
      ["start one with cqlua.spawn"] = function() cqlua.sleep(1) end,
    } do
      local reported = {}
      cqlua.on_error(function(err) reported[#reported + 1] = tostring(err) end)
      fixture.server = fake_server()
      cqlua.run(function()
        local db = cqlua.assert(cqlua.connect { protocol_version = 4, log = log })
        assert.is_not_nil(db:execute "SELECT x")
        db:close()
      end)
      cqlua.on_error(nil)
      assert.matches(expected, reported[1], 1, true)
    end
  end)

  it("raises for what is no level", function()
    for _, log in ipairs { "loud", true, 3, {} } do
      assert.matches("log_spec.lua:%d+: connect: option 'log': \"error\", \"warn\"", raised(function()
        cqlua.connect { log = log }
      end))
    end
  end)
end)
