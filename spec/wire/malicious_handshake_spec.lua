-- Servers that lie before the first request: they hang up at any byte, speak something else, or answer what was not
-- asked.
-- ctest: timeout=180
local cqlua = require "cqlua"
local testing = require "cqlua.testing"
local bytes = require "spec.wire.support.bytes"
local malice = require "spec.wire.support.malice"
local wire = require "spec.wire.support.wire"

local int, short, string_of = bytes.int, bytes.short, bytes.string
local AUTH = { user = "password" }

-- connect in this way: the session, or nil, err; within `seconds`.
local function connect(server, way, more)
  local given = { contact_points = server.contact_points, connect_timeout = 0.1, reconnect = { 0.001, 0.002 },
    compression = way.lz4 and "lz4" or nil }
  for name, value in pairs(more or {}) do given[name] = value end
  local before = cqlua.now()
  local session, err = cqlua.connect(given)
  assert.is_true(cqlua.now() - before < 2500)
  return session, err
end

-- fn(server, way) for each protocol.
local function each(fn, given)
  for _, way in ipairs(malice.ways) do
    testing.async(function()
      local options = { version = way.version, lz4 = way.lz4 }
      for name, value in pairs(given or {}) do options[name] = value end
      fn(testing.server(options), way)
    end, 40)()
  end
end

