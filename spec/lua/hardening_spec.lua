-- SEC19, SEC20, SEC21: what the sources open, and what the linker made of the library, the module and the programs.
-- ctest: luajit
local build = assert(os.getenv "CQLUA_BUILD")
local is_sanitized = os.getenv "CQLUA_SANITIZE" == "1"
local library, module = build .. "/libcqlua.so", build .. "/lua/cqlua/core.so"

local function output_of(command)
  local pipe = assert(io.popen(command .. " 2>&1"))
  local text = pipe:read "*a"
  pipe:close()
  return text
end

local function exports_of(path)
  local names = {}
  for name in output_of("nm -D --defined-only " .. path):gmatch "%x+ %u ([%w_]+)" do names[#names + 1] = name end
  return names
end

local has_tools = os.execute "command -v readelf nm >/dev/null 2>&1" == 0

describe("what a server says", function()
  it("SEC19 opens no file: options of TLS name all that are opened, but for /dev/urandom", function()
    local opened = {}
    local calls = "grep -rlE '(^|[^.>_[:alnum:]])(fopen|freopen|open|openat|creat|BIO_new_file)\\(' src"
    for path in output_of(calls):gmatch "[^\n]+" do opened[#opened + 1] = path end
    table.sort(opened)
    assert.same({ "src/io/entropy.c", "src/io/tls_context.c" }, opened)
  end)
end)

if not has_tools then
  describe("the build", function() pending "no binutils (readelf, nm)" end)
  return
end

describe("the build", function()
  it("SEC20 binds at once, with relocations read-only and no executable stack", function()
    for _, path in ipairs { library, module, build .. "/spec/unit_map", build .. "/example_hello" } do
      local text = output_of("readelf -ldW " .. path)
      assert.matches("GNU_RELRO", text, path)
      assert.is_truthy(text:find "BIND_NOW" or text:find "Flags: NOW", path)
      assert.matches("GNU_STACK%s+%S+%s+%S+%s+%S+%s+%S+%s+%S+%s+RW%s", text, path)
      assert.is_nil(text:find("TEXTREL", 1, true), path)
      assert.is_nil(text:find "LOAD%s+%S+%s+%S+%s+%S+%s+%S+%s+%S+%s+RWE", path)
    end
  end)

  it("SEC20 makes programs and specs position-independent", function()
    for _, path in ipairs { build .. "/spec/unit_map", build .. "/spec/sim_wire", build .. "/example_hello" } do
      assert.matches("Type:%s+DYN", output_of("readelf -hW " .. path))
    end
  end)

  it("SEC20 exports cqlua_ and nothing else", function()
    local names = exports_of(library)
    assert.is_true(#names > 50)
    for _, name in ipairs(names) do
      if not is_sanitized or not name:find "^__" then assert.matches("^cqlua_", name) end
    end
    local of_module = {}
    for _, name in ipairs(exports_of(module)) do
      if not name:find "^__" then of_module[#of_module + 1] = name end
    end
    assert.same({ "luaopen_cqlua_core" }, of_module)
  end)

  it("SEC20 checks the stack and the bounds of libc's functions", function()
    if is_sanitized then return end -- the sanitizers do
    for _, path in ipairs { library, module } do
      local needed = output_of("nm -D --undefined-only " .. path)
      assert.matches("__stack_chk_fail", needed, path)
    end
    assert.matches("__v?snprintf_chk", output_of("nm -D --undefined-only " .. library))
  end)

  it("SEC21 links the libraries that SECURITY.md names, and no other", function()
    local named = { libev = true, libcares = true, libz = true, liblz4 = true, libcrypto = true, libssl = true, libc = true,
      libasan = true, libubsan = true }
    for name in output_of("readelf -dW " .. library):gmatch "%(NEEDED%)[^%[]*%[([%w_]+)" do
      assert.is_true(named[name], name .. " is not among the dependencies")
    end
  end)
end)
