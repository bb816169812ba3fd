-- Page tokens, as a web application uses them: from link to link, through sessions of other processes.
local cqlua = require "cqlua"
local testing = require "cqlua.testing"
local wire = require "spec.wire.support.wire"

local LIST = "SELECT n FROM orders WHERE user = ?"
local PLAIN = "SELECT n FROM orders"
local SECRET = { paging_secret = ("\0secret"):rep(5) }

local function numbers(count)
  local rows = {}
  for n = 1, count do rows[n] = { n } end
  return rows
end

-- A server with 25 rows under a text with a value and one without.
local function orders()
  local server = testing.server()
  for _, text in ipairs { LIST, PLAIN } do
    server:prime(text, { params = text == LIST and { "text" } or nil, columns = { { "n", "int" } }, rows = numbers(25) })
  end
  return server
end

local function page_of(session, text, params, token, more)
  local opt = { page_size = 10, page_token = token }
  for name, value in pairs(more or {}) do opt[name] = value end
  return session:execute(text, params, opt)
end

-- Every n, page after page, each asked for by the token alone; and how many pages.
local function walk(server, text, params, more)
  local seen, pages, token = {}, 0, nil
  repeat
    wire.with(server, function(session)
      local page = cqlua.assert(page_of(session, text, params, token))
      for _, row in ipairs(page) do seen[#seen + 1] = row.n end
      token = page:page_token()
    end, more)
    pages = pages + 1
  until not token
  return seen, pages
end

local function refused(session, text, params, token)
  local result, err = page_of(session, text, params, token)
  assert.is_nil(result)
  assert.equal("invalid_page_token", err.name)
  assert.is_false(err.may_have_executed)
end

describe("page tokens", function()
  for name, more in pairs { ["plain"] = {}, ["signed"] = SECRET } do
    it(name .. ": lead through all rows, each page in a session of its own", testing.async(function()
      local server = orders()
      for text, params in pairs { [LIST] = { "ada" }, [PLAIN] = {} } do
        local seen, pages = walk(server, text, params, more)
        assert.equal(3, pages)
        assert.equal(25, #seen)
        for n = 1, 25 do assert.equal(n, seen[n]) end
      end
    end))

    it(name .. ": are refused for another query, other values and other bytes, before anything is sent", testing.async(function()
      local server = orders()
      wire.with(server, function(session)
        local token = cqlua.assert(page_of(session, LIST, { "ada" })):page_token()
        assert.matches("^[%w_-]+$", token)
        local sent = #server:received()
        refused(session, LIST, { "bo" }, token)
        refused(session, PLAIN, nil, token)
        refused(session, LIST, { "ada" }, token:sub(2))
        refused(session, LIST, { "ada" }, token .. "A")
        refused(session, LIST, { "ada" }, "")
        refused(session, LIST, { "ada" }, "../../etc/passwd\0")
        assert.equal(sent, #server:received())
        assert.equal(10, #cqlua.assert(page_of(session, LIST, { "ada" }, token)))
      end, more)
    end))
  end

  it("are refused where they were signed with another secret, or not at all", testing.async(function()
    local server = orders()
    local function token_with(more)
      return wire.with(server, function(session) return cqlua.assert(page_of(session, PLAIN)):page_token() end, more)
    end
    local plain, mine = token_with {}, token_with(SECRET)
    wire.with(server, function(session) refused(session, PLAIN, nil, mine) end)
    wire.with(server, function(session) refused(session, PLAIN, nil, plain) end, SECRET)
    wire.with(server, function(session) refused(session, PLAIN, nil, mine) end, { paging_secret = "another" })
  end))

  it("start streams, and result:next_page() and all() go on from them", wire.test(function(session, server)
    server:prime(PLAIN, { columns = { { "n", "int" } }, rows = numbers(25) })
    local token = cqlua.assert(page_of(session, PLAIN)):page_token()
    local tokens, count = {}, 0
    for page in session:stream(PLAIN, nil, { page_size = 10, page_token = token }):pages() do
      count = count + #page
      tokens[#tokens + 1] = page:page_token()
    end
    assert.equal(15, count)
    assert.equal(1, #tokens)
    assert.equal(5, #cqlua.assert(page_of(session, PLAIN, nil, tokens[1])))
    local page = cqlua.assert(page_of(session, PLAIN, nil, token))
    assert.equal(21, page:next_page()[1].n)
    assert.equal(15, #page:all())
    assert.equal(15, #cqlua.assert(session:all(PLAIN, nil, { page_size = 10, page_token = token })))
  end))

  it("are nil of a last page, and options that contradict each other raise", wire.test(function(session, server)
    server:prime(PLAIN, { columns = { { "n", "int" } }, rows = numbers(5) })
    assert.is_nil(cqlua.assert(page_of(session, PLAIN)):page_token())
    assert.matches("page_token.*paging_state", wire.raised(page_of, session, PLAIN, nil, "x", { paging_state = "y" }))
    assert.matches("page_token", wire.raised(page_of, session, PLAIN, nil, 5))
  end))

  it("SEC7 say nothing of the secret where it is misspelt", function()
    local said = wire.raised(cqlua.connect, { paging_secret = 12345 })
    assert.matches("paging_secret", said)
    assert.is_nil(said:find("12345", 1, true))
  end)
end)
