/*
 * A file written beside the one that it will replace, possibly by several processes at once.
 *
 * Each writer takes the first of path.tmp, path.1.tmp, path.2.tmp ... that no other writer has
 * locked, so two writers never share a file, and the next writer overwrites what a killed process
 * left behind.
 */
#ifndef RK_IO_ASIDE_H
#define RK_IO_ASIDE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

typedef struct rk_aside {
    char *path;      /* of the finished file; owned */
    char *temporary; /* NULL = nothing is being written; owned */
    int descriptor;  /* of the temporary file, read and write, empty at first; owned */
} rk_aside;

/* Opens a temporary file in the folder of path. */
rk_status rk__aside_open(rk_aside *out, const char *path);

/* The message for an errno met while writing: the file and why. Returns RK_ERR_IO. */
rk_status rk__aside_fail(const rk_aside *aside, int error);

/* Appends bytes to the temporary file. */
rk_status rk__aside_write(rk_aside *aside, const void *bytes, int64_t length);

/* Writes the bytes and then the name to the disk: a reader finds the old file or the whole new one.
 * On failure the old file stays and the temporary one is removed. */
rk_status rk__aside_commit(rk_aside *aside);

/* The same, but a file that is there already stays, and the temporary one is removed: *out_exists
 * says so, NULL = RK_ERR_CONFIG then. Nobody else can slip in between looking and naming. */
rk_status rk__aside_commit_new(rk_aside *aside, bool *out_exists);

/* Removes a temporary file that a killed process left behind, by its own name; false where its
 * writer is still at work, or it cannot be removed. */
bool rk__aside_remove_dead(const char *temporary);

/* Removes the temporary file unless it was committed. A zeroed, failed or committed one is fine. */
void rk__aside_close(rk_aside *aside);

#endif
