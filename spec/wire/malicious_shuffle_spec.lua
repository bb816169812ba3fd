-- Every stream id in flight at once, and the answers in another order: each reaches its own request.
-- ctest: all timeout=300
local cqlua = require "cqlua"
local malice = require "spec.wire.support.malice"
local wire = require "spec.wire.support.wire"

describe("a server that shuffles", function()
  it("fault 3 answers 32,767 requests in another order", function()
    malice.each(function(session, server)
      local order, kinds = {}, 331
      for index = 1, kinds do table.insert(order, math.random(#order + 1), index) end
      local queries = {}
      for index = 1, kinds do
        local token = malice.token()
        queries[index] = { token = token, text = wire.prime_token(server, token, { delay = 0.5 + order[index] / 1000 }) }
      end
      local asked = {}
      for index = 1, 32767 do asked[index] = queries[index % kinds + 1] end
      local told = assert(cqlua.map(asked, #asked, function(query)
        return cqlua.assert(session:execute(query.text, nil, { idempotent = false, timeout = 60 }))[1].token
      end))
      for index = 1, 32767 do
        if told[index] ~= asked[index].token then error("a request got another's answer", 0) end
      end
      assert.equal(1, server:node(1):connections())
      server:clear()
      collectgarbage()
    end, { seconds = 130, ways = { malice.ways[1], malice.ways[4] }, growth = 4 * 2 ^ 20, -- the output's buffer stays
      connect = { connections = { 1, 1 }, max_in_flight = 32767, request_timeout = 60, attempt_timeout = 60 } })
  end)
end)
