/*
 * A folder that one writer has to itself, in this process or any other.
 *
 * The lock (flock) is on the folder, not on a file in it, so that it can be had before anything is
 * written; whoever closes it, or dies, gives it back. After locking, the name is looked up once
 * more: what was locked may have been removed or replaced while waiting. On a file system without
 * such locks only a folder that is created here is known to be nobody else's.
 */
#ifndef RK_IO_FOLDER_LOCK_H
#define RK_IO_FOLDER_LOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

typedef struct rk_folder_lock {
    char *path; /* NULL = nothing is held; owned */
    int descriptor;
    int created; /* so many folders, this one and those above it, were created by taking it */
} rk_folder_lock;

/* Seconds to wait for a writer that needs the folder for a moment only. */
#define RK_FOLDER_PATIENCE 10.0

/* Creates the folder and those above it, unless they exist, and locks it, waiting up to so many
 * seconds for another writer. RK_ERR_IO if it is still in use then, or cannot be created or
 * opened; nothing is left behind after a failure. */
rk_status rk__folder_take(rk_folder_lock *out, const char *path, double patience);

/* One attempt without waiting: *out_busy = another writer has it, and nothing was taken. */
rk_status rk__folder_try(rk_folder_lock *out, const char *path, bool *out_busy);

/* The first of path, path-2, path-3 ... that does not exist yet, created and locked. */
rk_status rk__folder_take_new(rk_folder_lock *out, const char *path);

/* Whether the path still leads to the folder that is locked. */
bool rk__folder_is_held(const rk_folder_lock *lock);

/* Gives it back. The folders that were created by taking it are removed if they are empty. A zeroed
 * or released lock is fine. */
void rk__folder_release(rk_folder_lock *lock);

#endif
