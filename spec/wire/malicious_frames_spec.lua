-- Frames and segments that lie: lengths, flags, versions, checksums, compression.
local bytes = require "spec.wire.support.bytes"
local malice = require "spec.wire.support.malice"

local int, frame, segment, lz4 = bytes.int, bytes.frame, bytes.segment, bytes.lz4
local RESULT, ERROR = 8, 0
local v5, v4_lz4, v5_lz4 = { malice.ways[3], malice.ways[4] }, { malice.ways[2] }, { malice.ways[4] }

-- The bytes that one way speaks for these frames: below v5 as they are, else in a segment of their own.
local function spoken(way, frames, more)
  if way.version < 5 then return frames end
  local given = { lz4 = way.lz4 }
  for name, value in pairs(more or {}) do given[name] = value end
  return segment(frames, given)
end

local function answer(way, stream, more)
  return frame(way.version, stream, RESULT, bytes.rows {}, more)
end

-- Each fault(stream, way), the bytes that stand in an answer's place, fails with this error.
local function refuse(ways, faults, name, text)
  malice.does_not_grow(function()
    malice.each(function(session, server, way)
      for _, fault in ipairs(faults) do
        malice.fails_at_stream(session, server, function(stream) return fault(stream, way) end, name, text)
      end
    end, { ways = ways, seconds = 30 })
  end)
end

