-- resume.lua VERSION PAGING_STATE_IN_HEX: reads on where another process stopped; prints how many rows were left, and
-- the first.
local cqlua = require "cqlua"

local points = {}
for point in (os.getenv "CQLUA_TEST_CONTACT_POINTS" or "127.0.0.1:9042"):gmatch "[^,%s]+" do points[#points + 1] = point end
local state = arg[2]:gsub("%x%x", function(hex) return string.char(tonumber(hex, 16)) end)

cqlua.assert(cqlua.run(function()
  cqlua.with(cqlua.assert(cqlua.connect { contact_points = points, protocol_version = tonumber(arg[1]) }), function(db)
    local count, first = 0, nil
    for row in db:stream("SELECT part, n FROM cqlua_live_rows.numbers", nil, { page_size = 5000, paging_state = state }) do
      count, first = count + 1, first or row
    end
    print(count, first.part, first.n)
  end)
end))
