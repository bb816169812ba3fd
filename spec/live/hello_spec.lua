-- The examples, as their readers will run them.
-- ctest: live timeout=120
local cqlua = require "cqlua"
local live = require "spec.live.support.live"

local assert_ok = cqlua.assert

describe("the examples", function()
  it("hello, in C, prints the user that is there", function()
    if not live.build then return pending "CQLUA_BUILD is not set: where is example_hello?" end
    if live.points[1] ~= "127.0.0.1:9042" then return pending "hello.c knows 127.0.0.1:9042 only" end
    cqlua.with(live.connect, { request_timeout = 60 }, function(db)
      assert_ok(db:execute [[CREATE KEYSPACE IF NOT EXISTS shop
        WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}]])
      assert_ok(db:execute "CREATE TABLE IF NOT EXISTS shop.users (id bigint PRIMARY KEY, name text, tags set<text>)")
      assert_ok(db:execute "INSERT INTO shop.users (id, name, tags) VALUES (42, 'Ada', {'admin', 'émigrée', 'staff'})")
    end)
    local output, status
    for _ = 1, 5 do -- its time limit is 100 ms, which a busy machine may miss
      output, status = live.shell("'" .. live.build .. "/example_hello'")
      if not output:find("deadline", 1, true) then break end
    end
    assert.equal("Ada: admin staff émigrée", output)
    assert.equal(0, status)
  end)

  it("quickstart, in Lua, runs to its end, and again", function()
    for _ = 1, 2 do
      local points = table.concat(live.points, ",")
      local output, status = live.shell("CONTACT_POINTS='" .. points .. "' luajit examples/quickstart.lua")
      assert.equal(0, status, output)
      assert.matches("wrote 10000 rows from 256 tasks", output)
      assert.matches("read 10000 rows, 256 at once", output)
      assert.matches("the scores add up to 50005000350035000", output)
      assert.matches("(5 rows", output, 1, true)
    end
  end)
end)
