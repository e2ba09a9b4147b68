/* Whole files: read at once, and replaced so that a reader sees the old or the new one only. */
#ifndef RK_BASE_FILE_H
#define RK_BASE_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* folder/name; free with rk__free. */
rk_status rk__path_join(char **out, const char *folder, const char *name);

bool rk__file_exists(const char *path);
/* Whether folder/name exists. */
rk_status rk__folder_has(const char *folder, const char *name, bool *out);

/* The folder and those above it, as far as they are not there yet. */
rk_status rk__folder_create(const char *path);

/* The whole file with a final zero byte behind it; free *out with rk__free. For small files. */
rk_status rk__file_read(const char *path, char **out, int64_t *out_length);

/* Written to path.tmp, flushed, renamed to path. On failure (e.g. no space left) the old file stays
 * as it was and path.tmp is gone. */
rk_status rk__file_replace(const char *path, const void *bytes, int64_t length);

/* The second half of a replacement: path.tmp, complete and closed, becomes path. */
rk_status rk__file_commit(const char *path);

/* path.tmp; free with rk__free. */
rk_status rk__file_aside(char **out, const char *path);

#endif
