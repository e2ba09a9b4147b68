/* Shared by the formats of exports. */
#ifndef RK_API_EXPORT_INTERNAL_H
#define RK_API_EXPORT_INTERNAL_H

#include "api/model_internal.h"
#include "base/buffer.h"

/* Rows of a tensor that go into one file, or the interactions of a part. */
typedef struct rk_export_table {
    char name[RK_NAME_LENGTH + 16]; /* of the file, without its ending */
    rk_rows_of of;
    rk_dtype dtype;
    const char *values; /* lent; NULL: of no tensor */
    int64_t rows, cols;
    rk_part part; /* of interactions */
} rk_export_table;

/* One file of an export: bytes of one row into the buffer; row -1 is the file's head. */
typedef void (*rk_export_row)(const rk_model *model, const rk_export_table *table, int64_t row,
                              rk_buffer *out);

/* An id with tab, line break and backslash as \t, \n, \r and \\. */
void rk__export_id(rk_buffer *out, const char *id);

/* The head of a file in NumPy's format 1.0, 128 bytes; shape: "(3, 4)", "(5,)" or "()". */
void rk__export_npy_head(rk_buffer *out, const char *descr, const char *shape);

/* RecBole's atomic file of a part: a row is a user, its lines their interactions. */
void rk__export_inter_row(const rk_model *model, const rk_export_table *table, int64_t row,
                          rk_buffer *out);

/* The sparse matrix of a part as scipy.sparse.load_npz reads it: a row is a member of the archive,
 * and the last one its directory. */
enum { RK_EXPORT_NPZ_ROWS = 6 };
void rk__export_npz_row(const rk_model *model, const rk_export_table *table, int64_t row,
                        rk_buffer *out);

/* Whether the part is too large for that archive, whose members have less than 4 GiB. */
bool rk__export_npz_is_full(const rk_model *model, rk_part part);

#endif
