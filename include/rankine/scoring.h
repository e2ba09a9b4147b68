/*
 * What models are asked: who is asking, which items may be answered.
 *
 * Members that come later will mean at zero what is done now, so initialise by name: rk_query q =
 * {.user = 7}; begin a selection with rk_selection_defaults(). Everything that these structures
 * point to is the caller's and only read during the call.
 */
#ifndef RANKINE_SCORING_H
#define RANKINE_SCORING_H

#include <stdbool.h>
#include <stdint.h>

#include "rankine/status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { RK_MOST_WEIGHT = 10000 }; /* more would cost floats their digits */

/* Somebody who asks: a known user, or somebody who is known by a list of items only (fold-in), as
 * if these were their train interactions. One of the two: a user with items is an error. */
typedef struct rk_query {
    int64_t user;         /* dense index; -1: nobody known, the items say who asks */
    const int32_t *items; /* n_items dense indices in any order; one named twice counts once, with
                           * the larger weight */
    const float *weights; /* one an item, 0 to RK_MOST_WEIGHT; NULL = 1 each; of 0: not given */
    int64_t n_items;
} rk_query;

/* Which items may be in an answer. Items without train interactions never are. */
typedef struct rk_selection {
    /* Bits 1u << rk_part: items that a known user has in these parts are left out. */
    unsigned seen;
    bool keep_given;      /* the items of a query itself may be in its answer */
    const int32_t *deny;  /* n_deny dense indices that are left out for everybody */
    int64_t n_deny;       /* 0 = none */
    const int32_t *allow; /* n_allow dense indices, all that may be in an answer; NULL = any */
    int64_t n_allow;
} rk_selection;

/* Everything that a known user has is left out, in train, valid and test, or the items of the query
 * itself; no other limits. */
RK_API rk_selection rk_selection_defaults(void);

typedef struct rk_recommendation {
    int32_t item; /* dense index, -1 = none; rk_dataset_item_id and rk_dataset_item_label name it */
    float score;
} rk_recommendation;

#ifdef __cplusplus
}
#endif
#endif
