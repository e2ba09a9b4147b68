/* The only file that includes the generated header, so a new commit recompiles only this file. */
#include "base/build.h"

#include "rankine_build.h" /* cmake/build_info.cmake */

const rk_build_info *rk__build_info(void)
{
    static const rk_build_info info = {
        .version = RK_BUILD_VERSION,
        .revision = RK_BUILD_REVISION,
        .compiler = RK_BUILD_COMPILER,
        .type = RK_BUILD_TYPE,
        .sanitize = RK_BUILD_SANITIZE,
    };
    return &info;
}
