# cmake --install: the library, shared and static, its headers, what finds it (pkg-config, CMake), and, if asked for, the Lua
# module. Everything that is installed finds its neighbours relative to itself: --prefix and DESTDIR may be said late.
include(CMakePackageConfigHelpers)
set(CQLUA_INSTALL_LUA "" CACHE STRING "Luas whose module is installed too: a list of luajit, lua53, lua54")

# --- the static library -----------------------------------------------------------------------------------------------------
# One object in which all but the public functions is local: in the program that links it, no name of ours meets another's.
if(CMAKE_OBJCOPY AND NOT APPLE AND NOT CMAKE_INTERPROCEDURAL_OPTIMIZATION)
  set(sealed ${CMAKE_CURRENT_BINARY_DIR}/install/cqlua.o)
  separate_arguments(flags UNIX_COMMAND "${CMAKE_C_FLAGS}") # they may choose the machine (-m32)
  add_custom_command(OUTPUT ${sealed}
                     COMMAND ${CMAKE_C_COMPILER} ${flags} -r -nostdlib -o ${sealed} $<TARGET_OBJECTS:cqlua_objects>
                     COMMAND ${CMAKE_OBJCOPY} --localize-hidden ${sealed}
                     DEPENDS cqlua_objects $<TARGET_OBJECTS:cqlua_objects> COMMAND_EXPAND_LISTS VERBATIM)
  add_library(cqlua_sealed STATIC ${sealed})
  set_target_properties(cqlua_sealed PROPERTIES LINKER_LANGUAGE C)
else()
  add_library(cqlua_sealed STATIC $<TARGET_OBJECTS:cqlua_objects>)
endif()
target_include_directories(cqlua_sealed INTERFACE $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/include>
                                                  $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_link_libraries(cqlua_sealed INTERFACE ${cqlua_needs})
set_target_properties(cqlua_sealed PROPERTIES OUTPUT_NAME cqlua EXPORT_NAME static
                      ARCHIVE_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/install)
set_target_properties(cqlua_shared PROPERTIES EXPORT_NAME cqlua)
add_library(cqlua::cqlua ALIAS cqlua_shared) # for a project that this is a part of
add_library(cqlua::static ALIAS cqlua_sealed)

# --- files --------------------------------------------------------------------------------------------------------------------
install(TARGETS cqlua_shared cqlua_sealed EXPORT cqlua)
install(FILES include/cqlua.h TYPE INCLUDE)
install(DIRECTORY include/cqlua TYPE INCLUDE FILES_MATCHING PATTERN "*.h")
install(FILES LICENSE README.md CHANGELOG.md SECURITY.md TYPE DOC)
install(DIRECTORY docs TYPE DOC FILES_MATCHING PATTERN "*.md" PATTERN internals EXCLUDE)

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/cqlua)
install(EXPORT cqlua NAMESPACE cqlua:: FILE cqlua-targets.cmake DESTINATION ${package})
configure_package_config_file(cmake/cqlua-config.cmake.in install/cqlua-config.cmake INSTALL_DESTINATION ${package})
write_basic_package_version_file(install/cqlua-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/install/cqlua-config.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/install/cqlua-config-version.cmake DESTINATION ${package})

file(RELATIVE_PATH cqlua_pc_prefix ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
file(RELATIVE_PATH cqlua_pc_libdir ${CMAKE_INSTALL_PREFIX} ${CMAKE_INSTALL_FULL_LIBDIR})
file(RELATIVE_PATH cqlua_pc_includedir ${CMAKE_INSTALL_PREFIX} ${CMAKE_INSTALL_FULL_INCLUDEDIR})
list(TRANSFORM cqlua_needs PREPEND -l OUTPUT_VARIABLE cqlua_pc_needs)
list(JOIN cqlua_pc_needs " " cqlua_pc_needs)
configure_file(cmake/cqlua.pc.in install/cqlua.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/install/cqlua.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# --- the Lua module -----------------------------------------------------------------------------------------------------------
# Called once the modules are there.
function(cqlua_install_lua)
  foreach(lua IN LISTS CQLUA_INSTALL_LUA)
    if(NOT TARGET cqlua_core_${lua})
      message(FATAL_ERROR "CQLUA_INSTALL_LUA: no module for '${lua}' is built; there are: ${cqlua_luas}")
    endif()
    set(folder lib/lua/${${lua}_api}/cqlua)
    install(DIRECTORY lua/cqlua DESTINATION ${CMAKE_INSTALL_DATADIR}/lua/${${lua}_api} FILES_MATCHING PATTERN "*.lua")
    install(TARGETS cqlua_core_${lua} DESTINATION ${folder})
    file(RELATIVE_PATH to_library ${CMAKE_INSTALL_PREFIX}/${folder} ${CMAKE_INSTALL_FULL_LIBDIR})
    set_target_properties(cqlua_core_${lua} PROPERTIES INSTALL_RPATH "\$ORIGIN/${to_library}")
  endforeach()
endfunction()
