# Flags for every target of ours: link rankine_flags.
add_library(rankine_flags INTERFACE)
target_compile_options(rankine_flags INTERFACE
    -Wall -Wextra -Wconversion -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wpointer-arith
    -Wundef -Wvla -Wformat=2 -fno-math-errno -ffp-contract=fast)
# Part of -Wconversion in newer clangs only.
target_compile_options(rankine_flags INTERFACE $<$<C_COMPILER_ID:Clang>:-Wenum-float-conversion>)
target_compile_definitions(rankine_flags INTERFACE _GNU_SOURCE)
if(RANKINE_WERROR)
    target_compile_options(rankine_flags INTERFACE -Werror)
endif()
if(RANKINE_SANITIZE)
    target_compile_options(rankine_flags INTERFACE -fsanitize=${RANKINE_SANITIZE}
        -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(rankine_flags INTERFACE -fsanitize=${RANKINE_SANITIZE})
endif()
