-- What `cmake --install` puts in place, and a program outside the tree that builds against it in every way.
-- ctest: all timeout=600
local shell = require "spec.install.support.command"
local must, run = shell.must, shell.run

local build, root = assert(os.getenv "CQLUA_BUILD"), os.getenv "PWD"
local folder = os.tmpname()
os.remove(folder)
local prefix = folder .. "/opt/cqlua"
local program = folder .. "/program" -- its sources; nothing but them is taken from the tree

local function read(path)
  local file = assert(io.open(path))
  local text = file:read "*a"
  file:close()
  return text
end

local header = read(root .. "/include/cqlua.h")
local version = header:match '#define CQLUA_VERSION "(%d+%.%d+%.%d+)"'
local ANSWER = "Ada\ncqlua " .. version .. "\n"

describe("an installed cqlua", function()
  local libdir, pkgconfig

  setup(function()
    -- prefix and DESTDIR are said late: nothing that is installed may remember another place
    must("DESTDIR=%s cmake --install %s --prefix /opt/cqlua", folder, build)
    must("mkdir %s && cp spec/install/support/main.c spec/install/support/CMakeLists.txt %s", program, program)
    libdir = must("dirname $(find %s -name libcqlua.a)", prefix):gsub("\n", "")
    pkgconfig = "PKG_CONFIG_PATH=" .. libdir .. "/pkgconfig pkg-config"
  end)
  teardown(function() os.execute("rm -rf " .. folder) end)

  local function compiled(flags)
    must("cd %s && cc -Wall -Wextra -Werror -o a.out main.c $(%s %s cqlua)", program, pkgconfig, flags)
    return program .. "/a.out"
  end

  local function configured(name, options)
    local out = program .. "/" .. name
    must("cd %s && cmake -S . -B %s -G Ninja -DCQLUA_WANTED=%s %s && cmake --build %s", program, out, version:match "%d+%.%d+",
      options, out)
    return out .. "/program"
  end

  it("is used through pkg-config", function()
    local path = compiled "--cflags --libs"
    local needed = ("libcqlua.so.%s => %s"):format(version:match "%d+%.%d+", libdir)
    assert.matches(needed, must("LD_LIBRARY_PATH=%s ldd %s", libdir, path), 1, true)
    assert.equal(ANSWER, must("LD_LIBRARY_PATH=%s %s", libdir, path))
  end)

  it("is used through pkg-config --static", function()
    must("mkdir -p %s/static && cp %s/libcqlua.a %s/static", program, libdir, program)
    must("cd %s && cc -Wall -o a.out main.c $(%s --cflags cqlua) -Lstatic $(%s --static --libs-only-l cqlua)", program, pkgconfig,
      pkgconfig)
    assert.is_nil(must("ldd %s/a.out", program):find("libcqlua", 1, true))
    assert.equal(ANSWER, must("%s/a.out", program))
  end)

  it("is used through find_package, shared", function()
    assert.equal(ANSWER, must(configured("shared", "-DCQLUA_TARGET=cqlua::cqlua -DCMAKE_PREFIX_PATH=" .. prefix)))
  end)

  it("is used through find_package, static", function()
    local path = configured("static", "-DCQLUA_TARGET=cqlua::static -DCMAKE_PREFIX_PATH=" .. prefix)
    assert.is_nil(must("ldd %s", path):find("libcqlua", 1, true))
    assert.equal(ANSWER, must(path))
  end)

  it("is refused by find_package where another minor version is asked for", function()
    local said, status = run("cd %s && cmake -S . -B other -G Ninja -DCQLUA_WANTED=99.1 -DCQLUA_TARGET=cqlua::cqlua "
      .. "-DCMAKE_PREFIX_PATH=%s", program, prefix)
    assert.equal(1, status)
    assert.matches("version: " .. version, said, 1, true)
  end)

  it("is used as a part of another project", function()
    local path = configured("part", "-DCQLUA_TARGET=cqlua::static -DCQLUA_SOURCE=" .. root)
    assert.equal(ANSWER, must(path))
  end)

  it("brings the Lua module for the Luas asked for", function()
    must("cmake -S %s -B %s/build -G Ninja -DCMAKE_BUILD_TYPE=Release -DCQLUA_TESTS=OFF '-DCQLUA_INSTALL_LUA=luajit;lua54' && "
      .. "cmake --build %s/build && cmake --install %s/build --prefix %s/with-lua", root, folder, folder, folder, folder)
    for api, lua in pairs { ["5.1"] = "luajit", ["5.4"] = "lua5.4" } do
      local share = ("%s/with-lua/share/lua/%s"):format(folder, api)
      assert.equal(version .. "\n", must("cd / && env -i PATH=\"$PATH\" LUA_PATH='%s/?.lua;%s/?/init.lua' "
        .. "LUA_CPATH='%s/with-lua/lib/lua/%s/?.so' %s -e 'local cqlua = require \"cqlua\" "
        .. "cqlua.run(function() print(cqlua.version) end)'", share, share, folder, api, lua))
    end
  end)

  it("says one version everywhere", function()
    assert.equal(version .. "\n", must("%s --modversion cqlua", pkgconfig))
    assert.matches('PACKAGE_VERSION "' .. version .. '"', read(libdir .. "/cmake/cqlua/cqlua-config-version.cmake"), 1, true)
    assert.matches("%[libcqlua.so." .. version:match "%d+%.%d+" .. "%]", must("readelf -d %s/libcqlua.so", libdir))
    assert.is_nil(must("grep -rlF '%s' CMakeLists.txt cmake src lua include tools | grep -v include/cqlua.h || true", version)
      :match "%S")
  end)

  it("SEC20 has public names only, in the archive as in the shared library", function()
    for _, command in ipairs { "nm -D --defined-only %s/libcqlua.so", "nm -g --defined-only %s/libcqlua.a" } do
      local count = 0
      for name in must(command, libdir):gmatch "%x+ %u ([%w_]+)" do
        assert.matches("^cqlua_", name)
        count = count + 1
      end
      assert.is_true(count > 100)
    end
  end)

  it("remembers no folder of the build", function()
    assert.equal("", (run("grep -rlF '%s' %s --include=*.pc --include=*.cmake", root, prefix)))
    assert.is_nil(must("readelf -d %s/libcqlua.so", libdir):find "R.*PATH")
  end)
end)
