-- ctest: all luajit timeout=240
-- The nginx host, in a real nginx before a node that answers each statement with its bound value.

local support = require "spec.hosts.support.nginx"

local missing = support.missing()
if missing then
  describe("the nginx host", function() it("is there", function() pending(missing) end) end)
  return
end

local SESSION = [[
  lua_shared_dict cqlua 1m;
  lua_shared_dict seen 1m;
  init_worker_by_lua_block {
    cqlua, nginx = require "cqlua", require "cqlua.host.nginx"
    FAST, SLOW = "SELECT token FROM t WHERE k = ?", "SELECT token FROM slow WHERE k = ?"
    assert(nginx.session("shop", { contact_points = { "127.0.0.1:$node_port" }, discovery = false, protocol_version = 4,
      request_timeout = 5, reconnect = { 0.2, 0.2 } }))
    function ask(text, token, options) -- the token that came back
      return cqlua.assert(nginx.session("shop"):execute(text, { token }, options))[1].token
    end
  }
]]

local TOKENS = [[
  location = / { return 204; }
  location /token {
    content_by_lua_block {
      local token = ngx.worker.pid() .. ":" .. ngx.var.connection .. ":" .. ngx.var.request_length .. ":" .. math.random(2 ^ 40)
      local got = ask(ngx.var.arg_slow and SLOW or FAST, token)
      if got ~= token then ngx.shared.seen:incr("mismatches", 1, 0) end
      ngx.shared.seen:incr("matches", 1, 0)
      ngx.print(got == token and "right" or "WRONG")
    }
  }
  location /seen { content_by_lua_block { ngx.print(ngx.shared.seen:get(ngx.var.arg_key) or 0) } }
]]

local folder, node, server

local function setup_with(given)
  folder = support.folder()
  node = support.node(folder, nil, given.delay_ms)
  server = support.start { folder = folder, node_port = node.port, http = given.http or SESSION, server = given.server or TOKENS,
    workers = given.workers }
end

local function teardown_all()
  server:stop "TERM"
  node:stop "KILL"
  os.execute("rm -rf " .. folder)
end

-- Requests of wrk for so many seconds: what it printed.
local function load_with(connections, seconds, path, more)
  return support.output(("wrk -t1 -c%d -d%ds --timeout 20s %s http://127.0.0.1:%d%s"):format(connections, seconds, more or "",
    server.port, path))
end

local function assert_no_failure(printed)
  assert.matches("requests in", printed)
  assert.not_matches("Non%-2xx", printed)
  assert.not_matches("Socket errors", printed)
end

