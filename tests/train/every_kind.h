/*
 * A model of every way to score, fitted on the planted files with a user and an item that are in
 * test only; and queries of every sort.
 */
#ifndef RK_TESTS_TRAIN_EVERY_KIND_H
#define RK_TESTS_TRAIN_EVERY_KIND_H

#include "train/runs.h"

enum {
    N_USERS = PLANTED_USERS + 1, /* the last one is in test only, */
    N_ITEMS = PLANTED_ITEMS + 1, /* as is the last item */
    COLD_USER = N_USERS - 1,
    COLD_ITEM = N_ITEMS - 1,
    N_KINDS = 10,
    N_MIXED = 12,
    POPULARITY = 3, /* the number of that model, */
    BARS = 5,       /* and of item_knn with that aggregate */
};

/* What makes each of them. */
run_how kind_how(int kind);

typedef struct world {
    runs r;
    rk_model *models[N_KINDS];
} world;

/* Set-up and tear-down of a group of tests; *state is the world. */
int open_world(void **state);
int close_world(void **state);

/* Some known users, the one without train items, and people who are known by items. */
void mixed_queries(rk_query out[N_MIXED]);

#endif
