/* Pairs of users and items for measuring programs: of an adjacency list, or generated. */
#ifndef RK_BENCH_PAIRS_H
#define RK_BENCH_PAIRS_H

#include <stdint.h>

#include "base/error.h"
#include "rankine/dataset.h"

typedef struct pairs {
    int32_t *users, *items; /* n, owned */
    int64_t n, capacity, n_users, n_items;
} pairs;

rk_status add_pair(pairs *p, int64_t user, int64_t item);
/* A user and their items per line. */
rk_status read_pairs(const char *path, pairs *p);
/* The interactions that rk_synth_write would write. */
rk_status draw_pairs(const rk_synth_options *options, pairs *p);
void free_pairs(pairs *p);

#endif
