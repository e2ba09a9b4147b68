/*
 * What an item's rank among drawn candidates is to be expected to be, from where it stands among
 * all items: exact, where a drawn set is one draw's luck.
 *
 * Of a pool of items, n are drawn without replacement, all sets of n alike. Of the pool, `above`
 * score higher than the target and `tied` as high. Then the number of those drawn that are ahead is
 * hypergeometric (Krichene & Rendle 2020 have the same for draws with replacement); of ties every
 * order is alike, so that any number of the tied, from 0 to all, is ahead with the same chance.
 */
#ifndef RK_EVAL_EXPECTED_H
#define RK_EVAL_EXPECTED_H

#include <stdint.h>

#include "base/error.h"

/* log(0!) to log(n!). Free *out with rk__free. */
rk_status rk__log_factorials(int64_t n, double **out);

/* chances[r], r below k: that exactly r of the `drawn` candidates are ahead of the target. above +
 * tied <= pool, drawn <= pool; log_factorials: up to pool. */
void rk__rank_chances(const double *log_factorials, int64_t pool, int64_t drawn, int64_t above,
                      int64_t tied, int64_t k, double *chances);

#endif
