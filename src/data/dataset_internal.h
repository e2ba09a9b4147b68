/* Shared by the files behind data/dataset.h: building, measuring, storing a data set. */
#ifndef RK_DATA_DATASET_INTERNAL_H
#define RK_DATA_DATASET_INTERNAL_H

#include "data/dataset.h"
#include "data/raw.h"
#include "io/h5.h"

/* Filters, renumbers and splits what was read, and measures the result. Takes the rows of `raw`,
 * whose counts go into the statistics. RK_ERR_DATA, saying why, when nothing is left. */
rk_status rk__dataset_build(rk_dataset **out, rk_raw *raw, const rk_options *options);

/* Reads labels.file, if there is one, into dataset->labels. The first label of an item counts; ids
 * that are not in the data set are ignored. */
rk_status rk__dataset_add_labels(rk_dataset *dataset, const rk_options *options, rk_stop stop);

/* Logs what a user should know before trusting the numbers. hooks may be NULL. */
void rk__dataset_warn(const rk_dataset *dataset, const rk_options *options, const rk_hooks *hooks);

/* Computes every statistic that follows from the ids and the parts; the counts of what was dropped
 * stay as they are. */
rk_status rk__dataset_measure(rk_dataset *dataset);

/* A 64-bit hash of the counts, ids and parts, as 16 hex digits; name, labels, times and statistics
 * are not in it. */
void rk__dataset_fingerprint(const rk_dataset *dataset, char out[17]);

/* The same of the times of the train rows, "" if there are none. Apart from the other, which run
 * folders hold and most models go by. */
void rk__dataset_times_fingerprint(const rk_dataset *dataset, char out[17]);

/* Writes a file at path, in the place of one that is there. */
rk_status rk__dataset_save(const rk_dataset *dataset, const char *path);
/* The same in a file that is complete, but has no name yet: rk__h5_commit or rk__h5_commit_new
 * gives it one in the folder of path, rk__h5_close drops it. work: may be NULL. */
rk_status rk__dataset_save_aside(const rk_dataset *dataset, const char *path, rk_work *work,
                                 rk_h5 **out);

/* rk_dataset_open for a caller who is part of some work (not NULL), with rows where it says. */
rk_status rk__dataset_open(const char *path, rk_work *work, rk_dataset **out);

/* What a file of this or an earlier layout says of itself, without the rest; the texts are to be
 * freed. */
rk_status rk__dataset_read_name(const char *path, char **out_name, char **out_fingerprint,
                                int64_t *out_layout);

/* The file at path now; inode 0 if there is none. */
rk_file_id rk__file_id_of(const char *path);
/* Notes which file is at path now, as dataset->path and dataset->file. */
rk_status rk__dataset_is_at(rk_dataset *dataset, const char *path);

/* The ids of a node type other than user and item; NULL = there is none of that name. */
const rk_ids *rk__ids_of_type(const rk_dataset *dataset, const char *name);

/* The index of an original id by binary search, -1 if it is not there. */
int64_t rk__ids_find_number(const rk_ids *ids, int64_t number);
int64_t rk__ids_find_text(const rk_ids *ids, const char *text, int64_t length);

#endif
