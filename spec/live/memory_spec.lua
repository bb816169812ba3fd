-- ctest: live timeout=180
local cqlua = require "cqlua"
local core = require "cqlua.core"
local live = require "spec.live.support.live"

local assert_ok = cqlua.assert

live.each_version("memory", function(version)
  setup(live.need_big_table)

  for _, how in ipairs { "rows", "stream" } do
    it("R1 T1 100,000 rows by " .. how .. ": complete, RSS after the last page within 4 MiB of that after the tenth", function()
      local output, status = live.script("spec/live/support/memory.lua", tostring(version), how)
      assert.equal(0, status, output)
      local count, is_right, grown = output:match "^(%d+)\t(%a+)\t(%-?%d+)$"
      assert.equal(live.big.rows, tonumber(count), output)
      assert.equal("true", is_right)
      if live.is_sanitized then return end -- freed memory is kept back there
      assert.is_true(tonumber(grown) <= 4096, "grew by " .. grown .. " KiB")
    end)
  end

  it("fault 77 a hot loop, 150,000 queries on each protocol version: neither C heap nor registry grows", function()
    local db = live.connect { protocol_version = version }
    local total, tasks = live.is_sanitized and 30000 or 150000, 128
    cqlua.run(function()
      local get = assert_ok(db:prepare "SELECT n, word FROM cqlua_live_rows.numbers WHERE part = ? AND n = ?")
      local turn = 0
      local function loop(count)
        local list = {}
        for index = 1, tasks do list[index] = math.floor(count / tasks) end
        assert_ok(cqlua.map(list, tasks, function(times)
          for _ = 1, times do
            turn = turn + 1
            local n = turn % 1000
            local res = assert_ok(db:execute(get, { 7, n }))
            if res[1].n ~= n then error("asked for " .. n .. ", got " .. res[1].n) end
          end
          return true
        end))
      end
      loop(20000)
      local heap, registry, pinned = live.c_heap(), live.registry(), core.pinned()
      loop(total)
      assert.is_true(live.c_heap() - heap <= 2 ^ 20, ("C heap grew by %d bytes"):format(live.c_heap() - heap))
      assert.is_true(live.registry() <= registry + 5)
      assert.equal(pinned, core.pinned())
      assert.is_true(turn >= 20000 - tasks + total - tasks)
    end)
    db:close()
  end)

  it("Q6 fault 40 the cache of texts with values is bounded: 600 texts through a cache of 50, over and over", function()
    local db = live.connect { protocol_version = version, max_prepared = 50 }
    cqlua.run(function()
      local text = "SELECT n AS text%d FROM cqlua_live_rows.numbers WHERE part = 1 AND n = ?"
      local function use()
        local list = {}
        for index = 1, 600 do list[index] = index end
        assert_ok(cqlua.map(list, 32, function(index)
          local res = assert_ok(db:execute(text:format(index), { index }))
          assert.equal(index, res[1]["text" .. index])
          return true
        end))
      end
      use()
      local heap = live.c_heap()
      for _ = 1, 5 do use() end
      assert.is_true(live.c_heap() - heap <= 2 ^ 20, ("C heap grew by %d bytes"):format(live.c_heap() - heap))
    end)
    db:close()
  end)

  it("C4 fifty sessions opened, used and closed leave nothing behind", function()
    local function use()
      local db = live.connect { protocol_version = version }
      live.assert_usable(db)
      db:close()
    end
    for _ = 1, 10 do use() end
    for _ = 1, 3 do collectgarbage() end
    local heap, registry = live.c_heap(), live.registry()
    for _ = 1, 50 do use() end
    for _ = 1, 3 do collectgarbage() end
    assert.is_true(live.c_heap() - heap <= 2 ^ 20, ("C heap grew by %d bytes"):format(live.c_heap() - heap))
    assert.is_true(live.registry() <= registry + 5)
    local _, sockets = live.ports()
    assert.equal(0, sockets)
  end)
end)
