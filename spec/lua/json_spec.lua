-- JSON text of values and results.
local cqlua = require "cqlua"
local testing = require "cqlua.testing"

describe("cqlua.json", function()
  it("V1 keeps numbers exact: what JSON readers would round is a string", function()
    assert.equal('"9007199254740993"', cqlua.json(cqlua.int64 "9007199254740993"))
    assert.equal('"1.10"', cqlua.json(cqlua.decimal "1.10"))
    assert.equal('"340282366920938463463374607431768211456"', cqlua.json(cqlua.varint "340282366920938463463374607431768211456"))
    assert.equal("9007199254740992", cqlua.json(2 ^ 53))
    for _, number in ipairs { 0.1, -0.5, 1 / 3, 1e300, 5e-324, 1e21, -7 } do
      assert.equal(number, tonumber((cqlua.json(number):gsub('"', ""))))
    end
    assert.equal("-0.0", cqlua.json(-0.0))
  end)

  it("writes texts, nulls, arrays, tuples and objects", function()
    assert.equal([["a\"\\\n\u0000\u001fé"]], cqlua.json "a\"\\\n\0\31é")
    assert.equal("null", cqlua.json(cqlua.null))
    assert.equal('{"a":[1,true],"b":null}', cqlua.json { b = cqlua.null, a = { 1, true } })
    assert.equal("[1,null,3]", cqlua.json { 1, nil, 3, n = 3 })
    assert.equal('{"1":"x","5":"y"}', cqlua.json { ["1"] = "x", ["5"] = "y" })
    assert.equal('{"n":"x"}', cqlua.json { n = "x" })
    assert.equal("[]", cqlua.json {})
  end)

  it("gives an error for what JSON cannot say, and raises for what is no value", function()
    for _, number in ipairs { 0 / 0, 1 / 0, -1 / 0 } do
      local text, err = cqlua.json { number }
      assert.is_nil(text)
      assert.equal("invalid_value", err.name)
    end
    assert.has_error(function() cqlua.json(print) end)
    assert.has_error(function() cqlua.json(nil) end)
    assert.has_error(function() cqlua.json(cqlua.unset) end)
    local within = {}
    within[1] = within
    assert.has_error(function() cqlua.json(within) end)
  end)
end)

describe("a result", function()
  local COLUMNS = { { "id", "int" }, { "n", "bigint" }, { "b", "blob" }, { "m", "map<text, int>" }, { "l", "list<int>" },
    { "t", "tuple<int, text>" } }

  local function with_rows(rows, fn)
    return testing.async(function()
      local server = testing.server()
      server:prime("SELECT", { columns = COLUMNS, rows = rows })
      cqlua.assert(cqlua.with(cqlua.connect, { contact_points = server.contact_points }, function(db)
        fn(cqlua.assert(db:execute("SELECT", nil, { bigint = "number" })))
      end))
    end)
  end

  it("R1 is an array of objects, every column in its order", with_rows({ { 1, 5, "\0\255", {}, {}, { 1, cqlua.null } }, { 2 } },
    function(result)
      assert.equal('[{"id":1,"n":"5","b":"0x00ff","m":{},"l":[],"t":[1,null]},'
        .. '{"id":2,"n":null,"b":null,"m":null,"l":null,"t":null}]', result:json())
    end))

  it("R1 is drawn with its tuples in order", with_rows({ { 1, 5, nil, { a = 1 }, { 1, 2 }, { cqlua.null, "x" } } },
    function(result)
      local drawn = tostring(result)
      assert.matches("(null, x)", drawn, 1, true)
      assert.matches("[1, 2]", drawn, 1, true)
      assert.matches("{a: 1}", drawn, 1, true)
    end))
end)
