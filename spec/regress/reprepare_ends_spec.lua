-- A statement that was prepared again for others was looked at after it had been freed. (AddressSanitizer sees it.)
local malice = require "spec.wire.support.malice"

describe("a statement that the node forgot", function()
  it("fault 38 is prepared again, whatever the answer to that is", function()
    malice.each(function(session, server)
      local text = "SELECT n FROM t WHERE id = ?"
      server:prime(text, { params = { "int" }, columns = { { "n", "int" } }, rows = { { 1 } } })
      local get = assert(session:prepare(text))
      for _ = 1, 5 do
        server:forget(text)
        assert.equal(1, assert(session:execute(get, { 1 }))[1].n)
      end
      server:prime({ query = text, opcode = "PREPARE" }, { frame = { opcode = "RESULT" }, body = "\0\0\0\4",
        times = 1 })
      server:forget(text)
      local result = session:execute(get, { 1 })
      assert.is_nil(result)
      assert.is_true(malice.is_well(session, server))
    end)
  end)
end)
