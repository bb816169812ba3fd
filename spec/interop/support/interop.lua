-- What the specs share that look at other implementations: where `./dev test --all` puts those, and programs that are run.
local M = {}

M.home = (os.getenv "XDG_CACHE_HOME" or os.getenv "HOME" .. "/.cache") .. "/cqlua/interop"

-- Runs a command: its output, both streams, and its exit status. A sanitizer's runtime is for this process only.
function M.shell(command)
  local pipe = assert(io.popen("{ unset LD_PRELOAD; " .. command .. "; } 2>&1; echo \"|$?\""))
  local output, status = pipe:read("*a"):match "^(.*)|(%d+)\n$"
  pipe:close()
  return output, tonumber(status)
end

-- Runs a command that must succeed; gives its output.
function M.run(command)
  local output, status = M.shell(command)
  if status ~= 0 then error(command .. ":\n" .. output, 2) end
  return output
end

function M.has(command)
  return select(2, M.shell(command)) == 0
end

function M.read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "*a"
  file:close()
  return text
end

-- A new folder for a spec's files.
function M.folder()
  return (M.run "mktemp -d":gsub("\n", ""))
end

-- Programs that run beside a spec -----------------------------------------------------------------

local Process = {}
Process.__index = Process

-- Starts a command; what it says goes to the file `log`. It ends by :stop(), or with this process, however that ends: its shell
-- then reads the end of its input.
function M.start(command, log)
  local shell = ("unset LD_PRELOAD; %s >'%s' 2>&1 & cat; kill $! 2>/dev/null; wait"):format(command, log)
  return setmetatable({ pipe = assert(io.popen(shell, "w")), log = log }, Process)
end

function Process:stop()
  self.pipe:close()
end

-- Until it answers; raises what it said if it does not.
function Process:wait_until(is_up)
  local socket = require "socket"
  for _ = 1, 600 do
    if is_up() then return end
    socket.sleep(0.1)
  end
  error("it does not come up:\n" .. M.read(self.log), 2)
end

-- A program that is driven over HTTP ----------------------------------------------------------------

local Server = {}

function Server:stop()
  self.process:stop()
  M.run("rm -rf " .. self.folder)
end

-- The methods of such programs' objects, to be added to.
function M.class()
  local methods = setmetatable({}, { __index = Server })
  methods.__index = methods
  return methods
end

-- Starts `command`, in which %d is the port of its HTTP interface: { call = M.http's, folder =, process = }, of that class, once
-- it answers GET `path`.
function M.serve(class, command, path)
  local folder, port = M.folder(), M.free_port()
  local server = setmetatable({ folder = folder, call = M.http(port) }, class)
  server.process = M.start(command:format(port), folder .. "/log")
  server.process:wait_until(function() return (pcall(server.call, "GET", path)) end)
  return server
end

-- JSON over HTTP ----------------------------------------------------------------------------------

-- Whether what it needs is there: lua-socket and lua-cjson.
function M.has_http()
  return (pcall(require, "socket.http")) and (pcall(require, "cjson"))
end

-- A port that nobody listens on.
function M.free_port()
  local server = assert(require("socket").bind("127.0.0.1", 0))
  local _, port = server:getsockname()
  server:close()
  return tonumber(port)
end

-- Asks a program on loopback: call(method, path, body), both bodies tables, raises what the program refuses. It blocks the loop
-- for that long.
function M.http(port)
  local http, ltn12, json = require "socket.http", require "ltn12", require "cjson"
  return function(method, path, body)
    local said, text = {}, body and json.encode(body) or ""
    local done, status = http.request { method = method, url = ("http://127.0.0.1:%d/%s"):format(port, path),
      headers = { ["content-length"] = #text, ["content-type"] = "application/json" }, source = ltn12.source.string(text),
      sink = ltn12.sink.table(said) }
    said = table.concat(said)
    if not done or status >= 400 then error(("%s /%s: %s %s"):format(method, path, tostring(status), said), 2) end
    return said:find "^%s*[%[{]" and json.decode(said) or nil
  end
end

return M
