-- The option `tls` of connect, over a host whose bytes never leave memory.
local cqlua = require "cqlua"
local fixture = require "spec.lua.support.fixture"

local raised = fixture.raised

-- Connects to a peer that answers the first bytes with `answer`: the bytes, and the error.
local function connect(tls, answer)
  local got, is_answered = "", false
  local peer = {}
  function peer.receive(_, bytes) got = got .. bytes end
  function peer.due() return nil end
  function peer.output()
    if is_answered or got == "" then return "", false end
    is_answered = true
    return answer, false
  end
  fixture.server = { connect = function() return peer end }
  local db, err = cqlua.connect { tls = tls, connect_timeout = 2 }
  assert.is_nil(db)
  return got, err
end

describe("tls", function()
  it("SEC4 begins with a handshake and sends nothing in plain text", function()
    local got, err = connect(true, "HTTP/1.1 400 Bad Request\r\n\r\n")
    assert.equal("tls_failed", err.name)
    assert.matches("looks like HTTP", err.message)
    assert.equal(0x16, got:byte())
    assert.is_nil(got:find("CQL_VERSION", 1, true))
  end)

  it("is off where it is false", function()
    local got, err = connect(false, "HTTP/1.1 400 Bad Request\r\n\r\n")
    assert.equal("protocol", err.name)
    assert.equal(5, got:byte())
  end)

  it("raises for options that cannot be meant", function()
    for _, case in ipairs {
      { 1, "option 'tls': true, or a table of options expected" },
      { { ca_flie = "x" }, "tls: there is no option 'ca_flie'; did you mean 'ca_file'" },
      { { min_version = "1.1" }, 'one of "1.2", "1.3"' },
      { { identity = "db.example" }, '"address", "chain", or a list of host names expected' },
      { { identity = { "10.0.0.1" } }, "no host name" },
      { { ca_file = "/nowhere/ca.pem" }, "tls.ca_file '/nowhere/ca.pem' cannot be read" },
      { { cert = "x" }, "needs its key" },
    } do
      assert.matches("tls_spec.lua:%d+: connect: ", raised(function() cqlua.connect { tls = case[1] } end))
      assert.is_truthy(raised(function() cqlua.connect { tls = case[1] } end):find(case[2], 1, true), case[2])
    end
  end)

  it("SEC7 shows no key and no passphrase", function()
    for _, name in ipairs { "key", "passphrase" } do
      assert.is_nil(raised(function() cqlua.connect { tls = { [name] = 5550199 } } end):find("5550199", 1, true))
      assert.is_nil(raised(function() cqlua.connect { tls = { [name] = "s3cret" } } end):find("s3cret", 1, true))
    end
  end)
end)
