/* Models that are fitted to a small generated data set of arrays: no file is read or written. */
#ifndef RK_TESTS_TRAIN_FITTED_H
#define RK_TESTS_TRAIN_FITTED_H

#include "rankine/rankine.h"
#include "support/support.h"

/*
 * Train interactions with popular and rare items. The last user has none and the last item is in
 * none: both are in test only. Everybody else has one item in valid and one in test.
 */
typedef struct fitted_data {
    int n_users, n_items;
    bool *has;     /* [n_users, n_items]: in train; owned */
    double *times; /* [n_users, n_items]: seconds, of all pairs; owned */
    rk_columns columns;
    int64_t *users, *items; /* what columns points to; owned */
    double *row_times;
    uint8_t *parts;
} fitted_data;

/* with_cold: with that user and that item; else everybody has train interactions. */
void fitted_data_init(fitted_data *d, int n_users, int n_items, bool with_cold);
void fitted_data_free(fitted_data *d);

/* Train items of a user, ascending; items has room for n_items. Returns their number. */
int64_t fitted_train(const fitted_data *d, int64_t user, int32_t *items);
/* Users who have an item, items that a user has. */
int fitted_item_degree(const fitted_data *d, int item);
int fitted_user_degree(const fitted_data *d, int user);

/* A config of these "key=value", ended by NULL, for the CPU with one thread and eval.k 5, without
 * checks while training. */
rk_config *fitted_config(const char *const *settings);
/* A data set with times or without. */
rk_dataset *fitted_dataset(const fitted_data *d, bool with_times);

/* A model and what it was fitted to. */
typedef struct fitted {
    rk_config *config;
    rk_dataset *dataset;
    rk_model *model;
} fitted;
fitted fitted_fit(const fitted_data *d, const char *const *settings);
void fitted_free(fitted *f);
/* The same, where fitting fails: the status is returned, and the message is rk_last_error's. */
rk_status fitted_refuses(const fitted_data *d, const char *const *settings);

/* A tensor of the model, whole; free() it. rows and cols may be NULL. */
void *fitted_tensor(const rk_model *model, const char *name, int64_t *rows, int64_t *cols);

/* The scores of all items for one query, free() them. */
float *fitted_scores(const rk_model *model, rk_query query);
/* For a known user, and for somebody with these items. */
float *fitted_user_scores(const rk_model *model, int64_t user);
float *fitted_list_scores(const rk_model *model, const int32_t *items, const float *weights,
                          int64_t n);

/* |actual - expected| <= bound * the largest |expected|, for all n; elements of both that are
 * -INFINITY are equal. what names them in the message. */
void fitted_assert_near(const char *what, const float *actual, const double *expected, int64_t n,
                        double bound);

/* What known users are given: expected [n_users, n_items] of those with train items, popularity of
 * the last one; -INFINITY of the item that nobody has. */
void fitted_check_scores(const char *what, const rk_model *model, const fitted_data *d,
                         const double *expected, double bound);

/* The inverse of a [n, n] in place, by Gauss and Jordan with pivots. */
void fitted_invert(double *a, int n);

#endif
