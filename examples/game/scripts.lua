-- The scripts of the game (game.c): tasks on the C program's session. Each tick the program calls frame(), which drives the
-- program's saves and these tasks together, for so many seconds at most.
-- luacheck: globals GAME_SESSION PLAYERS frame queries rows
local cqlua = require "cqlua"
local assert = cqlua.assert

local db = cqlua.adopt(GAME_SESSION) -- lightuserdata; PLAYERS is how many there are
local READ = cqlua.options { timeout = 2, consistency = "local_one" }
local answered, streamed = 0, 0

-- A player looks at three others: asked at once, they are all there in the next frame or the one after it. One after the
-- other, each would take a frame of its own.
local function look_around(id)
  local rows = assert(cqlua.map({ id, (id + 1) % PLAYERS, (id + 2) % PLAYERS }, 3, function(other)
    return assert(db:execute("SELECT id, gold FROM game.players WHERE id = ?", { other }, READ)):one()
  end))
  answered = answered + 3
  return rows
end

-- Somebody logs in every few frames.
local function logins()
  local id = 0
  while true do
    cqlua.spawn(look_around, id)
    id = (id + 7) % PLAYERS
    cqlua.sleep(0.05)
  end
end

-- All players, again and again, however many: a row at a time, and the frame ends on time all the same. A page that fails is
-- no reason to stop: next time.
local function leaderboard()
  while true do
    local stream, best = db:stream("SELECT id, gold FROM game.players", nil, READ), nil
    local row, err = stream:next()
    while row do
      streamed = streamed + 1
      if row.gold and (not best or row.gold > best.gold) then best = row end
      row, err = stream:next()
    end
    if err then io.stderr:write("leaderboard: ", tostring(err), "\n") end
    cqlua.sleep(1)
  end
end

cqlua.spawn(logins)
cqlua.spawn(leaderboard)

function frame(seconds)
  local handled = cqlua.step(seconds)
  return handled
end

function queries()
  return answered
end

function rows()
  return streamed
end
