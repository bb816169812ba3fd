-- Our frames before another codec, and its frames before ours: com.datastax.oss:native-protocol, which has a server's side too.
-- Each side says in words what it wrote and what it understood; the words must be equal.
-- ctest: all timeout=120
local interop = require "spec.interop.support.interop"

local java = "java -cp '" .. interop.home .. "/jars/*' spec/interop/support/Frames.java "
local is_there = interop.has("test -d " .. interop.home .. "/jars && java --list-modules | grep -q jdk.compiler")

describe("frames", function()
  local folder
  if not is_there then
    pending "skipped: no JDK with its compiler, or no jars of native-protocol (./dev test --all fetches them)"
    return
  end

  setup(function() folder = interop.folder() end)
  teardown(function() interop.run("rm -rf " .. folder) end)

  local function assert_same(said, understood, version)
    local function lines_of(name)
      local lines = {}
      for line in interop.read(("%s/%s-%s.txt"):format(folder, name, version)):gmatch "[^\n]+" do lines[#lines + 1] = line end
      return lines
    end
    local wanted, got = lines_of(said), lines_of(understood)
    assert.is_true(#wanted > 10)
    for i = 1, math.max(#wanted, #got) do assert.equal(wanted[i], got[i], version .. ", message " .. i) end
  end

  local versions = { "v3", "v4", "v5", "v3-lz4", "v4-lz4", "v5-lz4" }

  it("C3 requests of every kind are understood by another server's codec", function()
    interop.run(os.getenv "CQLUA_BUILD" .. "/interop/frames write " .. folder)
    interop.run(java .. "read " .. folder)
    for _, version in ipairs(versions) do assert_same("ours", "understood", version) end
  end)

  it("C3 responses of every kind from another server's codec are understood", function()
    interop.run(java .. "write " .. folder)
    interop.run(os.getenv "CQLUA_BUILD" .. "/interop/frames read " .. folder)
    for _, version in ipairs(versions) do assert_same("theirs", "read", version) end
  end)
end)
