local cqlua = require "cqlua"

local varint, decimal, duration = cqlua.varint, cqlua.decimal, cqlua.duration

local function raised(fn, ...)
  local ok, err = pcall(fn, ...)
  return not ok and err or nil
end

local function refuses(make, value, why)
  local object, err = make(value)
  assert.is_nil(object)
  assert.equal("invalid_value", err.name)
  if why then assert.matches(why, err.message) end
end

local THOUSAND_DIGITS = ("9"):rep(1000)

describe("cqlua.varint", function()
  it("V1 is exact from text, whole numbers, 64-bit integers and varints", function()
    for _, text in ipairs { "0", "12", "-12", "9007199254740993", "-9223372036854775809", THOUSAND_DIGITS,
      "-" .. THOUSAND_DIGITS } do
      assert.equal(text, tostring(varint(text)))
    end
    assert.equal("12", tostring(varint "+12"))
    assert.equal("31", tostring(varint "0x1f"))
    assert.equal("9007199254740992", tostring(varint(2 ^ 53)))
    assert.equal("-5", tostring(varint(-5)))
    assert.equal("-9223372036854775808", tostring(varint(cqlua.int64 "-9223372036854775808")))
    assert.equal("7", tostring(varint(varint "7")))
    assert.equal("7", tostring(varint(decimal "7")))
  end)

  it("V1 refuses what is none; a value of another type is misuse", function()
    for _, text in ipairs { "", "-", "1.5", "12x", " 1", "1e3", "0x" } do refuses(varint, text, "is no varint") end
    refuses(varint, 1.5, "this number is no varint: it is no whole number")
    refuses(varint, 2 ^ 53 + 2, "not exact")
    refuses(varint, 0 / 0)
    refuses(varint, decimal "1.0", "this userdata is no varint")
    refuses(varint, ("x"):rep(1000), "^'" .. ("x"):rep(40) .. "' is no varint")
    assert.matches("number_spec.lua:%d+: varint: a whole number, or one as text, expected, got boolean",
      raised(function() varint(true) end))
    assert.matches("got nil", raised(function() varint() end))
    assert.matches("got userdata", raised(function() varint(cqlua.null) end))
  end)

  it("V1 compares by number", function()
    local order = { "-" .. THOUSAND_DIGITS, "-257", "-256", "-255", "-129", "-128", "-127", "-1", "0", "1", "127", "128",
      "255", "256", "65535", "65536", "9223372036854775807", "9223372036854775808", THOUSAND_DIGITS }
    for i, left in ipairs(order) do
      for j, right in ipairs(order) do
        local a, b = varint(left), varint(right)
        assert.equal(i < j, a < b)
        assert.equal(i <= j, a <= b)
        assert.equal(i > j, a > b)
        assert.equal(i == j, a == b)
      end
    end
  end)

  it("V1 is immutable, joins with .. and has no fields", function()
    local number = varint "12"
    assert.equal("12 and 12", number .. " and " .. number)
    assert.equal("12!", number .. "!")
    assert.equal("512", 5 .. number)
    assert.matches("concatenate a nil", raised(function() return number .. nil end))
    assert.equal("locked", getmetatable(number))
    assert.is_string(raised(function() number.x = 1 end))
    assert.matches("number_spec.lua:%d+: a varint has no fields", raised(function() return number.x end))
  end)
end)

