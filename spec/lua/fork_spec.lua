-- Fault 42, as a script meets it: the child's waiting calls return `forked`, and it may connect for itself.
local run = require "spec.lua.support.script"

local SCRIPT = [[
  local cqlua = require "cqlua"
  local ffi = require "ffi"
  ffi.cdef "int fork(void); int waitpid(int, int *, int); void _exit(int);"
  ffi.cdef "int socket(int, int, int); int bind(int, const void *, unsigned); int listen(int, int);"
  ffi.cdef "int getsockname(int, void *, unsigned *);"
  local address, length = ffi.new("uint8_t[16]", { 2, 0, 0, 0, 127, 0, 0, 1 }), ffi.new("unsigned[1]", 16)
  local listener = ffi.C.socket(2, 1, 0) -- the kernel accepts, and nobody ever answers
  assert(ffi.C.bind(listener, address, 16) == 0 and ffi.C.listen(listener, 64) == 0)
  assert(ffi.C.getsockname(listener, address, length) == 0)
  local port = address[2] * 256 + address[3]
  local function connect(seconds)
    return cqlua.connect { contact_points = { "127.0.0.1:" .. port }, connect_timeout = seconds }
  end
  local ok, failed = pcall(cqlua.run, function()
    local waiting = cqlua.spawn(connect, 1)
    cqlua.sleep(0.1)
    local child = ffi.C.fork()
    local start = cqlua.now()
    local db, err = waiting:join()
    assert(db == nil)
    if child ~= 0 then
      local status = ffi.new "int[1]"
      assert(ffi.C.waitpid(child, status, 0) == child and status[0] == 0, "the child failed")
      return assert(err.name == "no_nodes", tostring(err)) -- the parent's own connect, to its end
    end
    assert(err.name == "forked", tostring(err))
    assert(err.message:find "open another one here")
    assert(cqlua.now() - start < 500, "the child waited")
    local again, own = connect(0.2)
    assert(again == nil and own.name == "no_nodes", tostring(own))
    io.stdout:write "child\n"
    io.stdout:flush()
    ffi.C._exit(0)
  end)
  if not ok then print(failed) ffi.C._exit(1) end
  io.stdout:write "parent\n"
]]

describe("a script that forks", function()
  it("fault 42 gets `forked` in the child at once, and the parent goes on", function()
    assert.equal("child\nparent\nstatus 0\n", run(SCRIPT))
  end)
end)
