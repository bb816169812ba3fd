-- Needs a Cassandra with PasswordAuthenticator and its first user: ./dev cassandra start --auth --instance auth
-- --address-base 127.0.0.40, and CQLUA_TEST_AUTH_CONTACT_POINTS=127.0.0.40:9042.
local cqlua = require "cqlua"
local live = require "spec.live.support.live"

local failed = live.failed
local given = os.getenv "CQLUA_TEST_AUTH_CONTACT_POINTS"
local points = {}
for point in (given or ""):gmatch "[^,%s]+" do points[#points + 1] = point end

local function connect(auth, more)
  local options = { contact_points = points, auth = auth, connect_timeout = 10 }
  for name, value in pairs(more or {}) do options[name] = value end
  return cqlua.connect(options)
end

-- All that an error shows, in one text.
local function everything(value, depth)
  if type(value) ~= "table" or depth == 0 then return tostring(value) end
  local parts = { tostring(value) }
  for key, inner in pairs(value) do
    parts[#parts + 1] = tostring(key) .. "=" .. everything(inner, depth - 1)
  end
  return table.concat(parts, " ")
end

if not given then
  describe("authentication", function()
    it("SEC5 is proved against a server that asks for a password", function()
      pending "CQLUA_TEST_AUTH_CONTACT_POINTS is not set: no Cassandra with --auth to talk to"
    end)
  end)
  return
end

live.each_version("authentication", function(version)
  it("SEC5 gives the password to an authenticator of the list, over loopback, and is let in", function()
    local db = cqlua.assert(connect(cqlua.auth.plain("cassandra", "cassandra"), { protocol_version = version }))
    live.assert_usable(db)
    local me
    for row in cqlua.assert(db:execute "SELECT * FROM system_views.clients"):rows() do
      if live.ports()[row.port] then me = row.username end
    end
    assert.equal("cassandra", me)
    db:close()
  end)

  it("SEC5 an authenticator of one's own adds to the list and takes nothing from it", function()
    local db = cqlua.assert(connect(cqlua.auth.plain("cassandra", "cassandra"),
      { protocol_version = version, authenticators = { "com.example.OurAuthenticator" } }))
    live.assert_usable(db)
    db:close()
  end)

  it("C1 a wrong password is told at once, without retries, and is in no text", function()
    local secret = "wr0ng-pa55w0rd"
    local db, err = connect(cqlua.auth.plain("cassandra", secret), { protocol_version = version })
    failed("bad_credentials", db, err)
    assert.equal(0x0100, err.code)
    assert.is_nil(everything(err, 4):find(secret, 1, true))
    assert.matches("127%.0%.0%.", tostring(err))
  end)

  it("C1 without a password the error says what the server wants and what to do", function()
    local db, err = connect(nil, { protocol_version = version })
    failed("auth_failed", db, err)
    assert.matches("auth", err.message)
    assert.matches("PasswordAuthenticator", err.message)
  end)

  it("asks a function for each connection's credentials, which may itself wait", function()
    local asked = {}
    local db = cqlua.assert(connect(function(node)
      cqlua.sleep(0.01)
      asked[#asked + 1] = node
      return "cassandra", "cassandra"
    end, { protocol_version = version, connections = { 2, 2 } }))
    live.assert_usable(db)
    assert.is_true(#asked >= 1)
    for _, node in ipairs(asked) do assert.equal(points[1], node) end
    db:close()
  end)

  it("a function that gives the wrong password fails as a wrong password does", function()
    failed("bad_credentials", connect(function() return "cassandra", "nope" end, { protocol_version = version }))
  end)

  it("Q2 what the user may not do is unauthorized, and the session stays usable", function()
    local db = cqlua.assert(connect(cqlua.auth.plain("cassandra", "cassandra"), { protocol_version = version }))
    cqlua.assert(db:execute "CREATE ROLE IF NOT EXISTS cqlua_live WITH PASSWORD = 'guest' AND LOGIN = true")
    local guest = cqlua.assert(connect(cqlua.auth.plain("cqlua_live", "guest"), { protocol_version = version }))
    local err = failed("unauthorized", guest:execute "SELECT * FROM system_auth.roles")
    assert.equal(0x2100, err.code)
    assert.is_false(err.retryable)
    live.assert_usable(guest)
    guest:close()
    db:close()
  end)
end)
