# The program that exchanges frames with another implementation (spec/interop/frames_spec.lua).
add_executable(interop_frames spec/interop/support/frames.c)
target_include_directories(interop_frames PRIVATE include src)
target_link_libraries(interop_frames PRIVATE cqlua_static)
cqlua_compile_options(interop_frames)
set_target_properties(interop_frames PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/interop OUTPUT_NAME frames)
