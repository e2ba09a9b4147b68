/*
 * Rankings among stored candidates (eval.among candidates): each held-out row's item and the
 * candidates that were drawn for it (split.candidates) are scored and sorted; nothing else is
 * ranked, the user's other held-out items neither.
 */
#ifndef RK_EVAL_SAMPLED_H
#define RK_EVAL_SAMPLED_H

#include "eval/evaluate.h"

/* As rk_ranker.rank_all for order->rows, by ranker->score. The lists are best first, ties to the
 * smaller item, -1 behind the last; items that score -INFINITY are not in them. RK_ERR_CONFIG where
 * the part has no candidates. */
rk_status rk__rank_candidates(const rk_dataset *dataset, const rk_ranker *ranker,
                              const rk_rank_order *order);

#endif
