-- Values of every type and their boundaries, once for Lua and once for Python (an expression, see values.py). A column each.
local cqlua = require "cqlua"

local int64, null = cqlua.int64, cqlua.null
local digits = ("1234567890"):rep(100)

local function repeated(value, count)
  local array = {}
  for i = 1, count do array[i] = value end
  return array
end

local values = {
  { "ascii", "", "''" }, { "ascii", "plain \0\127", "'plain \\0\\x7f'" },
  { "text", "", "''" }, { "text", "h\195\188\240\159\166\134\0", "'h\\u00fc\\U0001f986\\0'" },
  { "text", ("x"):rep(2 ^ 20), "'x' * 2**20" },
  { "blob", "", "b''" }, { "blob", "\0\255\128", "b'\\0\\xff\\x80'" }, { "blob", ("\255\0"):rep(2 ^ 19), "b'\\xff\\0' * 2**19" },
  { "boolean", true, "True" }, { "boolean", false, "False" }, { "boolean", null, "None" },
  { "tinyint", -128, "-128" }, { "tinyint", 127, "127" }, { "smallint", -32768, "-32768" }, { "smallint", 32767, "32767" },
  { "int", -2147483648, "-2**31" }, { "int", 2147483647, "2**31 - 1" }, { "int", 0, "0" },
  { "bigint", int64 "-9223372036854775808", "-2**63" }, { "bigint", int64 "9223372036854775807", "2**63 - 1" },
  { "bigint", int64 "9007199254740993", "2**53 + 1" }, { "bigint", -1, "-1" },
  { "float", 1.5, "1.5" }, { "float", -0.0, "-0.0" }, { "float", 1 / 0, "inf" }, { "float", 2 ^ -149, "2.0**-149" },
  { "float", 0 / 0, "nan" },
  { "double", 0.1, "0.1" }, { "double", -0.0, "-0.0" }, { "double", -1 / 0, "-inf" }, { "double", 2 ^ -1074, "2.0**-1074" },
  { "double", 0 / 0, "nan" },
  { "varint", 0, "0" }, { "varint", "-1", "-1" }, { "varint", 127, "127" }, { "varint", 128, "128" }, { "varint", -128, "-128" },
  { "varint", -129, "-129" }, { "varint", cqlua.varint "9223372036854775808", "2**63" }, { "varint", digits, "int(digits)" },
  { "varint", "-" .. digits, "-int(digits)" },
  { "decimal", "0", "Decimal('0')" }, { "decimal", "1.10", "Decimal('1.10')" }, { "decimal", "-0.001", "Decimal('-0.001')" },
  { "decimal", cqlua.decimal("1E+1000"), "Decimal('1E+1000')" }, { "decimal", "1E-1000", "Decimal('1E-1000')" },
  { "decimal", "0." .. digits, "Decimal('0.' + digits)" }, { "decimal", "-" .. digits .. "E+7", "Decimal('-' + digits + 'E+7')" },
  { "duration", "0s", "Duration(0, 0, 0)" }, { "duration", "1y2mo3d4h5m6s7ms8us9ns", "Duration(14, 3, 14706007008009)" },
  { "duration", "-1h", "Duration(0, 0, -3600 * 10**9)" }, { "duration", "-3mo2d1ns", "Duration(-3, -2, -1)" },
  { "duration", cqlua.duration "2147483647mo2147483647d", "Duration(2**31 - 1, 2**31 - 1, 0)" },
  { "timestamp", 0, "0" }, { "timestamp", -1, "-1" }, { "timestamp", 1763800000123, "1763800000123" },
  { "timestamp", "0001-01-01T00:00:00Z", "-62135596800000" }, { "timestamp", "9999-12-31T23:59:59.999Z", "253402300799999" },
  { "timestamp", 2 ^ 53, "2**53" },
  { "date", "1970-01-01", "Date(0)" }, { "date", "0001-01-01", "Date(-719162)" }, { "date", "9999-12-31", "Date(2932896)" },
  { "date", "-5877641-06-23", "Date(-2**31)" }, { "date", "+5881580-07-11", "Date(2**31 - 1)" },
  { "time", "00:00:00", "Time(0)" }, { "time", "23:59:59.999999999", "Time(86399999999999)" },
  { "uuid", "123e4567-e89b-42d3-a456-426614174000", "UUID('123e4567-e89b-42d3-a456-426614174000')" },
  { "timeuuid", "123e4567-e89b-12d3-a456-426614174000", "UUID('123e4567-e89b-12d3-a456-426614174000')" },
  { "inet", "127.0.0.1", "'127.0.0.1'" }, { "inet", "2001:db8::1", "'2001:db8::1'" },
  { "frozen<list<int>>", {}, "[]" }, { "list<text>", { "b", "", "a" }, "['b', '', 'a']" },
  { "list<int>", repeated(7, 20000), "[7] * 20000" },
  { "set<bigint>", { int64 "9007199254740993", -1 }, "{2**53 + 1, -1}" }, { "frozen<set<text>>", {}, "set()" },
  { "map<text, int>", { a = 1, [""] = 2 }, "{'a': 1, '': 2}" },
  { "map<bigint, varint>", { ["9007199254740993"] = "-129" }, "{2**53 + 1: -129}" },
  { "map<timestamp, boolean>", { [-1] = true, [2 ^ 53] = false }, "{-1: True, 2**53: False}" },
  { "map<date, time>", { ["-5877641-06-23"] = "00:00:00.000000001" }, "{Date(-2**31): Time(1)}" },
  { "tuple<int, text, double>", { 1, null, -0.0, n = 3 }, "(1, None, -0.0)" },
  { "frozen<tuple<int, frozen<list<text>>>>", { -5, { "x" }, n = 2 }, "(-5, ['x'])" },
  { "address", { street = "A", zips = { 1, 2 } }, "('A', [1, 2], None)" },
  { "frozen<address>", { street = "", zips = {}, phone = { code = 49, number = "1" } }, "('', [], (49, '1'))" },
  { "frozen<map<text, frozen<list<frozen<address>>>>>", { home = { { street = "A" }, { phone = { code = 1 } } }, away = {} },
    "{'home': [('A', None, None), (None, None, (1, None))], 'away': []}" },
  { "vector<float, 3>", { 1.5, -0.0, 1 / 0 }, "[1.5, -0.0, inf]" },
  { "vector<float, 1536>", repeated(0.25, 1536), "[0.25] * 1536" },
  { "vector<text, 2>", { "", ("y"):rep(300) }, "['', 'y' * 300]" }, { "vector<bigint, 1>", { -1 }, "[-1]" },
  { "vector<frozen<list<int>>, 2>", { { 1 }, { 2, 3 } }, "[[1], [2, 3]]" },
}

return values
