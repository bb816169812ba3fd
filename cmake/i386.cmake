# The toolchain of the build on 32 bits (tools/dev/i386.sh): gcc -m32 against i386 libraries that were unpacked to CQLUA_I386.
# There is no Lua for it: the library and its C specs.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR i686)
set(root $ENV{CQLUA_I386})
set(CMAKE_C_COMPILER gcc)
# Numbers as everywhere else: a double of 64 bits, and a calendar that does not end in 2038 in the specs.
set(numbers "-msse2 -mfpmath=sse -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64")
set(CMAKE_C_FLAGS_INIT "-m32 ${numbers} -isystem ${root}/usr/include/i386-linux-gnu")
set(CMAKE_EXE_LINKER_FLAGS_INIT "-Wl,-rpath,${root}/usr/lib/i386-linux-gnu -Wl,-rpath-link,${root}/usr/lib/i386-linux-gnu")
set(CMAKE_SHARED_LINKER_FLAGS_INIT "-Wl,-rpath-link,${root}/usr/lib/i386-linux-gnu")
set(CMAKE_LIBRARY_ARCHITECTURE i386-linux-gnu)
set(CMAKE_FIND_ROOT_PATH ${root})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${root})
set(ENV{PKG_CONFIG_LIBDIR} ${root}/usr/lib/i386-linux-gnu/pkgconfig)
