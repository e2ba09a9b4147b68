/*
 * What this build of the library can do, as text for people.
 *
 * Threads: both calls may be made from any number of threads at once.
 */
#ifndef RANKINE_INFO_H
#define RANKINE_INFO_H

#include "rankine/status.h"

#ifdef __cplusplus
extern "C" {
#endif

RK_API const char *rk_version(void); /* "0.1.0" */

/* Text on a topic: "build", "devices", "models", "operations" or "metrics" (with their formulas).
 * Free with rk_string_free (rankine/config.h). */
RK_API rk_status rk_info(const char *topic, char **out_text);

#ifdef __cplusplus
}
#endif
#endif
