-- ctest: live timeout=120
local cqlua = require "cqlua"
local live = require "spec.live.support.live"

local failed = live.failed
local assert_ok = cqlua.assert

live.describe("keyspace", { "CREATE TABLE here (id int PRIMARY KEY, place text)" }, function(suite, version)
  -- A keyspace's name may have word characters only: upper case is what needs quotes.
  local db, first, second, quoted = nil, suite.keyspace .. "_a", suite.keyspace .. "_b", suite.keyspace .. "_Q"
  local function quote(name) return '"' .. name .. '"' end

  setup(function()
    for _, name in ipairs { first, second, quoted } do
      assert_ok(suite.db:execute("CREATE KEYSPACE IF NOT EXISTS " .. quote(name)
        .. " WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}"))
      assert_ok(suite.db:execute("CREATE TABLE IF NOT EXISTS " .. quote(name) .. ".here (id int PRIMARY KEY, place text)"))
      for id = 1, 20 do
        assert_ok(suite.db:execute(("INSERT INTO %s.here (id, place) VALUES (%d, '%s')"):format(quote(name), id, name)))
      end
    end
  end)
  teardown(function()
    cqlua.with(live.connect, { request_timeout = 60 }, function(other)
      for _, name in ipairs { first, second, quoted } do
        assert_ok(other:execute("DROP KEYSPACE IF EXISTS " .. quote(name)))
      end
    end)
  end)
  before_each(function() db = live.connect { protocol_version = version, keyspace = first } end)
  after_each(function() db:close() end)

  local function place() return assert_ok(db:execute "SELECT place FROM here WHERE id = 1"):one().place end

  it("Q7 connect's keyspace is that of all requests, and use switches new ones at once", function()
    assert.equal(first, place())
    assert.is_true(db:use(second))
    assert.equal(second, place())
    assert.is_true(db:use(first))
    assert.equal(first, place())
  end)

  it("Q7 a name that needs quotes is quoted, in use and in connect", function()
    assert.is_true(db:use(quoted))
    assert.equal(quoted, place())
    local other = live.connect { protocol_version = version, keyspace = quoted }
    assert.equal(quoted, assert_ok(other:execute "SELECT place FROM here WHERE id = 2"):one().place)
    other:close()
  end)

  it("Q7 an injected name stays a name", function()
    for _, name in ipairs { 'x"; DROP KEYSPACE ' .. first .. '; --', first .. "; SELECT", '"' .. second .. '"' } do
      local done, err = db:use(name)
      assert.is_nil(done)
      assert.is_true(err.name == "invalid" or err.name == "syntax_error", err.name)
      assert.equal(first, place())
    end
  end)

  it("Q7 an unknown keyspace is an error, and the session goes back to the one before", function()
    local err = failed("invalid", db:use "no_such_keyspace")
    assert.matches("no_such_keyspace", err.message)
    for _ = 1, 5 do assert.equal(first, place()) end
    assert.is_true(db:use(second))
    assert.equal(second, place())
  end)

  it("Q7 a text with values means the keyspace of its own time", function()
    local function by_value() return assert_ok(db:execute("SELECT place FROM here WHERE id = ?", { 3 })):one().place end
    assert.equal(first, by_value())
    assert_ok(db:use(second))
    assert.equal(second, by_value())
    assert_ok(db:use(first))
    assert.equal(first, by_value())
  end)

  it("Q7 a prepared statement stays in the keyspace in which it was prepared", function()
    local get = assert_ok(db:prepare "SELECT place FROM here WHERE id = ?")
    assert.equal(first, assert_ok(db:execute(get, { 4 })):one().place)
    assert_ok(db:use(second))
    assert.equal(first, assert_ok(db:execute(get, { 4 })):one().place)
    local get_second = assert_ok(db:prepare "SELECT place FROM here WHERE id = ?")
    assert.equal(second, assert_ok(db:execute(get_second, { 4 })):one().place)
    assert.equal(first, assert_ok(db:execute(get, { 4 })):one().place)
  end)

  it("fault 11 USE as text is refused and names db:use", function()
    for _, text in ipairs { "USE " .. second, "  use " .. second, "/* a */ USE " .. second, "-- a\nUSE " .. second,
      "// a\nUse " .. second } do
      local err = failed("unsupported", db:execute(text))
      assert.matches("db:use", err.message)
      failed("unsupported", db:prepare(text))
    end
    assert.equal(first, place())
  end)

  it("Q7 the keyspace of one call is that call's only, on v5; below it is an error that says so", function()
    local res, err = db:execute("SELECT place FROM here WHERE id = 1", nil, { keyspace = second })
    if version >= 5 then
      assert.equal(second, assert_ok(res, err):one().place)
      cqlua.run(function()
        local names = {}
        for index = 1, 100 do names[index] = index % 2 == 0 and first or second end
        local got = assert_ok(cqlua.map(names, 100, function(name)
          return assert_ok(db:execute("SELECT place FROM here WHERE id = 2", nil, { keyspace = name })):one().place
        end))
        for index = 1, 100 do assert.equal(names[index], got[index]) end
      end)
    else
      failed("unsupported", res, err)
      assert.matches("v5", err.message)
    end
    assert.equal(first, place())
  end)

  if version >= 5 then
    it("Q7 the keyspace of one call holds for its later pages, whatever the collector does meanwhile", function()
      local count = 0
      for row in assert_ok(db:execute("SELECT place FROM here", nil, { keyspace = second .. "", page_size = 3 })):rows() do
        collectgarbage()
        assert.equal(second, row.place)
        count = count + 1
      end
      assert.equal(20, count)
    end)
  end

  it("fault 11 no row comes from the wrong keyspace while use switches under 200 tasks", function()
    db:close()
    db = live.connect { protocol_version = version, keyspace = first, connections = { 1, 2 } }
    cqlua.run(function()
      local current, seen = first, { [first] = 0, [second] = 0 }
      local is_over = false
      local tasks = {}
      for index = 1, 200 do
        tasks[index] = cqlua.spawn(function()
          local id = index % 20 + 1
          while not is_over do
            local asked_in = current -- what was in use when the request was made
            local row = assert_ok(db:execute(("SELECT id, place FROM here WHERE id = %d"):format(id))):one()
            assert.equal(id, row.id)
            assert.equal(asked_in, row.place)
            seen[row.place] = seen[row.place] + 1
          end
          return true
        end)
      end
      for _ = 1, 30 do
        cqlua.sleep(0.01)
        local wanted = current == first and second or first
        local switch = cqlua.spawn(function()
          current = wanted -- new requests are in it from here on, before the server has answered
          return db:use(wanted)
        end)
        assert_ok(switch:join())
      end
      is_over = true
      for index = 1, 200 do assert_ok(tasks[index]:join()) end
      assert.is_true(seen[first] > 100 and seen[second] > 100)
    end)
  end)

  it("fault 11 texts with values and unknown keyspaces in between: each row is from the keyspace that was asked", function()
    cqlua.run(function()
      local ids = {}
      for index = 1, 300 do ids[index] = index end
      assert_ok(cqlua.map(ids, 30, function(index)
        if index % 25 == 0 then
          failed("invalid", db:use("no_such_" .. index))
        else
          local row, err = db:execute("SELECT place FROM here WHERE id = :id", { id = index % 20 + 1 })
          -- while an unknown keyspace is being tried, requests in it fail with the server's word
          if row then assert.equal(first, row:one().place) else assert.equal("invalid", err.name) end
        end
        return true
      end))
      assert.equal(first, place())
    end)
  end)
end)
