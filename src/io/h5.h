/*
 * HDF5 files as this project uses them: named typed arrays of one or two dimensions, lists of
 * texts, and attributes of the whole file. Nothing outside src/io sees a handle of HDF5.
 *
 * A file is written under a temporary name and renamed by rk__h5_commit; without a commit it
 * vanishes. Every block of an array carries a Fletcher32 checksum and HDF5's own structures carry
 * theirs, so a flipped or missing byte is an error and never a wrong number. The same calls with
 * the same values give the same bytes. Numbers are little-endian on disk.
 *
 * Names are paths ("train/items"); groups on the way are made as needed. Failures name the file:
 * RK_ERR_IO when the system refuses (missing, no permission, no space left), RK_ERR_DATA when the
 * contents are not what they should be (foreign, truncated, damaged, a missing array, another type
 * or shape).
 *
 * A file is used by one thread at a time. Different files may be used from different threads only
 * if the HDF5 library was built thread-safe (H5is_library_threadsafe; Debian's is).
 */
#ifndef RK_IO_H5_H
#define RK_IO_H5_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "io/spill.h"

typedef struct rk_h5 rk_h5;

typedef enum rk_h5_type { RK_H5_F32, RK_H5_F64, RK_H5_I32, RK_H5_I64, RK_H5_U8 } rk_h5_type;

/* A new file of a kind ("data set", "checkpoint") and of a version of that kind's layout, which
 * rk__h5_open checks. Free with rk__h5_close. */
rk_status rk__h5_create(rk_h5 **out, const char *path, const char *kind, int64_t version);

/* Gives the file its name; only rk__h5_close may follow. On failure (e.g. no space left) an older
 * file of that name stays as it was. */
rk_status rk__h5_commit(rk_h5 *file);

/* Ends the writing, so that *out_descriptor (lent, may be NULL) reads the finished bytes; only a
 * commit or rk__h5_close may follow. */
rk_status rk__h5_complete(rk_h5 *file, int *out_descriptor);

/* From now on a commit gives it this name, in the folder of the one at rk__h5_create. */
rk_status rk__h5_retarget(rk_h5 *file, const char *path);

/* rk__h5_commit if there is no file of that name yet: otherwise that stays, and *out_exists says
 * so; NULL = RK_ERR_CONFIG then. */
rk_status rk__h5_commit_new(rk_h5 *file, bool *out_exists);

/* Opens an existing file for reading. A file of another kind or version is RK_ERR_DATA. */
rk_status rk__h5_open(rk_h5 **out, const char *path, const char *kind, int64_t version);

/* NULL is fine. A created file that was not committed is dropped without a trace. */
void rk__h5_close(rk_h5 *file);

/* The path as given to create or open; owned by the file. */
const char *rk__h5_path(const rk_h5 *file);

/* Compresses arrays written from now on at this level, 1..9; 0 = no compression, the default. */
void rk__h5_set_deflate(rk_h5 *file, int level);

/* Large arrays are written and read piece by piece from now on, and `watch` hears of the bytes of
 * each piece before it comes; where it fails, so does the call. NULL = nobody hears. */
typedef rk_status (*rk_h5_watch)(void *self, int64_t bytes);
void rk__h5_set_watch(rk_h5 *file, rk_h5_watch watch, void *self);

/* Whether there is an array or a list of texts of that name. */
bool rk__h5_has(const rk_h5 *file, const char *name);

/* Calls visit with the name of each array of this type that is in no group, in the order of their
 * names, until it fails. */
rk_status rk__h5_each(const rk_h5 *file, rk_h5_type type,
                      rk_status (*visit)(void *user, const char *name), void *user);

/* A new array [rows], cols == 0, or [rows, cols], row by row. */
rk_status rk__h5_write(rk_h5 *file, const char *name, rk_h5_type type, int64_t rows, int64_t cols,
                       const void *values);

/* The shape of an array that must have this type; cols 0 = it has one dimension. */
rk_status rk__h5_shape(const rk_h5 *file, const char *name, rk_h5_type type, int64_t *out_rows,
                       int64_t *out_cols);

/* Reads a whole array that must have exactly this type and shape. */
rk_status rk__h5_read(const rk_h5 *file, const char *name, rk_h5_type type, int64_t rows,
                      int64_t cols, void *values);

/* Reads a whole array with one dimension into a fresh block; free *out_pointer with rk__free. */
rk_status rk__h5_load(const rk_h5 *file, const char *name, rk_h5_type type, void *out_pointer,
                      int64_t *out_rows);
/* The same into an array of the spill, which may be NULL; to be freed with rk__spill_free. */
rk_status rk__h5_load_into(const rk_h5 *file, const char *name, rk_h5_type type, rk_spill *spill,
                           void *out_pointer, int64_t *out_rows);

/* A list of n texts, none NULL. Kept as name/bytes and name/offsets. */
rk_status rk__h5_write_texts(rk_h5 *file, const char *name, char *const *texts, int64_t n);

/* The list as one block of n pointers and their texts; free *out with one rk__free. */
rk_status rk__h5_load_texts(const rk_h5 *file, const char *name, char ***out, int64_t *out_n);
/* The same into an array of the spill, which may be NULL; to be freed with rk__spill_free. */
rk_status rk__h5_load_texts_into(const rk_h5 *file, const char *name, rk_spill *spill, char ***out,
                                 int64_t *out_n);

/* Attributes of the file: exact numbers and texts (under 60 kB each) by name. Set once. */
rk_status rk__h5_set_i64(rk_h5 *file, const char *name, int64_t value);
rk_status rk__h5_set_u64(rk_h5 *file, const char *name, uint64_t value);
rk_status rk__h5_set_f64(rk_h5 *file, const char *name, double value);
rk_status rk__h5_set_text(rk_h5 *file, const char *name, const char *value);

bool rk__h5_has_attribute(const rk_h5 *file, const char *name);
rk_status rk__h5_get_i64(const rk_h5 *file, const char *name, int64_t *out);
rk_status rk__h5_get_u64(const rk_h5 *file, const char *name, uint64_t *out);
rk_status rk__h5_get_f64(const rk_h5 *file, const char *name, double *out);
/* Free *out with rk__free. */
rk_status rk__h5_get_text(const rk_h5 *file, const char *name, char **out);

#endif
