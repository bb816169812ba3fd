-- The rock, as ./dev release makes it: installed without a network into a tree of its own, it is all that a Lua needs.
-- ctest: all timeout=900
local shell = require "spec.install.support.command"
local must, run = shell.must, shell.run

local root = os.getenv "PWD"
local folder = os.tmpname()
os.remove(folder)

local function has(program) return (os.execute("command -v " .. program .. " > /dev/null")) == 0 end

local version = io.open("include/cqlua.h"):read("*a"):match '#define CQLUA_VERSION "(%d+%.%d+%.%d+)"'
local rockspec = ("%s/cqlua-%s-1.rockspec"):format(folder, version)
local source = ("%s/source/cqlua-%s"):format(folder, version)

-- LuaRocks without a network, for a Lua. Debian's LuaJIT has its headers apart from those of Lua 5.1.
local function luarocks(lua)
  local command = ("HOME=%s luarocks --only-server=file://%s --lua-version %s"):format(folder, folder, lua.api)
  return lua.package and command .. " LUA_INCDIR=$(pkg-config --variable=includedir " .. lua.package .. ")" or command
end

local LUAS = {
  { name = "LuaJIT", program = "luajit", api = "5.1", package = "luajit" },
  { name = "Lua 5.3", program = "lua5.3", api = "5.3" },
  { name = "Lua 5.4", program = "lua5.4", api = "5.4" },
}

local SCRIPT = [[
  local cqlua = require "cqlua"
  local testing = require "cqlua.testing"
  testing.async(function()
    local server = testing.server {}
    server:prime("SELECT name, big FROM t WHERE id = ?", { params = { "int" },
      columns = { { "name", "text" }, { "big", "bigint" } },
      rows = { { "Ada", cqlua.int64 "9007199254740993" } } })
    local row = cqlua.assert(cqlua.with(cqlua.connect, { contact_points = server.contact_points }, function(db)
      return db:execute("SELECT name, big FROM t WHERE id = ?", { 7 }):one()
    end))
    print(row.name, cqlua.text(row.big), cqlua.version)
    print((debug.getinfo(cqlua.run, "S").source))
  end)()
]]

-- Runs the script on what is in a tree, and on nothing else.
local function check(lua, tree)
  local file = assert(io.open(folder .. "/script.lua", "w"))
  file:write(SCRIPT)
  file:close()
  local share, lib = tree .. "/share/lua/" .. lua.api, tree .. "/lib/lua/" .. lua.api
  local said = must("cd / && env -i PATH=\"$PATH\" LUA_PATH='%s/?.lua;%s/?/init.lua' LUA_CPATH='%s/?.so' %s %s/script.lua", share,
    share, lib, lua.program, folder)
  assert.equal(("Ada\t9007199254740993\t%s\n@%s/cqlua/task.lua\n"):format(version, share), said)
end

local has_all = has "luarocks" and has "git" and os.execute "git rev-parse > /dev/null 2>&1" == 0
local rock_it = has_all and it or pending

describe("the rock", function()
  setup(function()
    if not has_all then return end
    must("mkdir -p %s/source", folder)
    must("./dev release %s --source file://%s/cqlua-%s.tar.gz --to %s --allow-dirty", version, folder, version, folder)
    must("tar xzf %s/cqlua-%s.tar.gz -C %s/source", folder, version, folder)
  end)
  teardown(function() os.execute("rm -rf " .. folder) end)

  rock_it("names the library that is missing", function()
    for _, name in ipairs { "LIBEV", "OPENSSL" } do
      local said, status = run("%s --tree %s/none install %s %s_DIR=/nowhere", luarocks(LUAS[1]), folder, rockspec, name)
      assert.is_true(status ~= 0)
      assert.matches("Could not find header file for " .. name, said, 1, true)
    end
  end)

  for _, lua in ipairs(LUAS) do
    local lua_it = has_all and has(lua.program) and it or pending
    lua_it("is installed from its tarball and asks a server, in " .. lua.name, function()
      local tree = folder .. "/" .. lua.program
      must("%s --tree %s install %s", luarocks(lua), tree, rockspec)
      check(lua, tree)
    end)
  end

  rock_it("is packed as a binary rock in a clean tree, which installs and works", function()
    local lua, tree = LUAS[1], folder .. "/binary"
    must("cd %s && %s make --pack-binary-rock rockspec/cqlua-scm-1.rockspec", source, luarocks(lua))
    must("%s --tree %s install %s/cqlua-scm-1.*.rock", luarocks(lua), tree, source)
    check(lua, tree)
  end)

  rock_it("is released with the version of the header only, and from a clean tree unless told", function()
    assert.matches("change CQLUA_VERSION first", (run("./dev release 99.0.0 --source file:///x --to %s", folder)), 1, true)
    assert.matches("--source is missing", (run("./dev release %s --to %s", version, folder)), 1, true)
    must("./dev release %s --source file:///x --to %s/again --allow-dirty", version, folder)
    must("cmp %s/cqlua-%s.tar.gz %s/again/cqlua-%s.tar.gz", folder, version, folder, version)
    assert.matches('"' .. version .. '-1"', must("cat %s", rockspec), 1, true)
    assert.is_nil(must("ls %s", root .. "/rockspec"):find(version, 1, true))
  end)
end)
