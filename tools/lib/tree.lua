-- What the checks share: the project's files, their lines, C source without comments, and one way to report.
-- Every check takes `--root DIR`, so that its spec can run it on a small bad tree.
local tree = { failures = 0 }

local function arguments()
  local options = { root = "." }
  local i = 1
  while arg[i] do
    local name = arg[i]:match("^%-%-(%w+)$")
    if name == "root" then
      i = i + 1
      options.root = arg[i]
    elseif name then
      options[name] = true
    else
      error("unknown argument: " .. arg[i], 0)
    end
    i = i + 1
  end
  return options
end

tree.options = arguments()

local function quoted(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

-- The lines that a shell command prints, run in the root.
function tree.command(command)
  local pipe = assert(io.popen("cd " .. quoted(tree.options.root) .. " && " .. command))
  local lines = {}
  for line in pipe:lines() do
    lines[#lines + 1] = line
  end
  pipe:close()
  return lines
end

-- Paths of files below `folders` (words) whose name ends in one of `suffixes`, sorted.
function tree.files(folders, suffixes)
  local found = {}
  for _, path in ipairs(tree.command("find " .. folders .. " -type f 2>/dev/null | sort")) do
    for suffix in suffixes:gmatch("%S+") do
      if path:sub(-#suffix) == suffix then
        found[#found + 1] = path
      end
    end
  end
  return found
end

-- A file's text, or nil.
function tree.read(path)
  local file = io.open(tree.options.root .. "/" .. path, "rb")
  if not file then
    return nil
  end
  local text = file:read("*a")
  file:close()
  return text
end

function tree.write(path, text)
  local file = assert(io.open(tree.options.root .. "/" .. path, "wb"))
  file:write(text)
  file:close()
end

-- for number, line in tree.lines(text)
function tree.lines(text)
  local number = 0
  local next_line = (text:sub(-1) == "\n" and text or text .. "\n"):gmatch("(.-)\n")
  return function()
    number = number + 1
    local line = next_line()
    if line then
      return number, line
    end
  end
end

-- The end of the comment, string or character that starts at `start`, and what stands in its place.
local function skip(text, start, keep_strings)
  local two = text:sub(start, start + 1)
  if two == "/*" then
    local _, stop = text:find("*/", start + 2, true)
    return stop or #text, (text:sub(start, stop):gsub("[^\n]", ""))
  elseif two == "//" then
    return (text:find("\n", start, true) or #text + 1) - 1, ""
  end
  local quote, stop = two:sub(1, 1), start + 1
  while stop <= #text and text:sub(stop, stop) ~= quote do
    stop = stop + (text:sub(stop, stop) == "\\" and 2 or 1)
  end
  return stop, keep_strings and text:sub(start, stop) or quote .. quote
end

-- C source with comments blanked (lines keep their numbers) and string literals emptied, or kept.
function tree.c_code(text, keep_strings)
  local parts, position = {}, 1
  while true do
    local start = text:find("[/\"']", position)
    if not start then
      break
    end
    parts[#parts + 1] = text:sub(position, start - 1)
    local two = text:sub(start, start + 1)
    if two == "/*" or two == "//" or two:sub(1, 1) ~= "/" then
      local stop, instead = skip(text, start, keep_strings)
      parts[#parts + 1] = instead
      position = stop + 1
    else
      parts[#parts + 1] = "/"
      position = start + 1
    end
  end
  parts[#parts + 1] = text:sub(position)
  return table.concat(parts)
end

function tree.fail(where, message)
  tree.failures = tree.failures + 1
  io.stderr:write(where, ": ", message, "\n")
end

-- The last call of each check: its verdict in one line, and the exit status.
function tree.finish(name, looked_at)
  if tree.failures > 0 then
    io.stderr:write(name, ": ", tree.failures, " wrong\n")
    os.exit(1)
  end
  print(name .. ": " .. looked_at .. ", nothing wrong")
end

return tree
