/* Which build of the library this is, for environment.json, --version and bug reports. */
#ifndef RK_BASE_BUILD_H
#define RK_BASE_BUILD_H

/* Static texts, none NULL. */
typedef struct rk_build_info {
    const char *version;  /* "0.1.0" */
    const char *revision; /* git describe, -dirty with uncommitted changes; or "unknown" */
    const char *compiler; /* "GNU 12.2.0" */
    const char *type;     /* "Release", "Debug" */
    const char *sanitize; /* "address,undefined" or "" */
} rk_build_info;

const rk_build_info *rk__build_info(void);

#endif
