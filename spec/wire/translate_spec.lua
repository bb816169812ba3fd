-- The option translate_address: nodes that tell private addresses of each other, and a client that is elsewhere.
local cqlua = require "cqlua"
local testing = require "cqlua.testing"
local wire = require "spec.wire.support.wire"

local ID = "40c10a00-0000-4000-8000-00000000000"

-- Three nodes, of which the first tells that the others are at 10.0.0.2 and 10.0.0.3, port 9042; and where they are.
local function natted()
  local server = testing.server { nodes = 3 }
  local rows = {}
  for index = 2, 3 do
    local address = "10.0.0." .. index
    rows[#rows + 1] = { address, "datacenter1", ID .. index, "rack1", { tostring(index) }, address, 9042, "5.0.5" }
  end
  server:prime("SELECT * FROM system.peers_v2", { columns = { { "peer", "inet" }, { "data_center", "text" },
    { "host_id", "uuid" }, { "rack", "text" }, { "tokens", "set<text>" }, { "native_address", "inet" },
    { "native_port", "int" }, { "release_version", "text" } }, rows = rows })
  return server, { ["10.0.0.2"] = server:node(2).address, ["10.0.0.3"] = server:node(3).address }
end

local function test(fn)
  return testing.async(function()
    local server, map = natted()
    local reported = {}
    cqlua.on_error(function(err) reported[#reported + 1] = tostring(err) end)
    fn(server, map, reported)
    cqlua.on_error(nil)
  end)
end

-- Connects to the first node with this option, and runs fn(session) when so many nodes are up.
local function with(server, translate, up, fn)
  wire.with(server, function(db)
    for _ = 1, 200 do
      local count = 0
      for _, node in ipairs(db:nodes()) do count = count + (node.up and 1 or 0) end
      if count == up then return fn(db) end
      cqlua.sleep(0.01)
    end
    error(up .. " nodes were to be up", 0)
  end, { contact_points = { server:node(1).address }, translate_address = translate, log = false })
end

describe("translate_address", function()
  it("C2 is asked for each peer, may wait, and is where it is connected to", test(function(server, map, reported)
    local seen = {}
    with(server, function(address, port, node)
      cqlua.sleep(0.05)
      seen[#seen + 1] = ("%s %d %s %s %s %s"):format(address, port, node.address, node.dc, node.rack, node.host_id)
      return map[address]
    end, 3, function(db)
      table.sort(seen)
      assert.same({ "10.0.0.2 9042 10.0.0.2:9042 datacenter1 rack1 " .. ID .. "2",
        "10.0.0.3 9042 10.0.0.3:9042 datacenter1 rack1 " .. ID .. "3" }, seen)
      local query = wire.prime_token(server, 1)
      local res = cqlua.assert(db:execute(query, nil, { node = "10.0.0.3" }))
      assert.equal("10.0.0.3:9042", res.coordinator)
      assert.equal(1, res[1].token)
    end)
    assert.same({}, reported)
  end))

  it("C2 may be a table, and gives address and port apart", test(function(server, map)
    with(server, map, 3, function() end)
    with(server, { ["10.0.0.2:9042"] = map["10.0.0.2"], ["10.0.0.3:9043"] = map["10.0.0.3"] }, 2, function() end)
    with(server, function(address)
      local host, port = map[address]:match "^(.*):(%d+)$"
      return host, tonumber(port)
    end, 3, function() end)
  end))

  it("C2 a function that fails leaves its node out, and says so", test(function(server, map, reported)
    with(server, function(address)
      if address == "10.0.0.2" then error("no idea", 0) end
      return map[address]
    end, 2, function(db)
      assert.equal(2, #db:nodes())
      assert.same({ "no idea" }, reported)
    end)
    with(server, function(address)
      if address == "10.0.0.2" then return nil, "not there" end
      return map[address]
    end, 2, function(db)
      assert.equal(2, #db:nodes())
      assert.equal("not there", reported[2])
    end)
    with(server, function() return 42 end, 1, function(db)
      assert.equal(1, #db:nodes())
      assert.matches("must return an address", reported[3])
    end)
  end))

  it("C2 what is neither a function nor addresses raises", function()
    for _, wrong in ipairs { 7, "10.0.0.1", { "10.0.0.1" }, { ["10.0.0.1"] = "node1.example" }, { node1 = "10.0.0.1" } } do
      assert.matches("option 'translate_address': a function%(address, port, node%), or a table",
        wire.raised(cqlua.connect, { translate_address = wrong }))
    end
  end)
end)
