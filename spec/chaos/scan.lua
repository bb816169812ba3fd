-- Scans of a large table while its nodes are killed: each of its rows comes once, also where a page has failed and the scan went
-- on from the state that the error gives.

local cqlua = require "cqlua"

local assert = cqlua.assert
local M = {}

local PARTITIONS, ROWS_OF_ONE = 400, 500
local ROWS = PARTITIONS * ROWS_OF_ONE
local PAGE, PAUSE = 1000, 0.02 -- rows, and seconds between two pages: the other checkers want their share
local SELECT = "SELECT part, n, word FROM scanned"

local function word(part, n) return ("row %d of partition %d"):format(n, part) end

-- Makes the table, or finds it complete: it is kept from run to run.
function M.fill(db)
  assert(db:execute "CREATE TABLE IF NOT EXISTS scanned (part int, n int, word text, PRIMARY KEY (part, n))")
  assert(db:execute "CREATE TABLE IF NOT EXISTS filled (name text PRIMARY KEY, rows int)")
  local filled = assert(db:execute "SELECT rows FROM filled WHERE name = 'scanned'"):one()
  if filled and filled.rows == ROWS then return end
  local add = assert(db:prepare "INSERT INTO scanned (part, n, word) VALUES (?, ?, ?)")
  local parts = {}
  for part = 1, PARTITIONS do parts[part] = part end
  assert(cqlua.map(parts, 8, function(part)
    for first = 1, ROWS_OF_ONE, 100 do
      local batch = {}
      for n = first, first + 99 do batch[#batch + 1] = { add, { part, n, word(part, n) } } end
      assert(db:batch(batch, { kind = "unlogged", idempotent = true, consistency = "all", timeout = 60 }))
    end
    return true
  end))
  assert(db:execute("INSERT INTO filled (name, rows) VALUES ('scanned', ?)", { ROWS }, { consistency = "all" }))
end

local function take(scan, row, report)
  local key = row.part * ROWS_OF_ONE + row.n
  if row.word ~= word(row.part, row.n) then
    report:violation("scan: %d/%d is '%s'", row.part, row.n, tostring(row.word))
  elseif scan.seen[key] then report:violation("scan: %d/%d comes twice", row.part, row.n) end
  scan.seen[key], scan.count = true, scan.count + 1
  if scan.count % PAGE == 0 then cqlua.sleep(PAUSE) end
end

-- The stream's rows, from where the scan is: what ended them, nil for the table's end.
local function walk(scan, db, report)
  local stream = db:stream(SELECT, nil, { consistency = "quorum", page_size = PAGE, paging_state = scan.state })
  while not report.is_over do
    local row, err = stream:next()
    if not row then return err end
    take(scan, row, report)
  end
  stream:close()
end

local function scan_once(db, report)
  local scan = { seen = {}, count = 0 }
  local err = walk(scan, db, report)
  while err and not report.is_over do
    if err.paging_state == nil and scan.count > 0 then report:violation("scan: no state to resume from: %s", tostring(err)) end
    scan.state = err.paging_state
    report.scans.resumed = report.scans.resumed + 1
    cqlua.sleep(0.2)
    err = walk(scan, db, report)
  end
  if report.is_over then return end
  report.scans.whole = report.scans.whole + 1
  if scan.count ~= ROWS then report:violation("scan: %d rows, there are %d", scan.count, ROWS) end
end

function M.run(db, report)
  while not report.is_over do scan_once(db, report) end
end

return M
