/* Whole files: read at once, and replaced so that a reader sees only the old or the new file. */
#ifndef RK_BASE_FILE_H
#define RK_BASE_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* folder/name; free with rk__free. */
rk_status rk__path_join(char **out, const char *folder, const char *name);

bool rk__file_exists(const char *path);

/* Whether it is a regular file: no folder, no device. */
bool rk__is_file(const char *path);
/* Whether folder/name exists. */
rk_status rk__folder_has(const char *folder, const char *name, bool *out);

/* Creates the folder and those above it, unless they exist. */
rk_status rk__folder_create(const char *path);
/* The same; *out_created: how many had to be created, 0 if the folder was there. */
rk_status rk__folder_create_counting(const char *path, int *out_created);

/* The whole file followed by a zero byte; free *out with rk__free. For small files. */
rk_status rk__file_read(const char *path, char **out, int64_t *out_length);

/* Writes path.tmp, flushes it, renames it to path. On failure (e.g. no space left) the old file
 * stays as it was and path.tmp is removed. For folders that the caller has locked
 * (io/folder_lock.h): two writers of one path would share path.tmp; elsewhere take io/aside.h. */
rk_status rk__file_replace(const char *path, const void *bytes, int64_t length);

#endif
