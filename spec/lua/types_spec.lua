local cqlua = require "cqlua"
local has_ffi, ffi = pcall(require, "ffi")
local int64 = cqlua.int64

local function is_int64(value)
  if has_ffi then return ffi.istype("int64_t", value) end
  return math.type(value) == "integer"
end

local function raised(fn, ...)
  local ok, err = pcall(fn, ...)
  return not ok and err or nil
end

describe("cqlua.int64", function()
  it("fault 74 is exact from a decimal string", function()
    for _, text in ipairs { "9007199254740993", "-9223372036854775808", "9223372036854775807", "5" } do
      assert.equal(text .. (has_ffi and "LL" or ""), tostring(int64(text)))
      assert.is_true(is_int64(int64(text)))
    end
    assert.is_true(is_int64(int64(5)) and int64(5) == int64 "5")
    assert.is_true(is_int64(int64(2 ^ 53)) and int64(2 ^ 53) == int64 "9007199254740992")
    assert.is_true(int64(int64 "6") == int64 "6")
  end)

  it("refuses what is none", function()
    for _, text in ipairs { "", "-", "1.5", "9223372036854775808", "0x10", " 1", "+1" } do
      local value, err = cqlua.int64(text)
      assert.is_nil(value)
      assert.equal("invalid_value", err.name)
    end
    assert.matches("types_spec.lua:%d+: int64: a decimal string expected, got boolean", raised(function() cqlua.int64(true) end))
  end)
end)

describe("cqlua.number, text and key", function()
  it("fault 74 convert exactly, or not at all", function()
    assert.equal(42, cqlua.number(int64 "42"))
    assert.equal(9007199254740992, cqlua.number "9007199254740992")
    assert.equal("invalid_value", select(2, cqlua.number(int64 "9007199254740993")).name)
    assert.equal("invalid_value", select(2, cqlua.number(int64 "-9223372036854775808")).name)
    assert.equal("invalid_value", select(2, cqlua.number "x").name)
    assert.equal("-5", cqlua.text(int64 "-5"))
    if has_ffi then assert.equal("5", cqlua.text(ffi.new("uint64_t", 5))) end
    assert.equal("7", cqlua.text(7))
    assert.equal("7", cqlua.text(2 ^ 3 - 1)) -- a float where there are integers too
    assert.equal("1.5", cqlua.text(1.5))
    assert.equal(has_ffi and "5" or 5, cqlua.key(int64 "5"))
    assert.equal(5, cqlua.key(5))
    assert.equal("found", ({ [cqlua.key(int64 "5")] = "found" })[cqlua.key(int64 "5")])
  end)
end)

describe("cqlua.null", function()
  it("is the null of cjson and ngx; unset is another", function()
    local ok, cjson = pcall(require, "cjson")
    if ok then assert.equal(cjson.null, cqlua.null) end
    assert.equal("userdata", type(cqlua.null))
    assert.are_not.equal(cqlua.null, cqlua.unset)
  end)
end)

describe("cqlua.uuid, now and iso", function()
  it("give a new uuid each time", function()
    assert.matches("^%x%x%x%x%x%x%x%x%-%x%x%x%x%-4%x%x%x%-[89ab]%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$", cqlua.uuid())
    assert.are_not.equal(cqlua.uuid(), cqlua.uuid())
  end)

  it("give the time in milliseconds, and as ISO 8601", function()
    assert.is_true(math.abs(cqlua.now() / 1000 - os.time()) < 2)
    assert.equal("1970-01-01T00:00:00.000Z", cqlua.iso(0))
    assert.equal("1969-12-31T23:59:59.999Z", cqlua.iso(-1))
    assert.equal("2000-02-29T12:30:00.001Z", cqlua.iso(951827400001))
    assert.matches("types_spec.lua:%d+: iso", raised(function() cqlua.iso "x" end))
    if math.type then assert.equal("integer", math.type(cqlua.now())) end
  end)
end)

describe("what is not in this version", function()
  it("says so by name", function()
    assert.matches("types_spec.lua:%d+: cqlua.prometheus is not in this version", raised(function() return cqlua.prometheus end))
    assert.is_nil(cqlua.whatever)
  end)
end)

describe("cqlua.assert", function()
  it("gives its arguments, or raises the error and notes where", function()
    assert.same({ 1, 2, 3 }, { cqlua.assert(1, 2, 3) })
    assert.equal(1, select("#", cqlua.assert(1)))
    local errors = require "cqlua.error"
    local err = errors.new("timeout", "late")
    local thrown = raised(function() cqlua.assert(nil, err) end)
    assert.equal(err, thrown)
    assert.matches("types_spec.lua:%d+$", err.at)
    assert.matches("types_spec.lua:%d+: timeout: late", tostring(err))
    assert.equal("text", raised(cqlua.assert, nil, "text"))
    assert.equal("assertion failed!", raised(cqlua.assert, false))
  end)
end)
