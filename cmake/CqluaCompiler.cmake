# cqlua_compile_options(TARGET [STRICT]): the warnings, hardening and sanitizers of every target. STRICT adds the warnings
# that tests are spared (implicit conversions).
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON) # gnu11: the declarations of POSIX, as in the rock's build; -Wpedantic forbids the extensions
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
include(CheckPIESupported)
check_pie_supported(LANGUAGES C)

# Hardening that not every compiler or processor has.
include(CheckCCompilerFlag)
set(cqlua_hardening -fstack-protector-strong)
foreach(flag stack-clash-protection cf-protection)
  string(MAKE_C_IDENTIFIER have_${flag} have)
  check_c_compiler_flag(-f${flag} ${have})
  if(${have})
    list(APPEND cqlua_hardening -f${flag})
  endif()
endforeach()

set(cqlua_warnings -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition
    -Wpointer-arith -Wwrite-strings -Wundef -Wvla -Wformat=2)
set(cqlua_sanitizers -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=all)
if(CQLUA_SANITIZE_THREADS)
  set(cqlua_sanitizers -fsanitize=thread -fno-omit-frame-pointer)
endif()

function(cqlua_compile_options target)
  cmake_parse_arguments(arg "STRICT" "" "" ${ARGN})
  target_compile_options(${target} PRIVATE ${cqlua_warnings} $<$<BOOL:${CQLUA_WERROR}>:-Werror>
                         $<$<BOOL:${arg_STRICT}>:-Wconversion>)
  if(CQLUA_SANITIZE OR CQLUA_SANITIZE_THREADS)
    target_compile_options(${target} PRIVATE ${cqlua_sanitizers})
    target_link_options(${target} PRIVATE ${cqlua_sanitizers})
  else()
    target_compile_options(${target} PRIVATE ${cqlua_hardening}
                           $<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE> $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=2>)
  endif()
  if(NOT APPLE)
    target_link_options(${target} PRIVATE -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)
  endif()
endfunction()
