local cqlua = require "cqlua"
local fake_server = require "spec.lua.support.server"
local memory_host = require "spec.lua.support.memory_host"
local options = require "cqlua.options"

local server = fake_server()
local tried = {}
cqlua.attach(memory_host(function(address, port)
  tried[#tried + 1] = address .. " " .. port
  return server:connect()
end))

local function addresses_of(given)
  tried = {}
  cqlua.run(function()
    local db = cqlua.assert(cqlua.connect(given))
    cqlua.assert(db:execute "SELECT x")
    db:close()
  end)
  table.sort(tried)
  return tried
end

describe("contact points", function()
  it("C2 are 127.0.0.1:9042 unless said otherwise", function()
    assert.same({ "127.0.0.1 9042" }, addresses_of { protocol_version = 4 })
  end)

  it("C2 are all connected to, with their own port or the one of `port`", function()
    assert.same({ "127.0.0.2 9999", "127.0.0.3 9043", "::1 9044" }, addresses_of {
      protocol_version = 4, port = 9999, contact_points = { "127.0.0.2", "127.0.0.3:9043", "[::1]:9044" },
    })
  end)

  it("C2 `discovery = false` keeps to them", function()
    assert.same({ "127.0.0.1 9042" }, addresses_of { protocol_version = 4, discovery = false })
  end)

  it("C2 every option is in the documented table of defaults", function()
    local file = assert(io.open "docs/options.md")
    local text = file:read "*a"
    file:close()
    for _, specs in ipairs { options.CONNECT, options.CALL, options.STREAM, options.ALL } do
      for name in pairs(specs) do
        assert.is_truthy(text:find("`" .. name .. "`", 1, true), name .. " is not in docs/options.md")
      end
    end
  end)
end)
