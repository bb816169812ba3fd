-- What each task of the load does to rows of its own, and what must be true of them. A checker has tables, statements, and for
-- each task an object with step() and check(): check reads back at the end.

local cqlua = require "cqlua"

-- A write that failed: does it say that it had no effect?
local function is_certain(err) return err.may_have_executed == false end

-- Registers ---------------------------------------------------------------------------------------
-- One writer counts up. A read gives the last acknowledged number or a later one that was tried, and never an earlier one
-- than a read before.

local register = { name = "register", weight = 35,
  tables = { "CREATE TABLE IF NOT EXISTS register (id text PRIMARY KEY, v int) WITH speculative_retry = 'ALWAYS'" },
  statements = {
    write = { "INSERT INTO register (id, v) VALUES (?, ?)", idempotent = true },
    read = { "SELECT id, v FROM register WHERE id = ?", idempotent = true },
  } }
register.__index = register

function register:new(id) return setmetatable({ id = "r" .. id, tried = 0, least = 0 }, self) end

function register:read()
  local res = self.report:execute(self.statements.read, { self.id })
  if not res then return false end
  local row = res:one()
  local v = row and row.v or 0
  if row and row.id ~= self.id then self.report:violation("%s got the row of %s", self.id, row.id) end
  if v < self.least or v > self.tried then
    self.report:violation("%s reads %d; the last acknowledged or read is %d, tried was %d", self.id, v, self.least, self.tried)
  end
  self.least = math.max(self.least, v)
  return true
end

function register:step()
  self.tried = self.tried + 1
  if self.report:execute(self.statements.write, { self.id, self.tried }) then self.least = self.tried end
  self:read()
end

function register:check() return self:read() end

-- Lists -------------------------------------------------------------------------------------------
-- An append is not idempotent: acknowledged it is there once; failed with certainty it is not there; else at most once.

local ROUND = 100 -- appends to one row

local append = { name = "append", weight = 25,
  tables = { "CREATE TABLE IF NOT EXISTS append (id text PRIMARY KEY, items list<text>) WITH speculative_retry = 'ALWAYS'" },
  statements = {
    add = { "UPDATE append SET items = items + ? WHERE id = ?", idempotent = false },
    read = { "SELECT id, items FROM append WHERE id = ?", idempotent = true },
  } }
append.__index = append

function append:new(id) return setmetatable({ id = "l" .. id, count = 0, rows = {} }, self) end

function append:step()
  self.count = self.count + 1
  local row = self.id .. "/" .. math.floor(self.count / ROUND)
  local token = self.id .. ":" .. self.count
  local res, err = self.report:execute(self.statements.add, { { token }, row })
  self.rows[row] = self.rows[row] or {}
  self.rows[row][token] = res and "once" or is_certain(err) and "never" or "perhaps"
end

function append:check()
  for row, tokens in pairs(self.rows) do
    local res = self.report:execute(self.statements.read, { row })
    if not res then return false end
    local found = {}
    for _, token in ipairs(res[1] and res[1].items or {}) do
      found[token] = (found[token] or 0) + 1
      if not tokens[token] then self.report:violation("%s has %s, which is another row's", row, token) end
    end
    for token, fate in pairs(tokens) do
      local times = found[token] or 0
      if times > 1 or (fate == "once" and times == 0) or (fate == "never" and times > 0) then
        self.report:violation("%s has %s %d times, and it was to be there %s", row, token, times, fate)
      end
    end
  end
  return true
end

-- Sets --------------------------------------------------------------------------------------------
-- Adding is idempotent, and is repeated at other nodes: acknowledged it is there.

local set = { name = "set", weight = 20,
  tables = { "CREATE TABLE IF NOT EXISTS sets (id text PRIMARY KEY, items set<text>) WITH speculative_retry = 'ALWAYS'" },
  statements = {
    add = { "UPDATE sets SET items = items + ? WHERE id = ?", idempotent = true },
    read = { "SELECT id, items FROM sets WHERE id = ?", idempotent = true },
  } }
set.__index = set

function set:new(id) return setmetatable({ id = "s" .. id, count = 0, tokens = {} }, self) end

