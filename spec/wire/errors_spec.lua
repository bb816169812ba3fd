-- Every error of the protocol (v5 section 9) with every field that it has, in each version.
local cqlua = require "cqlua"
local testing = require "cqlua.testing"
local wire = require "spec.wire.support.wire"

local FAILURES = { ["127.0.0.2"] = 1, ["::1"] = 3, ["10.0.0.9"] = 65535 }

-- What is sent and what is expected beside code and message; `v5`: besides, from v5 on; `retryable`: of a request that may not
-- be repeated.
local ERRORS = {
  { 0x0000, "server_error", {} },
  { 0x000A, "protocol_error", {} },
  { 0x1000, "unavailable", { consistency = "quorum", required = 3, alive = 1 } },
  { 0x1001, "overloaded", {} },
  { 0x1002, "is_bootstrapping", {} },
  { 0x1003, "truncate_error", {} },
  { 0x1100, "write_timeout", { consistency = "each_quorum", received = 1, block_for = 2, write_type = "BATCH_LOG" } },
  { 0x1100, "write_timeout", { consistency = "serial", received = 0, block_for = 2, write_type = "CAS" }, { contentions = 7 } },
  { 0x1200, "read_timeout", { consistency = "two", received = 1, block_for = 2, data_present = true } },
  { 0x1200, "read_timeout", { consistency = "one", received = 0, block_for = 1, data_present = false } },
  { 0x1300, "read_failure", { consistency = "all", received = 2, block_for = 5, failures = 3, data_present = true },
    { failure_map = FAILURES } },
  { 0x1400, "function_failure", { keyspace = "ks", ["function"] = "f", arg_types = "int, map<text, int>" } },
  { 0x1500, "write_failure", { consistency = "three", received = 0, block_for = 2, failures = 3, write_type = "COUNTER" },
    { failure_map = FAILURES } },
  { 0x1600, "cdc_write_failure", {} },
  { 0x1700, "cas_write_unknown", { consistency = "local_serial", received = 1, block_for = 2 } },
  { 0x2000, "syntax_error", {} },
  { 0x2100, "unauthorized", {} },
  { 0x2200, "invalid", {} },
  { 0x2300, "config_error", {} },
  { 0x2400, "already_exists", { keyspace = "ks", table = "t" } },
  { 0x2400, "already_exists", { keyspace = "ks" } },
}

local FIELDS = { "consistency", "required", "received", "alive", "failures", "block_for", "contentions", "data_present",
  "write_type", "keyspace", "table", "function", "arg_types", "statement_id", "failure_map" }

local function both(first, second)
  local all = {}
  for _, fields in ipairs { first, second or {} } do
    for name, value in pairs(fields) do all[name] = value end
  end
  return all
end

local function fields_of(err)
  local all = {}
  for _, name in ipairs(FIELDS) do all[name] = rawget(err, name) end
  return all
end

local function primed(entry)
  return both(both(entry[3], entry[4]), { code = entry[2], message = "because of " .. entry[2] })
end

local function failed(result, err)
  assert.is_nil(result)
  return err
end

for version = 3, 5 do
  describe("in v" .. version, function()
    for _, entry in ipairs(ERRORS) do
      local code, name = entry[1], entry[2]
      local detail = entry[3].write_type or entry[3].table or entry[3].data_present ~= nil and tostring(entry[3].data_present)
      it(("Q2 0x%04X is %s with its fields%s"):format(code, name, detail and ": " .. detail or ""),
        wire.test(function(session, server)
          server:prime("UPDATE t SET a = 1", { error = primed(entry) })
          local err = failed(session:execute "UPDATE t SET a = 1")
          assert.same({ name, code, server.contact_points[1] }, { err.name, err.code, err.node })
          assert.matches("because of " .. name, err.message, 1, true)
          assert.same(both(entry[3], version >= 5 and entry[4] or nil), fields_of(err))
          assert.equal(1, #err.attempts)
          assert.equal(name, err.attempts[1].outcome)
          assert.equal("boolean", type(err.may_have_executed))
          assert.is_true(wire.is_well(session, server))
        end, { version = version }))
    end

    it("Q2 0x0100 is bad_credentials", testing.async(function()
      local server = testing.server { version = version, auth = { ada = "secret" } }
      local err = failed(cqlua.connect { contact_points = server.contact_points, auth = cqlua.auth.plain("ada", "wrong") })
      assert.same({ "bad_credentials", 0x0100 }, { err.name, err.code })
    end))

    it("Q2 0x2500 is unprepared with the id that is not known", wire.test(function(session, server)
      local text = "SELECT a FROM t WHERE b = ?"
      server:prime(text, { params = { "int" }, columns = { { "a", "int" } }, prepared_id = "first" })
      local get = cqlua.assert(session:prepare(text))
      server:prime(text, { prepared_id = "second", error = { code = "unprepared", statement_id = "first" } })
      server:forget(text)
      local err = failed(session:execute(get, { 1 }))
      assert.same({ "unprepared", 0x2500, "first" }, { err.name, err.code, err.statement_id })
      assert.is_true(wire.is_well(session, server))
    end, { version = version }))

    it("fault 61: a code that is not known is a server_error that keeps it", wire.test(function(session, server)
      server:prime("SELECT a", { error = { code = 0x7777, message = "from the future" } })
      local err = failed(session:execute "SELECT a")
      assert.same({ "server_error", 0x7777 }, { err.name, err.code })
      assert.matches("from the future", err.message, 1, true)
      assert.is_true(wire.is_well(session, server))
    end, { version = version }))
  end)
end
