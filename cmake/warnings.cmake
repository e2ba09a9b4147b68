# Flags for every target of ours: link rankine_flags.
add_library(rankine_flags INTERFACE)
set(flags -Wall -Wextra -Wconversion -Wshadow -Wmissing-prototypes -Wstrict-prototypes
    -Wpointer-arith -Wundef -Wvla -Wformat=2 -fno-math-errno -ffp-contract=fast)
# Part of -Wconversion in newer clangs only.
if(CMAKE_C_COMPILER_ID STREQUAL "Clang")
    list(APPEND flags -Wenum-float-conversion)
endif()
if(RANKINE_WERROR)
    list(APPEND flags -Werror)
endif()
if(RANKINE_SANITIZE)
    list(APPEND flags -fsanitize=${RANKINE_SANITIZE} -fno-sanitize-recover=all
        -fno-omit-frame-pointer)
    target_link_options(rankine_flags INTERFACE -fsanitize=${RANKINE_SANITIZE})
endif()
# Kernels are nvcc's, which has warnings of its own.
target_compile_options(rankine_flags INTERFACE "$<$<COMPILE_LANGUAGE:C>:${flags}>")
target_compile_definitions(rankine_flags INTERFACE _GNU_SOURCE)
