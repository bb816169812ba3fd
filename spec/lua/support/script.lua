-- Scripts in a process of their own: what they say, and how they end.

-- This interpreter and its options: what stands before the program's name in the command line.
local words, place = {}, -1
while arg[place] do
  table.insert(words, 1, arg[place])
  place = place - 1
end
local interpreter = table.concat(words, " ")

-- Runs the text with this interpreter, by the command `before` if there is one: all its output, then "status N".
return function(text, before)
  local name = os.tmpname()
  local file = assert(io.open(name, "w"))
  file:write(text)
  file:close()
  local pipe = assert(io.popen("timeout 100 " .. (before or "") .. interpreter .. " " .. name .. " 2>&1; echo status $?"))
  local said = pipe:read "*a"
  pipe:close()
  os.remove(name)
  return said
end
