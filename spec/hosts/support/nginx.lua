-- A real nginx in a folder of its own, in front of a node that answers every statement with its bound value (bench/nginx/echo.c).

local ffi = require "ffi"

ffi.cdef [[
struct sockaddr_in_of_spec { uint16_t family; uint16_t port; uint8_t address[4]; uint8_t zero[8]; };
int socket(int, int, int);
int bind(int, const void *, uint32_t);
int getsockname(int, void *, uint32_t *);
int close(int);
]]

local M = {}

local BUILD = os.getenv "CQLUA_BUILD" or "build"
local MODULES = { "ndk_http_module.so", "ngx_http_lua_module.so" }

local function read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read "*a"
  file:close()
  return text
end

local function write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

-- The output of a command.
local function output(command)
  local pipe = assert(io.popen(command .. " 2>&1"))
  local text = pipe:read "*a"
  pipe:close()
  return (text:gsub("%s+$", ""))
end
M.output = output

local function sleep(seconds)
  os.execute("sleep " .. seconds)
end
M.sleep = sleep

-- Tries until fn gives a true value, and gives that; raises after so many seconds.
function M.eventually(fn, what, seconds)
  for _ = 1, (seconds or 10) * 20 do
    local value = fn()
    if value then return value end
    sleep(0.05)
  end
  error("not within " .. (seconds or 10) .. " seconds: " .. what, 2)
end

-- Why nothing of this can run here; nil if it can.
function M.missing()
  local nginx = output "PATH=$PATH:/usr/sbin command -v nginx"
  if nginx == "" then return "skipped: no nginx (./dev test --all installs it)" end
  M.nginx = nginx
  M.modules = output(nginx .. " -V"):match "%-%-modules%-path=(%S+)" or "/usr/lib/nginx/modules"
  for _, name in ipairs(MODULES) do
    if not read(M.modules .. "/" .. name) then return "skipped: nginx has no " .. name .. " (libnginx-mod-http-lua)" end
  end
  if not read(BUILD .. "/bench_echo") then return "skipped: bench_echo was not built" end
  if os.getenv "CQLUA_SANITIZE" == "1" then return "skipped: nginx does not load the sanitizers' runtime" end
  return nil
end

-- A port of 127.0.0.1 that was free just now.
function M.free_port()
  local address = ffi.new("struct sockaddr_in_of_spec", { family = 2, address = { 127, 0, 0, 1 } })
  local size = ffi.new("uint32_t[1]", ffi.sizeof(address))
  local fd = ffi.C.socket(2, 1, 0)
  assert(ffi.C.bind(fd, address, size[0]) == 0 and ffi.C.getsockname(fd, address, size) == 0)
  ffi.C.close(fd)
  return math.floor(address.port / 256) + address.port % 256 * 256
end

-- Processes ---------------------------------------------------------------------------------------

local Process = {}
Process.__index = Process

function M.is_alive(pid)
  local text = read("/proc/" .. pid .. "/stat")
  return text ~= nil and not text:match "%) Z"
end

-- Runs a command in the background, its output in a file.
local function start(command, log)
  local pid = output(("(%s >%s 2>&1 </dev/null & echo $!)"):format(command, log))
  return setmetatable({ pid = assert(tonumber(pid), pid), log = log }, Process)
end

function Process:signal(name)
  os.execute(("kill -%s %d 2>/dev/null"):format(name, self.pid))
end

function Process:stop(name)
  self:signal(name or "TERM")
  M.eventually(function() return not M.is_alive(self.pid) end, "process " .. self.pid .. " ends")
end

-- The node ----------------------------------------------------------------------------------------

-- A node at a port (0 or nil: any), whose slow statements take so many milliseconds.
function M.node(folder, port, delay_ms)
  local log = folder .. "/node.log"
  local node = start(("exec %s/bench_echo 127.0.0.1 %d %d"):format(BUILD, port or 0, delay_ms or 100), log)
  node.port = tonumber(M.eventually(function() return read(log):match "ready (%d+)" end, "the node listens"))
  return node
end

-- { accepted, open, answered } so far.
function M.count(node)
  local before = #read(node.log)
  node:signal "USR1"
  local text = M.eventually(function() return read(node.log):sub(before + 1):match "accepted [^\n]*\n" end, "the node counts")
  local accepted, open, answered = text:match "accepted (%d+) open (%d+) answered (%d+)"
  return { accepted = tonumber(accepted), open = tonumber(open), answered = tonumber(answered) }