-- With this fault in the answer to a message of the handshake, connecting fails with one of these errors (or is
-- done again,
-- and does not); without it, it works.
local function refuse(opcode, faults, text)
  each(function(server, way)
    for _, fault in ipairs(faults) do
      local id = server:prime({ opcode = opcode }, fault)
      local session, err = connect(server, way)
      assert.is_nil(session)
      assert.is_true(#err.message > 20)
      assert.matches(server.contact_points[1], tostring(err), 1, true)
      if text then assert.matches(text, tostring(err), 1, true) end
      server:unprime(id)
    end
    wire.with(server, function(session) assert.is_true(malice.is_well(session, server)) end)
  end)
end

describe("a server that lies in the handshake", function()
  it("fault 66 hangs up at each byte of each message: it is tried again, and works when it does not", function()
    each(function(server, way)
      local auth = cqlua.auth.plain("user", "password")
      for _, opcode in ipairs { "OPTIONS", "STARTUP", "AUTH_RESPONSE", "REGISTER" } do
        for length = 0, 70 do
          server:prime({ opcode = opcode }, { close = length, times = 1 })
          local session, err = connect(server, way, { auth = auth, connect_timeout = 5 })
          if not session then error(("%s, %d bytes: %s"):format(opcode, length, tostring(err)), 0) end
          local query = wire.prime_token(server, length)
          local result
          for _ = 1, 100 do
            result = session:execute(query)
            if result then break end
            cqlua.sleep(0.005)
          end
          assert.equal(length, result[1].token)
          session:close()
          server:unprime()
        end
      end
    end, { auth = AUTH })
  end)

  it("fault 66 answers STARTUP with an error outside segments: it is read", function()
    refuse("STARTUP", { { error = { code = "overloaded", message = "no more clients, please" } } },
      "no more clients, please")
  end)

  it("fault 66 changes to segments after READY, and after AUTHENTICATE", function()
    for _, auth in ipairs { false, AUTH } do
      each(function(server, way)
        local given = { auth = auth and cqlua.auth.plain("user", "password") or nil }
        local session = assert(connect(server, way, given))
        assert.is_true(malice.is_well(session, server))
        session:close()
      end, { auth = auth or nil })
    end
  end)

  it("fault 66 goes on without segments: it is told", function()
    testing.async(function()
      local server = testing.server { version = 5, auth = AUTH }
      server:prime({ opcode = "AUTH_RESPONSE" }, { raw = bytes.frame(5, 0, 0x10, int(-1)) })
      local session, err = connect(server, malice.ways[3], { auth = cqlua.auth.plain("user", "password") })
      assert.is_nil(session)
      assert.matches("CRC of a segment's header", tostring(err), 1, true)
    end)()
  end)

  it("fault 67 offers nothing, or what nobody knows: there is no compression", function()
    local function offers(list)
      local out = short(#list)
      for _, entry in ipairs(list) do
        out = out .. string_of(entry[1]) .. short(#entry - 1)
        for index = 2, #entry do out = out .. string_of(entry[index]) end
      end
      return out
    end
    each(function(server, way)
      for _, body in ipairs { short(0), offers { { "COMPRESSION", "zstd", "snappy", "" } },
        offers { { "COMPRESSION" } },
        offers { { "", "", "" }, { "\255\254", "lz5" } }, offers { { "PROTOCOL_VERSIONS", "9/v9", "", "x", "/v",
          "3/v3-beta" } } } do
        local id = server:prime({ opcode = "OPTIONS" }, { body = body })
        local session = assert(connect(server, way))
        assert.is_true(malice.is_well(session, server))
        session:close()
        server:unprime(id)
      end
    end)
  end)

  it("fault 67 announces more than 64 KiB before it has accepted us: it is refused, and nothing grows", function()
    malice.does_not_grow(function()
      local much = short(1) .. string_of "COMPRESSION" .. short(3) .. string_of(("a"):rep(60000))
        .. string_of(("b"):rep(60000))
        .. string_of(("c"):rep(60000))
      for _, opcode in ipairs { "OPTIONS", "STARTUP" } do
        refuse(opcode, { { body = much }, { frame = { length = 65537 } }, { frame = { length = 2147483647 } } },
          "limit")
      end
    end)
  end)

  it("fault 67 says SUPPORTED with lists that do not end", function()
    each(function(server, way)
      for _, body in ipairs { "", "\0", short(65535), short(1) .. string_of "COMPRESSION" .. short(65535), short(9)
        .. "abc" } do
        local id = server:prime({ opcode = "OPTIONS" }, { body = body })
        local session, err = connect(server, way) -- refused, or read as far as it goes
        if session then
          assert.is_true(malice.is_well(session, server))
          session:close()
        else
          assert.is_string(err.message)
        end
        server:unprime(id)
      end
    end)
  end)

  it("fault 64 says what belongs to another message of the handshake", function()
    for _, opcode in ipairs { "READY", "RESULT", "EVENT", "AUTH_SUCCESS", "AUTH_CHALLENGE", 0x66 } do
      refuse("OPTIONS", { { frame = { opcode = opcode }, body = "" } })
    end
    for _, opcode in ipairs { "SUPPORTED", "RESULT", "AUTH_SUCCESS", "AUTH_CHALLENGE", 0x66 } do
      refuse("STARTUP", { { frame = { opcode = opcode }, body = "" } })
    end
  end)

  it("fault 64 breaks off its messages, or bears ids and versions that nobody asked for", function()
    refuse("STARTUP", {
      { frame = { opcode = "AUTHENTICATE" }, body = "\255\255abc" }, { frame = { opcode = "ERROR" }, body = "" },
      { frame = { opcode = "ERROR" }, body = int(10) }, { wrong_stream = 5 }, { wrong_stream = -1 },
        { frame = { flags = 1 } },
      { frame = { flags = 0x0E }, body = "" }, { frame = { version = 0x8F } }, { frame = { version = 0x04 } },
    })
  end)

  it("fault 64 answers the password with anything but success", function()
    each(function(server, way)
      for _, fault in ipairs { { frame = { opcode = "AUTH_CHALLENGE" }, body = int(-1) },
        { frame = { opcode = "READY" }, body = "" },
        { frame = { opcode = "SUPPORTED" }, body = short(0) }, { close = true }, { frame = { opcode = "ERROR" },
          body = "" } } do
        local id = server:prime({ opcode = "AUTH_RESPONSE" }, fault)
        local session, err = connect(server, way, { auth = cqlua.auth.plain("user", "password") })
        assert.is_nil(session)
        assert.is_nil(tostring(err):find("password\"", 1, true))
        server:unprime(id)
      end
    end, { auth = AUTH })
  end)

  it("fault 68 is no CQL server: it is told before the connect timeout", function()
    local others = { "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "\21\3\1\0\2\2\70", "\22\3\3\0\64"
      .. ("x"):rep(64),
      "SSH-2.0-OpenSSH_9.2\r\n", "-ERR unknown command\r\n", "220 smtp.example ESMTP\r\n", "\0", "\255",
        ("\0"):rep(100) }
    for _, raw in ipairs(others) do refuse("OPTIONS", { { raw = raw } }, "this is not a CQL server") end
    refuse("STARTUP", { { raw = others[1] } }, "this is not a CQL server")
  end)

  it("fault 69 speaks plainly where TLS was wanted", function()
    testing.async(function()
      local server = testing.server()
      local session, err = connect(server, malice.ways[3], { tls = true })
      assert.is_nil(session)
      assert.is_true(#err.message > 20)
      for _, raw in ipairs { "\21\3\3\0\2\2\40", "\22\3\3\255\255" .. ("x"):rep(300),
        "HTTP/1.0 400 Bad Request\r\n\r\n" } do
        server:prime({ opcode = "OPTIONS" }, { raw = raw })
        session, err = connect(server, malice.ways[3], { tls = true })
        assert.is_nil(session)
        assert.is_string(err.message)
      end
    end)()
  end)

  it("fault 52 tells nonsense in its system tables", function()
    each(function(server, way)
      for _, table_name in ipairs { "local", "peers", "peers_v2" } do
        local text = "%FROM system." .. table_name .. "%"
        for _, fault in ipairs { { body = "" }, { body = bytes.VOID }, { body = bytes.rows { count = 2147483647 } },
          { body = bytes.rows {} }, { body = bytes.rows { columns = { { "rpc_address", "int" }, { "tokens", "int" },
            { "host_id", "int" } },
            cells = bytes.bytes(int(1)):rep(3) } }, { error = "invalid" }, { frame = { opcode = "READY" },
              body = "" } } do
          fault.times = 1
          local id = server:prime({ pattern = text }, fault)
          local session = connect(server, way, { connect_timeout = 2 })
          server:unprime(id)
          if session then
            assert.is_true(malice.recovers(session, server))
            session:close()
          end
        end
      end
    end)
  end)
end)
