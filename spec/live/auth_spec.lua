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

-- How many connections the server knows of this user.
local function connections_of(admin, user)
  local count = 0
  for row in cqlua.assert(admin:execute "SELECT * FROM system_views.clients"):rows() do
    if row.username == user then count = count + 1 end
  end
  return count
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

  it("SEC7 a changed password is used by the next connection, without a restart", function()
    local admin = cqlua.assert(connect(cqlua.auth.plain("cassandra", "cassandra"), { protocol_version = version }))
    local role, password, asked = "cqlua_rotated_v" .. version, "first-pie", 0
    cqlua.assert(admin:execute("CREATE ROLE IF NOT EXISTS " .. role .. " WITH PASSWORD = 'first-pie' AND LOGIN = true"))
    cqlua.assert(admin:execute("ALTER ROLE " .. role .. " WITH PASSWORD = 'first-pie'"))
    cqlua.sleep(2.5) -- what the server remembers of an earlier run
    local db = cqlua.assert(connect(function()
      asked = asked + 1
      return role, password
    end, { protocol_version = version, connections = { 1, 2 }, max_in_flight = 1, reconnect = { 0.1, 0.5 }, log = false }))
    assert.equal(1, asked)
    assert.equal(1, connections_of(admin, role))
    cqlua.assert(admin:execute("ALTER ROLE " .. role .. " WITH PASSWORD = 'second-pie'"))
    password = "second-pie"
    cqlua.run(function() -- two at once need another connection; the server may remember the old password for two seconds
      for _ = 1, 100 do
        cqlua.map({ 1, 2, 3, 4 }, 4, function() return cqlua.assert(db:execute "SELECT release_version FROM system.local") end)
        if connections_of(admin, role) == 2 then break end
        cqlua.sleep(0.1)
      end
    end)
    assert.equal(2, connections_of(admin, role))
    assert.is_true(asked >= 2)
    failed("bad_credentials", connect(cqlua.auth.plain(role, "first-pie"), { protocol_version = version }))
    db:close()
    admin:close()
  end)

  it("SEC8 a wrong password is in no record of the log, however much is logged", function()
    local secret, lines = "wr0ng-pa55w0rd", {}
    failed("bad_credentials", connect(cqlua.auth.plain("cassandra", secret), { protocol_version = version,
      log = function(record) lines[#lines + 1] = everything(record, 2) end }))
    assert.is_true(#lines > 0)
    assert.is_nil(table.concat(lines, "\n"):find(secret, 1, true))
  end)

  it("SEC5 a mechanism of one's own authenticates: PLAIN, written by hand", function()
    local class = "org.apache.cassandra.auth.PasswordAuthenticator"
    local seen
    local mechanism = cqlua.auth.sasl { class = class, start = function(_, asked_by)
      seen = asked_by
      return "\0cassandra\0cassandra"
    end }
    local db = cqlua.assert(connect(mechanism, { protocol_version = version, require_auth = true }))
    live.assert_usable(db)
    assert.equal(class, seen)
    db:close()
    local refused = cqlua.auth.sasl { class = class, start = function() return "\0cassandra\0wrong" end }
    failed("bad_credentials", connect(refused, { protocol_version = version }))
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
