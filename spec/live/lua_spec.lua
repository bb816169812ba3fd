-- What Lua code can do to cqlua in the middle of a query (faults 71 to 75).
-- ctest: live timeout=120
local cqlua = require "cqlua"
local core = require "cqlua.core"
local live = require "spec.live.support.live"

local failed, raised = live.failed, live.raised
local assert_ok = cqlua.assert

live.describe("lua", {
  "CREATE TABLE things (id int PRIMARY KEY, name text, keyed map<bigint, text>, seen bigint)",
}, function(suite, version)
  local db
  setup(function() db = suite.db end)

  it("fault 71 an error in a task comes unchanged out of join, map, gather and run; the loop goes on", function()
    local mine = { "mine" }
    cqlua.run(function()
      local task = cqlua.spawn(function()
        assert_ok(db:execute "SELECT key FROM system.local")
        error(mine)
      end)
      assert.equal(mine, raised(function() task:join() end))
      assert.equal(mine, raised(function()
        cqlua.map({ 1, 2, 3 }, 3, function()
          assert_ok(db:execute "SELECT key FROM system.local")
          error(mine)
        end)
      end))
      assert.equal(mine, raised(function()
        cqlua.gather { function() error(mine) end, function() return db:execute "SELECT key FROM system.local" end }
      end))
      live.assert_usable(db)
    end)
    assert.equal(mine, raised(cqlua.run, function()
      live.assert_usable(db)
      error(mine)
    end))
    assert.matches("lua_spec.lua:%d+: text", raised(cqlua.run, function()
      live.assert_usable(db)
      error "text"
    end))
    live.assert_usable(db)
  end)

  it("fault 71 an error of a task that nobody joined is heard of by on_error", function()
    local heard = {}
    cqlua.on_error(function(err, trace) heard[#heard + 1] = { err, trace } end)
    cqlua.run(function()
      cqlua.spawn(function()
        live.assert_usable(db)
        error "lost"
      end)
      for _ = 1, 5 do live.assert_usable(db) end
    end)
    cqlua.on_error(nil)
    assert.equal(1, #heard)
    assert.matches("lost", heard[1][1])
    assert.matches("lua_spec.lua", heard[1][2])
  end)

  it("fault 72 waits work across pcall, metamethods, iterators, sort and generators of cqlua.wrap", function()
    local function key() return assert_ok(db:execute "SELECT key FROM system.local"):one().key end
    cqlua.run(function()
      local ok, got = pcall(key)
      assert.is_true(ok)
      assert.equal("local", got)
      ok, got = xpcall(key, function(err) return err end)
      assert.is_true(ok and got == "local")
      local lazy = setmetatable({}, { __index = function() return key() end, __call = key, __add = function() return key() end })
      assert.equal("local", lazy.anything)
      assert.equal("local", lazy())
      assert.equal("local", lazy + 1)
      local count = 0
      for value in function() count = count + 1 return count <= 3 and key() or nil end do assert.equal("local", value) end
      local generated = {}
      for value in cqlua.wrap(function()
        for index = 1, 3 do coroutine.yield(key() .. index) end
      end) do generated[#generated + 1] = value end
      assert.same({ "local1", "local2", "local3" }, generated)
      assert.matches("cqlua.wrap", raised(coroutine.wrap(function() key() end)))
      live.assert_usable(db)
    end)
  end)

  it("fault 73 no FFI callback is used: a hundred sessions' worth of waiting makes none", function()
    -- LuaJIT has few callback slots (some 900 on x64): if each wait took one, this would end with "too many callbacks".
    cqlua.run(function()
      local ids = {}
      for index = 1, 2000 do ids[index] = index end
      assert_ok(cqlua.map(ids, 2000, function() return db:execute "SELECT key FROM system.local" end))
    end)
    local sources = live.shell "grep -ln 'ffi.cast *( *\"[^\"]*(\\*' lua/cqlua/*.lua lua/cqlua/*/*.lua"
    assert.equal("", sources)
  end)

  it("fault 74 a bigint beyond 2^53 is exact in every place: column, bind value, map key", function()
    local whole = cqlua.int64 "9007199254740993"
    assert_ok(db:execute("INSERT INTO things (id, seen) VALUES (1, ?)", { whole }))
    assert_ok(db:execute "UPDATE things SET keyed = {9007199254740993: 'odd', 9007199254740992: 'even'} WHERE id = 1")
    local row = assert_ok(db:execute("SELECT seen, keyed FROM things WHERE id = 1 AND seen = ? ALLOW FILTERING", { whole })):one()
    assert.equal(whole, row.seen)
    assert.equal("cdata", type(row.seen))
    assert.equal("9007199254740993", cqlua.text(row.seen))
    assert.same({ ["9007199254740993"] = "odd", ["9007199254740992"] = "even" }, row.keyed)
    local number, err = cqlua.number(row.seen)
    failed("invalid_value", number, err)
    assert.equal("9007199254740993", cqlua.key(row.seen))
  end)

  it("fault 75 a session that is collected with queries in flight closes its sockets; the others go on", function()
    local _, before = live.ports()
    cqlua.run(function()
      do
        local other = suite.connect { protocol_version = version }
        for _ = 1, 20 do assert_ok(other:execute_nowait "SELECT * FROM system_schema.columns") end
      end
      cqlua.sleep(0)
      for _ = 1, 5 do
        collectgarbage()
        cqlua.sleep(0.01)
      end
      live.assert_usable(db)
      local _, after = live.ports()
      assert.equal(before, after)
    end)
  end)

  it("fault 75 collecting in every step of a hundred queries and a stream does no harm", function()
    cqlua.run(function()
      local ids = {}
      for index = 1, 100 do ids[index] = index end
      local stop = false
      local collector = cqlua.spawn(function()
        while not stop do
          collectgarbage()
          cqlua.sleep(0)
        end
      end)
      assert_ok(cqlua.map(ids, 20, function(id)
        assert_ok(db:execute("INSERT INTO things (id, name) VALUES (?, ?)", { id, "thing " .. id }))
        assert.equal("thing " .. id, assert_ok(db:execute("SELECT name FROM things WHERE id = ?", { id })):one().name)
        return true
      end))
      local count = 0
      for row in db:stream("SELECT id, name FROM things", nil, { page_size = 7 }) do
        count = count + 1
        assert.equal("thing " .. row.id, row.name)
      end
      assert.equal(100, count)
      stop = true
      collector:join()
    end)
    assert.equal(0, core.pinned())
  end)

  it("fault 75 os.exit, an error and the end of the script with queries in flight: no crash", function()
    for how, wanted in pairs { exit = 7, close = 8, raise = 1, leave = 0, forget = 0 } do
      local output, status = live.script("spec/live/support/ending.lua", tostring(version), how)
      assert.equal(wanted, status, how .. ": " .. output)
      if how ~= "raise" then assert.equal("", output, how) else assert.matches("in the middle", output) end
    end
  end)

  it("SEC16 handles have locked metatables and releasing twice is safe", function()
    local prepared = assert_ok(db:prepare "SELECT id FROM things")
    assert.equal("locked", getmetatable(prepared))
    assert.equal("locked", getmetatable(db))
    assert.equal("locked", getmetatable(db._core))
    local stream = db:stream "SELECT id FROM things"
    assert.equal("locked", getmetatable(stream))
    for _ = 1, 3 do assert.is_true(stream:close()) end
    live.assert_usable(db)
  end)
end)