-- Every way to wait, each with a location of its own.
local PLACES = [[
  location /rewrite {
    rewrite_by_lua_block { ngx.ctx.got = ask(FAST, "rewritten") }
    content_by_lua_block { ngx.print(ngx.ctx.got) }
  }
  location /access {
    access_by_lua_block { ngx.ctx.got = ask(FAST, "allowed") }
    content_by_lua_block { ngx.print(ngx.ctx.got) }
  }
  location /timer {
    content_by_lua_block {
      local done = require "ngx.semaphore".new()
      local got
      ngx.timer.at(0, function() got = ask(FAST, "timed") done:post() end)
      done:wait(5)
      ngx.print(got)
    }
  }
  location /threads {
    content_by_lua_block {
      local threads, got = {}, {}
      for i = 1, 5 do threads[i] = ngx.thread.spawn(ask, i % 2 == 0 and SLOW or FAST, "thread" .. i) end
      for i = 1, 5 do got[i] = select(2, ngx.thread.wait(threads[i])) end
      ngx.print(table.concat(got, " "))
    }
  }
  location /coroutine {
    content_by_lua_block {
      local plain = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(ask(FAST, "plain" .. i)) end end)
      local ours = cqlua.wrap(function() for i = 1, 3 do coroutine.yield(ask(FAST, "ours" .. i)) end end)
      ngx.print(plain(), " ", ours(), " ", plain(), " ", ours())
    }
  }
  location /tasks {
    content_by_lua_block {
      local got = cqlua.assert(cqlua.map({ 3, 1, 2 }, 3, function(i) return ask(SLOW, "m" .. i) end))
      local both = cqlua.assert(cqlua.gather { db = function() return ask(SLOW, "g") end,
        nginx = function() ngx.sleep(0.01) return "slept" end })
      local task = cqlua.spawn(function(s) cqlua.sleep(s) return ask(FAST, "spawned") end, 0.01)
      ngx.print(table.concat(got, " "), " ", both.db, " ", both.nginx, " ", task:join())
    }
  }
  location /groups {
    content_by_lua_block {
      -- nginx's own waits and ours, in turn, in every task of a group: each with a thread of its own from the first on
      local order, turns = {}, { require "ngx.semaphore".new(), require "ngx.semaphore".new() }
      local function member(i)
        ask(FAST, "a" .. i)
        if i < 3 then assert(turns[i]:wait(5)) end -- for the one after it
        order[#order + 1] = i
        if i > 1 then turns[i - 1]:post(1) end
        local thread = ngx.thread.spawn(function() ngx.sleep(0.001) return "child" .. i end)
        local got = ask(SLOW, "b" .. i)
        local _, child = ngx.thread.wait(thread)
        local inner = cqlua.assert(cqlua.map({ 1, 2 }, 2, function(j)
          if j == i then ngx.sleep(0.001) end
          return ask(FAST, i .. "." .. j)
        end))
        local generator = cqlua.wrap(function() coroutine.yield(ask(FAST, "g" .. i)) end)
        return got .. " " .. child .. " " .. inner[1] .. " " .. inner[2] .. " " .. generator()
      end
      local all = cqlua.assert(cqlua.map({ 1, 2, 3 }, 3, member))
      ngx.say(table.concat(order))
      for i = 1, 3 do ngx.say(all[i]) end
      local many = {}
      for i = 1, 3000 do many[i] = i end
      local got = cqlua.assert(cqlua.map(many, 500, function(i) return tonumber(ask(FAST, tostring(i))) end))
      for i = 1, 3000 do assert(got[i] == i) end
      ngx.say(#got)
    }
  }
  location /abort_groups { lua_check_client_abort on; content_by_lua_block {
    cqlua.map({ 1, 2, 3, 4 }, 4, function(i)
      if i == 4 then ngx.sleep(2) end
      ask(SLOW, "aborted" .. i)
      ngx.sleep(2)
    end)
  } }
  location /late {
    content_by_lua_block {
      local value, err = cqlua.with_timeout(0.02, function() return ask(SLOW, "late") end)
      ngx.say(tostring(value), " ", err.name)
      local db = nginx.session "shop"
      value, err = db:execute(SLOW, { "later" }, { timeout = 0.02 })
      ngx.say(tostring(value), " ", err.name)
      local none, why = cqlua.gather { bad = function() return nil, "why" end,
        slow = function() return ask(SLOW, "cancelled") end }
      ngx.say(tostring(none), " ", why)
      ngx.say(ask(FAST, "still"))
    }
  }
  location /raise { content_by_lua_block { ask(SLOW, "x", { timeout = 0.01 }) } }
  location /misuse {
    content_by_lua_block {
      local _, unknown = pcall(nginx.session, "shp")
      local _, again = pcall(nginx.session, "shop", {})
      local _, elsewhere = pcall(nginx.session, "other", {})
      local _, loop = pcall(cqlua.run, function() end)
      ngx.say(unknown) ngx.say(again) ngx.say(elsewhere) ngx.say(loop)
    }
  }
  location /nowait {
    set_by_lua_block $how { return tostring(select(2, pcall(ask, FAST, "in set"))) }
    content_by_lua_block { ngx.header.x_set = ngx.var.how ngx.print "body" }
    header_filter_by_lua_block {
      ngx.header.x_header = tostring(select(2, pcall(ask, FAST, "in header")))
      ngx.header.x_nowait = tostring(nginx.session("shop"):execute_nowait(FAST, { "from header" }))
    }
    body_filter_by_lua_block { ngx.shared.seen:set("body", tostring(select(2, pcall(ask, FAST, "in body")))) }
    log_by_lua_block {
      ngx.shared.seen:set("log", tostring(select(2, pcall(ask, FAST, "in log"))))
      ngx.shared.seen:set("log_nowait", tostring(nginx.session("shop"):execute_nowait(FAST, { "from log" })))
    }
  }
  location /killed {
    content_by_lua_block {
      -- threads that are killed while they wait, their coroutines used again at once by others that wait too
      local wrong = 0
      for round = 1, 200 do
        local doomed, kept = {}, {}
        for i = 1, 5 do doomed[i] = ngx.thread.spawn(ask, SLOW, "doomed" .. round .. "." .. i) end
        for i = 1, 5 do ngx.thread.kill(doomed[i]) end
        for i = 1, 5 do kept[i] = ngx.thread.spawn(ask, FAST, round .. "." .. i) end
        for i = 1, 5 do
          local _, got = ngx.thread.wait(kept[i])
          if got ~= round .. "." .. i then wrong = wrong + 1 end
        end
      end
      ngx.print(wrong, " wrong")
    }
  }
  location /abort { lua_check_client_abort on; content_by_lua_block {
    cqlua.with_timeout(3, function() ask(SLOW, "aborted") ngx.sleep(1) end)
  } }
  location /memory {
    content_by_lua_block {
      collectgarbage() collectgarbage()
      ngx.print(collectgarbage "count" .. " " .. require "cqlua.core".session_count(nginx.session("shop")._core).memory)
    }
  }
  location /capturable { content_by_lua_block { ngx.print(ask(FAST, "captured")) } }
  location /siblings {
    content_by_lua_block {
      -- What the first wait of a group's task may be, while its siblings wait for something else
      local first = {
        slept = function() ngx.sleep(0.001) return "slept" end,
        nested = function()
          return cqlua.assert(cqlua.gather { function() return ask(FAST, "nested") end, function() ngx.sleep(0.001) end })[1]
        end,
        spawned = function() return cqlua.spawn(ask, FAST, "spawned"):join() end,
        generated = function() return cqlua.wrap(function() coroutine.yield(ask(FAST, "generated")) end)() end,
        threaded = function() return select(2, ngx.thread.wait(ngx.thread.spawn(ask, FAST, "threaded"))) end,
        resumed = function() return coroutine.wrap(function() coroutine.yield "resumed" end)() end,
        yielded = function() coroutine.yield() return "yielded" end,
        captured = function() return ngx.location.capture("/capturable").body end,
        flushed = function() ngx.flush(true) return "flushed" end,
        closed = function()
          local stream = nginx.session("shop"):stream(SLOW, { "x" })
          cqlua.with_timeout(0.001, function() return stream:next() end)
          stream:close()
          ngx.sleep(0.001)
          return "closed"
        end,
      }
      local all, wrong = {}, 0
      for name, fn in pairs(first) do
        all[name] = fn
        for _ = 1, 3 do
          local got = cqlua.assert(cqlua.gather { before = function() return ask(SLOW, "before") end, fn = fn,
            again = fn, after = function() return ask(FAST, "after") end })
          if got.before ~= "before" or got.fn ~= name or got.again ~= name or got.after ~= "after" then wrong = wrong + 1 end
        end
      end
      for name, got in pairs(cqlua.assert(cqlua.gather(all))) do
        if got ~= name then wrong = wrong + 1 end
      end
      ngx.print(wrong, " wrong")
    }
  }
  location /generators {
    content_by_lua_block {
      local wrong = 0
      local function check(token) if ask(FAST, token) ~= token then wrong = wrong + 1 end end
      local threads = {}
      for i = 1, 20 do
        threads[i] = ngx.thread.spawn(function()
          local several = cqlua.wrap(function()
            for n = 1, 10 do
              check("a" .. i .. "." .. n)
              check("b" .. i .. "." .. n)
              coroutine.yield(n)
            end
          end)
          for n = 1, 10 do
            if several() ~= n then wrong = wrong + 1 end
            check("c" .. i .. "." .. n)
          end
        end)
      end
      for i = 1, 20 do assert(ngx.thread.wait(threads[i])) end
      ngx.print(wrong, " wrong")
    }
  }
  location /interrupted {
    content_by_lua_block {
      local function long()
        ngx.sleep(0.001)
        cqlua.sleep(1000)
      end
      local _, err = cqlua.with_timeout(0.02, function() return cqlua.map({ 1, 2 }, 2, long) end)
      local outer, why = cqlua.gather { function() return cqlua.map({ 1, 2 }, 2, long) end,
        function() ask(SLOW, "x") return nil, "why" end }
      ngx.print(err.name, " ", tostring(outer), " ", why)
    }
  }
  location /late_wakes {
    content_by_lua_block {
      -- A wait that with_timeout ended leaves its waiter in the stream's list: closing the stream wakes a task that is gone
      local db, ended = nginx.session "shop", 0
      for i = 1, 20 do
        local stream = db:stream(SLOW, { "x" })
        local _, err = cqlua.with_timeout(0.001, function() for page in stream:pages() do error(page) end end)
        if err.name == "timeout" then ended = ended + 1 end
        stream:close()
      end
      local asked
      local own = db:stream(FAST, { "x" }, { on_page = function() asked = asked or select(2, pcall(own_next)) end })
      own_next = function() return own:next() end
      own:next()
      own:close()
      ngx.print(ended, " ", ask(FAST, "after"), " ", tostring(asked):match "on_page cannot read rows")
    }
  }
  location /metrics { content_by_lua_block { ngx.print(nginx.prometheus()) } }
]]

describe("a session in nginx", function()
  setup(function()
    setup_with { server = TOKENS .. PLACES }
  end)
  teardown(teardown_all)

  it("answers in every phase that may yield, in timers, light threads and generators", function()
    assert.equal("rewritten", (server:get "/rewrite"))
    assert.equal("allowed", (server:get "/access"))
    assert.equal("right", (server:get "/token"))
    assert.equal("timed", (server:get "/timer"))
    assert.equal("thread1 thread2 thread3 thread4 thread5", (server:get "/threads"))
    assert.equal("plain1 ours1 plain2 ours2", (server:get "/coroutine"))
  end)

  it("runs map, gather, spawn and sleep, nginx's own waits beside ours", function()
    assert.equal("m3 m1 m2 g slept spawned", (server:get "/tasks"))
  end)

  it("Q1 overlaps the waits of a group's tasks, ours and nginx's", function()
    local expected = { "321" }
    for i = 1, 3 do expected[i + 1] = ("b%d child%d %d.1 %d.2 g%d"):format(i, i, i, i, i) end
    expected[5] = "3000\n"
    assert.equal(table.concat(expected, "\n"), (server:get "/groups"))
  end)

  it("Q1 goes on with a group's tasks whatever one of them waits for first", function()
    assert.equal("0 wrong", (server:get "/siblings"))
  end)

  it("Q1 gives each generator its own answers, however often it asks before it yields", function()
    assert.equal("0 wrong", (server:get "/generators"))
  end)

  it("X1 survives wakes of what has ended, and an on_page that reads its own stream", function()
    assert.equal("20 after on_page cannot read rows", (server:get "/late_wakes"))
  end)

  it("X1 interrupts a group whose tasks wait for long, also after something of nginx's", function()
    assert.equal("timeout nil why", (server:get "/interrupted"))
  end)

  it("ends waits early by with_timeout, by the call's timeout and by a group's first error", function()
    assert.equal("nil timeout\nnil timeout\nnil why\nstill\n", (server:get "/late"))
  end)

  it("raises text, which nginx logs as it is", function()
    local _, status = server:get "/raise"
    assert.equal(500, status)
    assert.matches("nginx.conf[^\n]*: timeout: ", server:errors())
    assert.not_matches("unknown reason", server:errors())
  end)

  it("refuses misuse at the caller's line", function()
    local lines = {}
    for line in server:get "/misuse":gmatch "[^\n]+" do lines[#lines + 1] = line end
    for _, line in ipairs(lines) do assert.matches("^content_by_lua%(nginx.conf:%d+%):%d+: ", line) end
    assert.matches("no session 'shp'; did you mean 'shop'%?", lines[1])
    assert.matches("opened in init_worker_by_lua; in content_by_lua, nginx.session%(\"shop\"%) gives one", lines[2])
    assert.matches("opened in init_worker_by_lua", lines[3])
    assert.matches("host 'nginx' owns the loop", lines[4])
  end)

  it("says where it cannot wait what to do, and execute_nowait works there", function()
    local before = support.count(node).answered
    local _, status = server:get("/nowait", "-D " .. folder .. "/head")
    assert.equal(200, status)
    local head = support.output("cat " .. folder .. "/head")
    local remedy = "cqlua cannot wait in %s_by_lua: use session:execute_nowait"
    assert.matches(remedy:format "set", head)
    assert.matches(remedy:format "header_filter", head)
    assert.matches("x%-nowait: true", head)
    assert.matches(remedy:format "body_filter", (server:get "/seen?key=body"))
    assert.matches(remedy:format "log", (server:get "/seen?key=log"))
    assert.equal("true", (server:get "/seen?key=log_nowait"))
    support.eventually(function() return support.count(node).answered >= before + 2 end, "both statements arrive")
  end)

  it("X2 fault 76 survives light threads that are killed: none gets what was another's", function()
    assert.equal("0 wrong", (server:get "/killed"))
    assert.equal("right", (server:get "/token"))
  end)

  it("X2 survives clients that go away", function()
    for _ = 1, 20 do
      for _, path in ipairs { "/abort", "/abort_groups" } do
        support.output(("curl -s -m 0.05 http://127.0.0.1:%d%s"):format(server.port, path))
      end
    end
    for _ = 1, 20 do assert.equal("right", (server:get "/token")) end
    assert_no_failure(load_with(16, 1, "/token"))
    support.eventually(function() return server:get("/metrics"):match "cqlua_in_flight 0\n" end, "abandoned requests end")
    assert.equal("0", (server:get "/seen?key=mismatches"))
    assert.not_matches("exited on signal", server:errors())
  end)

  it("fault 77 has one connection at any concurrency, and keeps nothing of its requests", function()
    assert_no_failure(load_with(64, 2, "/token"))
    local before = server:get "/memory"
    assert_no_failure(load_with(64, 3, "/token"))
    local after = server:get "/memory"
    assert.equal("0", (server:get "/seen?key=mismatches"))
    assert.is_true(tonumber((server:get "/seen?key=matches")) > 1000)
    assert.equal(1, support.count(node).open)
    local lua_before, c_before = before:match "(%S+) (%S+)"
    local lua_after, c_after = after:match "(%S+) (%S+)"
    assert.is_true(tonumber(lua_after) < tonumber(lua_before) + 1024, before .. " -> " .. after)
    assert.is_true(tonumber(c_after) < tonumber(c_before) + 2 ^ 20, before .. " -> " .. after)
  end)

  it("counts for Prometheus", function()
    local text = server:get "/metrics"
    assert.matches('cqlua_requests_total{outcome="ok"} %d+\n', text)
    assert.matches('cqlua_requests_total{outcome="timeout"} %d+\n', text)
    assert.matches("# TYPE cqlua_connections gauge\ncqlua_connections 1\n", text)
    assert.matches('cqlua_node_up{node="127.0.0.1:' .. node.port .. '"} 1\n', text)
  end)

  it("connects again, by itself", function()
    node:stop "KILL"
    local text, status
    support.eventually(function()
      text, status = server:get "/token"
      return status == 500
    end, "the loss is seen")
    assert.equal(500, status, text)
    assert.matches("no_nodes: ", server:errors())
    node = support.node(folder, node.port)
    support.eventually(function() return server:get "/token" == "right" end, "it is connected")
  end)
end)

describe("workers that come and go", function()
  setup(function()
    setup_with { workers = 2, server = TOKENS .. [[
      location /think { content_by_lua_block {
        local db = nginx.session "shop"
        local first = cqlua.assert(db:execute(FAST, { "first" }))[1].token
        ngx.sleep(2.5)
        ngx.print(first, " ", cqlua.assert(db:execute(FAST, { "second" }))[1].token)
      } }
      location /metrics { content_by_lua_block { ngx.print(nginx.prometheus()) } }
    ]] }
  end)
  teardown(teardown_all)

  local function reload()
    local old = server:workers()
    server:reload()
    return old
  end

  local function gone(pids)
    for _, pid in ipairs(pids) do
      if support.is_alive(pid) then return false end
    end
    return true
  end

  it("have a connection each, and tell of all in one text", function()
    assert_no_failure(load_with(32, 2, "/token"))
    assert.equal(2, support.count(node).open)
    local matches = tonumber((server:get "/seen?key=matches"))
    support.eventually(function()
      local text = server:get "/metrics"
      return text:match "cqlua_connections 2\n" and tonumber(text:match 'outcome="ok"} (%d+)') >= matches
    end, "the counters of both workers")
  end)

  it("lose no request when nginx is reloaded under load", function()
    local all_old = {}
    local pipe = io.popen(("wrk -t1 -c32 -d6s --timeout 20s 'http://127.0.0.1:%d/token?slow=1' 2>&1"):format(server.port))
    for _ = 1, 3 do
      support.sleep(1)
      for _, pid in ipairs(reload()) do all_old[#all_old + 1] = pid end
    end
    local printed = pipe:read "*a"
    pipe:close()
    assert_no_failure(printed)
    assert.equal("0", (server:get "/seen?key=mismatches"))
    support.eventually(function() return gone(all_old) end, "the old workers leave")
    support.eventually(function() return support.count(node).open == 2 end, "their connections are closed")
  end)

  it("connect again for a request that thinks while they exit", function()
    local pipe = io.popen(("curl -s -m 20 http://127.0.0.1:%d/think"):format(server.port))
    support.sleep(0.5)
    local old = reload()
    assert.equal("first second", pipe:read "*a")
    pipe:close()
    support.eventually(function() return gone(old) end, "the old workers leave")
  end)

  it("leave when nothing answers them any more", function()
    node:signal "STOP"
    local pipe = io.popen(("curl -s -m 20 -o /dev/null -w '%%{http_code}' http://127.0.0.1:%d/token"):format(server.port))
    support.sleep(0.5)
    local old = reload()
    assert.equal("500", pipe:read "*a") -- its request's time passed
    pipe:close()
    support.eventually(function() return gone(old) end, "the old workers leave", 20)
    node:signal "CONT"
  end)
end)

describe("a session whose node is not there yet", function()
  it("C1 fails requests with what is wrong, and connects when the node comes, without a restart", function()
    local port = support.free_port()
    folder = support.folder()
    local impatient = SESSION:gsub("request_timeout = 5", "request_timeout = 5, connect_timeout = 0.5")
    server = support.start { folder = folder, node_port = port, server = TOKENS, http = impatient }
    local _, status = server:get "/token"
    assert.equal(500, status)
    local line = "cqlua: session 'shop': no_nodes: [^\n]*refused"
    support.eventually(function() return server:errors():match(line) end, "it is logged")
    node = support.node(folder, port)
    support.eventually(function() return server:get "/token" == "right" end, "it is connected")
    teardown_all()
  end)

  it("lets requests wait for the first connection within their own time", function()
    local port = support.free_port()
    folder = support.folder()
    server = support.start { folder = folder, node_port = port, server = TOKENS, http = SESSION }
    local pipe = io.popen(("curl -s -m 20 http://127.0.0.1:%d/token"):format(server.port))
    support.sleep(0.3)
    node = support.node(folder, port)
    assert.equal("right", pipe:read "*a")
    pipe:close()
    teardown_all()
  end)
end)

describe("a contact point that is a name", function()
  it("is resolved as the system says, and a wrong one is told", function()
    setup_with { http = SESSION:gsub("127%.0%.0%.1:", "localhost:"):gsub("FAST, SLOW", [[
      assert(nginx.session("nowhere", { contact_points = { "no.such.name.invalid" }, connect_timeout = 5 }))
      FAST, SLOW]]) }
    assert.equal("right", (server:get "/token"))
    local line = "cqlua: session 'nowhere': no_nodes: [^\n]*no.such.name.invalid"
    support.eventually(function() return server:errors():match(line) end, "the wrong name is logged", 20)
    teardown_all()
  end)
end)

describe("where there can be no session", function()
  local function started_with(http, text)
    folder = support.folder()
    node = support.node(folder)
    server = support.start { folder = folder, node_port = node.port, http = http, server = text or TOKENS }
  end
  after_each(teardown_all)

  it("fault 76 init_by_lua and init_worker_by_lua say so", function()
    started_with([[
      init_by_lua_block { nginx = require "cqlua.host.nginx" ERR = select(2, pcall(nginx.session, "shop", {})) }
      init_worker_by_lua_block {
        local db = nginx.session("shop", { contact_points = { "127.0.0.1:$node_port" }, discovery = false })
        WAITED = select(2, pcall(db.execute, db, "SELECT token FROM t"))
        ALONE = nginx.prometheus()
      }
    ]], [[
      location = / { return 204; }
      location /errors { content_by_lua_block { ngx.say(ERR) ngx.say(WAITED) } }
      location /alone { content_by_lua_block { ngx.print(ALONE) } }
    ]])
    local text = server:get "/errors"
    assert.matches("init_by_lua runs before there is a worker", text)
    assert.matches("cqlua cannot wait in init_worker_by_lua", text)
    assert.matches("^# This worker's only: with `lua_shared_dict cqlua 1m;`", (server:get "/alone"))
  end)

  it("fault 76 lua_code_cache off is refused", function()
    started_with("lua_code_cache off;" .. SESSION, [[
      location = / { return 204; }
      location /get { content_by_lua_block { ngx.print(select(2, pcall(require "cqlua.host.nginx".session, "shop"))) } }
      location /open { content_by_lua_block { ngx.print(select(2, pcall(require "cqlua.host.nginx".session, "shop", {}))) } }
    ]])
    assert.matches("with lua_code_cache off no request sees it", (server:get "/get"))
    assert.matches("sessions are opened in init_worker_by_lua", (server:get "/open"))
  end)
end)

-- A TLS server of nginx's own. (In ssl_client_hello and ssl_session_fetch only an nginx with OpenResty's patches can wait.)
local HANDSHAKE = [[
  server {
    listen 127.0.0.1:$tls_port ssl;
    ssl_certificate $folder/server.pem;
    ssl_certificate_key $folder/server.key;
    ssl_certificate_by_lua_block { shop = { certified = ask(SLOW, "certified") } }
    location / { content_by_lua_block { ngx.print(shop.certified) } }
  }
]]

describe("nginx's own handshakes", function()
  local port

  setup(function()
    port = support.free_port()
    folder = support.folder()
    node = support.node(folder)
    local key = folder .. "/server.key"
    support.output(("openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -keyout %s -out %s/server.pem"):format(
      key, folder))
    server = support.start { folder = folder, node_port = node.port, server = TOKENS,
      http = SESSION .. HANDSHAKE:gsub("%$tls_port", port) }
  end)
  teardown(teardown_all)

  it("may wait in ssl_certificate_by_lua", function()
    assert.equal("certified", support.output(("curl -s -k -m 10 https://127.0.0.1:%d/"):format(port)), server:errors())
  end)
end)
