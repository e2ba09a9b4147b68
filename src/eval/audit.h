/* rk_audit (rankine/evaluate.h): how hard a split is, counted on the data set. */
#ifndef RK_EVAL_AUDIT_H
#define RK_EVAL_AUDIT_H

#include "eval/evaluate.h"
#include "rankine/evaluate.h"

/* Of the users of the part; ranker: whose ties are counted, of a fixed sample of the users where
 * there are many. A part without held-out items gives zeros. */
rk_status rk__audit(const rk_dataset *dataset, const rk_options *options, rk_part part,
                    const rk_lists *const *has, const rk_ranker *ranker, rk_audit *out);

#endif
