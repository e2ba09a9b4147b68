/* Ranking by train degree, ties to the smaller item id: the baseline that every model must beat.
 * Items without train interactions are not ranked, as by models. */
#ifndef RK_EVAL_POPULARITY_H
#define RK_EVAL_POPULARITY_H

#include "eval/evaluate.h"

typedef struct rk_popularity {
    const rk_dataset *dataset; /* lent */
    int32_t *order;            /* n_ranked items, most popular first; owned */
    int64_t n_ranked;          /* items with a train interaction */
    int64_t *degrees;          /* n_items: train interactions; owned */
    float *scores; /* n_items: the same, -INFINITY of those that are not ranked; owned */
} rk_popularity;

rk_status rk__popularity_init(rk_popularity *out, const rk_dataset *dataset);
rk_ranker rk__popularity_ranker(rk_popularity *popularity);
void rk__popularity_free(rk_popularity *popularity);

#endif
