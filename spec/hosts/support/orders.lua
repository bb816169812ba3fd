-- A node for examples/nginx, in a process of its own: prints its contact point and serves until it is killed.
local cqlua = require "cqlua"
local testing = require "cqlua.testing"

local LIST = "SELECT id, item, cents FROM shop_example.orders WHERE user = ?"
local ADD = "INSERT INTO shop_example.orders (user, id, item, cents) VALUES (?, ?, ?, ?)"
local HIT = "UPDATE shop_example.hits SET n = n + 1 WHERE path = ?"

cqlua.run(function()
  local server = testing.server()
  local rows = {}
  for i = 1, 25 do rows[i] = { cqlua.timeuuid(1000 * i), "item " .. i, cqlua.int64 "9007199254740993" } end
  server:prime({ pattern = "CREATE %" }, {})
  server:prime(ADD, { params = { { "user", "text" }, { "id", "timeuuid" }, { "item", "text" }, { "cents", "bigint" } } })
  server:prime(HIT, { params = { "text" } })
  server:prime(LIST, { params = { { "user", "text" } }, rows = rows,
    columns = { { "id", "timeuuid" }, { "item", "text" }, { "cents", "bigint" } } })
  print(server.contact_points[1])
  io.stdout:flush()
  cqlua.sleep(600)
end)
