-- A Lua that cqlua does not run on is told so, by the Lua files and by the C module.
-- ctest: luajit

local function has(program) return (os.execute("command -v " .. program .. " > /dev/null")) == 0 end

local function said(program, module)
  local pipe = io.popen(program .. " -e 'print(pcall(require, \"" .. module .. "\"))' 2>&1")
  local text = pipe:read "*a"
  pipe:close()
  return text
end

describe("a Lua without support", function()
  for _, version in ipairs { "5.1", "5.2" } do
    it("is named, with those that have it: Lua " .. version, function()
      if not has("lua" .. version) then return pending("there is no lua" .. version .. " here") end
      assert.equal("false\tcqlua needs LuaJIT, or Lua 5.3 or later; this is Lua " .. version .. "\n",
        said("lua" .. version, "cqlua"))
    end)
  end

  it("is named by the C module too, which Lua 5.1 could load", function()
    if not has "lua5.1" then return pending "there is no lua5.1 here" end
    assert.equal("false\tcqlua needs LuaJIT, or Lua 5.3 or later; this is Lua 5.1\n", said("lua5.1", "cqlua.core"))
  end)
end)
