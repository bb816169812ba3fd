-- What bench/hosts asks in a Cassandra's place: a scriptable server that knows bench.kv's row. Prints its port, then serves.
local cqlua = require "cqlua"
local testing = require "cqlua.testing"

cqlua.run(function()
  local server = testing.server { version = 4 }
  server:prime("SELECT id,name,email,age,score,created FROM bench.kv WHERE id=?", {
    params = { { "id", "int" } },
    columns = { { "id", "int" }, { "name", "text" }, { "email", "text" }, { "age", "int" }, { "score", "double" },
      { "created", "timestamp" } },
    rows = { { 7, "user-00000007", "user7@example.com", 7, 10.5, 1704067200000 } },
  })
  io.write(server.contact_points[1]:match ":(%d+)$", "\n")
  io.flush()
  cqlua.sleep(86400)
end)
