-- Values of every kind, batches and conditional writes:  ./dev cassandra start, then  ./dev run examples/values.lua
local cqlua = require "cqlua"
local assert = cqlua.assert

local SCHEMA = {
  "CREATE KEYSPACE IF NOT EXISTS examples WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
  "CREATE TYPE IF NOT EXISTS examples.address (street text, zip int)",
  [[CREATE TABLE IF NOT EXISTS examples.accounts (id uuid PRIMARY KEY, name text, home frozen<address>,
    tags set<text>, limits map<text, frozen<list<int>>>, balance decimal, shares varint, visits bigint, trial duration,
    since timestamp, place frozen<tuple<float, float>>, embedding vector<float, 3>)]],
  "CREATE TABLE IF NOT EXISTS examples.names (name text PRIMARY KEY, id uuid)",
}

local ADD = [[INSERT INTO examples.accounts
  (id, name, home, tags, limits, balance, shares, visits, trial, since, place, embedding)
  VALUES (:id, :name, :home, :tags, :limits, :balance, :shares, :visits, :trial, :since, :place, :embedding)]]

local function account(id)
  return {
    id = id,
    name = "Ada",
    home = { street = "Elm", zip = cqlua.null }, -- a UDT by field; a missing one is null
    tags = { "new", "red" },
    limits = { daily = { 10, 20 } },
    balance = cqlua.decimal "1234.50", -- or the text; 1234.5 would not be exact
    shares = "340282366920938463463374607431768211456",
    visits = cqlua.int64 "9007199254740993", -- beyond what a number can say
    trial = "1mo15d",
    since = "2026-01-31T12:00:00Z", -- or milliseconds since 1970
    place = { 52.5, 13.25 },
    embedding = { 0.25, 0.5, 1 },
  }
end

assert(cqlua.run(function(...)
  local contact_points = { ... }
  if #contact_points == 0 then contact_points[1] = "127.0.0.1" end
  local db = assert(cqlua.connect { contact_points = contact_points })
  for _, text in ipairs(SCHEMA) do assert(db:execute(text)) end

  -- Two statements, both or neither; a text with values is prepared on first use.
  local id = cqlua.uuid()
  local add = assert(db:prepare(ADD))
  assert(db:batch({
    { add, account(id) },
    { "INSERT INTO examples.names (name, id) VALUES (?, ?)", { "Ada", id } },
  }, { kind = "logged" }))

  -- Who was first? `applied` says it, the row is what is there.
  local won = assert(db:execute("INSERT INTO examples.names (name, id) VALUES (?, ?) IF NOT EXISTS", { "Ada", cqlua.uuid() }))
  print("taken", not won.applied, won:one().id == id)

  local res = assert(db:execute("SELECT * FROM examples.accounts WHERE id = ?", { id }))
  local row = res:one()
  print(row.balance, row.balance == cqlua.decimal "1234.5", row.balance.scale)
  print(row.visits, row.shares, row.trial, row.trial.months, cqlua.iso(row.since))
  print(row.home.street, row.home.zip, row.limits.daily[2], row.place.n, row.embedding[3])
  print(res:json())

  -- What does not fit is an error that says where, and nothing is sent.
  local wrong = account(id)
  wrong.limits = { daily = { 10, "many" } }
  local _, err = db:execute(add, wrong)
  print(err)
  return db:close()
end, ...))
