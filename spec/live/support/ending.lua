-- ending.lua VERSION HOW: a script that ends while 100 queries, a stream and a prepare are in flight.
local cqlua = require "cqlua"

local points = {}
for point in (os.getenv "CQLUA_TEST_CONTACT_POINTS" or "127.0.0.1:9042"):gmatch "[^,%s]+" do points[#points + 1] = point end
local how = arg[2]

cqlua.run(function()
  local db = cqlua.assert(cqlua.connect { contact_points = points, protocol_version = tonumber(arg[1]) })
  for _ = 1, 100 do
    cqlua.spawn(function() return db:execute "SELECT * FROM system_schema.columns" end)
  end
  local stream = db:stream("SELECT * FROM system_schema.columns", nil, { page_size = 10 })
  cqlua.spawn(function() return db:prepare "SELECT key FROM system.local WHERE key = ?" end)
  stream:next()
  if how == "exit" then os.exit(7) end
  if how == "close" then os.exit(8, true) end -- lua_close: all handles are collected
  if how == "raise" then error "in the middle" end
  if how == "forget" then
    db, stream = nil, nil -- luacheck: ignore
    collectgarbage()
  end
end)
