-- ctest: live timeout=180
-- Every protocol version, plain and compressed: the same answers.
local cqlua = require "cqlua"
local live = require "spec.live.support.live"

local assert_ok = cqlua.assert

local KEYSPACE = "cqlua_live_protocol"

local function each_way(fn)
  for _, version in ipairs { 3, 4, 5 } do
    for _, compression in ipairs { "none", "lz4" } do fn(version, compression) end
  end
end

describe("the protocol", function()
  setup(function()
    cqlua.with(live.connect, { request_timeout = 60 }, function(db)
      for _, text in ipairs {
        "CREATE KEYSPACE IF NOT EXISTS " .. KEYSPACE
          .. " WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
        "CREATE TABLE IF NOT EXISTS " .. KEYSPACE .. ".blobs (id int PRIMARY KEY, b blob, t text)",
        "CREATE TABLE IF NOT EXISTS " .. KEYSPACE .. ".wide (part int, n int, t text, PRIMARY KEY (part, n))",
      } do assert_ok(db:execute(text)) end
    end)
  end)
  teardown(function()
    cqlua.with(live.connect, { request_timeout = 60 }, function(db) assert_ok(db:execute("DROP KEYSPACE " .. KEYSPACE)) end)
  end)

  each_way(function(version, compression)
    describe(("v%d, compression %s"):format(version, compression), function()
      local db
      setup(function()
        db = live.connect { protocol_version = version, compression = compression, keyspace = KEYSPACE,
          application = { name = "cqlua spec", version = "7" }, client_id = "the spec" }
      end)
      teardown(function() db:close() end)

      it("C3 carries values of every size, both ways", function()
        local put = assert_ok(db:prepare "INSERT INTO blobs (id, b, t) VALUES (?, ?, ?)")
        local get = assert_ok(db:prepare "SELECT b, t FROM blobs WHERE id = ?")
        for index, size in ipairs { 0, 1, 100, 5000, 131000, 131072, 1000000 } do
          local parts, seed = {}, size
          for part = 1, math.ceil(size / 1000) do
            seed = (seed * 1103515245 + 12345) % 2147483648
            parts[part] = tostring(seed):rep(120):sub(1, 1000)
          end
          local bytes = table.concat(parts):sub(1, size)
          assert_ok(db:execute(put, { index, bytes, bytes:reverse() }))
          local row = assert_ok(db:execute(get, { index })):one()
          assert.is_true(row.b == bytes and row.t == bytes:reverse(), size .. " bytes")
        end
      end)

      it("T2 pages through rows", function()
        local put = assert_ok(db:prepare "INSERT INTO wide (part, n, t) VALUES (?, ?, ?)")
        local list = {}
        for n = 1, 300 do list[n] = { put, { version, n, ("row %d "):format(n):rep(30) } } end
        assert_ok(db:batch(list, { kind = "unlogged" }))
        local seen = 0
        for row in db:stream("SELECT n, t FROM wide WHERE part = ?", { version }, { page_size = 37 }) do
          seen = seen + 1
          assert.equal(("row %d "):format(seen):rep(30), row.t)
        end
        assert.equal(300, seen)
      end)

      it("C1 tells the server who it is", function()
        local mine = 0
        for row in db:stream "SELECT * FROM system_views.clients" do
          if row.driver_name == "cqlua" and row.protocol_version == version then
            mine = mine + 1
            local options = row.client_options
            if options then
              assert.equal("cqlua spec", options.APPLICATION_NAME)
              assert.equal("7", options.APPLICATION_VERSION)
              assert.equal("the spec", options.CLIENT_ID)
              assert.equal(compression == "lz4" and "lz4" or nil, options.COMPRESSION)
            end
          end
        end
        assert.is_true(mine > 0)
      end)

      it("Q9 unset: v3 has none, and nothing is sent; later versions leave the column as it is", function()
        assert_ok(db:execute("INSERT INTO blobs (id, t) VALUES (?, ?)", { 90, "before" }))
        local res, err = db:execute("INSERT INTO blobs (id, b, t) VALUES (?, ?, ?)", { 90, "x", cqlua.unset })
        if version == 3 then
          live.failed("invalid_value", res, err)
          assert.matches("'t' %(text%): protocol v3 has no unset value", err.message)
        else
          assert_ok(res, err)
        end
        local row = assert_ok(db:execute("SELECT b, t FROM blobs WHERE id = 90")):one()
        assert.equal("before", row.t)
        assert.equal(version > 3 and "x" or nil, row.b)
        assert_ok(db:execute "DELETE FROM blobs WHERE id = 90")
      end)

      it("Q1 a trace is waited for, and has its events", function()
        local res = assert_ok(db:execute("SELECT t FROM blobs WHERE id = 1", nil, { tracing = true }))
        local trace = assert_ok(res:trace())
        assert.equal(res.tracing_id, trace.id)
        assert.is_true(trace.duration_us > 0 and #trace.events > 0)
        assert.is_string(trace.events[1].activity)
        assert.equal("QUERY", trace.command)
      end)

      it("Q1 custom payload passes by a server that has no plug-in for it; v3 has none", function()
        local res, err = db:execute("SELECT key FROM system.local", nil, { custom_payload = { a = "1", b = cqlua.null } })
        if version == 3 then live.failed("unsupported", res, err) else assert_ok(res, err) end
      end)

      it("Q7 a keyspace per call, and now_in_seconds, need v5", function()
        local res, err = db:execute("SELECT key FROM local", nil, { keyspace = "system" })
        if version < 5 then live.failed("unsupported", res, err) else assert.equal(1, #assert_ok(res, err)) end
        res, err = db:execute("SELECT key FROM system.local", nil, { now_in_seconds = 1000 })
        if version < 5 then live.failed("unsupported", res, err) else assert_ok(res, err) end
      end)
    end)
  end)

  it("C3 another compression than lz4 is refused, and says what to use", function()
    local err = live.raised(function() live.connect { compression = "snappy" } end)
    assert.matches("option 'compression'.*lz4.*snappy is not supported", tostring(err))
  end)
end)
