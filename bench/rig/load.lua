-- Creates and fills bench.kv (1,000 rows) and bench.wide (one partition of 100,000 rows), unless they are there.
local cqlua = require("cqlua")

local CREATED = 1704067200000 -- 2024-01-01, in milliseconds

local function range(first, last)
  local numbers = {}
  for i = first, last do
    numbers[#numbers + 1] = i
  end
  return numbers
end

local function count(db, text)
  return cqlua.number(assert(db:execute(text)):one().n)
end

local function fill(db, insert, first, last, values)
  assert(cqlua.map(range(first, last), 128, function(i)
    return (assert(db:execute(insert, values(i), { idempotent = true })))
  end))
end

local function main()
  local db = assert(cqlua.connect({ contact_points = { "127.0.0.1" } }))
  assert(db:execute("CREATE KEYSPACE IF NOT EXISTS bench WITH replication = "
    .. "{ 'class': 'SimpleStrategy', 'replication_factor': 1 }"))
  assert(db:execute("CREATE TABLE IF NOT EXISTS bench.kv "
    .. "(id int PRIMARY KEY, name text, email text, age int, score double, created timestamp)"))
  assert(db:execute("CREATE TABLE IF NOT EXISTS bench.wide "
    .. "(pk int, ck int, a text, b bigint, c double, PRIMARY KEY (pk, ck))"))
  local insert = assert(db:prepare("INSERT INTO bench.kv (id, name, email, age, score, created) VALUES (?, ?, ?, ?, ?, ?)"))
  fill(db, insert, 0, 999, function(i)
    return { i, ("user-%08d"):format(i), ("user%d@example.com"):format(i), i % 90, i * 1.5, CREATED }
  end)
  if count(db, "SELECT count(*) AS n FROM bench.wide WHERE pk = 1") ~= 100000 then
    insert = assert(db:prepare("INSERT INTO bench.wide (pk, ck, a, b, c) VALUES (?, ?, ?, ?, ?)"))
    for first = 0, 99999, 10000 do
      fill(db, insert, first, first + 9999, function(i)
        return { 1, i, ("value-%012d"):format(i), i * 1000003, i / 3 }
      end)
    end
  end
  db:close()
end

assert(cqlua.run(main))
