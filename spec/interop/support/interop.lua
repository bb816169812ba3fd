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

return M
