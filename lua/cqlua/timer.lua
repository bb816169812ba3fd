-- Timers: a binary heap of entries { at, seq, fire, arg }, the earliest first, the older first among equals.
-- Cancelling marks an entry; it leaves the heap when it is due, or when the marked ones are more than half.

local M = {}
M.__index = M

function M.new()
  return setmetatable({ count = 0, dead = 0, seq = 0 }, M)
end

local function earlier(a, b)
  return a.at < b.at or a.at == b.at and a.seq < b.seq
end

local function sift_up(heap, index)
  local entry = heap[index]
  while index > 1 do
    local parent = (index - index % 2) / 2
    if not earlier(entry, heap[parent]) then break end
    heap[index] = heap[parent]
    index = parent
  end
  heap[index] = entry
end

local function sift_down(heap, index)
  local entry, count = heap[index], heap.count
  while true do
    local child = index * 2
    if child > count then break end
    if child < count and earlier(heap[child + 1], heap[child]) then child = child + 1 end
    if not earlier(heap[child], entry) then break end
    heap[index] = heap[child]
    index = child
  end
  heap[index] = entry
end

-- Calls fire(arg) when the time `at` has come; gives the entry, for cancel.
function M:add(at, fire, arg)
  self.seq, self.count = self.seq + 1, self.count + 1
  local entry = { at = at, seq = self.seq, fire = fire, arg = arg }
  self[self.count] = entry
  sift_up(self, self.count)
  return entry
end

local function pop(heap)
  local entry, count = heap[1], heap.count
  heap[1] = heap[count]
  heap[count] = nil
  heap.count = count - 1
  if count > 2 then sift_down(heap, 1) end
  return entry
end

local function compact(heap)
  local kept = 0
  for index = 1, heap.count do
    local entry = heap[index]
    heap[index] = nil
    if entry.fire then
      kept = kept + 1
      heap[kept] = entry
    end
  end
  heap.count, heap.dead = kept, 0
  for index = math.floor(kept / 2), 1, -1 do sift_down(heap, index) end
end

-- Harmless for an entry that has fired or was cancelled.
function M:cancel(entry)
  if not entry.fire then return end
  entry.fire, entry.arg = nil, nil
  self.dead = self.dead + 1
  if self.dead > 64 and self.dead > self.count / 2 then compact(self) end
end

-- When the next entry is due; nil if there is none.
function M:due()
  local first = self[1]
  while first and not first.fire do
    pop(self)
    self.dead = self.dead - 1
    first = self[1]
  end
  return first and first.at
end

-- Fires what is due at `now`. What the functions add is due later at the earliest.
function M:run(now)
  local last = self.seq
  local at = self:due()
  while at and at <= now and self[1].seq <= last do
    local entry = pop(self)
    local fire, arg = entry.fire, entry.arg
    entry.fire, entry.arg = nil, nil
    fire(arg)
    at = self:due()
  end
end

return M
