/* The rows of a caller's arrays as records, like those of a reader of files. */
#ifndef RK_DATA_COLUMNS_H
#define RK_DATA_COLUMNS_H

#include "data/reader.h"
#include "rankine/dataset.h"

/* The record of a row and its part, RK_PART_*: RK_PART_ALL where the columns have no parts. What is
 * wrong with the row is RK_ERR_DATA with its number. Texts are those of the caller. */
rk_status rk__columns_record(const rk_columns *columns, int64_t row, rk_record *out, int *out_part);

#endif
