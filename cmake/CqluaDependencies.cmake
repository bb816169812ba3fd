# cqlua::libev, cqlua::cares, cqlua::zlib: imported targets, for libev has no pkg-config file and c-ares' CMake file is not
# everywhere. A missing one is named with its Debian package.
find_package(PkgConfig)

function(cqlua_find name header library package)
  find_path(${name}_INCLUDE ${header})
  find_library(${name}_LIBRARY ${library})
  if(NOT ${name}_INCLUDE OR NOT ${name}_LIBRARY)
    message(FATAL_ERROR "${name} is missing (${header}, lib${library}): on Debian, apt-get install ${package}, or ./dev setup")
  endif()
  add_library(cqlua::${name} UNKNOWN IMPORTED)
  set_target_properties(cqlua::${name} PROPERTIES IMPORTED_LOCATION "${${name}_LIBRARY}"
                        INTERFACE_INCLUDE_DIRECTORIES "${${name}_INCLUDE}")
  mark_as_advanced(${name}_INCLUDE ${name}_LIBRARY)
endfunction()

cqlua_find(libev ev.h ev libev-dev)
cqlua_find(cares ares.h cares libc-ares-dev)
cqlua_find(zlib zlib.h z zlib1g-dev)
