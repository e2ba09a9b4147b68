/* The data set of a model that is fitted once more with what it was chosen on. */
#ifndef RK_DATA_JOIN_H
#define RK_DATA_JOIN_H

#include "data/dataset.h"

/* `base` with its valid rows in train and an empty valid part. Of users who are held out for valid
 * the given rows are train, too. Statistics and fingerprints are its own, everything else is
 * borrowed: `base` must outlive it. Free with rk_dataset_free. */
rk_status rk__dataset_join_valid(const rk_dataset *base, rk_dataset **out);

#endif
