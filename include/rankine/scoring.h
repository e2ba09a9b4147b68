/*
 * What models are asked: who is asking, which items may be answered.
 *
 * Every structure here is to be begun from its defaults function or from zeros, so that members
 * that come later keep their defaults.
 */
#ifndef RANKINE_SCORING_H
#define RANKINE_SCORING_H

#include <stdbool.h>
#include <stdint.h>

#include "rankine/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Somebody who asks: a known user, or somebody who is known by a list of items only (fold-in).
 * Everything is lent for the call. */
typedef struct rk_query {
    int64_t user;         /* dense index; -1: nobody known, the items say who asks */
    const int32_t *items; /* n_items dense indices in any order; one named twice counts once, */
    const float *weights; /* with its larger weight; one an item, finite and >= 0; NULL = 1 each */
    int64_t n_items;
} rk_query;

/* Which items may be in an answer. Items without train interactions never are. Everything is lent
 * for the call. */
typedef struct rk_selection {
    unsigned seen; /* bits 1u << rk_part: items that a known user has in these parts are left out */
    bool keep_given;     /* the items of a query itself may be in its answer */
    const int32_t *deny; /* n_deny items that are left out for everybody */
    int64_t n_deny;
    const int32_t *allow; /* n_allow items, the only ones that may be in an answer; NULL = all */
    int64_t n_allow;
} rk_selection;

/* Everything that a user has is left out, train, valid and test; no other limits. */
RK_API rk_selection rk_selection_defaults(void);

typedef struct rk_recommendation {
    int32_t item; /* dense index; ids and labels: rk_dataset_item_id, rk_dataset_item_label */
    float score;
} rk_recommendation;

#ifdef __cplusplus
}
#endif
#endif
