/* The rows of a caller's arrays as records, like those of a reader of files. */
#ifndef RK_DATA_COLUMNS_H
#define RK_DATA_COLUMNS_H

#include "data/id_rule.h"
#include "data/reader.h"
#include "rankine/dataset.h"

/* The record of a row and its part, RK_PART_*: RK_PART_ALL where the columns have no parts. What is
 * wrong with the row is RK_ERR_DATA with its number. Texts are those of the caller, without blanks
 * at their ends. *out_missing = true: there is no id, and such rows are dropped. */
rk_status rk__columns_record(const rk_columns *columns, int64_t row, rk_id_rule *rule,
                             rk_record *out, int *out_part, bool *out_missing);

#endif
