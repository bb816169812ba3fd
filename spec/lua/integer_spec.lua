-- Whole numbers look like whole numbers in every Lua: "1", never "1.0". (What a column of floats has is a float.)
local cqlua = require "cqlua"
local fixture = require "spec.lua.support.fixture"
local wire = require "spec.lua.support.wire"

-- All numbers within `value`, seconds left out, as text by their path.
local SECONDS = { started = true, duration = true, seconds = true }
local function check(value, path)
  if type(value) == "table" then
    for key, item in pairs(value) do
      if not SECONDS[key] then check(item, path .. "." .. tostring(key)) end
    end
  elseif type(value) == "number" then
    assert.matches("^-?%d+$", tostring(value), path)
  end
end

describe("whole numbers", function()
  it("V1 of columns are written without a fraction", function()
    local types = { tinyint = "\5", smallint = "\0\5", int = "\0\0\0\5", timestamp = "\0\0\1\148\0\0\0\0" }
    fixture.with(function(db, server)
      for kind, bytes in pairs(types) do
        local rows = {}
        for index = 1, 40 do rows[index] = { bytes } end
        server:prime("SELECT v", { columns = { { "v", kind } }, rows = rows })
        local res = cqlua.assert(db:execute "SELECT v")
        assert.equal(kind == "timestamp" and "1735166787584" or "5", tostring(res[1].v))
      end
      server:prime("SELECT v", { columns = { { "v", "bigint" } }, rows = { { wire.big(7, 8) } } })
      assert.equal("7", tostring(cqlua.assert(db:execute("SELECT v", nil, { bigint = "number" }))[1].v))
      assert.equal("7", cqlua.text(cqlua.assert(db:execute "SELECT v")[1].v))
    end)
  end)

  it("V1 of 64 bits are exact in JSON: text beyond 2^53, either way", function()
    for _, text in ipairs { "9007199254740993", "-9007199254740993", "9223372036854775807", "-9223372036854775808" } do
      assert.equal('"' .. text .. '"', cqlua.json(cqlua.int64(text)))
    end
    assert.equal("5", cqlua.json(5))
  end)

  it("R2 of results, errors, streams and sessions are written without a fraction", function()
    fixture.with(function(db, server)
      server:prime("SELECT n", fixture.pages { { 1, 2 }, { 3 } })
      local res = cqlua.assert(db:execute("SELECT n", nil, { page_size = 2 }))
      check(res.cost, "cost")
      check(res.attempts, "attempts")
      check({ res.number, cqlua.assert(res:next_page()).number, cqlua.assert(res:all()) }, "pages")
      local infos = {}
      local stream = db:stream("SELECT n", nil, { on_page = function(info) infos[#infos + 1] = info end })
      check(stream:each(2, function() end), "each")
      assert.equal(2, #infos)
      check(infos, "on_page")
      server:prime("FAIL", { error = { 0x1200, "late", "\0\1\0\0\0\1\0\0\0\2\0" } })
      local _, err = db:execute "FAIL"
      assert.equal("read_timeout", err.name)
      check(err, "error")
      check({ cqlua.now(), cqlua.timeuuid_ms(cqlua.timeuuid(5)), cqlua.decimal("1.5").scale }, "values")
    end)
  end)
end)
