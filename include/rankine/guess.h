/*
 * What a file of interactions looks like, as a config that trains on it: for a first run on one's
 * own data (`rankine init`).
 */
#ifndef RANKINE_GUESS_H
#define RANKINE_GUESS_H

#include <stdbool.h>
#include <stdint.h>

#include "rankine/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Everything is owned by the guess. Texts that are NULL are not there. */
typedef struct rk_guess {
    const char *config; /* a commented YAML config, which rk_config_load reads */
    const char *format; /* as in data.sources[].format */
    const char *separator;
    bool header;                            /* the first line names the columns */
    const char *user, *item, *time, *value; /* columns as the config names them */
    const char *ids;                        /* "integer" or "text" */
    int64_t rows;                           /* that were looked at */
    bool whole;                             /* they are all that there are */
    void *owned;
} rk_guess;

/* Looks at the first rows (200,000 at most) of the file at path. file: what the config calls it;
 * name: of the data set. RK_ERR_DATA when no two columns look like users and items, with what to
 * do; RK_ERR_IO. Free with rk_guess_free. */
RK_API rk_status rk_guess_file(const char *path, const char *file, const char *name, rk_guess *out);

/* Frees what is in it and leaves zeros. One of zeros is fine. */
RK_API void rk_guess_free(rk_guess *guess);

#ifdef __cplusplus
}
#endif
#endif
