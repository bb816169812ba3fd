# The Lua module cqlua.core from lua/bind/*.c, once for each Lua whose headers are here: build/lua/cqlua/core.so for LuaJIT,
# build/lua53 and build/lua54 for those. Lua's own symbols stay undefined: the program that loads the module has them.
# cqlua_luas lists the Luas that have one.
file(GLOB bind_sources CONFIGURE_DEPENDS lua/bind/*.c)
set(cqlua_luas)

# cqlua_lua_library(TARGET LUA FILE): a module that this Lua loads.
function(cqlua_lua_library target lua file)
  target_include_directories(${target} SYSTEM PRIVATE ${${lua}_INCLUDE_DIRS})
  cqlua_compile_options(${target} STRICT)
  get_filename_component(name ${file} NAME)
  get_filename_component(folder ${file} DIRECTORY)
  set_target_properties(${target} PROPERTIES PREFIX "" SUFFIX ".so" OUTPUT_NAME ${name}
                        LIBRARY_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/${folder})
  if(APPLE)
    target_link_options(${target} PRIVATE -undefined dynamic_lookup)
  endif()
endfunction()

# cqlua_lua(LUA PACKAGE NAME...): by the names of its pkg-config module.
macro(cqlua_lua lua package)
  pkg_search_module(${lua} QUIET ${ARGN})
  if(${lua}_FOUND)
    list(APPEND cqlua_luas ${lua})
  else()
    message(STATUS "no headers of ${lua} (${package}): its module is not built, its specs are left out")
  endif()
endmacro()

if(have_library AND bind_sources AND PkgConfig_FOUND)
  cqlua_lua(luajit libluajit2-5.1-dev luajit)
  cqlua_lua(lua53 liblua5.3-dev lua5.3 lua53 lua-5.3)
  cqlua_lua(lua54 liblua5.4-dev lua5.4 lua54 lua-5.4)
endif()
set(luajit_folder lua)
set(lua53_folder lua53)
set(lua54_folder lua54)
set(luajit_api 5.1)
set(lua53_api 5.3)
set(lua54_api 5.4)
foreach(lua IN LISTS cqlua_luas)
  add_library(cqlua_core_${lua} MODULE ${bind_sources})
  target_include_directories(cqlua_core_${lua} PRIVATE lua/bind)
  target_link_libraries(cqlua_core_${lua} PRIVATE cqlua_shared cqlua::libev)
  cqlua_lua_library(cqlua_core_${lua} ${lua} ${${lua}_folder}/cqlua/core)
endforeach()
if(have_library)
  cqlua_install_lua()
endif()
