-- Scripts in a process of their own: what they say, and how they end.

-- Runs the text with this interpreter: all its output, then "status N".
return function(text)
  local name = os.tmpname()
  local file = assert(io.open(name, "w"))
  file:write(text)
  file:close()
  local pipe = assert(io.popen("timeout 100 luajit " .. name .. " 2>&1; echo status $?"))
  local said = pipe:read "*a"
  pipe:close()
  os.remove(name)
  return said
end