end

-- A process whose first line says that it is ready: { pid, ready = the line }, see Process.
function M.program(command, folder)
  local log = folder .. "/program.log"
  local program = start("exec " .. command, log)
  program.ready = M.eventually(function() return read(log):match "^([^\n]+)\n" end, command .. " is ready")
  return program
end

-- nginx -------------------------------------------------------------------------------------------

local CONF = [[
load_module $modules/ndk_http_module.so;
load_module $modules/ngx_http_lua_module.so;
daemon off;
$user
worker_processes $workers;
error_log $folder/error.log info;
pid $folder/nginx.pid;
events { worker_connections 2048; }
http {
  access_log off;
  keepalive_timeout 0;
  lua_package_path "$root/lua/?.lua;$root/lua/?/init.lua;;";
  lua_package_cpath "$build/lua/?.so;;";
  client_body_temp_path $folder/t1; proxy_temp_path $folder/t2; fastcgi_temp_path $folder/t3;
  uwsgi_temp_path $folder/t4; scgi_temp_path $folder/t5;
  $http
  server {
    listen 127.0.0.1:$port;
    $server
  }
}
]]

local Nginx = setmetatable({}, { __index = Process })
Nginx.__index = Nginx

function M.folder()
  return output "mktemp -d"
end

local function absolute(path)
  return path:sub(1, 1) == "/" and path or os.getenv "PWD" .. "/" .. path
end

-- Writes the configuration: `http` and `server` are texts of nginx's; $node_port and $port stand for the ports.
function Nginx:configure(given)
  local values = { folder = self.folder, modules = M.modules, root = os.getenv "PWD", build = absolute(BUILD),
    port = self.port, node_port = self.node_port, workers = given.workers or 1, http = given.http or "",
    server = given.server or "", user = output "id -u" == "0" and "user root;" or "" }
  local text = CONF
  for _ = 1, 2 do text = text:gsub("%$([%a_]+)", values) end -- twice: http and server have such names too
  write(self.folder .. "/nginx.conf", text)
end

function Nginx:await(log)
  M.eventually(function()
    if not M.is_alive(self.pid) then error("nginx ended:\n" .. read(log) .. self:errors(), 0) end
    return #self:workers() > 0 and select(2, self:get "/") ~= 0
  end, "nginx listens")
  return self
end

-- Starts it: given { http, server, workers, node_port, folder }.
function M.start(given)
  local self = setmetatable({ folder = given.folder, port = M.free_port(), node_port = given.node_port }, Nginx)
  self:configure(given)
  write(self.folder .. "/error.log", "")
  local log, library = self.folder .. "/nginx.log", absolute(BUILD)
  local command = ("exec env LD_LIBRARY_PATH=%s %s -p %s -c %s/nginx.conf"):format(library, M.nginx, self.folder, self.folder)
  self.pid = start(command, log).pid
  return self:await(log)
end

-- Starts the example, which keeps its log where its own folder is.
function M.example(folder, contact_points)
  local self = setmetatable({ folder = folder, port = M.free_port() }, Nginx)
  local log = folder .. "/nginx.log"
  self.pid = start(("exec env CQLUA_CONTACT_POINTS=%s TMPDIR=%s examples/nginx/run %d"):format(contact_points, folder, self.port),
    log).pid
  return self:await(log)
end

-- The body of the answer, and its status.
function Nginx:get(path, options)
  local text = output(("curl -s -m 20 %s -w '\\n%%{http_code}' 'http://127.0.0.1:%d%s'"):format(options or "", self.port, path))
  local body, status = text:match "^(.-)\n?(%d+)$"
  return body, tonumber(status)
end

function Nginx:errors()
  return read(self.folder .. "/error.log") or ""
end

function Nginx:workers()
  local pids, text = {}, read(("/proc/%d/task/%d/children"):format(self.pid, self.pid)) or ""
  for pid in text:gmatch "%d+" do pids[#pids + 1] = tonumber(pid) end
  return pids
end

function Nginx:reload()
  self:signal "HUP"
end

-- nginx -s quit: gracefully.
function Nginx:quit()
  self:stop "QUIT"
end

return M