describe("a server whose frames lie", function()
  it("is understood when it does not: the specs' own bytes are right", function()
    malice.each(function(session, server, way)
      for _ = 1, 3 do
        server:clear()
        assert.is_true(malice.is_well(session, server))
        local all = server:received "all"
        local raw = spoken(way, answer(way, (all[#all].stream + 1) % 32768))
        local result = assert(malice.ask(session, server, { raw = raw }))
        assert.equal(1, result[1].token)
      end
    end)
  end)

  it("fault 48 announces a negative length: the connection is closed at once", function()
    refuse(malice.ways, {
      function(stream, way) return spoken(way, answer(way, stream, { length = 2 ^ 32 - 1 })) end,
      function(stream, way) return spoken(way, answer(way, stream, { length = 2 ^ 31 })) end,
    }, "protocol", "the server announced a message of -")
  end)

  it("fault 48 announces more than the limit: the request fails, and the connection goes on", function()
    malice.does_not_grow(function()
      malice.each(function(session, server)
        local connected = #server:received "STARTUP"
        local long = ("x"):rep(300000)
        for _ = 1, 3 do
          local text = "SELECT large " .. malice.token()
          server:prime(text, { columns = { { "v", "text" } }, rows = { { long } } })
          local result, err = session:execute(text)
          assert.is_nil(result)
          malice.check_error(err, "frame_too_large", server, "max_frame_bytes")
          assert.is_true(err.may_have_executed)
          assert.is_true(malice.is_well(session, server))
        end
        assert.equal(connected, #server:received "STARTUP")
      end, { connect = { max_frame_bytes = 100000 } })
    end)
  end)

  it("fault 48 announces 700 MiB or 2 GiB that never come: the request fails, those behind it end by their time",
    function()
    malice.does_not_grow(function()
      for _, length in ipairs { 700 * 2 ^ 20, 2 ^ 31 - 1 } do
        malice.each(function(session, server, way)
          local result, err = malice.ask_at_stream(session, server, function(stream)
            return spoken(way, answer(way, stream, { length = length }), { is_part = true })
          end)
          assert.is_nil(result)
          malice.check_error(err, "frame_too_large", server)
          result, err = malice.ask(session, server, {}, { timeout = 0.05 })
          assert.is_nil(result)
          -- with segments, an answer in the middle of another is found out; below v5 it is taken for a part of it,
          -- until the
          -- server ends the connection
          malice.check_error(err, way.version == 4 and "timeout" or "protocol", server)
          if way.version == 4 then server:node(1):stop() server:node(1):start() end
          assert.is_true(malice.recovers(session, server))
        end)
      end
    end)
  end)

  it("fault 49 lets a body stall: the deadline frees the request, heartbeats find the connection dead", function()
    malice.each(function(session, server, way)
      local connected = #server:received "STARTUP"
      local result, err = malice.ask_at_stream(session, server, function(stream)
        connected = 0 -- what was received is forgotten
        return spoken(way, answer(way, stream)):sub(1, -3)
      end)
      assert.is_nil(result)
      malice.check_error(err, "timeout", server)
      assert.is_true(malice.recovers(session, server))
      assert.is_true(#server:received "STARTUP" > connected)
      assert.equal(1, server:node(1):connections())
    end, { connect = { heartbeat = { 0.2, 0.2 }, request_timeout = 0.15, attempt_timeout = 0.15 } })
  end)

  it("fault 50 compresses although nothing was agreed", function()
    malice.each(function(session, server)
      malice.fails(session, server, { frame = { flags = 1 } }, "protocol", "compressed")
      malice.fails(session, server, { frame = { flags = 1 }, body = int(20) .. lz4(("x"):rep(20)) }, "protocol",
        "compressed")
    end, { ways = { malice.ways[1], malice.ways[3], malice.ways[4] } })
  end)

  it("fault 51 lies about what is compressed in a frame", function()
    local body = bytes.rows {}
    local function packed(size, block)
      return function(stream) return frame(4, stream, RESULT, size .. block, { flags = 1 }) end
    end
    refuse(v4_lz4, {
      packed("", ""), packed("\0\0\0", ""), packed(int(-1), "ab"), packed(int(200000000), "ab"),
      packed(int(#body - 1), lz4(body)), packed(int(#body + 1), lz4(body)), packed(int(1000), ("garbage"):rep(30)),
      packed(int(65536), "\31a\1\0" .. ("\255"):rep(100)), packed(int(20), "\16a\0\0\80bbbbb"), packed(int(20),
        "\16a\9\9\80bbbbb"),
      packed(int(4000000), "\240" .. ("\255"):rep(15000)), packed(int(0), lz4(body)), packed(int(9), ""),
    }, "protocol")
  end)

  it("fault 51 announces 2 GiB in two bytes: the request fails, and the connection goes on", function()
    refuse(v4_lz4, {
      function(stream) return frame(4, stream, RESULT, int(2147483647) .. "ab", { flags = 1 }) end,
    }, "frame_too_large")
  end)

  it("fault 51 lies about what is compressed in a segment", function()
    local function packed(way, stream, more, block)
      more.lz4 = true
      return segment(block or lz4(answer(way, stream)), more)
    end
    refuse(v5_lz4, {
      function(stream, way) return packed(way, stream, { uncompressed = #answer(way, stream) - 1 }) end,
      function(stream, way) return packed(way, stream, { uncompressed = #answer(way, stream) + 1 }) end,
      function(stream, way) return packed(way, stream, { uncompressed = 131071 }) end,
      function(stream, way) return packed(way, stream, { uncompressed = 1 }) end,
      function(stream, way) return packed(way, stream, { uncompressed = 100 }, ("garbage"):rep(10)) end,
      function(stream, way) return packed(way, stream, { uncompressed = 100 }, "") end,
      function(stream, way) return packed(way, stream, { uncompressed = 131071 }, "\31a\1\0" .. ("\255"):rep(500)) end,
      function(_, way) return packed(way, 0, { uncompressed = 0 }, ("not a frame"):rep(3)) end,
    }, "protocol")
  end)

  it("fault 62 answers in another version, or with a request", function()
    malice.each(function(session, server, way)
      local other = way.version == 4 and 5 or 4
      for _, version in ipairs { 0x80 + other, 0x83, 0x80 + 6, way.version, 0x81, 0x82, 0x00, 0x7F, 0xFF, 0x90 } do
        malice.fails(session, server, { frame = { version = version } }, "protocol")
      end
    end)
  end)

  it("fault 64 sends messages of the handshake as answers", function()
    malice.each(function(session, server)
      for _, opcode in ipairs { "READY", "AUTHENTICATE", "AUTH_CHALLENGE", "AUTH_SUCCESS", "SUPPORTED", "STARTUP",
        "QUERY", 0x77, 0xFF } do
        for _, body in ipairs { "", bytes.short(0), bytes.string "org.apache.cassandra.auth.PasswordAuthenticator" } do
          malice.fails(session, server, { frame = { opcode = opcode }, body = body }, "protocol",
            "where RESULT or ERROR was expected")
        end
      end
    end)
  end)

  it("fault 64 says READY once more, on a stream where nothing was asked", function()
    refuse(malice.ways, {
      function(stream, way) return spoken(way, frame(way.version, (stream + 1) % 32768, 2, "")) end,
      function(_, way) return spoken(way, frame(way.version, -2, 2, "")) end,
      function(_, way) return spoken(way, frame(way.version, -1, 2, "")) end,
    }, "protocol")
  end)

  it("fault 65 turns over any bit of an answer: its segment is refused", function()
    malice.each(function(session, server)
      local size = 3 + 3 + 9 + 40
      for byte = 1, size do
        local result, err = malice.ask(session, server, { corrupt = byte })
        if byte <= 50 then assert.is_nil(result) end
        if err then assert.is_true(err.name == "protocol" or err.name == "timeout") end
        assert.is_true(malice.is_well(session, server))
      end
    end, { ways = v5, seconds = 30, connect = { heartbeat = { 0.05, 0.05 }, request_timeout = 0.4,
      attempt_timeout = 0.4 } })
  end)

  it("fault 65 sends segments with wrong checksums, without bytes, and flags that are wrong", function()
    local function segments(change)
      return function(stream, way)
        local given = { lz4 = way.lz4 }
        for name, value in pairs(change) do given[name] = value end
        return segment(given.payload or answer(way, stream), given)
      end
    end
    refuse(v5, {
      segments { crc24 = 0 }, segments { crc24 = 0xFFFFFF }, segments { crc32 = 0 }, segments { payload = "" },
      segments { payload = "", is_part = true }, segments { payload = "abc" }, segments { payload = ("\133"):rep(8) },
    }, "protocol")
  end)

  it("fault 65 ends messages where no segment may end", function()
    local function two(first, second)
      return function(stream, way)
        local whole = answer(way, stream)
        return segment(first(whole), { lz4 = way.lz4, is_part = true }) .. segment(second(whole), { lz4 = way.lz4 })
      end
    end
    local function half(whole) return whole:sub(1, 20) end
    local function rest(whole) return whole:sub(21) end
    local function all(whole) return whole end
    refuse(v5, {
      function(stream, way) return segment(half(answer(way, stream)), { lz4 = way.lz4 }) end, -- called self-contained
      two(half, rest), -- a part, and then not
      two(half, all),
      function(stream, way)
        local whole = answer(way, stream)
        return segment(half(whole), { lz4 = way.lz4, is_part = true })
          .. segment(rest(whole) .. whole, { lz4 = way.lz4, is_part = true })
      end,
    }, "protocol")
  end)

  it("fault 65 sends a message in parts of one byte: it is put together", function()
    malice.each(function(session, server, way)
      server:clear()
      assert.is_true(malice.is_well(session, server))
      local all = server:received "all"
      local parts = {}
      for byte in answer(way, (all[#all].stream + 1) % 32768):gmatch "." do
        parts[#parts + 1] = segment(byte, { lz4 = way.lz4, is_part = true })
      end
      assert.equal(1, assert(malice.ask(session, server, { raw = table.concat(parts) }))[1].token)
    end, { ways = v5 })
  end)

  it("fault 65 never sends the last segment of a large message: nothing grows beyond what came", function()
    malice.does_not_grow(function()
      malice.each(function(session, server, way)
        local part = segment(("x"):rep(100000), { lz4 = way.lz4, is_part = true })
        local result, err = malice.ask_at_stream(session, server, function(stream)
          local first = frame(5, stream, RESULT, "", { length = 250 * 2 ^ 20 })
          return segment(first, { lz4 = way.lz4, is_part = true }) .. part:rep(20)
        end)
        assert.is_nil(result)
        malice.check_error(err, "timeout", server)
        assert.is_true(malice.recovers(session, server))
      end, { ways = v5, connect = { request_timeout = 0.3, attempt_timeout = 0.3 } })
    end, 64 * 2 ^ 20)
  end)

  it("fault 62 sends an ERROR on its own stream: the connection is lost for the reason that it gives", function()
    malice.each(function(session, server, way)
      local raw = spoken(way, frame(way.version, -1, ERROR, int(0x1001) .. bytes.string "too many clients"))
      local result, err = malice.ask(session, server, { raw = raw })
      assert.is_nil(result)
      malice.check_error(err, "connection_lost", server, "too many clients")
    end)
  end)

  it("fault 27 hangs up after each byte of an answer: the request fails at once", function()
    malice.each(function(session, server)
      for length = 0, 45 do
        assert.is_true(malice.is_well(session, server))
        local result, err = malice.ask(session, server, { truncate = length })
        if result == nil then malice.check_error(err, "connection_lost", server) end
      end
    end, { seconds = 20 })
  end)
end)
