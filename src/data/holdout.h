/* Interactions that are held out of a data set's users and items but are not in it. */
#ifndef RK_DATA_HOLDOUT_H
#define RK_DATA_HOLDOUT_H

#include "data/dataset.h"

typedef struct rk_held_pair {
    int32_t user, item;
    float value; /* with has_values */
    double time; /* that of several of a pair goes by; in any unit */
    int64_t row; /* in the order of adding */
} rk_held_pair;

/* Pairs as read; begin with the first three, all else zero. Free with rk__held_free. */
typedef struct rk_held {
    bool has_values;
    double low, high;    /* what a value must lie within */
    rk_held_pair *pairs; /* n; owned */
    int64_t n, capacity;
    int64_t rows, unknown_users, unknown_items, missing;
} rk_held;

/* row of the pair is set here. RK_ERR_DATA for a value outside of the limits. */
rk_status rk__held_add(rk_held *held, rk_held_pair pair);
void rk__held_free(rk_held *held);

/* Adds what is at path, a file or a folder with the sources of `options`; rankine/evaluate.h says
 * which and how. Rows of unknown users and items are counted only. hooks may be NULL. */
rk_status rk__held_read(rk_held *held, const rk_dataset *dataset, const rk_options *options,
                        const char *path, const rk_hooks *hooks);

/* Sorts the pairs and drops those that the user has in train or valid; of those that are there
 * several times one stays, with the value of `rule`, RK_REPEAT_*. */
rk_status rk__held_settle(rk_held *held, const rk_dataset *dataset, int rule, int64_t *out_known,
                          int64_t *out_repeated);

/* Settled pairs as lists of all users; values: beside their items, NULL without. */
rk_status rk__held_lists(const rk_held *held, const rk_dataset *dataset, rk_lists *out,
                         float **values);

/* What users have in valid, and in test unless `held` has it: what an evaluation of `held` leaves
 * out beside train. */
rk_status rk__held_others(const rk_lists *held, const rk_dataset *dataset, rk_lists *out);

#endif
