-- Its loop is cqlua's own: it runs for whoever waits, outside any task as here.
local function run(start)
  return start():join()
end

require "spec.hosts.support.suite" { name = "ev", run = run }
