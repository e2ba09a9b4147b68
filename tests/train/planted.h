/*
 * A small data set with planted taste: users and items in clusters, most of a user's items from
 * their own cluster, popular items more often. A model that learns anything beats popularity on it.
 */
#ifndef RK_TESTS_TRAIN_PLANTED_H
#define RK_TESTS_TRAIN_PLANTED_H

#include "config/options.h"
#include "data/dataset.h"
#include "support/support.h"

enum {
    PLANTED_USERS = 240,
    PLANTED_ITEMS = 150,
    PLANTED_CLUSTERS = 5, /* user u and item i are in cluster u % 5 and i % 5 */
    PLANTED_TRAIN = 12,   /* items of a user in train, and 2 in valid and 3 in test */
    PLANTED_VALID = 2,
    PLANTED_TEST = 3,
};

/* The items of a user in a part, in the order drawn. */
void planted_items(int user, rk_part part, int32_t *out, int *out_n);

/* In memory, as if prepared; free with planted_free. */
rk_dataset *planted_dataset(bool with_valid);
void planted_free(rk_dataset *dataset);

/* Sets up training while the first, the second, ... allocation fails, until none does: each time
 * nothing is left of it. */
void planted_set_up_survives_lack_of_memory(const rk_options *options, const rk_dataset *dataset);

/* As files: adjacency lists train.txt, valid.txt, test.txt and a configuration exp.yaml of a small
 * LightGCN that takes a fraction of a second to train; plain.yaml says nothing of a model. User u
 * has the id 100 + u, item i 1000 + i. */
void planted_write(const char *directory);

#endif
