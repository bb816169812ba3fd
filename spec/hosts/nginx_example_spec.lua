-- ctest: all luajit
-- examples/nginx, as its README has it started, before a scripted node.
local support = require "spec.hosts.support.nginx"

local missing = support.missing()

describe("examples/nginx", function()
  if missing then
    it("is run", function() pending(missing) end)
    return
  end

  local folder, node, server

  setup(function()
    folder = support.folder()
    node = support.program("luajit spec/hosts/support/orders.lua", folder)
    server = support.example(folder, node.ready)
  end)
  teardown(function()
    server:stop "TERM"
    node:stop "KILL"
    os.execute("rm -rf " .. folder)
  end)

  it("links from page to page, and back to nothing", function()
    local path, items = "/orders?user=ada", {}
    for page = 1, 3 do
      local text, status = server:get(path)
      assert.equal(200, status, text)
      for item, cents in text:gmatch '"item":"item (%d+)","cents":"(%d+)"' do
        items[#items + 1] = tonumber(item)
        assert.equal("9007199254740993", cents)
      end
      assert.equal(math.min(10 * page, 25), #items)
      path = text:match '"next":"([^"]+)"'
      assert.equal(page < 3, path ~= nil)
    end
    for index, item in ipairs(items) do assert.equal(index, item) end
  end)

  it("refuses a link that was changed, or is another's", function()
    local text = server:get "/orders?user=ada"
    local path = text:match '"next":"([^"]+)"'
    local changed = path:gsub("cursor=....", "cursor=AAAA")
    for _, wrong in ipairs { changed, (path:gsub("user=ada", "user=bo")), path .. "x" } do
      local body, status = server:get(wrong)
      assert.equal(400, status, body)
      assert.matches('^{"error":', body)
    end
  end)

  it("adds orders, and says what is missing", function()
    local body, status = server:get("/orders?user=ada&item=book&cents=1250", "-X POST")
    assert.equal(201, status, body)
    assert.matches('^{"id":"%x+%-%x+%-1%x+%-', body)
    local refused, code = server:get("/orders?user=ada&cents=many", "-X POST")
    assert.equal(400, code)
    assert.matches("cents", refused)
    assert.equal(400, select(2, server:get "/orders"))
  end)

  it("counts for Prometheus", function()
    assert.matches('cqlua_requests_total{outcome="ok"} %d+', (server:get "/metrics"))
  end)
end)
