/*
 * The folder of prepared data sets, data.cache.
 *
 *   NAME-DIGEST.h5          a data set, named by what is in it: a digest of its bytes
 *   keys/OPTIONS-SOURCES    a small text that names the data set which was made of these options
 *                           and of this state of the sources (digests of both), and lists them
 *
 * So a data set is never overwritten by another: a file gets its name only if nobody has it, and
 * who finds it taken finds the same bytes. A key is replaced as a whole. No lock is needed for
 * that: whatever a process finds missing or damaged it prepares anew, and all other files stay as
 * they are. keys/OPTIONS-SOURCES.busy, a folder that is locked, says that somebody is preparing, so
 * that jobs which start at once wait for one of them.
 */
#ifndef RK_DATA_CACHE_H
#define RK_DATA_CACHE_H

#include "base/buffer.h"
#include "data/dataset.h"
#include "data/work.h"
#include "io/folder_lock.h"

#define RK_CACHE_KEYS "keys"
#define RK_CACHE_BUSY ".busy"

/* Raised when the same options give another data set, or one with more in it: keys of other
 * versions are not found, and what they name is prepared anew. */
#define RK_CACHE_VERSION "2"

/* What a data set is found by. */
typedef struct rk_cache_key {
    char options[17];
    char sources[17]; /* "" = the state is not known, so nothing is found and no key written */
    char *state;      /* lines "source ..." that sources is a digest of; owned */
} rk_cache_key;

void rk__cache_key_free(rk_cache_key *key);

/* The path of the data set that has this key, to be freed; NULL if there is none. Notes that it
 * was used now. */
rk_status rk__cache_find(const char *folder, const rk_cache_key *key, char **out);

/* The same for any state of the sources, of several the one used last. */
rk_status rk__cache_find_any(const char *folder, const rk_cache_key *key, char **out);

/* The turn of this process to prepare the data set of a key; where another one is at it, waits
 * until that is done. Nothing is held where that cannot be arranged (the state of the sources is
 * not known, the folder cannot be written). hooks may be NULL; RK_ERR_INTERRUPTED if they ask to
 * stop. */
rk_status rk__cache_take_turn(const char *folder, const rk_cache_key *key, const rk_hooks *hooks,
                              rk_folder_lock *out);

/* Writes the data set into folder/NAME-DIGEST.h5, and its key; the data set then knows its path.
 * work: may be NULL. */
rk_status rk__cache_add(const char *folder, const char *name, const rk_cache_key *key,
                        rk_dataset *dataset, rk_work *work);

/* A line "source ..." about the file at path as it is now. False: there is none, or it is no
 * regular file (a pipe, /dev/stdin), so that its state cannot be known. */
bool rk__cache_add_source(rk_buffer *state, const char *path);

/* The next line "source ..." of a key, from *at on, which moves behind it: *out_path, to be freed,
 * and whether the file is as it was. *out_path NULL = there is none any more. */
typedef enum rk_source_state { RK_SOURCE_SAME, RK_SOURCE_CHANGED, RK_SOURCE_GONE } rk_source_state;
rk_status rk__cache_next_source(const char **at, char **out_path, rk_source_state *out_state);

/* The text of a key by its name in keys/: *out_file is the name of its data set, both to be freed.
 * *out_file NULL = the text makes no sense. */
rk_status rk__cache_read_key(const char *folder, const char *name, char **out_text,
                             char **out_file);

#endif
