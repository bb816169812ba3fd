-- luacheck, as ./dev lint runs it.
std = "luajit"
max_line_length = 130
exclude_files = { "build*/" }
files["lua/cqlua"] = { std = "luajit+lua54", ignore = { "581" } } -- 581: not (x <= y) is meant, for NaN
files["lua/cqlua/host/nginx*"] = { std = "+ngx_lua" }
files["examples/nginx"] = { std = "luajit+ngx_lua" }
files["bench/nginx"] = { std = "luajit+ngx_lua" }
files["spec"] = { std = "luajit+lua54+busted" }
files["examples/*_spec.lua"] = { std = "luajit+lua54+busted" }
files["library"] = { ignore = { "211", "212", "241", "631" } } -- annotations: no code runs there
files["rockspec"] = { std = "+rockspec" }
