-- ctest: wire
-- Contact points by name, on real sockets, in a mount namespace whose /etc/hosts is this spec's own: what a name means
-- changes while the session lives.

local script = require "spec.lua.support.script"

local MOVED = [[
local cqlua, testing = require "cqlua", require "cqlua.testing"

local function set_hosts(...)
  local file = assert(io.open("/etc/hosts", "w"))
  for _, address in ipairs { ... } do file:write(address, " cassandra.test\n") end
  file:close()
end

cqlua.run(function()
  local server = testing.server { nodes = 4 }
  server:prime("SELECT v FROM t", { columns = { { "v", "int" } }, rows = { { 1 } } })
  local port = server.contact_points[1]:match ":(%d+)$"
  local function answered_by(db)
    local by = {}
    for _ = 1, 8 do
      by[cqlua.assert(db:execute("SELECT v FROM t", nil, { timeout = 5, idempotent = true })).coordinator:match "^[^:]+"] = true
    end
    local list = {}
    for address in pairs(by) do list[#list + 1] = address end
    table.sort(list)
    return table.concat(list, " ")
  end
  set_hosts("127.0.0.1", "127.0.0.2")
  local db = cqlua.assert(cqlua.connect { contact_points = { "cassandra.test:" .. port }, discovery = false,
    reconnect = { 0.05, 0.1 }, log = false })
  print(answered_by(db))
  set_hosts("127.0.0.3", "127.0.0.4")
  server:node(1):stop()
  server:node(2):stop()
  cqlua.sleep(0.3)
  print(answered_by(db))
  db:close()
  server:stop()
end)
]]

local NAMESPACE = [[unshare -m sh -c 'mount --bind %s /etc/hosts && exec "$0" "$@"' ]]

describe("a contact point that is a name", function()
  it("fault 22 is resolved again when all its addresses are gone, to every address that it has by then", function()
    local hosts = os.tmpname()
    local namespace = NAMESPACE:format(hosts)
    local can = script("print 'can'", namespace) == "can\nstatus 0\n"
    local said = can and script(MOVED, namespace)
    os.remove(hosts)
    if not can then
      pending "skipped: no mount namespace can be made here"
      return
    end
    assert.equal("127.0.0.1 127.0.0.2\n127.0.0.3 127.0.0.4\nstatus 0\n", said)
  end)
end)
