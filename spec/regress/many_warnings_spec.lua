-- To read n warnings took n * n steps: one answer of 200 KiB stopped the loop for seconds.
local bytes = require "spec.wire.support.bytes"
local cqlua = require "cqlua"
local malice = require "spec.wire.support.malice"

describe("an answer with 65,535 warnings", function()
  it("fault 63 is read in time", function()
    malice.each(function(session, server)
      local text = "SELECT warned " .. malice.token()
      server:prime(text, { frame = { flags = 0x08 },
        body = bytes.short(65535) .. bytes.string "w":rep(65535) .. bytes.rows {} })
      local before = cqlua.now()
      local result = assert(session:execute(text))
      assert.equal(1, result[1].token)
      assert.equal(65535, #result.warnings)
      assert.is_true(cqlua.now() - before < 2000)
    end, { ways = { malice.ways[1], malice.ways[3] } })
  end)
end)
