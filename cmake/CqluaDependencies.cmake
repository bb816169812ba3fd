# cqlua::libev, cares, zlib, lz4, ssl, crypto: imported targets, for libev has no pkg-config file and c-ares' CMake file is not
# everywhere. A missing one is named with its Debian package. cqlua_needs: their names, for who links the archive.
find_package(PkgConfig)
set(cqlua_needs)

function(cqlua_find name header library package)
  find_path(${name}_INCLUDE ${header})
  find_library(${name}_LIBRARY ${library})
  if(NOT ${name}_INCLUDE OR NOT ${name}_LIBRARY)
    message(FATAL_ERROR "${name} is missing (${header}, lib${library}): on Debian, apt-get install ${package}, or ./dev setup")
  endif()
  add_library(cqlua::${name} UNKNOWN IMPORTED)
  set_target_properties(cqlua::${name} PROPERTIES IMPORTED_LOCATION "${${name}_LIBRARY}"
                        INTERFACE_INCLUDE_DIRECTORIES "${${name}_INCLUDE}")
  list(APPEND cqlua_needs ${library})
  set(cqlua_needs ${cqlua_needs} PARENT_SCOPE)
  mark_as_advanced(${name}_INCLUDE ${name}_LIBRARY)
endfunction()

cqlua_find(libev ev.h ev libev-dev)
set(cqlua_needs) # that was for the Lua module, and programs with a loop of their own
cqlua_find(cares ares.h cares libc-ares-dev)
cqlua_find(zlib zlib.h z zlib1g-dev)
cqlua_find(lz4 lz4.h lz4 liblz4-dev)
cqlua_find(ssl openssl/ssl.h ssl libssl-dev)
cqlua_find(crypto openssl/bn.h crypto libssl-dev)

# For the specs and the example of its adapter alone: <cqlua/libuv.h> is compiled by the program that has a libuv.
if(PkgConfig_FOUND AND CQLUA_TESTS)
  pkg_check_modules(libuv QUIET IMPORTED_TARGET libuv>=1.12)
  if(NOT libuv_FOUND)
    message(STATUS "no libuv (libuv1-dev): specs and examples of <cqlua/libuv.h> are left out")
  endif()
endif()
