local cqlua = require "cqlua"
local fake_server = require "spec.lua.support.server"
local fixture = require "spec.lua.support.fixture"

local raised = fixture.raised
local CLASS = "com.example.OwnAuthenticator"

-- A server that answers the n-th token with the n-th challenge, then accepts, saying `last`.
local function challenging(challenges, last)
  local server = fake_server()
  server.authenticator, server.tokens = CLASS, {}
  function server.on_token(token)
    table.insert(server.tokens, token)
    local challenge = challenges[#server.tokens]
    if challenge then return "challenge", challenge end
    return "success", last
  end
  fixture.server = server
  return server
end

local function connect(auth, more)
  local options = { protocol_version = 4, auth = auth, connect_timeout = 2, log = false }
  for name, value in pairs(more or {}) do options[name] = value end
  return cqlua.connect(options)
end

-- What is reported to nobody in particular while fn runs.
local function reports(fn)
  local heard = {}
  cqlua.on_error(function(err) heard[#heard + 1] = tostring(err) end)
  fn()
  cqlua.on_error(nil)
  return heard
end

describe("auth.sasl", function()
  it("SEC5 answers challenges with the state of its own exchange, and may wait", function()
    local server = challenging({ "one", "two" }, "proof")
    local seen = {}
    local db = cqlua.assert(connect(cqlua.auth.sasl {
      class = { "com.example.Another", CLASS },
      start = function(node, class)
        cqlua.sleep(0.1)
        seen[#seen + 1] = node .. " " .. class
        return "hello", { n = 0 }
      end,
      challenge = function(state, token)
        cqlua.sleep(0.1)
        state.n = state.n + 1
        return token .. state.n
      end,
      success = function(state, token) seen[#seen + 1] = state.n .. token end,
    }))
    assert.same({ "hello", "one1", "two2" }, server.tokens)
    assert.same({ "127.0.0.1:9042 " .. CLASS, "2proof" }, seen)
    assert.is_not_nil(db:execute "SELECT x")
    db:close()
  end)

  it("SEC5 of one token needs no more than `start`, and the token may be empty", function()
    local server = challenging {}
    local db = cqlua.assert(connect(cqlua.auth.sasl { class = CLASS, start = function() return "" end }))
    assert.same({ "" }, server.tokens)
    db:close()
  end)

  it("SEC5 gives nothing to a class that was not named", function()
    local server = challenging {}
    server.authenticator = "com.example.Phishing"
    local asked = false
    local db, err = connect(cqlua.auth.sasl { class = CLASS, start = function() asked = true return "token" end })
    assert.is_nil(db)
    assert.equal("auth_failed", err.name)
    assert.matches("com.example.Phishing", err.message, 1, true)
    assert.is_false(asked)
    assert.same({}, server.tokens)
  end)

  it("SEC7 a function that raises or gives nothing is auth_failed, and only on_error hears why", function()
    local function fails() error("the vault says s3cr3t", 0) end
    local function gives_reason() return nil, "the vault says s3cr3t" end
    local token = function() return "token" end
    for index, bad in ipairs { fails, gives_reason } do
      for step, mechanism in pairs {
        ["first token"] = { start = bad },
        ["challenge"] = { start = token, challenge = bad },
        ["last token"] = { start = token, challenge = token, success = bad },
      } do
        challenging({ "one" }, "last")
        mechanism.class = CLASS
        local db, err
        local heard = reports(function() db, err = connect(cqlua.auth.sasl(mechanism)) end)
        assert.is_nil(db)
        assert.equal("auth_failed", err.name, step .. index)
        assert.matches(step, err.message, 1, true)
        assert.is_nil(tostring(err):find("s3cr3t", 1, true))
        assert.same({ "the vault says s3cr3t" }, heard)
      end
    end
  end)

  it("SEC5 a server whose last word is not believed is refused", function()
    challenging({}, "forged")
    local auth = cqlua.auth.sasl { class = CLASS, start = function() return "token" end,
      success = function(_, token) return token == "proof" end }
    local db, err
    local heard = reports(function() db, err = connect(auth) end)
    assert.is_nil(db)
    assert.equal("auth_failed", err.name)
    assert.matches("success", heard[1])
  end)

  it("a challenge without a `challenge` function fails and says so", function()
    challenging { "one" }
    local db, err
    local heard = reports(function()
      db, err = connect(cqlua.auth.sasl { class = CLASS, start = function() return "token" end })
    end)
    assert.is_nil(db)
    assert.equal("auth_failed", err.name)
    assert.matches("no `challenge` function", heard[1])
  end)

  it("ends with connect_timeout when its function does not come back", function()
    challenging {}
    local db, err = connect(cqlua.auth.sasl { class = CLASS, start = function() cqlua.sleep(30) return "token" end })
    assert.is_nil(db)
    assert.equal("no_nodes", err.name)
  end)

  it("SEC7 shows nothing of what it holds", function()
    local auth = cqlua.auth.sasl { class = { "a.B", "c.D" }, start = function() return "s3cr3t" end }
    assert.equal("cqlua.auth.sasl (a.B, c.D)", tostring(auth))
    for key, value in pairs(auth) do error(tostring(key) .. tostring(value)) end
    assert.equal("locked", getmetatable(auth))
  end)

  it("raises for what cannot be meant", function()
    local function fn() end
    for expected, given in pairs {
      ["a table expected"] = "x", ["class expected"] = { start = fn }, ["start: a function expected"] = { class = "a.B" },
      ["challenge: a function expected"] = { class = "a.B", start = fn, challenge = "x" },
      ["did you mean 'challenge'"] = { class = "a.B", start = fn, chalenge = fn },
      ["class: the name of"] = { class = { "a.B,c.D" }, start = fn },
    } do
      assert.matches(expected, raised(function() cqlua.auth.sasl(given) end), 1, true)
    end
    assert.matches("auth_spec.lua:%d+: auth.sasl", raised(function() cqlua.auth.sasl {} end))
  end)
end)

describe("auth", function()
  it("SEC7 a password given as text is not shown by the refusal", function()
    local message = raised(function() cqlua.connect { auth = "s3cr3t" } end)
    assert.matches("option 'auth': .* expected, got a string", message)
    assert.is_nil(message:find("s3cr3t", 1, true))
  end)

  it("SEC7 a function that raises is auth_failed at once, and says who gave nothing", function()
    fixture.server = fake_server("app", "x")
    local db, err
    local heard = reports(function() db, err = connect(function() error("the vault says s3cr3t", 0) end) end)
    assert.is_nil(db)
    assert.equal("auth_failed", err.name)
    assert.matches("auth", err.message)
    assert.is_nil(tostring(err):find("s3cr3t", 1, true))
    assert.same({ "the vault says s3cr3t" }, heard)
  end)

  it("SEC6 a server that asks for nothing is refused with require_auth, else the log warns", function()
    fixture.server = fake_server()
    local db, err = connect(cqlua.auth.plain("app", "x"), { require_auth = true })
    assert.is_nil(db)
    assert.equal("auth_failed", err.name)
    assert.matches("require_auth", err.message)
    local heard = {}
    db = cqlua.assert(connect(cqlua.auth.plain("app", "x"), { log = function(record) heard[#heard + 1] = record end }))
    db:execute "SELECT x"
    local warned = 0
    for _, record in ipairs(heard) do
      if record.level == "warn" and record.message:find("no authentication", 1, true) then warned = warned + 1 end
    end
    assert.equal(1, warned)
    db:close()
  end)

  it("SEC6 require_auth without credentials raises", function()
    assert.matches("auth_spec.lua:%d+: connect: require_auth is set and there are no credentials",
      raised(function() cqlua.connect { require_auth = true } end))
  end)
end)
