-- A small JSON API over a table of orders, in nginx with its Lua module:
--
--   POST /orders?user=ada&item=book&cents=1250     adds one
--   GET  /orders?user=ada                          lists them, the newest first, with a link to the next page
--   GET  /metrics                                  Prometheus
--
-- Each worker has one session, which all requests share.

local cqlua = require "cqlua"
local nginx = require "cqlua.host.nginx"

local M = {}

local SCHEMA = {
  "CREATE KEYSPACE IF NOT EXISTS shop_example WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
  "CREATE TABLE IF NOT EXISTS shop_example.orders (user text, id timeuuid, item text, cents bigint, PRIMARY KEY (user, id)) "
    .. "WITH CLUSTERING ORDER BY (id DESC)",
  "CREATE TABLE IF NOT EXISTS shop_example.hits (path text PRIMARY KEY, n counter)",
}
local LIST = "SELECT id, item, cents FROM shop_example.orders WHERE user = ?"
local ADD = "INSERT INTO shop_example.orders (user, id, item, cents) VALUES (?, ?, ?, ?)"
local HIT = "UPDATE shop_example.hits SET n = n + 1 WHERE path = ?"

local PAGE = cqlua.options { page_size = 10 }

local function create_schema()
  for _, text in ipairs(SCHEMA) do cqlua.assert(nginx.session("shop"):execute(text, nil, { timeout = 30 })) end
end

-- init_worker_by_lua: nothing waits here; requests wait for the first connection, within their own time.
function M.start()
  local points = {}
  for point in (os.getenv "CQLUA_CONTACT_POINTS" or "127.0.0.1:9042"):gmatch "[^,]+" do points[#points + 1] = point end
  cqlua.assert(nginx.session("shop", {
    contact_points = points,
    bigint = "string", -- a JSON number would be rounded by whoever reads it
    request_timeout = 2,
    paging_secret = os.getenv "CQLUA_PAGING_SECRET", -- signs the links; the same in every worker and on every machine
  }))
  if ngx.worker.id() == 0 then ngx.timer.at(0, create_schema) end
end

local function fail(status, message)
  ngx.status = status
  ngx.say('{"error":', cqlua.json(message), "}")
end

-- What the client got wrong is 400; what may work again is 503.
local function fail_with(err)
  local is_theirs = err.name == "invalid_value" or err.name == "invalid_page_token"
  if not is_theirs then ngx.log(ngx.ERR, "orders: ", err) end
  return fail(is_theirs and 400 or err.retryable and 503 or 500, err.message)
end

local function list(args)
  local options = PAGE
  if args.cursor then options = { page_size = 10, page_token = args.cursor } end
  local res, err = nginx.session("shop"):execute(LIST, { args.user }, options)
  if not res then return fail_with(err) end
  local token = res:page_token()
  local following = token and "/orders?user=" .. ngx.escape_uri(args.user) .. "&cursor=" .. token or cqlua.null
  ngx.say('{"orders":', res:json(), ',"next":', cqlua.json(following), "}")
end

local function add(args)
  local id = cqlua.timeuuid()
  local res, err = nginx.session("shop"):execute(ADD, { args.user, id, args.item or cqlua.null, args.cents or cqlua.null })
  if not res then return fail_with(err) end
  ngx.status = 201
  ngx.say('{"id":', cqlua.json(id), "}")
end

-- content_by_lua of /orders
function M.orders()
  ngx.header.content_type = "application/json"
  local args = ngx.req.get_uri_args()
  if type(args.user) ~= "string" then return fail(400, "which user? /orders?user=NAME") end
  if ngx.req.get_method() == "POST" then return add(args) end
  return list(args)
end

-- log_by_lua cannot wait: the statement is sent, and nothing comes back.
function M.count_hit()
  nginx.session("shop"):execute_nowait(HIT, { ngx.var.uri })
end

return M
