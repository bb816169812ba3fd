-- new_table(array, hash): an empty table, where the language can with room for so many entries.

local has_new, new_table = pcall(require, "table.new")
return has_new and new_table or function() return {} end
