/*
 * Rankings among stored candidates (eval.among candidates): a user's held-out items and the
 * candidates of their rows (split.candidates) are scored and sorted; nothing else is ranked.
 */
#ifndef RK_EVAL_SAMPLED_H
#define RK_EVAL_SAMPLED_H

#include "eval/evaluate.h"

/* As rk_ranker.rank_all, by ranker->score. The lists are best first, ties to the smaller item, -1
 * behind the last; items that score -INFINITY are not in them. RK_ERR_CONFIG where the part has no
 * candidates. */
rk_status rk__rank_candidates(const rk_dataset *dataset, const rk_ranker *ranker,
                              const rk_rank_order *order);

#endif
