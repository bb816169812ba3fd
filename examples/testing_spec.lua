-- How an application is tested without a cluster, with busted:  ./dev env, then  busted examples/testing_spec.lua
local cqlua = require "cqlua"
local testing = require "cqlua.testing"

-- The application: takes a name, unless somebody has it.
local INSERT = "INSERT INTO names (name, owner) VALUES (?, ?) IF NOT EXISTS"

local function take_name(db, name, owner)
  local result, err = db:execute(INSERT, { name, owner })
  if not result then return err.retryable and 503 or 500 end
  if result.applied then return 201 end
  return 409, result:one().owner
end

-- Its tests: each has a server of its own, inside this process.
local PARAMS = { { "name", "text" }, { "owner", "text" } }

local function with_db(server, fn)
  return cqlua.assert(cqlua.with(cqlua.connect, { contact_points = server.contact_points }, fn))
end

describe("take_name", function()
  it("answers 201", testing.async(function()
    local server = testing.server()
    server:prime(INSERT, { params = PARAMS, applied = true })
    with_db(server, function(db) assert.equal(201, take_name(db, "ada", "me")) end)
    assert.same({ "ada", "me" }, server:received()[1].params)
  end))

  it("answers 409 and says who has it", testing.async(function()
    local server = testing.server { version = 4 }
    server:prime(INSERT, { params = PARAMS, applied = false, columns = PARAMS, rows = { { "ada", "you" } } })
    with_db(server, function(db)
      local status, owner = take_name(db, "ada", "me")
      assert.same({ 409, "you" }, { status, owner })
    end)
  end))

  it("answers 500 when it is not known what became of it, and does not try again", testing.async(function()
    local server = testing.server { nodes = 3 }
    server:prime(INSERT, { params = PARAMS, error = { code = "write_timeout", write_type = "CAS" } })
    with_db(server, function(db) assert.equal(500, take_name(db, "ada", "me")) end)
    assert.equal(1, server:count(INSERT))
  end))

  it("answers 500 when the connection breaks", testing.async(function()
    local server = testing.server()
    server:prime(INSERT, { params = PARAMS, close = true })
    with_db(server, function(db) assert.equal(500, take_name(db, "ada", "me")) end)
  end))
end)
