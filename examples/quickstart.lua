-- cqlua in one file: creates a keyspace and a table, writes 10,000 rows from 256 tasks, reads them back concurrently, streams
-- them by pages, and prints what came back and what it cost. Every call below waits in its own task only.
--
--   ./dev quickstart
--   CONTACT_POINTS=10.0.0.1,10.0.0.2 ./dev run examples/quickstart.lua     with a Cassandra of yours

local cqlua = require "cqlua"
local assert = cqlua.assert

local ROWS, TASKS, PAGE = 10000, 256, 1000

local function step(format, ...) io.write((format):format(...), "\n") end

local function timed(what, fn)
  local start = cqlua.now()
  local result = fn()
  local seconds = (cqlua.now() - start) / 1000 -- cqlua.now() is a CQL timestamp: milliseconds
  step("%-46s %6.2f s  %8.0f rows/s", what, seconds, ROWS / seconds)
  return result
end

local function ids()
  local list = {}
  for id = 1, ROWS do list[id] = id end
  return list
end

local function create(db)
  assert(db:execute [[CREATE KEYSPACE IF NOT EXISTS quickstart
    WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}]])
  assert(db:use "quickstart")
  assert(db:execute [[CREATE TABLE IF NOT EXISTS players (
    id int PRIMARY KEY, name text, score bigint, rating double, seen timestamp)]])
end

local function write(db)
  local add = assert(db:prepare "INSERT INTO players (id, name, score, rating, seen) VALUES (?, ?, ?, ?, ?)")
  assert(cqlua.map(ids(), TASKS, function(id)
    local row = { id, ("player-%05d"):format(id), cqlua.int64(id) * 1000000007, id / 7, "2026-01-31T12:00:00Z" }
    return assert(db:execute(add, row, { idempotent = true }))
  end))
end

local function read(db)
  local get = assert(db:prepare "SELECT name, score FROM players WHERE id = :id")
  local players = assert(cqlua.map(ids(), TASKS, function(id)
    return assert(db:execute(get, { id = id })):one()
  end))
  for id = 1, ROWS do
    assert(players[id].name == ("player-%05d"):format(id), "a row went to the wrong task")
    assert(players[id].score == cqlua.int64(id) * 1000000007, "a bigint lost a bit")
  end
  return players
end

local function stream(db)
  local seen, sum, pages = 0, cqlua.int64(0), 0
  local function progress(page)
    pages = page.number
    io.stderr:write(("\r  page %d: %d rows, %.0f rows/s"):format(page.number, page.rows_so_far, page.rows_per_second))
  end
  for row in db:stream("SELECT id, score FROM players", nil, { page_size = PAGE, on_page = progress }) do
    seen, sum = seen + 1, sum + row.score
  end
  io.stderr:write("\r\27[K")
  assert(seen == ROWS, "the stream is not complete")
  return { pages = pages, sum = sum }
end

local function main()
  local points = {}
  for point in (os.getenv "CONTACT_POINTS" or "127.0.0.1"):gmatch "[^,%s]+" do points[#points + 1] = point end
  local db = assert(cqlua.connect { contact_points = points })
  local server = assert(db:execute "SELECT release_version, cluster_name FROM system.local"):one()
  step("connected to %s, Cassandra %s", server.cluster_name, server.release_version)
  create(db)
  timed(("wrote %d rows from %d tasks"):format(ROWS, TASKS), function() return write(db) end)
  timed(("read %d rows, %d at once"):format(ROWS, TASKS), function() return read(db) end)
  local streamed = timed("streamed the table", function() return stream(db) end)
  step("  %d pages, the scores add up to %s", streamed.pages, cqlua.text(streamed.sum))

  local res = assert(db:execute "SELECT id, name, score, rating FROM players LIMIT 5")
  step("%s", tostring(res))
  step("that page: %d bytes in, %d bytes out, %d us on the wire, %d attempt, by %s", res.cost.bytes_in,
    res.cost.bytes_out, res.cost.wire_us, res.cost.attempts, res.coordinator)
  step("memory of this script: %.1f MiB of Lua; threads: 1", collectgarbage "count" / 1024)
  return db:close()
end

assert(cqlua.run(main))
