local cqlua = require "cqlua"
local testing = require "cqlua.testing"

describe("the scriptable server", function()
  it("answers as the example says", testing.async(function()
    local server = testing.server { version = 5 }
    server:prime("INSERT INTO names (name) VALUES (?) IF NOT EXISTS", { params = { "text" }, applied = false,
      columns = { { "name", "text" } }, rows = { { "ada" } } })
    cqlua.assert(cqlua.with(cqlua.connect, { contact_points = server.contact_points }, function(session)
      assert.is_false(session:execute("INSERT INTO names (name) VALUES (?) IF NOT EXISTS", { "ada" }).applied)
      assert.same({ "ada" }, server:received()[1].params)
    end))
    server:stop()
  end))
end)