function set:step()
  self.count = self.count + 1
  local token = self.id .. ":" .. self.count
  local res, err = self.report:execute(self.statements.add, { { token }, self.id })
  self.tokens[token] = res and "once" or is_certain(err) and "never" or "perhaps"
end

function set:check()
  local res = self.report:execute(self.statements.read, { self.id })
  if not res then return false end
  local found = {}
  for _, token in ipairs(res[1] and res[1].items or {}) do found[token] = true end
  for token, fate in pairs(self.tokens) do
    if (fate == "once" and not found[token]) or (fate == "never" and found[token]) then
      self.report:violation("%s has %s: %s; it was to be there %s", self.id, token, tostring(found[token]), fate)
    end
  end
  for token in pairs(found) do
    if not self.tokens[token] then self.report:violation("%s has %s, which is another row's", self.id, token) end
  end
  return true
end

-- Conditional updates -----------------------------------------------------------------------------
-- A chain of n -> n + 1 by one writer. An error leaves two possible values, between which a serial read decides.

local chain = { name = "chain", weight = 8,
  tables = { "CREATE TABLE IF NOT EXISTS chain (id text PRIMARY KEY, v int)" },
  statements = {
    create = { "INSERT INTO chain (id, v) VALUES (?, 0)", idempotent = true },
    advance = { "UPDATE chain SET v = ? WHERE id = ? IF v = ?", idempotent = false },
    read = { "SELECT id, v FROM chain WHERE id = ?", idempotent = true },
  } }
chain.__index = chain

function chain:new(id) return setmetatable({ id = "c" .. id }, self) end

function chain:decide()
  local res = self.report:execute(self.statements.read, { self.id }, { consistency = "serial" })
  if not res then return false end
  local v = res[1] and res[1].v
  if v ~= self.v and v ~= self.perhaps then
    self.report:violation("%s is %s; it was to be %d%s", self.id, tostring(v), self.v,
      self.perhaps and " or " .. self.perhaps or "")
  end
  self.v, self.perhaps = v or self.v, nil
  return true
end

function chain:step()
  if not self.v then
    if self.report:execute(self.statements.create, { self.id }, { timestamp = 1 }) then self.v = 0 end
    return
  end
  if self.perhaps and not self:decide() then return end
  local res, err = self.report:execute(self.statements.advance, { self.v + 1, self.id, self.v })
  if res and res.applied then self.v = self.v + 1
  elseif res then
    local v = res[1] and res[1].v
    self.report:violation("%s is %s, and was left at %d", self.id, tostring(v), self.v)
    self.v = v
  elseif not is_certain(err) then self.perhaps = self.v + 1 end
end

function chain:check() return not self.v or self:decide() end

-- Tokens ------------------------------------------------------------------------------------------
-- Rows that are written once: each read gets the row that it asked for.

local TOKENS = 1000

local token = { name = "token", weight = 12,
  tables = { "CREATE TABLE IF NOT EXISTS tokens (id int PRIMARY KEY, word text) WITH speculative_retry = 'ALWAYS'" },
  statements = {
    write = { "INSERT INTO tokens (id, word) VALUES (?, ?)", idempotent = true },
    read = { "SELECT id, word FROM tokens WHERE id = ?", idempotent = true },
  } }
token.__index = token

local function text_of(id) return ("token %d of %d"):format(id, TOKENS) end

function token.fill(db)
  local ids = {}
  for id = 1, TOKENS do ids[id] = id end
  cqlua.assert(cqlua.map(ids, 32, function(id)
    return db:execute(token.statements.write.prepared, { id, text_of(id) }, { idempotent = true, consistency = "all" })
  end))
end

function token:new() return setmetatable({}, self) end

function token:step()
  local id = math.random(TOKENS)
  local res = self.report:execute(self.statements.read, { id })
  local row = res and res:one()
  if res and not (row and row.id == id and row.word == text_of(id)) then
    self.report:violation("token %d: the row is %s %s", id, tostring(row and row.id), tostring(row and row.word))
  end
end

function token:check() return true end -- luacheck: ignore 212

return { register, append, set, chain, token }