describe("cqlua.decimal", function()
  it("V1 keeps its scale", function()
    for _, text in ipairs { "0", "0.00", "1.10", "-1.10", "1E+3", "1.1E+1000", "1E-1000", "0.000001", "1E-7",
      THOUSAND_DIGITS .. ".5" } do
      assert.equal(text, tostring(decimal(text)))
    end
    assert.equal("0.5", tostring(decimal ".5"))
    assert.equal(2, decimal("1.10").scale)
    assert.equal("110", decimal("1.10").unscaled)
    assert.equal(-1000, decimal("12E+1000").scale)
    assert.equal("-12", decimal("-12E+1000").unscaled)
    assert.matches("number_spec.lua:%d+: a decimal has no field 'scael': it has scale and unscaled",
      raised(function() return decimal("1").scael end))
  end)

  it("V1 is made from whole numbers and other numbers; a fraction as a number is inexact", function()
    assert.equal("5", tostring(decimal(5)))
    assert.equal("9007199254740993", tostring(decimal(cqlua.int64 "9007199254740993")))
    assert.equal("7", tostring(decimal(varint "7")))
    assert.equal("7.0", tostring(decimal(decimal "7.0")))
    refuses(decimal, 1.5, "this number is no decimal: a fraction is not exact as a number")
    refuses(decimal, math.huge)
    for _, text in ipairs { "", ".", "1,5", "1.5.5", "e5", "1e", "nan", "inf" } do refuses(decimal, text, "is no decimal") end
    refuses(decimal, "1E+2147483649")
    assert.matches("decimal: a whole number, or a number as text, expected, got table", raised(function() decimal {} end))
  end)

  it("V1 compares by number, not by scale", function()
    assert.is_true(decimal "1.10" == decimal "1.1")
    assert.is_true(decimal "0" == decimal "0E+2147483647")
    assert.is_true(decimal "-10" == decimal "-1E+1")
    assert.is_false(decimal "1.1" == decimal "-1.1")
    assert.is_true(decimal "1.10" <= decimal "1.1")
    assert.is_false(decimal "1.10" < decimal "1.1")
    local order = { "-1E+1000", "-1.5", "-1.25", "-1", "-0.999", "-1E-1000", "0", "1E-1000", "0.1", "0.11", "0.2", "1", "9.99",
      "10", "18446744073709551615", "1844674407370955161.6E+1", "1E+40", THOUSAND_DIGITS, THOUSAND_DIGITS .. ".5", "1E+1000" }
    for i, left in ipairs(order) do
      for j, right in ipairs(order) do
        local a, b = decimal(left), decimal(right)
        if (a < b) ~= (i < j) or (a <= b) ~= (i <= j) or (a == b) ~= (i == j) then
          error(("%s beside %s"):format(left:sub(1, 30), right:sub(1, 30)))
        end
      end
    end
  end)

  it("fault 58 of a huge scale is compared and written without being expanded", function()
    local huge, tiny = decimal "1E+2147483647", decimal "1E-2147483647"
    local started = os.clock()
    assert.is_true(tiny < huge)
    assert.is_false(huge <= tiny)
    assert.is_true(decimal "2E+2147483647" > huge)
    assert.is_true(decimal "10E+2147483646" == huge)
    assert.is_true(decimal "-1E+2147483647" < tiny)
    assert.is_true(decimal(THOUSAND_DIGITS) < huge)
    assert.equal("1E+2147483647", tostring(huge))
    assert.is_true(os.clock() - started < 0.1)
  end)

  it("V1 of tens of thousands of digits is compared exactly", function()
    local long = decimal("1" .. ("0"):rep(50000))
    assert.is_true(decimal "1E+50000" == long)
    assert.is_true(decimal "10E+49999" <= long)
    assert.is_true(decimal("1" .. ("0"):rep(49999) .. "1") > decimal "1E+50000")
    assert.is_true(decimal(("9"):rep(50000)) < decimal "1E+50000")
    assert.is_true(decimal("-1" .. ("0"):rep(49999) .. "1") < decimal "-1E+50000")
    assert.is_true(decimal(tostring(long)) == long) -- written in hexadecimal
  end)

  it("V1 is a key as its text; numbers of other kinds are no equals", function()
    assert.equal("1.10", cqlua.key(decimal "1.10"))
    assert.equal("5", cqlua.key(varint(5)))
    assert.is_false(decimal "5" == varint "5")
    assert.is_false(decimal "5" == 5)
    assert.is_string(raised(function() return decimal "5" < varint "6" end))
    assert.is_string(raised(function() return decimal "5" < 6 end))
  end)
end)

describe("cqlua.duration", function()
  it("V1 is made from text, ISO 8601 and parts", function()
    local cases = { ["1h30m"] = { 0, 0, 5400000000000 }, ["1y2mo3d"] = { 14, 3, 0 },
      ["P1Y2M3DT4H5M6S"] = { 14, 3, 14706000000000 }, ["-1d12h"] = { 0, -1, -43200000000000 },
      ["P3W"] = { 0, 21, 0 }, ["1us"] = { 0, 0, 1000 } }
    for text, parts in pairs(cases) do
      local value = assert(duration(text))
      assert.same(parts, { value.months, value.days, value.nanoseconds })
      assert.is_true(value == duration { months = parts[1], days = parts[2], nanoseconds = parts[3] })
      assert.is_true(value == duration(tostring(value)))
      assert.is_true(value == duration(value))
    end
    assert.equal("1y2mo3d4h5m6s", tostring(duration "P1Y2M3DT4H5M6S"))
    assert.equal("1h30m later", duration "90m" .. " later")
    assert.equal("locked", getmetatable(duration "1h"))
  end)

  it("V1 gives nanoseconds as a number while that is exact, then as cqlua.int64 does", function()
    local longest = duration { nanoseconds = cqlua.int64 "9223372036854775807" }
    assert.equal(cqlua.int64 "9223372036854775807", longest.nanoseconds)
    assert.equal("number", type(duration("1h").nanoseconds))
    assert.equal(2147483647, duration({ months = 2147483647 }).months)
    assert.equal(-2147483648, duration({ days = -2147483648 }).days)
    assert.equal(longest, duration { nanoseconds = "9223372036854775807" })
  end)

  it("V1 is equal by its parts only and has no order", function()
    assert.is_false(duration "24h" == duration "1d")
    assert.is_false(duration "30d" == duration "1mo")
    assert.matches("number_spec.lua:%d+: durations have no order: months and days have no fixed length",
      raised(function() return duration "1h" < duration "2h" end))
    assert.matches("no order", raised(function() return duration "1h" >= duration "2h" end))
  end)

  it("V1 refuses what is none", function()
    for _, text in ipairs { "", "1", "h", "1x", "P", "1h1h", "soon" } do refuses(duration, text, "is no duration") end
    refuses(duration, { months = 2147483648 }, "out of range")
    refuses(duration, { days = 1.5 }, "no whole number")
    refuses(duration, { months = 1, days = -1 }, "of one sign")
    assert.matches("number_spec.lua:%d+: duration: unknown part 'hours'", raised(function() duration { hours = 1 } end))
    assert.matches("did you mean 'days'", raised(function() duration { day = 1 } end))
    assert.matches("duration: text or .* expected, got number", raised(function() duration(5) end))
    assert.matches("number_spec.lua:%d+: a duration has no field 'hours': it has months, days and nanoseconds",
      raised(function() return duration("1h").hours end))
  end)
end)

