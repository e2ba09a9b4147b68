/* Tables that are no delimited text. */
#ifndef RK_DATA_TABLE_KINDS_H
#define RK_DATA_TABLE_KINDS_H

#include "data/table.h"

/* JSON lines: an object per line, its keys are the columns; "user.id" is the key id of the object
 * user, unless there is a key of that very name. Texts, numbers, true and false are fields, null
 * and a key that is not there are empty ones. The first row must have every key that is wanted. */
extern const rk_table_kind rk__table_json;

/* MatrixMarket coordinates: the columns are row, column (both from 1, as in the file) and value,
 * which patterns have not. A file with fewer or more entries than it says is an error. */
extern const rk_table_kind rk__table_mtx;

/* A sparse matrix of scipy.sparse.save_npz, csr, csc or coo: the columns are row, column (both from
 * 0, as in Python) and value; entries come in the order of the file, stored zeros, too. */
extern const rk_table_kind rk__table_npz;

/* For kinds with columns of fixed names, NULL at the end. */
rk_status rk__table_set_names(rk_table *table, const char *const *names);

#endif
