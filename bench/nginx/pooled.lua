-- The least that a Cassandra client on pooled cosockets does: one request at a time on a connection of nginx's pool, which is
-- sent, answered, and put back. No prepare of its own, no errors, no types: protocol v4, for bench/nginx/run only.

local bit = require "bit"

local byte, char = string.byte, string.char

local M = { address = "127.0.0.1", port = 9042 }

local SELECT = "SELECT token FROM t WHERE k = ?"
local ids = {} -- of prepared statements, by text

local band, rshift = bit.band, bit.rshift

local function int(n)
  return char(band(rshift(n, 24), 255), band(rshift(n, 16), 255), band(rshift(n, 8), 255), band(n, 255))
end

local function short(n)
  return char(rshift(n, 8), band(n, 255))
end

local function read_int(text, at)
  local a, b, c, d = byte(text, at, at + 3)
  return a * 16777216 + b * 65536 + c * 256 + d
end

-- Sends one frame and gives the body of the answer.
local function ask(socket, opcode, body)
  assert(socket:send { char(4, 0, 0, 0, opcode), int(#body), body })
  local header = assert(socket:receive(9))
  local length = read_int(header, 6)
  return length > 0 and assert(socket:receive(length)) or ""
end

local function connect()
  local socket = ngx.socket.tcp()
  assert(socket:connect(M.address, M.port))
  if socket:getreusedtimes() == 0 then ask(socket, 1, short(1) .. short(11) .. "CQL_VERSION" .. short(5) .. "3.0.0") end
  return socket
end

-- The `token` of the one row.
function M.execute(token, text)
  text = text or SELECT
  local socket = connect()
  if not ids[text] then ids[text] = ask(socket, 9, int(#text) .. text):sub(7, 22) end
  local values = short(10) .. char(1) .. short(1) .. int(#token) .. token -- local_one, with values
  local body = ask(socket, 10, short(16) .. ids[text] .. values)
  socket:setkeepalive(60000, 512)
  local at = #body - #token - 3 -- the only cell is the last
  return body:sub(at + 4, at + 3 + read_int(body, at))
end

return M