describe("cqlua.number, text and key", function()
  it("V1 of a varint or decimal are exact, or an error", function()
    assert.equal(12, cqlua.number(varint "12"))
    assert.equal(-2 ^ 53, cqlua.number(varint "-9007199254740992"))
    assert.equal(0.5, cqlua.number(decimal "0.50"))
    assert.equal(-1.25, cqlua.number(decimal "-1.25"))
    assert.equal(3, cqlua.number(decimal "3.000"))
    for _, value in ipairs { varint "9007199254740993", varint(THOUSAND_DIGITS), decimal "0.1", decimal "1E+300",
      decimal "1E-1000", decimal "1E+1000", decimal "1E-2147483647" } do
      local number, err = cqlua.number(value)
      assert.is_nil(number)
      assert.equal("invalid_value", err.name)
    end
    assert.equal("1.10", cqlua.text(decimal "1.10"))
    assert.equal("1h", cqlua.text(duration "1h"))
    assert.matches("number_spec.lua:%d+: number: an integer or a decimal expected, got userdata",
      raised(function() cqlua.number(duration "1h") end))
  end)
end)

describe("cqlua.blob", function()
  it("gives the bytes as they are, and takes strings only", function()
    assert.equal("\0\255", cqlua.blob "\0\255")
    assert.matches("number_spec.lua:%d+: blob: a string expected, got number", raised(function() cqlua.blob(5) end))
  end)
end)

describe("cqlua.timeuuid", function()
  it("gives a new one each time, each later than the one before", function()
    local last, seen = nil, {}
    for _ = 1, 2000 do
      local uuid = cqlua.timeuuid()
      assert.matches("^%x%x%x%x%x%x%x%x%-%x%x%x%x%-1%x%x%x%-[89ab]%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$", uuid)
      local low, mid, high = uuid:match "^(%x+)%-(%x+)%-1(%x+)"
      local time = high .. mid .. low
      assert.is_true(last == nil or last < time)
      assert.is_nil(seen[uuid])
      last, seen[uuid] = time, true
    end
  end)

  it("holds the time, which timeuuid_ms gives back", function()
    for _, ms in ipairs { 0, 1, -1, 1769860800123, -12219292800000, -12219292799999 } do
      assert.equal(ms, cqlua.timeuuid_ms(cqlua.timeuuid(ms)))
    end
    assert.is_true(math.abs(cqlua.timeuuid_ms(cqlua.timeuuid()) - cqlua.now()) < 1000)
    assert.are_not.equal(cqlua.timeuuid(5), cqlua.timeuuid(5))
  end)

  it("refuses times that it cannot have, and uuids without a time", function()
    for _, ms in ipairs { -12219292800001, 2 ^ 53, -2 ^ 63 } do
      local uuid, err = cqlua.timeuuid(ms)
      assert.is_nil(uuid)
      assert.equal("invalid_value", err.name)
    end
    for _, uuid in ipairs { cqlua.uuid(), "x", "" } do
      assert.equal("invalid_value", select(2, cqlua.timeuuid_ms(uuid)).name)
    end
    assert.matches("number_spec.lua:%d+: timeuuid: whole milliseconds", raised(function() cqlua.timeuuid "x" end))
    assert.matches("timeuuid: whole milliseconds", raised(function() cqlua.timeuuid(1.5) end))
    assert.matches("timeuuid: whole milliseconds", raised(function() cqlua.timeuuid(0 / 0) end))
    assert.matches("number_spec.lua:%d+: timeuuid_ms: a string", raised(function() cqlua.timeuuid_ms(5) end))
  end)
end)
