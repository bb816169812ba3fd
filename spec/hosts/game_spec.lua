-- examples/game against the server in its own process: every save arrives, within the work that a tick may have.
-- ctest: luajit

local function play(options)
  local pipe = assert(io.popen(os.getenv "CQLUA_BUILD" .. "/example_game --testing " .. options .. " 2>&1; echo status $?"))
  local said = pipe:read "*a"
  pipe:close()
  return said
end

describe("examples/game", function()
  it("saves every player each tick and runs its scripts within one step", function()
    local said = play "--seconds 2 --players 200"
    assert.matches("status 0\n$", said)
    local submitted, completed, failed = said:match "saves: (%d+) submitted, (%d+) completed, (%d+) failed"
    assert.equal(submitted, completed, said)
    assert.equal("0", failed)
    assert.is_true(tonumber(submitted) >= 200 * 10, said)
    assert.is_true(tonumber(said:match "at most (%d+) submitted") <= 200)
    local queries, rows = said:match "scripts: (%d+) queries answered, (%d+) rows"
    assert.is_true(tonumber(queries) >= 3 and tonumber(rows) >= 200, said)
  end)

  it("gives way in the middle of the work when the budget is spent", function()
    local said = play "--seconds 2 --players 200 --budget 1"
    assert.matches("status 0\n$", said)
    local submitted, completed = said:match "saves: (%d+) submitted, (%d+) completed"
    assert.equal(submitted, completed, said)
    local _, rows = said:match "scripts: (%d+) queries answered, (%d+) rows"
    assert.is_true(tonumber(rows) < 2 * 60 * 200, said) -- a few in each step
  end)

  it("says what is wrong with its arguments", function()
    assert.matches("usage: game", play "127.0.0.1")
    assert.matches("status 2\n$", play "--nonsense")
  end)
end)
