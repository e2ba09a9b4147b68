/* A data set as a part of an HDF5 file of any kind. */
#ifndef RK_DATA_DATASET_STORE_H
#define RK_DATA_DATASET_STORE_H

#include "data/dataset.h"
#include "io/h5.h"

/* Into a file that is being made: arrays users/..., items/..., train/..., valid/..., test/...,
 * given/..., repeats/..., fields/... and attributes. */
rk_status rk__dataset_write(const rk_dataset *dataset, rk_h5 *file);

/* Reading checks everything that the rest of the library relies on; the fingerprint is recomputed
 * and compared. Free with rk_dataset_free. spill: where rows lie; NULL = in memory. */
rk_status rk__dataset_read(rk_dataset **out, const rk_h5 *file, rk_spill *spill);

#endif
