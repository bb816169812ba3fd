-- Operations on bits, 32 of them: LuaJIT's module, or the operators of Lua 5.3 and later, which LuaJIT cannot parse.

local has_bit, bit = pcall(require, "bit")
if has_bit then return bit end

return load [[
  local low = 0xffffffff
  return {
    band = function(a, b) return a & b & low end,
    bxor = function(a, b) return (a ~ b) & low end,
    bnot = function(a) return ~a & low end,
    lshift = function(a, count) return a << count & low end,
    rshift = function(a, count) return (a & low) >> count end,
  }
]]()
