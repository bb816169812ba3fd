-- memory.lua VERSION rows|stream: reads the big table to its end, and prints the rows and how much VmRSS grew from the
-- tenth page to the last, in KiB. In a process of its own: the numbers are those of a script that does nothing else. The
-- collector is left alone.
local cqlua = require "cqlua"

local points = {}
for point in (os.getenv "CQLUA_TEST_CONTACT_POINTS" or "127.0.0.1:9042"):gmatch "[^,%s]+" do points[#points + 1] = point end
local PAGE = 1000

local function rss_kib()
  for line in io.lines "/proc/self/status" do
    local kib = line:match "^VmRSS:%s+(%d+) kB"
    if kib then return tonumber(kib) end
  end
end

local function open(db)
  local text, options = "SELECT part, n, word FROM cqlua_live_rows.numbers", { page_size = PAGE }
  if arg[2] == "rows" then return cqlua.assert(db:execute(text, nil, options)):rows() end
  return db:stream(text, nil, options)
end

cqlua.assert(cqlua.run(function()
  return cqlua.with(cqlua.connect, { contact_points = points, protocol_version = tonumber(arg[1]) }, function(db)
    local count, at_ten, is_right = 0, nil, true
    local n = 999
    for row in open(db) do
      count = count + 1
      n = (n + 1) % 1000
      if row.n ~= n then is_right = false end
      if count == 10 * PAGE then at_ten = rss_kib() end
    end
    print(count, is_right, rss_kib() - at_ten)
  end)
end))
