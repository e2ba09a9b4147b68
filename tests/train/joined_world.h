/* A small world of interactions and relations: views, tags of items, friends, typed links of tags;
 * its data as files in the scratch folder of support/sides.h, and its graph as dense matrices in
 * double. */
#ifndef RK_TESTS_TRAIN_JOINED_WORLD_H
#define RK_TESTS_TRAIN_JOINED_WORLD_H

#include "support/sides.h"

enum { USERS = 9, ITEMS = 7, TAGS = 4, LINKS = 3, N = USERS + ITEMS + TAGS, DIM = 5, SEED = 4 };

/* Dense and symmetric. */
typedef struct matrix {
    double v[N][N];
} matrix;

bool joined_buys(int64_t user, int64_t item);
bool joined_views(int64_t user, int64_t item);

/* The adjacency of interactions and of the relations that `names` has, each with its weight. */
matrix joined_adjacency(const char *names, const double *weights);

/* A config of the data and these settings, ended by NULL; model.dim is DIM. */
rk_config *joined_config(const char *const *settings);

/* Writes friends.csv anew: each pair, which one or both of them may have named, from one side. */
void joined_put_friends_once(void);

/* The gradients of all parameters, at a batch under these settings, against difference
 * quotients. */
void joined_check_quotients(const char *const *settings);

#endif
