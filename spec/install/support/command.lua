-- Commands of the shell, for specs of what is installed.

local M = {}

-- All that a command prints, and its exit status.
function M.run(command, ...)
  local pipe = assert(io.popen("(" .. command:format(...) .. ") 2>&1; echo status $?"))
  local said = pipe:read "*a"
  pipe:close()
  local text, status = said:match "^(.-)status (%d+)\n$"
  return text, tonumber(status)
end

-- All that a command prints that must not fail.
function M.must(command, ...)
  local text, status = M.run(command, ...)
  if status ~= 0 then error(("status %s: %s\n%s"):format(status, command:format(...), text), 2) end
  return text
end

return M
