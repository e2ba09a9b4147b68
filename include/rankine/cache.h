/*
 * The folder of prepared data sets (data.cache): what is in it, and what can go.
 *
 * Nothing needs to be removed for correctness: a data set that is not found is prepared again. Run
 * folders have the data set themselves and lose nothing, unless run.keep_data was false or an
 * earlier version made them.
 *
 * Threads: every call may be made from any number of threads, and while other processes prepare.
 */
#ifndef RANKINE_CACHE_H
#define RANKINE_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "rankine/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum rk_cache_state {
    RK_CACHE_CURRENT, /* its sources are as they were when it was made */
    RK_CACHE_CHANGED, /* a source has changed since; a training prepares another data set */
    RK_CACHE_GONE,    /* a source is not there any more; a training takes this data set */
    RK_CACHE_UNUSED,  /* nothing leads to it: of another version, made from a pipe, or damaged */
    RK_CACHE_REMAINS, /* no data set, but what a process that was killed left behind */
} rk_cache_state;

/* "current", "changed", "gone", "unused", "remains"; NULL if out of range. */
RK_API const char *rk_cache_state_name(rk_cache_state state);

/* One file. The texts live as long as the list. */
typedef struct rk_cache_entry {
    const char *path;
    const char *name, *fingerprint; /* of the data set; "" where the file does not say */
    const char *source;             /* one of its sources: the one that decides the state */
    rk_cache_state state;
    int64_t bytes;
    int64_t runs;   /* run folders that share the file, and keep it when it is removed here */
    double used_at; /* seconds since 1970 */
} rk_cache_entry;

typedef struct rk_cache rk_cache;

/* The data sets in a folder, by name; of other files nothing is said. A folder that is not there is
 * RK_ERR_IO. Free with rk_cache_free. */
RK_API rk_status rk_cache_open(const char *folder, rk_cache **out);
RK_API int64_t rk_cache_count(const rk_cache *cache);
/* NULL if out of range. */
RK_API const rk_cache_entry *rk_cache_at(const rk_cache *cache, int64_t number);
/* NULL is fine. */
RK_API void rk_cache_free(rk_cache *cache);

/* Removes what no training would take: RK_CACHE_CHANGED, RK_CACHE_UNUSED and RK_CACHE_REMAINS, or
 * with `all` every data set. *out_files counts the files, *out_bytes what that frees; both may be
 * NULL. What another process is writing stays. RK_ERR_IO, naming it, for a file that cannot be
 * removed. */
RK_API rk_status rk_cache_clean(const char *folder, bool all, int64_t *out_files,
                                int64_t *out_bytes);

#ifdef __cplusplus
}
#endif
#endif
