-- The load of ./dev chaos, and its judge: 500 tasks read and write rows of their own at QUORUM while nodes are killed, stopped,
-- drained, ended all at once and moved to other addresses; at the end what the server has must be what it acknowledged.
--
-- ctest: all timeout=1200
--
--   luajit spec/chaos/load.lua "CONTACT_POINT ..." LOG SEED RATE
--
-- LOG tells what ./dev chaos does to the nodes, a line each: time, word, node. After "ready" (a node is back) this script adds
-- "whole" when all nodes see each other again; "lost", "dark" and "moved" begin and "whole" ends a time without a quorum; between
-- "down" and "back" no node lives; "end" ends the load.

local cqlua = require "cqlua"
local checkers = require "spec.chaos.checkers"
local report_of = require "spec.chaos.report"
local scan = require "spec.chaos.scan"
local assert = cqlua.assert

local TASKS, TIMEOUT, PROBES = 500, 10, 20
local RECONNECT = { 0.5, 5 }
local seconds = report_of.seconds

-- The log -----------------------------------------------------------------------------------------

local function read_log(path)
  local lines, file = {}, io.open(path)
  if not file then return lines end
  for line in file:lines() do
    local time, word, node = line:match "^(%S+) (%S+) ?(.*)$"
    if time then lines[#lines + 1] = { time = tonumber(time), word = word, node = node } end
  end
  file:close()
  return lines
end

local function append_log(path, word)
  local file = io.open(path, "a")
  file:write(("%.3f %s\n"):format(seconds(), word))
  file:close()
end

-- When no quorum was alive, until all was well again; and how often each fault was injected.
local function sum_up(lines)
  local windows, faults, open = {}, {}, nil
  local known = { kill = true, pause = true, drain = true, lost = true, dark = true, moved = true }
  for _, line in ipairs(lines) do
    if line.word == "lost" or line.word == "dark" or line.word == "moved" then
      open = { from = line.time, to = math.huge }
      windows[#windows + 1] = open
    elseif line.word == "whole" and open then open.to, open = line.time, nil end
    if known[line.word] then faults[line.word] = (faults[line.word] or 0) + 1 end
  end
  return windows, faults
end

-- Setting up --------------------------------------------------------------------------------------

-- Until every node has heard of what one has been told.
local function patiently(fn, ...)
  local result, err
  for _ = 1, 40 do
    result, err = fn(...)
    if result then return result end
    cqlua.sleep(0.5)
  end
  error(err, 0)
end

local function set_up(db, report)
  patiently(db.execute, db, "CREATE KEYSPACE IF NOT EXISTS cqlua_chaos WITH replication = "
    .. "{'class': 'NetworkTopologyStrategy', 'datacenter1': 3}")
  patiently(db.use, db, "cqlua_chaos")
  for _, checker in ipairs(checkers) do
    checker.report = report
    for _, text in ipairs(checker.tables) do
      patiently(db.execute, db, text)
      patiently(db.execute, db, "TRUNCATE " .. text:match "EXISTS (%w+)", nil, { timeout = 60 })
    end
  end
  for _, checker in ipairs(checkers) do
    for name, statement in pairs(checker.statements) do
      statement.prepared = patiently(db.prepare, db, statement[1])
      statement.what = checker.name .. " " .. name
    end
    if checker.fill then checker.fill(db) end
  end
  scan.fill(db)
end

-- The load ----------------------------------------------------------------------------------------

local function choose(objects)
  local left = math.random(100)
  for index, checker in ipairs(checkers) do
    left = left - checker.weight
    if left <= 0 then return objects[index] end
  end
  return objects[#objects]
end

local function work(id, report, all, pause)
  local objects = {}
  for index, checker in ipairs(checkers) do
    objects[index] = checker:new(id)
    all[#all + 1] = objects[index]
  end
  cqlua.sleep(math.random() * pause)
  while not report.is_over do
    choose(objects):step()
    cqlua.sleep(math.random() * pause)
  end
end

-- All nodes see each other when reads that need every replica succeed, whoever is asked.
local function wait_until_whole(db)
  local read = checkers[#checkers].statements.read.prepared
  local passed = 0
  while passed < PROBES do
    local res = db:execute(read, { math.random(1000) }, { consistency = "all", timeout = 5 })
    passed = res and passed + 1 or 0
    cqlua.sleep(res and 0.02 or 0.5)
  end
end

-- Whether any node answers.
local function answers(db)
  local read = checkers[#checkers].statements.read.prepared
  return db:execute(read, { 1 }, { consistency = "one", timeout = 1, retry = "none" }) ~= nil
end

local function follow(db, path, report)
  local seen = 0
  while not report.is_over do
    cqlua.sleep(0.2)
    if report.darkness and answers(db) then report:answered() end
    local lines = read_log(path)
    for index = seen + 1, #lines do
      if lines[index].word == "down" then report:all_down(lines[index].time)
      elseif lines[index].word == "back" then report:one_back(lines[index].time)
      elseif lines[index].word == "ready" then
        wait_until_whole(db)
        append_log(path, "whole")
      elseif lines[index].word == "end" then report.is_over = true end
    end
    seen = math.max(seen, #lines)
  end
end

-- Reads are repeated for a while: what is checked is what was written, not whether it can be read at once.
local function check(object)
  for _ = 1, 5 do
    if object:check() then return end
    cqlua.sleep(2)
  end
  object.report:violation("%s could not be read back", object.id)
end

local function main(points, path, seed, rate)
  math.randomseed(tonumber(seed))
  local contact_points = {}
  for point in points:gmatch "%S+" do contact_points[#contact_points + 1] = point end
  local db = assert(cqlua.connect { contact_points = contact_points, request_timeout = TIMEOUT, max_retries = 7,
    reconnect = RECONNECT })
  local report = report_of.new(db, { timeout = TIMEOUT, reconnect_max = RECONNECT[2] })
  set_up(db, report)
  local all = {}
  append_log(path, "begin")
  local mark = os.time() -- rows of an earlier run may still have a conditional update on its way
  local function measure() report.lag:measure(function() return report.is_over end) end
  local tasks = { measure, function() follow(db, path, report) end, function() scan.run(db, report) end }
  for id = 1, TASKS do tasks[#tasks + 1] = function() work(id .. "." .. mark, report, all, 2 * TASKS / rate) end end
  assert(cqlua.gather(tasks))
  local windows, faults = sum_up(read_log(path))
  report:judge(windows)
  report.checks = {} -- nobody measures the lag any more
  assert(cqlua.map(all, 32, function(object) check(object) return true end))
  db:close()
  return report:print(faults)
end

local kept, err = cqlua.run(main, arg[1], arg[2], arg[3], tonumber(arg[4]))
if err then print(tostring(err)) end
os.exit(kept and 0 or 1)
