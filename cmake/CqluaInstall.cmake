# The library, its headers, its pkg-config file and the Lua files.
install(TARGETS cqlua_shared cqlua_static)
install(FILES include/cqlua.h TYPE INCLUDE)
install(DIRECTORY include/cqlua TYPE INCLUDE FILES_MATCHING PATTERN "*.h")
configure_file(cmake/cqlua.pc.in ${CMAKE_CURRENT_BINARY_DIR}/cqlua.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/cqlua.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
set(CQLUA_LUA_DIR share/lua/5.1 CACHE STRING "Where the Lua files are installed, below the prefix")
set(CQLUA_LUA_C_DIR lib/lua/5.1 CACHE STRING "Where the LuaJIT module is installed, below the prefix")
install(DIRECTORY lua/cqlua DESTINATION ${CQLUA_LUA_DIR} FILES_MATCHING PATTERN "*.lua")
