-- A program beside the test: the server that it talks to is in this process, so that its end is waited for by a task.

local cqlua = require "cqlua"

local function read(path)
  local file = assert(io.open(path))
  local content = file:read "*a"
  file:close()
  return content
end

-- Runs a command of the shell: what it wrote, without the last line's end, and its status.
return function(command)
  local name = os.tmpname()
  assert(0 == os.execute(("{ %s; echo $? > '%s.status'; } > '%s' 2>&1 &"):format(command, name, name)))
  local status
  repeat
    cqlua.sleep(0.01)
    local file = io.open(name .. ".status")
    status = file and file:read "*n"
    if file then file:close() end
  until status
  local output = read(name):gsub("\n$", "")
  os.remove(name)
  os.remove(name .. ".status")
  return output, status
end
