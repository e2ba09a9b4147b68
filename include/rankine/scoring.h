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
    /* The circumstances of the answer, for a model that reads data.fields: n_context numbers of
     * values, one of each of its fields (rk_model_n_fields, rk_model_field,
     * rk_dataset_find_value), -1 = empty. Other models have none. A value that no train row has
     * says nothing. With user -1 and no items the context alone says who asks. */
    const int32_t *context;
    int64_t n_context;
    const int32_t *deny; /* n_deny dense indices in any order that are left out of this answer */
    int64_t n_deny;      /* 0 = none */
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
    bool has_min_score; /* answers with a score below min_score are left out */
    float min_score;    /* in the unit of what the answers come from: model or popularity */
} rk_selection;

/* Everything that a known user has is left out, in train, valid, test and given, or the items of
 * the query itself; no other limits. */
RK_API rk_selection rk_selection_defaults(void);

/* What the answers to a query come from. */
typedef enum rk_basis {
    RK_BASIS_MODEL,      /* what the model has learnt of this user, or of everybody */
    RK_BASIS_ITEMS,      /* the items of the query, or those given of a held-out user (fold-in) */
    RK_BASIS_POPULARITY, /* nothing is known of who asks: the number of train interactions */
} rk_basis;
/* "model", "items" or "popularity", as in every file and message; NULL if out of range. */
RK_API const char *rk_basis_name(rk_basis basis);

/* How much is known of who asks. */
typedef struct rk_grounds {
    rk_basis basis;
    int64_t items_used;   /* of such items those that say something, each time that one is named:
                         * with train interactions and a weight above 0. Of the others a model has
                         * learnt nothing, so they are not in the list that is folded in */
    int64_t context_used; /* values of the query's context that train rows have */
} rk_grounds;

/* An item that speaks for another one: what it adds to the score of that. */
typedef struct rk_reason {
    int32_t item; /* dense index, -1 = none */
    float part;
} rk_reason;

/* What the reasons for an item add up to. */
typedef struct rk_explanation {
    bool is_exact; /* the score is the sum of all parts, to rounding; of item_knn with `bars` apart
                    * from a number that an item has for everybody. Else the parts are those of
                    * somebody new with the user's train items: a hint, in another scale */
    float sum;     /* of all parts, also those that are not among the reasons */
} rk_explanation;

typedef struct rk_recommendation {
    int32_t item; /* dense index, -1 = none; rk_dataset_item_id and rk_dataset_item_label name it */
    float score;
} rk_recommendation;

#ifdef __cplusplus
}
#endif
#endif
