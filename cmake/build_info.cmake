# What rk__build_info() answers. Run as a script before every build; the header is only rewritten
# when something in it changed, and only src/base/build.c includes it.
#   cmake -D SOURCE=... -D OUTPUT=... -D VERSION=... -D COMPILER=... -D BUILD_TYPE=...
#         -D SANITIZE=... -P build_info.cmake
execute_process(COMMAND git -C ${SOURCE} describe --always --dirty --tags --abbrev=12
    OUTPUT_VARIABLE revision OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE status)
if(NOT status EQUAL 0)
    set(revision "unknown") # a source archive, or no git here
endif()
string(CONCAT header
    "#define RK_BUILD_VERSION \"${VERSION}\"\n"
    "#define RK_BUILD_REVISION \"${revision}\"\n"
    "#define RK_BUILD_COMPILER \"${COMPILER}\"\n"
    "#define RK_BUILD_TYPE \"${BUILD_TYPE}\"\n"
    "#define RK_BUILD_SANITIZE \"${SANITIZE}\"\n")
if(EXISTS ${OUTPUT})
    file(READ ${OUTPUT} before)
endif()
if(NOT header STREQUAL "${before}")
    file(WRITE ${OUTPUT} "${header}")
endif()
