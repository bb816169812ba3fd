-- Answers over the limit, as a script meets them.
local cqlua = require "cqlua"
local fixture = require "spec.lua.support.fixture"

local function numbers(count)
  local page = {}
  for n = 1, count do page[n] = n end
  return page
end

describe("an answer over the limit", function()
  it("SEC9 fault 48 fails its call with frame_too_large, and the session goes on with the same connection", function()
    fixture.with(function(db, server)
      server:prime("SELECT n FROM big", fixture.pages { numbers(2000) })
      server:prime("SELECT n FROM small", fixture.pages { numbers(10) })
      for _ = 1, 20 do
        local small = cqlua.spawn(db.execute, db, "SELECT n FROM small")
        local res, err = db:execute "SELECT n FROM big"
        assert.is_nil(res)
        assert.equal("frame_too_large", err.name)
        assert.matches("the limit is 4096: ask for smaller pages or fewer columns, or raise max_frame_bytes", err.message)
        assert.is_true(err.may_have_executed)
        assert.is_false(err.retryable)
        assert.equal(10, #small:join())
      end
      assert.equal(1, server.connections)
    end, { max_frame_bytes = 4096 })
  end)

  it("fault 48 ends a stream with its error, and the state to go on from", function()
    fixture.with(function(db, server)
      server:prime("SELECT n FROM t", fixture.pages { numbers(10), numbers(2000), numbers(10) })
      local stream, count = db:stream "SELECT n FROM t", 0
      local row, err
      repeat
        row, err = stream:next()
        if row then count = count + 1 end
      until not row
      assert.equal(10, count)
      assert.equal("frame_too_large", err.name)
      assert.equal("2", err.paging_state)
    end, { max_frame_bytes = 4096 })
  end)

  it("SEC17 has a limit of its own for results, which a host sets", function()
    fixture.with(function(db, server)
      server:prime("SELECT n FROM big", fixture.pages { numbers(200) })
      local res, err = db:execute "SELECT n FROM big"
      assert.is_nil(res)
      assert.equal("frame_too_large", err.name)
      assert.matches("max_result_bytes", err.message)
      assert.is_not_nil(db:execute "SELECT x")
      assert.equal(1, server.connections)
    end, { max_result_bytes = 1024 })
    assert.matches("max_result_bytes", fixture.raised(function() cqlua.connect { max_result_bytes = 10 } end))
  end)

  it("SEC10 has a limit for all that a session holds", function()
    fixture.with(function(db, server)
      server:prime("SELECT n FROM big", fixture.pages { numbers(200000) })
      local res, err = db:execute "SELECT n FROM big"
      assert.is_nil(res)
      assert.equal("frame_too_large", err.name)
      assert.matches("max_memory_bytes", err.message)
      assert.is_not_nil(db:execute "SELECT x")
      assert.equal(1, server.connections)
    end, { max_memory_bytes = 2 ^ 20 })
    fixture.with(function(db) assert.is_not_nil(db:execute "SELECT x") end, { max_memory_bytes = 2 ^ 40 })
    assert.matches("max_memory_bytes", fixture.raised(function() cqlua.connect { max_memory_bytes = 10 } end))
  end)
end)
