-- ctest: all live luajit
-- nginx before a real Cassandra with TLS and v5, and discovery: named as for spec/live/tls_spec.lua.
local support = require "spec.hosts.support.nginx"

local point, certificates = os.getenv "CQLUA_TEST_TLS_CONTACT_POINTS", os.getenv "CQLUA_TEST_TLS_FOLDER"
local missing = support.missing()
if not (point and certificates) then missing = "CQLUA_TEST_TLS_CONTACT_POINTS is not set: no Cassandra with --tls to talk to" end

local HTTP = [[
  init_worker_by_lua_block {
    cqlua, nginx = require "cqlua", require "cqlua.host.nginx"
    assert(nginx.session("shop", { contact_points = { "$point" }, tls = { ca_file = "$ca" }, bigint = "string" }))
    assert(nginx.session("distrustful", { contact_points = { "$point" }, tls = true }))
  }
]]

local SERVER = [[
  location = / { return 204; }
  location /schema {
    content_by_lua_block {
      local db = nginx.session "shop"
      for _, text in ipairs {
        "CREATE KEYSPACE IF NOT EXISTS nginx_spec WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
        "CREATE TABLE IF NOT EXISTS nginx_spec.t (k text PRIMARY KEY, v text, n bigint)",
        "TRUNCATE nginx_spec.t",
      } do cqlua.assert(db:execute(text, nil, { timeout = 30 })) end
      ngx.print(db:nodes()[1].address)
    }
  }
  location /rows {
    content_by_lua_block {
      local db = nginx.session "shop"
      local keys = {}
      for i = 1, 200 do keys[i] = "key" .. i end
      cqlua.assert(cqlua.map(keys, 50, function(key)
        return cqlua.assert(db:execute("INSERT INTO nginx_spec.t (k, v, n) VALUES (?, ?, ?)",
          { key, ("x"):rep(20000), "9007199254740993" }))
      end))
      local count, bytes = 0, 0
      for row in db:stream("SELECT k, v, n FROM nginx_spec.t", nil, { page_size = 20 }) do
        count, bytes = count + 1, bytes + #row.v
        assert(row.n == "9007199254740993")
      end
      ngx.print(count, " ", bytes)
    }
  }
  location /distrust {
    content_by_lua_block { ngx.print(select(2, nginx.session("distrustful"):execute("SELECT key FROM system.local")).name) }
  }
]]

describe("nginx and a Cassandra with TLS", function()
  if missing then
    it("SEC1 is proved in nginx", function() pending(missing) end)
    return
  end

  local folder, server
  setup(function()
    folder = support.folder()
    local http = HTTP:gsub("$point", point):gsub("$ca", certificates .. "/ca.pem")
    server = support.start { folder = folder, http = http, server = SERVER }
  end)
  teardown(function()
    server:stop "TERM"
    os.execute("rm -rf " .. folder)
  end)

  it("SEC1 verifies the server, and carries large rows both ways, page after page", function()
    local body, status = server:get "/schema"
    assert.equal(200, status, server:errors())
    assert.matches("^[%d.:]+$", body)
    assert.equal("200 4000000", (server:get "/rows"))
  end)

  it("SEC1 refuses a server whose authority is not trusted", function()
    assert.equal("tls_failed", (server:get "/distrust"))
    assert.matches("cqlua: session 'distrustful': tls_failed", server:errors())
  end)
end)
