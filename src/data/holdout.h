/* Interactions that are held out of a data set's users and items but are not in it. */
#ifndef RK_DATA_HOLDOUT_H
#define RK_DATA_HOLDOUT_H

#include "data/dataset.h"

typedef struct rk_held_pair {
    int32_t user, item;
} rk_held_pair;

/* Pairs as read; zeroed = empty. Free with rk__held_free. */
typedef struct rk_held {
    rk_held_pair *pairs; /* n; owned */
    int64_t n, capacity;
    int64_t rows, unknown_users, unknown_items, missing;
} rk_held;

rk_status rk__held_add(rk_held *held, int32_t user, int32_t item);
void rk__held_free(rk_held *held);

/* Adds what is at path, a file or a folder with the sources of `options`; rankine/evaluate.h says
 * which and how. Rows of unknown users and items are counted only. hooks may be NULL. */
rk_status rk__held_read(rk_held *held, const rk_dataset *dataset, const rk_options *options,
                        const char *path, const rk_hooks *hooks);

/* Sorts the pairs and drops those that are there twice or that the user has in train or valid. */
void rk__held_settle(rk_held *held, const rk_dataset *dataset, int64_t *out_known,
                     int64_t *out_repeated);

/* Settled pairs as lists of all users. */
rk_status rk__held_lists(const rk_held *held, const rk_dataset *dataset, rk_lists *out);

/* What users have in valid, and in test unless `held` has it: what an evaluation of `held` leaves
 * out beside train. */
rk_status rk__held_others(const rk_lists *held, const rk_dataset *dataset, rk_lists *out);

#endif
