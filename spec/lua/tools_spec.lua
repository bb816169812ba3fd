-- The project's own checks, each run on a small tree that keeps its rule and on one that breaks it.
-- ctest: luajit
local root = os.getenv("PWD")

local function quoted(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

-- Runs a tool on a tree of files { path = text }; gives true or false, and all that it printed.
local function run(tool, files, options)
  local folder = os.tmpname()
  os.remove(folder)
  for path, text in pairs(files) do
    os.execute("mkdir -p " .. quoted(folder .. "/" .. path:gsub("[^/]*$", "")))
    local file = assert(io.open(folder .. "/" .. path, "w"))
    file:write(text)
    file:close()
  end
  local command = ("%s/tools/%s --root %s %s 2>&1; echo \"status $?\""):format(quoted(root), tool, folder, options or "")
  local pipe = assert(io.popen(command))
  local output = pipe:read("*a")
  pipe:close()
  local after = {}
  for path in pairs(files) do
    local file = io.open(folder .. "/" .. path)
    after[path] = file and file:read("*a")
    if file then
      file:close()
    end
  end
  os.execute("rm -rf " .. quoted(folder))
  return output:find("status 0\n", 1, true) ~= nil, output, after
end

local function accepts(tool, files)
  local ok, output = run(tool, files)
  assert.is_true(ok, output)
end

local function refuses(tool, files, expected)
  local ok, output = run(tool, files)
  assert.is_false(ok, output)
  assert.truthy(output:find(expected, 1, true), output)
end

describe("tools/check-layers", function()
  it("accepts what lies below, the own layer and the public header", function()
    accepts("check-layers", {
      ["src/session/a.c"] = '#include <cqlua.h>\n#include <cqlua/transport.h>\n#include "base/x.h"\n#include "session/a.h"\n',
      ["src/base/x.h"] = "#include <stddef.h>\n",
      ["src/testing/server.c"] = '#include <cqlua/testing.h>\n#include "io/loop.h"\n#include "connection/inbound.h"\n',
    })
  end)

  it("refuses an upward include, even one in an odd form", function()
    refuses("check-layers", { ["src/base/x.c"] = '#include "protocol/frame.h"\n' }, "src/base/x.c:1")
    refuses("check-layers", { ["src/protocol/x.c"] = '/* a */\n #  include\t"io/loop.h" // b\n' }, "src/protocol/x.c:2")
    refuses("check-layers", { ["src/connection/x.h"] = "#include <cqlua/transport.h>\n" }, "the byte pump")
    refuses("check-layers", { ["src/session/x.c"] = "#include <cqlua/libev.h>\n" }, "adapters")
    refuses("check-layers", { ["src/testing/x.c"] = '#include "session/session.h"\n' }, "testing includes")
    refuses("check-layers", { ["src/session/x.c"] = "#include <cqlua/testing.h>\n" }, "scriptable server")
  end)

  it("does not read includes in comments and strings", function()
    accepts("check-layers", { ["src/base/x.c"] = '/*\n#include "io/loop.h"\n*/\n// #include "io/loop.h"\n' })
  end)

  it("refuses a library that knows Lua, a binding that knows the inside, a public header that includes a private one", function()
    refuses("check-layers", { ["src/session/x.c"] = "#include <lua.h>\n" }, "does not know Lua")
    refuses("check-layers", { ["lua/bind/x.c"] = '#include "session/session.h"\n' }, "lua/bind/x.c:1")
    refuses("check-layers", { ["include/cqlua.h"] = '#include "base/buffer.h"\n' }, "include/cqlua.h:1")
    refuses("check-layers", { ["include/cqlua.h"] = "#include <ev.h>\n" }, "adapter")
  end)
end)

describe("tools/check-kernel", function()
  it("accepts pure code, methods of the same names, and the kernel in src/io", function()
    accepts("check-kernel", {
      ["src/base/memory.c"] = "#include <stdlib.h>\nvoid *f(void) { return malloc(1); }\n",
      ["src/session/x.c"] = "#include <string.h>\nvoid f(struct t *t) { t->ops->write(t, 1); t->close(t); } /* read(1) */\n",
      ["src/session/y.c"] = "static void close(int a)\n{\n}\nvoid g(void) { close(1); }\n",
      ["src/io/x.c"] = "#include <unistd.h>\nvoid f(void) { read(1, 0, 0); }\n",
    })
  end)

  it("refuses system headers, system calls, clocks and allocation elsewhere", function()
    refuses("check-kernel", { ["src/session/x.c"] = "#include <unistd.h>\n" }, "src/session/x.c:1: <unistd.h>")
    refuses("check-kernel", { ["src/session/x.c"] = "\nvoid f(void) { (void)time(0); }\n" }, "src/session/x.c:2: time()")
    refuses("check-kernel", { ["src/base/x.c"] = "void f(void) { fprintf(0, 0); }\n" }, "fprintf()")
    refuses("check-kernel", { ["src/base/x.c"] = "void *f(void) { return malloc(1); }\n" }, "malloc()")
  end)

  it("finds in the object files what the text hides", function()
    local folder = os.tmpname()
    os.remove(folder)
    local object = folder .. "/build/CMakeFiles/cqlua_objects.dir/src/base/x.c.o"
    os.execute("mkdir -p " .. folder .. "/src/base $(dirname " .. object .. ")")
    local file = assert(io.open(folder .. "/src/base/x.c", "w"))
    file:write("#define HIDDEN(a, b) a##b\nint HIDDEN(ge, tpid)(void);\nint f(void) { return HIDDEN(ge, tpid)(); }\n")
    file:close()
    os.execute(("gcc -c -o %s %s/src/base/x.c"):format(object, folder))
    local pipe = assert(io.popen(("%s/tools/check-kernel --root %s 2>&1"):format(quoted(root), folder)))
    local output = pipe:read("*a")
    pipe:close()
    os.execute("rm -rf " .. folder)
    assert.truthy(output:find("its object file calls getpid", 1, true), output)
  end)
end)

describe("tools/check-promises", function()
  local lua_spec = 'd' .. 'escribe("streams", function()\n  i' .. 't("T%d never ends early (fault %d)", function() end)\nend)\n'
  local c_spec = "int main(void)\n{\n    {cmocka_unit_test(C3_Q7_x), cmocka_unit_test_setup_teardown(SEC5_y, 0, 0)};\n}\n"
  local page = "# Proved\n\n- T3: An empty page never ends a stream. spec/lua/a_spec.lua\n"
    .. "- fault 12: Nothing is sent twice by default. spec/lua/a_spec.lua\n"

  it("accepts a page that says what the names of the specs say", function()
    accepts("check-promises", {
      ["spec/lua/a_spec.lua"] = lua_spec:format(3, 12),
      ["spec/unit/b_spec.c"] = c_spec,
      ["docs/promises.md"] = page .. "- C3: One version is agreed on. spec/unit/b_spec.c\n"
        .. "- Q7: One keyspace for all connections. spec/unit/b_spec.c\n- SEC5: Secrets stay out of logs. spec/unit/b_spec.c\n",
    })
  end)

  it("refuses a promise without a proof, a proof without a line, a stale list, a line without a sentence", function()
    local with = { ["spec/lua/a_spec.lua"] = lua_spec:format(3, 12) }
    with["docs/promises.md"] = page .. "- C1: It connects. spec/x_spec.lua\n"
    refuses("check-promises", with, "no spec's name bears C1")
    with["docs/promises.md"] = page:gsub("%- T3[^\n]*\n", "")
    refuses("check-promises", with, "T3 is proved, but")
    with["docs/promises.md"] = page:gsub("stream%. spec/lua/a", "stream. spec/lua/b")
    refuses("check-promises", with, "T3 is proved by spec/lua/a_spec.lua")
    with["docs/promises.md"] = page:gsub("An empty[^.]*%. ", "")
    refuses("check-promises", with, "T3 has no sentence")
  end)

  it("writes the lists of specs", function()
    local files = { ["spec/lua/a_spec.lua"] = lua_spec:format(3, 12) }
    files["docs/promises.md"] = page:gsub("spec/lua/a_spec", "spec/old_spec")
    local ok, output, after = run("check-promises", files, "--write")
    assert.is_true(ok, output)
    assert.equal(page, after["docs/promises.md"])
  end)
end)

describe("tools/check-style", function()
  it("accepts clean text", function()
    accepts("check-style", { ["a.c"] = "int a;\n", ["b.md"] = ("long "):rep(40) .. "prose\n", ["c/d.lua"] = "return 1\n" })
  end)

  it("refuses each thing that is not to be in a file", function()
    refuses("check-style", { ["a.c"] = "int a; \n" }, "a.c:1: trailing blank")
    refuses("check-style", { ["a.c"] = "int a;\n\tint b;\n" }, "a.c:2: tab")
    refuses("check-style", { ["a.lua"] = "return '" .. ("x"):rep(130) .. "'\n" }, "columns")
    refuses("check-style", { ["a.c"] = "/* TO" .. "DO: later */\n" }, "do it")
    refuses("check-style", { ["a.sh"] = "cat /ro" .. "ot/x\n" }, "a path of one machine")
    refuses("check-style", { ["a.md"] = "see https:/" .. "/packages.invalid/x\n" }, "packages.invalid")
    refuses("check-style", { ["a.c"] = "int a;" }, "no newline at the end")
  end)
end)

describe("tools/check-rock", function()
  it("writes a rockspec with every source and module, and refuses an old one", function()
    local files = { ["src/base/a.c"] = "", ["lua/bind/b.c"] = "", ["lua/cqlua/host/ev.lua"] = "" }
    files["rockspec/cqlua-scm-1.rockspec"] = ""
    refuses("check-rock", files, "run tools/check-rock --write")
    local ok, output, after = run("check-rock", files, "--write")
    assert.is_true(ok, output)
    local rock = {}
    assert(load(after["rockspec/cqlua-scm-1.rockspec"], "rockspec", "t", rock))()
    assert.same({ "src/base/a.c", "lua/bind/b.c" }, rock.build.modules["cqlua.core"].sources)
    assert.equal("lua/cqlua/host/ev.lua", rock.build.modules["cqlua.host.ev"])
    assert.equal("lua >= 5.1, < 5.5, ~= 5.2", rock.dependencies[1])
  end)
end)
