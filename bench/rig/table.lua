-- Reads the contenders' JSON lines on standard input; prints, per workload, each one's best CPU cost, its ratio to the best
-- peer, its throughput and its memory.
local results, workloads = {}, {} -- results[workload][peer] = { cpu_us, ops_s, rss_mb } or false if it only failed

local function parse(line)
  local function text(key)
    return line:match('"' .. key .. '": *"([^"]*)"')
  end
  local function number(key)
    return tonumber(line:match('"' .. key .. '": *([%d.eE+-]+)'))
  end
  return text("wl"), text("peer"), { cpu_us = number("cpu_us"), ops_s = number("ops_s"), rss_mb = number("rss_mb") }
end

local function note(workload, peer, result)
  if not results[workload] then
    results[workload] = { order = {} }
    workloads[#workloads + 1] = workload
  end
  local of_workload = results[workload]
  local best = of_workload[peer]
  if best == nil then
    table.insert(of_workload.order, peer)
    of_workload[peer] = false
  end
  if result.cpu_us and (not best or result.cpu_us < best.cpu_us) then
    of_workload[peer] = result
  end
end

local function is_peer(name)
  return not name:find("^cqlua") and name ~= "raw floor"
end

local function best_of_peers(of_workload)
  local best
  for _, peer in ipairs(of_workload.order) do
    local result = of_workload[peer]
    if result and is_peer(peer) and (not best or result.cpu_us < best) then
      best = result.cpu_us
    end
  end
  return best
end

local function show(workload)
  local of_workload = results[workload]
  local reference = best_of_peers(of_workload)
  table.sort(of_workload.order, function(a, b)
    local cost_a = of_workload[a] and of_workload[a].cpu_us or math.huge
    local cost_b = of_workload[b] and of_workload[b].cpu_us or math.huge
    return cost_a < cost_b or cost_a == cost_b and a < b
  end)
  print(("\n%-20s %10s %13s %10s %7s"):format(workload, "cpu us/op", "vs best peer", "ops/s", "rss MB"))
  for _, peer in ipairs(of_workload.order) do
    local result = of_workload[peer]
    if result then
      local ratio = reference and ("%.2fx"):format(result.cpu_us / reference) or ""
      print(("  %-18s %10.2f %13s %10d %7s"):format(peer, result.cpu_us, ratio, result.ops_s, result.rss_mb or ""))
    else
      print(("  %-18s failed"):format(peer))
    end
  end
end

for line in io.lines() do
  local workload, peer, result = parse(line)
  if workload and peer then
    note(workload, peer, result)
  end
end
for _, workload in ipairs(workloads) do
  show(workload)
end
