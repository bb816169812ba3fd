-- What happened to every request of the load, and what of it breaks a promise.

local lag = require "spec.support.lag"

local Report = {}
Report.__index = Report

local SHOWN = 20

local seconds = lag.seconds

local function new(db, options)
  return setmetatable({ db = db, timeout = options.timeout, reconnect_max = options.reconnect_max, requests = 0, errors = {},
    latencies = {}, failures = {}, violations = {}, checks = {}, darks = {}, unsafe = 0, scans = { whole = 0, resumed = 0 },
    retried = 0, late = 0, lag = lag.new() }, Report)
end

function Report:violation(format, ...)
  self.violations[#self.violations + 1] = format:format(...)
end

-- Requests ----------------------------------------------------------------------------------------

local function describe(statement, err)
  local nodes = {}
  for _, attempt in ipairs(err.attempts or {}) do
    nodes[#nodes + 1] = ("%s %s %.3f s"):format(attempt.node, attempt.outcome or "?", attempt.duration or 0)
  end
  return ("%s: %s [%s]"):format(statement.what, tostring(err), table.concat(nodes, "; "))
end

-- Executes a statement, { prepared =, what =, idempotent = }, and notes how it went.
function Report:execute(statement, params, more)
  local options = { consistency = "quorum", timeout = self.timeout, idempotent = statement.idempotent }
  for name, value in pairs(more or {}) do options[name] = value end
  local started = seconds()
  local res, err = self.db:execute(statement.prepared, params, options)
  local ended = seconds()
  self.requests = self.requests + 1
  self.latencies[#self.latencies + 1] = ended - started
  if ended - started > self.timeout then self.checks[#self.checks + 1] = { statement.what, started, ended } end
  if res and res.cost.attempts > 1 then self.retried = self.retried + 1 end
  if err then self:failed(statement, err, started, ended) end
  return res, err
end

function Report:failed(statement, err, started, ended)
  self.errors[err.name] = (self.errors[err.name] or 0) + 1
  if type(err.may_have_executed) ~= "boolean" then
    self:violation("an error does not say whether it may have executed: %s", describe(statement, err))
  end
  if err.may_have_executed then self.unsafe = self.unsafe + 1 end
  if statement.idempotent then
    self.failures[#self.failures + 1] = { text = describe(statement, err), name = err.name, started = started,
      ended = ended, attempts = #(err.attempts or {}) }
  end
end

-- All nodes down --------------------------------------------------------------------------------

local MOST_CPU = 0.25 -- of one, while no node lives: the load goes on, and each of its requests fails at once
local SETTLING = 1 -- seconds, from the end of the last node until the client has heard of it

function Report:all_down(time)
  self.darkness = { from = time, watched = seconds(), cpu = os.clock() }
  self.darks[#self.darks + 1] = self.darkness
end

-- A node takes connections again, at the latest since that time.
function Report:one_back(time)
  local dark = self.darks[#self.darks]
  dark.to = time
  dark.cpu_share = (os.clock() - dark.cpu) / (seconds() - dark.watched)
end

-- The first answer since. What was still answered as the last node ended does not count.
function Report:answered()
  local dark = self.darkness
  if seconds() < dark.from + SETTLING then return end
  dark.answered, self.darkness = seconds(), nil
end

local function judge_darks(self)
  for _, dark in ipairs(self.darks) do
    local late = (dark.answered or math.huge) - dark.to - self.lag:between(dark.to, dark.answered or dark.to)
    if late > self.reconnect_max * 1.15 + 1 then
      self:violation("the first answer came %.1f s after the first node was back", late)
    end
    if dark.cpu_share > MOST_CPU then
      self:violation("the client used %.0f %% of a CPU while all nodes were down", dark.cpu_share * 100)
    end
    for _, failure in ipairs(self.failures) do
      local is_inside = failure.started > dark.from + SETTLING and failure.ended < dark.to - 1
      if is_inside and failure.name ~= "no_nodes" then
        self:violation("a request failed otherwise than at once while all nodes were down: %s", failure.text)
      end
    end
  end
end

-- The verdict -------------------------------------------------------------------------------------

local function is_excused(failure, windows)
  for _, window in ipairs(windows) do
    if failure.started <= window.to and failure.ended >= window.from then return true end
  end
  return false
end

-- While a quorum is alive, an idempotent request fails only by its deadline, and not without having asked a second node.
local function judge_failures(self, windows)
  for _, failure in ipairs(self.failures) do
    local ran_out = failure.name == "timeout" and failure.attempts > 1
    if not is_excused(failure, windows) then
      if ran_out then
        self.late = self.late + 1
        self.late_example = self.late_example or failure.text
      else self:violation("an idempotent request failed while a quorum was alive: %s", failure.text) end
    end
  end
end

local function judge_deadlines(self)
  for _, check in ipairs(self.checks) do
    local what, from, to = check[1], check[2], check[3]
    if self.lag:lateness(from, to, self.timeout) > 0 then
      self:violation("%s took %.3f s of its %.3f s; the loop was late by %.3f s", what, to - from, self.timeout,
        self.lag:between(from, to))
    end
  end
end

-- `windows`: when no quorum was alive.
function Report:judge(windows)
  judge_failures(self, windows)
  judge_deadlines(self)
  judge_darks(self)
end

local function percentile(sorted, part)
  return #sorted == 0 and 0 or sorted[math.max(1, math.ceil(#sorted * part))]
end

local function counts(map)
  local parts = {}
  for name, count in pairs(map) do parts[#parts + 1] = name .. " " .. count end
  table.sort(parts)
  return #parts == 0 and "none" or table.concat(parts, ", ")
end

-- Prints what happened; true if no promise was broken.
function Report:print(faults)
  table.sort(self.latencies)
  local latencies = self.latencies
  print(("requests  %d, answered by another node than the first: %d"):format(self.requests, self.retried))
  print(("latency   median %.1f ms, p99 %.1f ms, longest %.1f ms"):format(percentile(latencies, 0.5) * 1000,
    percentile(latencies, 0.99) * 1000, percentile(latencies, 1) * 1000))
  print("errors    " .. counts(self.errors))
  print(("          %d may have executed; %d idempotent ones ran out of time while a quorum was alive"):format(
    self.unsafe, self.late))
  if self.late_example then print("          such as " .. self.late_example) end
  print(("scans     %d of the whole table, gone on with after %d failed pages"):format(self.scans.whole, self.scans.resumed))
  print("faults    " .. counts(faults))
  for _, dark in ipairs(self.darks) do
    print(("all down  %.1f s with %.1f %% of a CPU; the first answer %.1f s after the first node was seen"):format(
      dark.to - dark.from, dark.cpu_share * 100, (dark.answered or math.huge) - dark.to))
  end
  for index = 1, math.min(#self.violations, SHOWN) do print("BROKEN    " .. self.violations[index]) end
  if #self.violations > SHOWN then print(("          and %d more"):format(#self.violations - SHOWN)) end
  print(#self.violations == 0 and "no promise was broken" or #self.violations .. " promises were broken")
  return #self.violations == 0
end

return { new = new, seconds = seconds }
