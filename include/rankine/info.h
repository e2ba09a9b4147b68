/*
 * What this build of the library can do, as text for people.
 *
 * Threads: all calls may be made from any number of threads at once.
 */
#ifndef RANKINE_INFO_H
#define RANKINE_INFO_H

#include "rankine/status.h"

#ifdef __cplusplus
extern "C" {
#endif

RK_API const char *rk_version(void); /* "0.1.0" */

/* Raised by one whenever a structure or a function of these headers changes so that programs
 * compiled before would go wrong. For those who call the library without its headers, as the Python
 * package does, or load it while they run: compare what rk_abi_version says of the library that is
 * there with the number that you were written for. */
enum { RK_ABI_VERSION = 1 };
RK_API int rk_abi_version(void);

/* Text on a topic: "build", "devices", "ranks" (which MPI and NCCL were found; both are loaded),
 * "models", "operations" or "metrics" (with their formulas).
 * Free with rk_string_free (rankine/config.h). */
RK_API rk_status rk_info(const char *topic, char **out_text);

#ifdef __cplusplus
}
#endif
#endif
