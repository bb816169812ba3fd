-- A Cassandra node made of Lua, for a memory host: speaks v4, answers what it was told to.
--   server = fake_server(); server:prime(text, answer)
-- An answer is { params = { { name, type }... }, columns =, rows =, paging_state =, delay =, error = { code, text },
-- close = true }, or a function(request) that gives one (request: text, values, paging_state, page_size, count).

local wire = require "spec.lua.support.wire"

local Server = {}
Server.__index = Server
local Peer = {}
Peer.__index = Peer

local function new(user, password)
  return setmetatable({ primed = {}, received = {}, connections = 0, user = user, password = password }, Server)
end

function Server:prime(text, answer) self.primed[text] = answer end

function Server:connect()
  if self.refuses then return nil, self.refuses end
  self.connections = self.connections + 1
  local peer = setmetatable({ server = self, input = "", replies = {} }, Peer)
  self.last_peer = peer
  return peer
end

-- Replies leave in the order of their time.
function Peer:reply(stream, delay, opcode, body)
  table.insert(self.replies, { at = self.now + (delay or 0), bytes = wire.frame(stream, opcode, body) })
end

function Peer:due()
  local due
  for _, reply in ipairs(self.replies) do due = math.min(due or math.huge, reply.at) end
  return due
end

function Peer:output(now)
  local out, left = {}, {}
  table.sort(self.replies, function(a, b) return a.at < b.at end)
  for _, reply in ipairs(self.replies) do
    if reply.at <= now then out[#out + 1] = reply.bytes else left[#left + 1] = reply end
  end
  self.replies = left
  return table.concat(out), self.is_closed
end

-- <query_parameters>, section 4.1.4.
local function parameters(reader)
  local request = { consistency = reader:number(2), values = {} }
  local flags = reader:number(1)
  local function has(bit) return math.floor(flags / bit) % 2 == 1 end
  if has(0x01) then
    request.count = reader:number(2)
    for index = 1, request.count do request.values[index] = reader:value() end
  end
  if has(0x04) then request.page_size = reader:number(4) end
  if has(0x08) then request.paging_state = reader:value() end
  return request
end

function Peer:answer(stream, request)
  local server = self.server
  server.received[#server.received + 1] = request
  local answer = server.primed[request.text] or {}
  if type(answer) == "function" then answer = answer(request) or {} end
  if answer.close then self.is_closed = true return end
  if answer.silent then return end
  if answer.error then return self:reply(stream, answer.delay, wire.error(answer.error[1], answer.error[2], answer.error[3])) end
  if answer.keyspace then return self:reply(stream, answer.delay, wire.keyspace(answer.keyspace)) end
  if answer.columns then
    return self:reply(stream, answer.delay, wire.rows(answer.columns, answer.rows or {}, answer.paging_state))
  end
  return self:reply(stream, answer.delay, wire.void())
end

local handlers = {}

handlers[0x01] = function(peer, stream) -- STARTUP
  local server = peer.server
  if server.authenticator then return peer:reply(stream, 0, wire.authenticate(server.authenticator)) end
  if not server.user then return peer:reply(stream, 0, wire.ready()) end
  peer:reply(stream, 0, wire.authenticate "org.apache.cassandra.auth.PasswordAuthenticator")
end
handlers[0x0F] = function(peer, stream, reader) -- AUTH_RESPONSE
  local token = reader:value()
  peer.server.token = token
  if peer.server.on_token then -- a mechanism of the spec's: "challenge" or "success", and what is said
    local verdict, said = peer.server.on_token(token)
    if verdict == "challenge" then return peer:reply(stream, 0, wire.auth_challenge(said)) end
    return peer:reply(stream, 0, wire.auth_success(said))
  end
  if token == "\0" .. peer.server.user .. "\0" .. peer.server.password then
    return peer:reply(stream, 0, wire.auth_success())
  end
  peer:reply(stream, 0, wire.error(0x0100, "Provided username and/or password are incorrect"))
end
handlers[0x05] = function(peer, stream) peer:reply(stream, 0, wire.supported()) end -- OPTIONS
handlers[0x0B] = function(peer, stream) peer:reply(stream, 0, wire.ready()) end -- REGISTER
handlers[0x07] = function(peer, stream, reader) -- QUERY
  local text = reader:long_string()
  local request = parameters(reader)
  request.text, request.kind = text, "query"
  peer:answer(stream, request)
end
handlers[0x09] = function(peer, stream, reader) -- PREPARE
  local text = reader:long_string()
  peer.server.prepares = (peer.server.prepares or 0) + 1
  local answer = peer.server.primed[text] or {}
  if type(answer) == "function" then answer = answer { text = text, kind = "prepare" } or {} end
  if answer.prepare_error then
    return peer:reply(stream, answer.delay, wire.error(answer.prepare_error[1], answer.prepare_error[2]))
  end
  peer:reply(stream, 0, wire.prepared(text, answer.params or {}, answer.columns or {}))
end
handlers[0x0A] = function(peer, stream, reader) -- EXECUTE: the ids are the texts
  local text = reader:string()
  local request = parameters(reader)
  request.text, request.kind = text, "execute"
  peer:answer(stream, request)
end

function Peer:receive(bytes, now)
  self.input, self.now = self.input .. bytes, now
  while #self.input >= 9 do
    local head = wire.reader(self.input)
    local version = head:number(1)
    head:number(1)
    local stream, opcode, length = head:number(2), head:number(1), head:number(4)
    if #self.input < 9 + length then return end
    local body = self.input:sub(10, 9 + length)
    self.input = self.input:sub(10 + length)
    if version ~= 4 then
      self:reply(stream, 0, wire.error(0x000A, "Invalid or unsupported protocol version (5); the lowest is 3 and the "
        .. "greatest is 4"))
    else
      handlers[opcode](self, stream, wire.reader(body))
    end
  end
end

return new
