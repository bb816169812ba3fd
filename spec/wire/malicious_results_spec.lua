-- Bodies that lie about what is in them: lengths, counts, nesting, enums, and every place where they may end.
local bytes = require "spec.wire.support.bytes"
local malice = require "spec.wire.support.malice"
local wire = require "spec.wire.support.wire"

local int, short, string_of, cell = bytes.int, bytes.short, bytes.string, bytes.bytes
local MOST = 2147483647

-- Each body is refused, and the process does not grow by what it says.
local function refuse(bodies)
  malice.does_not_grow(function()
    malice.each(function(session, server)
      for _, body in ipairs(bodies) do malice.refuses(session, server, body, "cannot be decoded") end
    end, { seconds = 30 })
  end)
end

local function rows(given) return bytes.rows(given) end
local function column(kind) return rows { columns = { { "v", kind } }, cells = cell "x" } end

describe("a server whose results lie", function()
  it("fault 52 cannot announce columns or rows that do not fit", function()
    refuse {
      rows { count = MOST }, rows { count = -1 }, rows { count = 65536 }, rows { count = 2 },
      rows { rows = MOST }, rows { rows = -1 }, rows { rows = 3 }, rows { rows = -2147483648 },
      rows { count = MOST, flags = 0 }, rows { count = MOST, rows = MOST }, rows { count = MOST, flags = 4 },
    }
  end)

  it("fault 53 cannot send rows without columns", function()
    refuse { int(2) .. int(0) .. int(0) .. int(MOST), int(2) .. int(0) .. int(0) .. int(1), int(2) .. int(4)
      .. int(0) .. int(9) }
    malice.each(function(session, server)
      server:prime("SELECT nothing", { body = int(2) .. int(0) .. int(0) .. int(0) })
      local result = assert(session:execute "SELECT nothing")
      assert.equal(0, #result)
      assert.is_false(result.has_more)
    end)
  end)

  it("fault 54 cannot nest types deep", function()
    local deep = "\0\32"
    refuse {
      column(deep:rep(2000000)), column(deep:rep(33) .. "\0\9"), column(("\0\33\0\9"):rep(1000) .. "\0\9"),
      column(("\0\49\0\1"):rep(500000) .. "\0\9"), column("\0\49\255\255" .. "\0\9"),
      column("\0\48" .. string_of "ks" .. string_of "udt" .. "\255\255" .. string_of "f" .. "\0\9"),
    }
  end)

  it("fault 54 sends class names that nest deep, or end early: their values are bytes", function()
    local class = "org.apache.cassandra.db.marshal."
    local nested = (class .. "ListType("):rep(1450) .. class .. "Int32Type" .. (")"):rep(1450)
    malice.each(function(session, server)
      for _, name in ipairs { nested, (class .. "FrozenType("):rep(1450), ("ListType("):rep(6000), ("("):rep(65535) } do
        local text = "SELECT class " .. malice.token()
        server:prime(text, { body = column("\0\0" .. string_of(name)) })
        assert.equal("x", assert(session:execute(text))[1].v)
      end
    end)
  end)

  it("fault 54 may nest them as deep as is allowed", function()
    malice.each(function(session, server)
      server:prime("SELECT deep", { body = rows { columns = { { "v", ("\0\32"):rep(20) .. "\0\9" } },
        cells = cell(nil) } })
      assert.is_nil(assert(session:execute "SELECT deep")[1].v)
    end)
  end)

  it("fault 54 may send a class that nobody knows: its values are bytes", function()
    malice.each(function(session, server)
      for _, name in ipairs { "com.example.Secret", "", "((((", "Vector(", "VectorType(FloatType , 99999999999)",
        "a\0b" } do
        local text = "SELECT custom " .. malice.token()
        server:prime(text, { body = column("\0\0" .. string_of(name)) })
        local result, err = session:execute(text)
        if result then assert.equal("x", result[1].v) else malice.check_error(err, "protocol", server) end
      end
    end)
  end)

  it("fault 56 cannot have a value that is longer than the frame", function()
    malice.each(function(session, server)
      for _, lie in ipairs { int(5) .. "abcd", int(MOST) .. "abcd", int(100) .. ("x"):rep(99) } do
        local text = "SELECT long " .. malice.token()
        server:prime(text, { body = rows { columns = { { "v", "text" } }, cells = lie } })
        local result, err = session:execute(text)
        assert.is_nil(result)
        malice.check_error(err, "protocol", server)
        local many = "SELECT long " .. malice.token()
        server:prime(many, { body = rows { columns = { { "v", "text" } }, rows = 40, cells = cell "ok":rep(39)
          .. lie } })
        result, err = session:execute(many)
        assert.is_nil(result)
        malice.check_error(err, "protocol", server, "row 40 of the page")
      end
    end)
  end)

  it("fault 61 cannot send kinds, types and flags that there are not", function()
    refuse {
      int(0), int(6), int(-1), int(MOST), column "\0\99", column "\255\255",
      rows { flags = 0x10 }, rows { flags = -1 }, int(5) .. string_of "CREATED" .. string_of "GALAXY" .. string_of "x",
    }
  end)

  it("fault 61 may send errors that nobody knows", function()
    malice.each(function(session, server)
      for _, code in ipairs { 0x7777, MOST, 0x0900 } do
        local result, err = malice.ask(session, server, { frame = { opcode = "ERROR" }, body = int(code)
          .. string_of "nobody knows this error" })
        assert.is_nil(result)
        malice.check_error(err, "server_error", server, "nobody knows this error")
        assert.equal(code, err.code)
        assert.equal(1, #err.attempts)
      end
    end)
  end)

  it("fault 61 may send write types that nobody knows, and errors whose fields are wrong", function()
    local timeout = int(0x1100) .. string_of "slow"
    malice.each(function(session, server)
      local _, err = malice.ask(session, server, { error = { code = "write_timeout", write_type = "TELEPATHY" } })
      assert.equal("write_timeout", err.name)
      assert.equal("TELEPATHY", err.write_type)
      for _, body in ipairs { "", int(0), timeout, timeout .. short(1) .. int(1), timeout .. short(99) .. int(1)
        .. int(2) .. short(9) } do
        assert.is_true(malice.is_well(session, server))
        local result, broken = malice.ask(session, server, { frame = { opcode = "ERROR" }, body = body })
        assert.is_nil(result)
        assert.is_true(broken.name == "protocol" or broken.name == "write_timeout")
        assert.equal(server.contact_points[1], broken.node)
        assert.is_true(broken.may_have_executed)
      end
    end)
  end)

  it("fault 61 cannot make a request be prepared for ever", function()
    malice.each(function(session, server)
      server:prime("SELECT p", { params = { "int" } })
      server:prime({ query = "SELECT p", opcode = "EXECUTE" }, { frame = { opcode = "ERROR" },
        body = int(0x2500) .. string_of "who?" .. string_of "another id" })
      local before = #server:received "PREPARE"
      local result, err = session:execute("SELECT p", { 1 })
      assert.is_nil(result)
      assert.is_true(err.name == "unprepared" or err.name == "protocol")
      assert.is_true(#server:received "PREPARE" - before < 5)
    end)
  end)

  it("fault 63 cannot announce warnings, payloads and tracing ids that are not there", function()
    local good = rows {}
    local lies = {
      { 0x08, short(65535) .. good }, { 0x08, short(65535) }, { 0x08, short(2) .. string_of "one" }, { 0x08, "" },
      { 0x04, short(1) .. string_of "key" .. int(MOST) .. good }, { 0x04, short(65535) .. good },
      { 0x04, short(1) .. "\255\255key" }, { 0x02, "" }, { 0x02, ("t"):rep(15) }, { 0x0E, "\0" }, { 0x02, good:sub(1,
        10) },
    }
    malice.does_not_grow(function()
      malice.each(function(session, server)
        for _, lie in ipairs(lies) do
          malice.fails(session, server, { frame = { flags = lie[1] }, body = lie[2] })
        end
      end)
    end)
  end)

  it("fault 52 cannot end a body anywhere but at its end", function()
    local whole = rows { columns = { { "token", "int" }, { "l", "\0\32\0\13" }, { "u", "\0\48" .. string_of "ks"
      .. string_of "u"
      .. short(2) .. string_of "a" .. "\0\9" .. string_of "b" .. "\0\13" } }, rows = 2, flags = 3, state = "next",
      cells = (cell(int(1)) .. cell(int(1) .. cell "x") .. cell(cell(int(1)) .. cell "y")):rep(2) }
    malice.each(function(session, server)
      for length = 0, #whole - 1 do
        assert.is_true(malice.is_well(session, server))
        local result, err = malice.ask(session, server, { body = whole:sub(1, length) })
        assert.is_nil(result)
        malice.check_error(err, "protocol", server)
      end
      local text = "SELECT whole " .. malice.token()
      server:prime(text, { body = whole })
      assert.equal("y", assert(session:execute(text))[2].u.b)
    end)
  end)

  it("fault 52 cannot answer PREPARE with markers and columns that do not fit", function()
    local id = string_of "id"
    local function prepared(version, body) return int(4) .. id .. (version == 5 and id or "") .. body end
    local none = int(4) .. int(0)
    malice.does_not_grow(function()
      malice.each(function(session, server, way)
        for _, lie in ipairs {
          "", int(0), int(0) .. int(MOST), int(0) .. int(MOST) .. int(0) .. none, int(0) .. int(0) .. int(MOST) .. none,
          int(0) .. int(0) .. int(-1) .. none, int(1) .. int(1) .. int(1) .. short(7) .. string_of "ks" .. string_of "t"
            .. string_of "m" .. "\0\9" .. none, int(0) .. int(0) .. int(0) .. int(1) .. int(MOST), int(0) .. int(0)
              .. int(0) .. int(4) .. int(3),
          int(1) .. int(1) .. int(0) .. string_of "ks" .. string_of "t" .. string_of "m" .. ("\0\32"):rep(100000)
            .. none,
        } do
          local text = "SELECT " .. malice.token() .. " WHERE m = ?"
          server:prime({ query = text, opcode = "PREPARE" }, { frame = { opcode = "RESULT" },
            body = prepared(way.version, lie), times = 1 })
          local statement, err = session:prepare(text)
          assert.is_nil(statement)
          malice.check_error(err, "protocol", server)
          assert.is_true(malice.is_well(session, server))
        end
        local text = "SELECT " .. malice.token() .. " WHERE m = ?"
        for _, kind in ipairs { 1, 2, 3, 5, 9 } do
          server:prime({ query = text, opcode = "PREPARE" }, { frame = { opcode = "RESULT" }, body = int(kind) .. id,
            times = 1 })
          local statement, err = session:prepare(text)
          assert.is_nil(statement)
          assert.equal("protocol", err.name)
          assert.is_true(malice.is_well(session, server))
        end
      end)
    end)
  end)

  it("fault 10 cannot leave out metadata of which none is known", function()
    malice.each(function(session, server)
      malice.fails(session, server, { no_metadata = true })
      malice.refuses(session, server, rows { flags = 4, specs = "", count = 1 }, "cannot be decoded")
    end)
  end)

  it("fault 16 cannot send an empty paging state", function()
    refuse { rows { flags = 3, state = "" }, int(2) .. int(3) .. int(1) .. int(-1) .. int(1) }
  end)

  it("fault 31 cannot break a session with events", function()
    local events = { "", string_of "STATUS_CHANGE", string_of "STATUS_CHANGE" .. string_of "UP" .. "\7abcdefg"
      .. int(9042),
      string_of "SCHEMA_CHANGE" .. string_of "CREATED", string_of "NO_SUCH" .. "anything",
      string_of "SCHEMA_CHANGE" .. string_of "CREATED" .. string_of "GALAXY",
      string_of "STATUS_CHANGE" .. string_of "SIDEWAYS" .. "\4\127\0\0\9" .. int(-1),
      string_of "SCHEMA_CHANGE" .. string_of "DROPPED" .. string_of "FUNCTION" .. string_of "ks" .. string_of "f"
        .. short(65535) }
    malice.each(function(session, server)
      for _, body in ipairs(events) do
        local text = wire.prime_token(server, malice.token(), { frame = { opcode = "EVENT" }, wrong_stream = -1,
          body = body, times = 1 })
        local result, err = session:execute(text, nil, { timeout = 0.05 })
        assert.is_nil(result)
        assert.is_true(err.name == "protocol" or err.name == "timeout")
        assert.is_true(malice.is_well(session, server))
      end
    end)
  end)
end)
