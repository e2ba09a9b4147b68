/* The fields of rows (data.fields): their values, and those that are derived. */
#ifndef RK_DATA_FIELDS_H
#define RK_DATA_FIELDS_H

#include "data/dataset.h"
#include "data/raw.h"

/* The names of the options' fields and the values that were read, in ascending order; out_rank: for
 * each of the n_fields the rank of each first-seen value, to be freed by rk__free one by one. */
rk_status rk__fields_take(rk_dataset *dataset, const rk_raw *raw, const rk_options *options,
                          int32_t **out_ranks);

/* Fills the derived fields of the parts and of their repeats. previous_item: the item of the row of
 * the same user that comes before, by time (if there are times) and then in the order of the
 * sources, among those of the same part and of earlier ones (train, given, valid, test), so that
 * nothing held out is known to train; -1 for the first. */
rk_status rk__fields_derive(rk_dataset *dataset);

#endif
