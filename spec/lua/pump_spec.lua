-- What a host that owns its sockets holds of a connection's output is bounded (memory_host tells what it has sent).
local core = require "cqlua.core"
local cqlua = require "cqlua"
local fake_server = require "spec.lua.support.server"
local memory_host = require "spec.lua.support.memory_host"

local MOST = 256 * 1024

local server = fake_server()
local written = 0
cqlua.attach(memory_host(function()
  local peer = server:connect()
  local receive = peer.receive
  function peer.receive(self, bytes, now)
    written = written + #bytes
    return receive(self, bytes, now)
  end
  return peer
end))

local function insert(seconds)
  server:prime("INSERT INTO big (v) VALUES (?)", { params = { { "v", "text" } } })
  return cqlua.run(function()
    local db = cqlua.assert(cqlua.connect { discovery = false, protocol_version = 4, heartbeat = { 100, 100 } })
    local put = cqlua.assert(db:prepare "INSERT INTO big (v) VALUES (?)")
    written = 0
    local res, err = db:execute(put, { ("x"):rep(1000000) }, { timeout = seconds, attempt_timeout = seconds })
    db:close(0)
    return res ~= nil, err
  end)
end

describe("the output of a connection whose host owns the socket", function()
  local sent = core.pump_sent
  after_each(function() core.pump_sent = sent end)

  it("goes on when the host has sent what it held", function()
    assert.is_true(insert(5))
    assert.is_true(written > 1000000)
  end)

  it("fault 26 stays with the session while the host sends nothing, and its deadlines hold", function()
    core.pump_sent = function() end
    local ok, err = insert(0.5)
    assert.is_false(ok)
    assert.equal("timeout", err.name)
    assert.is_true(written <= MOST and written > MOST / 2)
  end)
end)
