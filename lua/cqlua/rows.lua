-- Rows out of pages: by a generated constructor where there is one, else by the C builder; both build rows in
-- pieces, in order.

local constructor = require "cqlua.constructor"
local core = require "cqlua.core"
local errors = require "cqlua.error"
local new_table = require "cqlua.new_table"
local task = require "cqlua.task"

local page_body, page_build, page_count = core.page_body, core.page_build, core.page_count

local bounded_until, is_spent = task.bounded_until, task.is_spent

local M = {}

local PIECE_ROWS, PIECE_BYTES = 16, 4096 -- built at once where time is bound; one row, if they are larger

local WHY = { undecodable = "does not decode", inexact = "is beyond 2^53, inexact as a number" }
local NAMES = { undecodable = "protocol", inexact = "invalid_value" }

-- A reader of a page: { page, shape, left, more, bytes, and for a constructor: construct, base, at, stop }.
function M.open(page, shape)
  local count, more, bytes = page_count(page)
  local reader = { page = page, shape = shape, left = count, done = 0, more = more, bytes = bytes }
  reader.piece = math.max(1, math.min(PIECE_ROWS, math.floor(PIECE_BYTES * count / (bytes + 1))))
  if count > 0 then
    local address, len, bigint = page_body(page)
    reader.construct = constructor.of(shape, bigint, count)
    if reader.construct then reader.base, reader.at, reader.stop = constructor.bytes(address), 0, len end
  end
  return reader
end

local function failure(reader, first, row, column, why)
  local cell = reader.shape.cells[column]
  local message = ("column '%s' (%s) of row %d of the page %s"):format(cell.name, cell.type,
    reader.done + row - first + 1, WHY[why])
  local packed = core.page_info(reader.page)
  return nil, errors.new(NAMES[why], message, { column = cell.name, may_have_executed = true,
    node = core.info(packed, "coordinator"), attempts = core.info(packed, "attempts") })
end

local function build(reader, into, first, count)
  local construct = reader.construct
  if construct then
    local at, row, column, why = construct(into, first, count, reader.base, reader.at, reader.stop)
    if not at then return failure(reader, first, row, column, why) end
    reader.at = at
  else
    local built, err = page_build(reader.page, reader.shape, into, first, count)
    if not built then return nil, err end
  end
  reader.left, reader.done = reader.left - count, reader.done + count
  return count
end

-- Where the time of a step is bound: in pieces, at least one.
local function build_pieces(reader, into, first, count)
  local built = 0
  repeat
    local more, err = build(reader, into, first + built, math.min(count - built, reader.piece))
    if not more then return nil, err end
    built = built + more
  until built == count or is_spent()
  return built
end

-- Builds up to `count` more rows into `into` from index `first` on, fewer if the time of the step is up: gives how many, or
-- nil, err.
function M.read(reader, into, first, count)
  if count > reader.left then count = reader.left end
  if count == 0 then return 0 end
  if bounded_until() then return build_pieces(reader, into, first, count) end
  return build(reader, into, first, count)
end

function M.close(reader)
  reader.left, reader.base = 0, nil
  core.page_release(reader.page)
end

-- All rows of a page as an array, built over as many steps as it takes; the page is released, also if that fails: nil, err.
function M.all(page, shape)
  local reader = M.open(page, shape)
  local rows = new_table(reader.left, 0)
  while reader.left > 0 do
    local raised = is_spent() and task.give_way()
    local built, err = nil, raised
    if not raised then built, err = M.read(reader, rows, reader.done + 1, reader.left) end
    if not built then
      M.close(reader)
      if raised then error(raised, 0) end
      return nil, err
    end
  end
  M.close(reader)
  return rows
end

return M
